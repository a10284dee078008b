//! The tree along which segments spread: who is next to whom, and who is behind
//! whom.
//!
//! Nodes stand in a heap: node 0 is the root, and the children of node `i` are the
//! [`FAN_OUT`] nodes from `FAN_OUT · i + 1` on. Every node works the tree out for
//! itself, and nothing changes it: where an edge fails, those at its ends read the
//! partitions behind it from the service.

/// The most children of a node: two levels reach 9 nodes, three 73, four 585.
const FAN_OUT: usize = 8;

fn parent(node: usize) -> Option<usize> {
    Some(node.checked_sub(1)? / FAN_OUT)
}

/// No two of so many nodes are further apart than so many edges.
pub(crate) fn span(nodes: usize) -> u32 {
    let last = nodes.saturating_sub(1);
    let depth = std::iter::successors(parent(last), |&node| parent(node)).count();
    u32::try_from((2 * depth).min(last)).unwrap_or(u32::MAX)
}

/// Those next to node `me` of so many, each with the partitions behind it: those of all
/// nodes that it stands between and `me`. Every other partition is behind exactly one.
pub(crate) fn neighbours(me: usize, nodes: usize) -> Vec<(usize, Vec<usize>)> {
    let mut behind: Vec<(usize, Vec<usize>)> = Vec::new();
    for partition in (0..nodes).filter(|&partition| partition != me) {
        let Some(next) = towards(me, partition) else { continue };
        match behind.iter_mut().find(|(node, _)| *node == next) {
            Some((_, partitions)) => partitions.push(partition),
            None => behind.push((next, vec![partition])),
        }
    }
    behind
}

/// The node next to `me` on the way to another.
fn towards(me: usize, other: usize) -> Option<usize> {
    let mut next = other;
    while next > me {
        let above = parent(next)?;
        if above == me {
            return Some(next);
        }
        next = above;
    }
    parent(me)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_partitions_of_all_others_are_behind_one_neighbour_each() {
        for nodes in (1..=80).chain([584, 585, 586, 1000]) {
            for me in (0..nodes).step_by(1 + nodes / 40) {
                let neighbours = neighbours(me, nodes);
                assert!(neighbours.len() <= FAN_OUT + 1);
                let mut partitions: Vec<usize> =
                    neighbours.iter().flat_map(|(_, partitions)| partitions.clone()).collect();
                partitions.sort_unstable();
                assert!(partitions.into_iter().eq((0..nodes).filter(|&partition| partition != me)));
                assert!(neighbours.iter().all(|(node, partitions)| partitions.contains(node)));
            }
        }
    }

    #[test]
    fn edges_have_two_ends_and_number_one_less_than_the_nodes() {
        for nodes in [1, 2, 9, 10, 73, 74, 300] {
            let edges: BTreeSet<(usize, usize)> = (0..nodes)
                .flat_map(|me| neighbours(me, nodes).into_iter().map(move |(node, _)| (me, node)))
                .collect();
            assert_eq!(edges.len(), 2 * (nodes - 1));
            assert!(edges.iter().all(|&(one, other)| edges.contains(&(other, one))));
        }
    }

    #[test]
    fn ways_are_no_longer_than_the_span_which_grows_like_the_logarithm() {
        for nodes in 1..=90 {
            let next = |node: usize, to: usize| (node != to).then(|| towards(node, to)).flatten();
            let way = |from, to| {
                std::iter::successors(Some(from), |&node| next(node, to)).count() as u32 - 1
            };
            let longest = (0..nodes).flat_map(|me| (0..nodes).map(move |to| way(me, to))).max();
            assert!(longest.unwrap() <= span(nodes), "{nodes} nodes");
        }
        assert_eq!([1, 2, 3, 9, 73, 585, 1000].map(span), [0, 1, 2, 2, 4, 6, 8]);
    }
}
