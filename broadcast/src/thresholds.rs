//! What these nodes cost at most and how long values take: the one table of bounds, which
//! tests and experiments hold them to.

use std::time::Duration;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a period of the rounds leads to with the load of challenge 3d: 25 nodes, 100 ms a
/// hop, 100 operations a second.
#[derive(Clone, Copy, Debug)]
pub struct Efficiency {
    /// The period.
    pub period: Duration,
    /// The most messages between nodes for each operation.
    pub messages: f64,
    /// Half of the values are in every read by then.
    pub median: Duration,
    /// All values are in every read by then.
    pub longest: Duration,
}

/// The default, the longest periods within the limits of 3d and of 3e, and no rounds.
pub const EFFICIENCY: [Efficiency; 4] = [
    Efficiency { period: millis(380), messages: 1.10, median: millis(400), longest: millis(525) },
    Efficiency { period: millis(450), messages: 0.98, median: millis(400), longest: millis(600) },
    Efficiency {
        period: millis(1700),
        messages: 0.34,
        median: millis(1000),
        longest: millis(1900),
    },
    Efficiency { period: millis(0), messages: 12.5, median: millis(110), longest: millis(110) },
];

/// What 25 nodes cost, and how much later than by flooding values arrive, while
/// partitions come and go.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// The most messages between nodes for each operation.
    pub messages: f64,
    /// The median over perfect flooding.
    pub median: Duration,
    /// 99 of 100 over perfect flooding.
    pub p99: Duration,
    /// The longest over flooding that takes as long to react as the node does.
    pub longest: Duration,
}

/// Under partitions.
pub const PARTITIONED: Delay =
    Delay { messages: 4.0, median: millis(400), p99: millis(1500), longest: millis(3000) };

/// Among a thousand nodes, the most messages for each value and node.
pub const LARGE_MESSAGES: f64 = 1.2;
/// Among a thousand nodes a value is in every read by then.
pub const LARGE_LONGEST: Duration = millis(2000);

/// The most messages a second of 25 nodes that have nothing to do.
pub const IDLE: f64 = 5.0;

/// By then values are everywhere when few nodes have a link to each other, or the root
/// cannot be reached, at 100 ms a hop.
pub const SPARSE_LONGEST: Duration = millis(3000);
/// The most messages a minute of a chain of 12 that has nothing to do.
pub const SPARSE_CHAIN_IDLE: f64 = 300.0;
/// The most messages a second of 25 nodes with few links that have nothing to do.
pub const SPARSE_IDLE: f64 = 15.0;
