//! What a test run is asked to do, validated.
//!
//! Names, meanings and defaults are those of the original's command line;
//! `crate::cli` turns arguments into this.

use std::time::Duration;

/// The kind of load, and what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `echo`
    Echo,
    /// `unique-ids`
    UniqueIds,
    /// `broadcast`
    Broadcast,
    /// `g-set`
    GSet,
}

/// The shape of the latencies drawn for messages between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyDist {
    /// Every message takes the mean.
    Constant,
    /// Between 0 and twice the mean.
    Uniform,
    /// Exponential with the mean.
    Exponential,
}

/// How long messages between nodes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Mean, to whole milliseconds on the command line.
    pub mean: Duration,
    /// Shape.
    pub dist: LatencyDist,
}

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

/// The least that `--availability` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Availability {
    /// Every operation must succeed.
    Total,
    /// At least this fraction, from 0 to 1.
    Fraction(f64),
}

/// The settings of one test.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kind of load.
    pub workload: Workload,
    /// Number of nodes, at least 1.
    pub node_count: usize,
    /// Number of client processes, at least 1.
    pub concurrency: usize,
    /// Operations a second of all clients together; 0 means none.
    pub rate: f64,
    /// For how long operations are generated.
    pub time_limit: Duration,
    /// Network latency.
    pub latency: Latency,
    /// The topology suggested to broadcast nodes.
    pub topology: Topology,
    /// Whether the nemesis cuts the network.
    pub partition: bool,
    /// Mean time between two nemesis operations.
    pub nemesis_interval: Duration,
    /// Availability to be met.
    pub availability: Option<Availability>,
    /// Consistency models to be checked, by their real names.
    pub consistency_models: Vec<String>,
    /// Most operations in one transaction.
    pub max_txn_length: usize,
    /// Most writes to one key.
    pub max_writes_per_key: usize,
    /// Keys in use at a time; `None` is the workload's default.
    pub key_count: Option<usize>,
    /// Decides everything drawn by the bench.
    pub seed: u64,
    /// Whether findings that the original overlooks make a run invalid.
    pub strict: bool,
    /// Print nodes' stderr on ours.
    pub log_stderr: bool,
    /// Log messages as they are sent.
    pub log_net_send: bool,
    /// Log messages as they are received.
    pub log_net_recv: bool,
}
