//! Topologies: whom a broadcast node is told to be next to.

use std::collections::BTreeMap;

/// Which nodes a broadcast node is told to be its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A line.
    Line,
    /// A grid, roughly square.
    Grid,
    /// A tree in which every node has this many children.
    Tree(usize),
    /// Everybody.
    Total,
}

impl Topology {
    /// Every topology that has a name. `tree` on the command line is `tree2`.
    pub const ALL: [Self; 6] =
        [Self::Grid, Self::Line, Self::Total, Self::Tree(2), Self::Tree(3), Self::Tree(4)];

    /// The name on the command line.
    pub fn name(self) -> String {
        match self {
            Self::Line => "line".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Tree(children) => format!("tree{children}"),
            Self::Total => "total".to_owned(),
        }
    }
}

/// For every node the names of its neighbours, as `topology` requests have them.
///
/// A line of a single node is empty, as in the original.
pub(crate) fn neighbours(topology: Topology, nodes: usize) -> BTreeMap<String, Vec<String>> {
    let of = |node| of::<Vec<usize>>(topology, node, nodes);
    let name = |node: usize| format!("n{node}");
    let nodes = if topology == Topology::Line && nodes < 2 { 0 } else { nodes };
    (0..nodes).map(|node| (name(node), of(node).into_iter().map(name).collect())).collect()
}

/// The neighbours of one node.
pub(crate) fn of<T: FromIterator<usize>>(topology: Topology, node: usize, nodes: usize) -> T {
    match topology {
        Topology::Line => line(node, nodes),
        Topology::Grid => grid(node, nodes),
        Topology::Tree(children) => tree(node, nodes, children.max(1)),
        Topology::Total => (0..nodes).filter(|&other| other != node).collect(),
    }
    .into_iter()
    .collect()
}

fn line(node: usize, nodes: usize) -> Vec<usize> {
    let before = node.checked_sub(1);
    let after = Some(node + 1).filter(|&after| after < nodes);
    before.into_iter().chain(after).collect()
}

/// Rows of ⌈√n⌉ nodes, the last perhaps shorter.
fn grid(node: usize, nodes: usize) -> Vec<usize> {
    let side = (nodes as f64).sqrt().ceil() as usize;
    let column = node % side;
    [
        Some(node + side).filter(|&below| below < nodes),
        node.checked_sub(side),
        Some(node + 1).filter(|&right| column + 1 < side && right < nodes),
        (column > 0).then(|| node - 1),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A complete tree, filled level by level from `n0`: parent first, then children.
fn tree(node: usize, nodes: usize, children: usize) -> Vec<usize> {
    let parent = node.checked_sub(1).map(|before| before / children);
    let first = node * children + 1;
    parent.into_iter().chain((first..first + children).filter(|&child| child < nodes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(topology: Topology, nodes: usize) -> String {
        let lists = neighbours(topology, nodes);
        let lines: Vec<String> =
            lists.iter().map(|(node, near)| format!("{node}: {}", near.join(" "))).collect();
        lines.join("\n")
    }

    #[test]
    fn a_line() {
        assert_eq!(text(Topology::Line, 3), "n0: n1\nn1: n0 n2\nn2: n1");
        assert_eq!(text(Topology::Line, 2), "n0: n1\nn1: n0");
        assert_eq!(text(Topology::Line, 1), "");
    }

    #[test]
    fn a_grid_of_five_is_three_wide() {
        assert_eq!(
            text(Topology::Grid, 5),
            "n0: n3 n1\nn1: n4 n2 n0\nn2: n1\nn3: n0 n4\nn4: n1 n3"
        );
        assert_eq!(text(Topology::Grid, 1), "n0: ");
    }

    #[test]
    fn a_tree_is_filled_level_by_level() {
        assert_eq!(
            text(Topology::Tree(2), 6),
            "n0: n1 n2\nn1: n0 n3 n4\nn2: n0 n5\nn3: n1\nn4: n1\nn5: n2"
        );
        assert_eq!(text(Topology::Tree(4), 3), "n0: n1 n2\nn1: n0\nn2: n0");
    }

    #[test]
    fn total_is_everybody_else() {
        assert_eq!(text(Topology::Total, 3), "n0: n1 n2\nn1: n0 n2\nn2: n0 n1");
    }

    #[test]
    fn whoever_is_my_neighbour_has_me_as_neighbour() {
        for topology in Topology::ALL {
            for nodes in 1..30 {
                let lists = neighbours(topology, nodes);
                for (node, near) in &lists {
                    assert!(near.iter().all(|other| lists[other].contains(node)), "{topology:?}");
                }
            }
        }
    }
}
