//! Partitions: who no longer hears whom.
//!
//! Kinds are those of `jepsen.nemesis.combined`, grudges those of
//! `jepsen.nemesis`.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::net::Grudge;

named! {
    pub(crate) enum Partition {
        /// One node is isolated.
        One = "one",
        /// Up to, not including, a third of the nodes is split off.
        MinorityThird = "minority-third",
        /// A majority and a minority.
        Majority = "majority",
        /// Every node sees a majority, no two the same.
        MajoritiesRing = "majorities-ring",
    }
}

impl Partition {
    pub(super) fn draw(self, nodes: usize, rng: &mut StdRng) -> Grudge {
        let mut order: Vec<usize> = (0..nodes).collect();
        order.shuffle(rng);
        match self {
            Self::One => split(&order, 1),
            Self::MinorityThird => split(&order, nodes.saturating_sub(1) / 3),
            Self::Majority => split(&order, nodes / 2),
            Self::MajoritiesRing if nodes <= 5 => ring(&order),
            Self::MajoritiesRing => stochastic_ring(order, rng),
        }
    }
}

/// Nobody hears anybody across a cut after the first `size` nodes of an order.
fn split(order: &[usize], size: usize) -> Grudge {
    let (left, right) = order.split_at(size.min(order.len()));
    let mut grudge = vec![BTreeSet::new(); order.len()];
    for (side, other) in [(left, right), (right, left)] {
        for &node in side {
            grudge[node] = other.iter().copied().collect();
        }
    }
    grudge
}

/// Some nodes, at most half of them, do not hear the others, or are not heard by
/// them.
pub(super) fn draw_one_way(nodes: usize, rng: &mut StdRng) -> Grudge {
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(rng);
    let size = rng.random_range(0..=nodes / 2).max(1).min(nodes);
    let (few, many) = order.split_at(size);
    let (deaf, unheard) = if rng.random() { (few, many) } else { (many, few) };
    let mut grudge = vec![BTreeSet::new(); nodes];
    for &node in deaf {
        grudge[node] = unheard.iter().copied().collect();
    }
    grudge
}

/// Each node sees those up to half a majority away from it on a ring.
fn ring(order: &[usize]) -> Grudge {
    let nodes = order.len();
    let majority = nodes / 2 + 1;
    let mut grudge = vec![(0..nodes).collect::<BTreeSet<usize>>(); nodes];
    for start in 0..nodes {
        let seen: Vec<usize> = order.iter().cycle().skip(start).take(majority).copied().collect();
        let centre = seen[majority / 2];
        for node in seen {
            grudge[centre].remove(&node);
        }
    }
    grudge
}

/// For more nodes an exact ring need not exist: links the least connected node
/// with the least connected one that it has no link to yet, until every node sees
/// a majority.
fn stochastic_ring(mut order: Vec<usize>, rng: &mut StdRng) -> Grudge {
    let nodes = order.len();
    let majority = nodes / 2 + 1;
    let mut seen: Vec<BTreeSet<usize>> = (0..nodes).map(|node| BTreeSet::from([node])).collect();
    loop {
        order.shuffle(rng);
        order.sort_by_key(|&node| seen[node].len());
        let first = order[0];
        let partner = order.iter().copied().find(|node| !seen[first].contains(node));
        let Some(second) = partner.filter(|_| seen[first].len() < majority) else { break };
        seen[first].insert(second);
        seen[second].insert(first);
    }
    seen.iter().map(|seen| (0..nodes).filter(|node| !seen.contains(node)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn draws(partition: Partition, nodes: usize) -> impl Iterator<Item = Grudge> {
        let mut rng = StdRng::seed_from_u64(nodes as u64);
        (0..50).map(move |_| partition.draw(nodes, &mut rng))
    }

    /// Sizes of the sets of nodes that see each other, in a split.
    fn sides(grudge: &Grudge) -> (usize, usize) {
        let first: BTreeSet<usize> =
            (0..grudge.len()).filter(|node| !grudge[0].contains(node)).collect();
        for (node, cut) in grudge.iter().enumerate() {
            for other in 0..grudge.len() {
                let same_side = first.contains(&node) == first.contains(&other);
                assert_eq!(cut.contains(&other), !same_side, "{grudge:?}");
            }
        }
        let (a, b) = (first.len(), grudge.len() - first.len());
        (a.min(b), a.max(b))
    }

    #[test]
    fn splits_have_the_sizes_of_their_names() {
        for nodes in 2..12 {
            for (partition, smaller) in [
                (Partition::One, 1),
                (Partition::MinorityThird, (nodes - 1) / 3),
                (Partition::Majority, nodes / 2),
            ] {
                for grudge in draws(partition, nodes) {
                    assert_eq!(sides(&grudge), (smaller, nodes - smaller), "{partition:?}");
                }
            }
        }
    }

    #[test]
    fn in_a_ring_every_node_sees_a_majority_and_no_two_the_same() {
        for nodes in [3, 4, 5, 6, 8] {
            for grudge in draws(Partition::MajoritiesRing, nodes) {
                assert!(grudge.iter().all(|cut| nodes - cut.len() > nodes / 2), "{grudge:?}");
                let distinct: BTreeSet<&BTreeSet<usize>> = grudge.iter().collect();
                assert!(distinct.len() == nodes || nodes > 5, "{grudge:?}");
            }
        }
    }

    #[test]
    fn a_ring_of_five_cuts_each_node_off_from_two() {
        for grudge in draws(Partition::MajoritiesRing, 5) {
            for (node, cut) in grudge.iter().enumerate() {
                assert_eq!(cut.len(), 2);
                assert!(cut.iter().all(|&other| grudge[other].contains(&node)), "{grudge:?}");
            }
        }
    }

    #[test]
    fn a_single_node_can_be_cut_off_from_nobody() {
        for partition in Partition::ALL {
            for grudge in draws(partition, 1) {
                assert_eq!(grudge, [BTreeSet::new()]);
            }
        }
    }
}
