//! How many nodes a fault of nodes hits, and which.

use checkers::history::raw;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::value::RawValue;

named! {
    /// How many nodes are killed, paused and the like.
    pub enum Targets {
        /// A random number, at least one.
        Some = "nil",
        /// One.
        One = "one",
        /// As many as are fewer than a third.
        MinorityThird = "minority-third",
        /// The most that are no majority.
        Minority = "minority",
        /// The fewest that are one.
        Majority = "majority",
        /// All.
        Every = "all",
    }
}

impl Targets {
    /// That many nodes, in order.
    pub(super) fn draw(self, nodes: usize, rng: &mut StdRng) -> Vec<usize> {
        let count = match self {
            Self::Some => rng.random_range(1..=nodes),
            Self::One => 1,
            Self::MinorityThird => nodes.saturating_sub(1) / 3,
            Self::Minority => nodes / 2,
            Self::Majority => nodes / 2 + 1,
            Self::Every => nodes,
        };
        let mut drawn: Vec<usize> = (0..nodes).collect();
        drawn.shuffle(rng);
        drawn.truncate(count);
        drawn.sort_unstable();
        drawn
    }
}

/// What is asked for, in the history, and the nodes that are hit.
pub(super) fn draw(
    nodes: usize,
    targets: &[Targets],
    rng: &mut StdRng,
) -> (Box<RawValue>, Vec<usize>) {
    let targets = targets[rng.random_range(0..targets.len())];
    let name = Some(targets.name()).filter(|_| targets != Targets::Some);
    (raw(&name), targets.draw(nodes, rng))
}
