//! What can go wrong with a node's clock.

use std::collections::BTreeMap;
use std::time::Duration;

use checkers::history::raw;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use crate::net::Address;

/// A clock goes at least this fast, in parts per thousand of global time,
pub(crate) const SLOWEST: u32 = 800;
/// at most this fast,
pub(crate) const FASTEST: u32 = 1200;
/// and jumps ahead at most this far at a time.
pub(crate) const LONGEST_JUMP: Duration = Duration::from_secs(5);

/// How a node's clock goes from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Whose clock it is, by index.
    pub node: usize,
    /// Parts per thousand of global time: 1,000 is a right clock.
    pub rate: u32,
    /// How far it jumps ahead at once. Tokio's clock never goes back, as the
    /// monotonic clocks of operating systems do not.
    pub jump: Duration,
}

impl Skew {
    /// A clock that goes right from now on. What it is ahead, it stays ahead.
    pub fn none(node: usize) -> Self {
        Self { node, rate: 1000, jump: Duration::ZERO }
    }

    /// Some rate, and a jump as often as not.
    pub(super) fn draw(node: usize, rng: &mut StdRng) -> Self {
        let jump = if rng.random() { rng.random::<f64>() } else { 0.0 };
        // Short jumps as often as long ones.
        let jump = LONGEST_JUMP.mul_f64(jump.powi(3));
        Self { node, rate: rng.random_range(SLOWEST..=FASTEST), jump }
    }
}

/// For the history: by node, the rate and the jump in seconds.
pub(crate) fn skews_by_name(skews: &[Skew]) -> Box<RawValue> {
    let values = skews.iter().map(|Skew { node, rate, jump }| {
        (Address::Node(*node).to_string(), (f64::from(*rate) / 1000.0, jump.as_secs_f64()))
    });
    raw(&values.collect::<BTreeMap<_, _>>())
}
