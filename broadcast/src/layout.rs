//! The tree that nodes prefer, worked out by each from nothing but the number of
//! nodes.
//!
//! Ranks fill the tree level by level, as in a binary heap, but with `fan_out`
//! children each. The fan-out is the least with which the depth is as small as
//! the bound allows, so that the nodes above the leaves share the work about
//! equally: 25 nodes with a bound of 32 are a star, 1,000 nodes have two levels
//! below the root, with 32 children each.

use std::ops::Range;

use crate::wire::Rank;

/// The shape of the preferred tree.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    nodes: usize,
    fan_out: usize,
}

impl Layout {
    /// The tree of so many nodes in which none has more than `bound` children.
    pub(crate) fn new(nodes: usize, bound: usize) -> Self {
        let bound = bound.max(2);
        let depth = (1..).find(|&depth| reach(bound, depth) >= nodes).unwrap_or(1);
        let fan_out = (1..=bound).find(|&fan_out| reach(fan_out, depth) >= nodes).unwrap_or(bound);
        Self { nodes, fan_out }
    }

    /// The most children that a node has.
    pub(crate) fn fan_out(&self) -> usize {
        self.fan_out
    }

    /// The node above.
    pub(crate) fn parent(&self, rank: Rank) -> Option<Rank> {
        Some(rank.checked_sub(1)? / self.fan_out)
    }

    /// The nodes below.
    pub(crate) fn children(&self, rank: Rank) -> Range<Rank> {
        let first = rank.saturating_mul(self.fan_out).saturating_add(1).min(self.nodes);
        first..first.saturating_add(self.fan_out).min(self.nodes)
    }

    /// The way from the root to a node, both included.
    pub(crate) fn path(&self, rank: Rank) -> Vec<Rank> {
        let mut path: Vec<Rank> = std::iter::successors(Some(rank), |&r| self.parent(r)).collect();
        path.reverse();
        path
    }
}

/// The number of nodes of a full tree, up to where it stops mattering.
fn reach(fan_out: usize, depth: u32) -> usize {
    (0..=depth).map(|level| fan_out.saturating_pow(level)).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_nodes_are_a_star_and_a_thousand_have_two_levels() {
        assert_eq!(Layout::new(25, 32).fan_out(), 24);
        let layout = Layout::new(1000, 32);
        assert_eq!(layout.fan_out(), 32);
        assert_eq!(layout.path(999).len(), 3);
    }

    #[test]
    fn every_node_but_the_root_is_a_child_of_its_parent() {
        for nodes in 1..200 {
            let layout = Layout::new(nodes, 5);
            assert!(layout.fan_out() <= 5);
            for rank in 1..nodes {
                let parent = layout.parent(rank).unwrap();
                assert!(parent < rank && layout.children(parent).contains(&rank));
            }
            let below: usize = (0..nodes).map(|rank| layout.children(rank).len()).sum();
            assert_eq!(below, nodes - 1);
        }
    }
}
