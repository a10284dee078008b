//! What lin-kv's operations cost, beside what other implementations' cost.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use broadcast_experiments::thresholds::worst;
use broadcast_experiments::{each, over, table};
use checkers::{Quantiles, Validity};
use simulator::{Fault, Settings, Simulation, Workload};

use crate::millis;
use crate::nodes::Kind;

/// How many seeds each figure is the worst of.
const SEEDS: u64 = 5;
/// The load of all measurements: a half reads, a sixth writes, and a third compares and sets.
const RATE: f64 = 100.0;
const SECONDS: u64 = 20;
/// How often partitions begin and end, on average, in seconds.
const PARTITIONS: f64 = 5.0;

/// A public implementation's node for Maelstrom, as it was measured with this workbench: 3
/// nodes, 6 clients, 100 operations a second. With the share of operations that succeeded
/// under partitions, if it went through.
struct Public {
    name: &'static str,
    /// Without latency: messages an operation, and median and 99 % in milliseconds.
    near: [f64; 3],
    /// At 10 ms a hop.
    far: [f64; 3],
    partitioned: Option<f64>,
}

const PUBLIC: [Public; 5] = [
    public("ikada (Rust)", [9.0, 0.4, 8.9], [3.88, 21.0, 108.0], Some(0.55)),
    public("minimal-raft-rs", [5.67, 0.7, 32.0], [4.95, 40.0, 58.0], Some(0.24)),
    public("Maelstrom's Ruby demo", [2.22, 32.0, 63.0], [2.13, 54.0, 106.0], Some(0.44)),
    public("Maelstrom's Python demo", [1.33, 116.0, 821.0], [1.53, 121.0, 253.0], Some(0.31)),
    public("a Go demo", [1.97, 95.0, 101.0], [1.97, 92.0, 114.0], None),
];

const fn public(
    name: &'static str,
    near: [f64; 3],
    far: [f64; 3],
    partitioned: Option<f64>,
) -> Public {
    Public { name, near, far, partitioned }
}

/// How a cluster runs.
struct Setup {
    nodes: usize,
    clients: usize,
    /// One way, in milliseconds.
    latency: u64,
    round_ms: u64,
    faults: &'static [Fault],
}

/// What operations cost, at worst.
struct Cost {
    messages: f64,
    /// Of the kind of operation that takes longest, in milliseconds.
    median: f64,
    p99: f64,
    /// The share of operations that succeeded.
    ok: f64,
}

impl Setup {
    /// `2n` clients, and nothing out of the ordinary.
    fn new(nodes: usize, latency: u64) -> Self {
        Self { nodes, clients: 2 * nodes, latency, round_ms: 0, faults: &[] }
    }

    fn cost(&self) -> anyhow::Result<Cost> {
        let costs = over(1..1 + SEEDS, |seed| self.cost_with(seed))?;
        let most = |figure: fn(&Cost) -> f64| worst(costs.iter().map(figure));
        Ok(Cost {
            messages: most(|cost| cost.messages),
            median: most(|cost| cost.median),
            p99: most(|cost| cost.p99),
            ok: -most(|cost| -cost.ok),
        })
    }

    fn cost_with(&self, seed: u64) -> anyhow::Result<Cost> {
        let program = Kind::find("lin-kv")?.program(&[format!("--round-ms={}", self.round_ms)])?;
        let finished = Simulation::with(Settings::new(Workload::LinKv), program)
            .nodes(self.nodes)
            .clients(self.clients)
            .rate(RATE)
            .seconds(SECONDS)
            .latency(self.latency)
            .nemesis(self.faults, PARTITIONS)
            .seed(seed)
            .run();
        ensure!(finished.valid() == Validity::Valid, "{finished}");
        let figures = finished.figures();
        let slowest = |quantile: fn(&Quantiles) -> Duration| {
            let all = figures.latencies.values().map(|latencies| quantile(&latencies.quantiles));
            millis(all.max().unwrap_or_default())
        };
        let (median, p99) = (slowest(|all| all.median), slowest(|all| all.p99));
        let ok = figures.ok_fraction.context("clients asked for nothing")?;
        Ok(Cost { messages: finished.msgs_per_op(), median, p99, ok })
    }
}

/// What operations cost in clusters of several sizes, beside what they cost elsewhere.
pub(super) fn cost() -> anyhow::Result<String> {
    let own = each(&[3, 5, 7], |&nodes| {
        let cell = |latency| {
            let Cost { messages, median, p99, .. } = Setup::new(nodes, latency).cost()?;
            anyhow::Ok(format!("{messages:.2}, {median:.0} / {p99:.0}"))
        };
        let cut = Setup { faults: &[Fault::Partition], ..Setup::new(nodes, 10) }.cost()?;
        let (near, far) = (cell(0)?, cell(10)?);
        Ok(format!("lin-kv, {nodes} nodes | {near} | {far} | {:.0} %", 100.0 * cut.ok))
    })?;
    let others = PUBLIC.iter().map(|Public { name, near, far, partitioned }| {
        let cell = |[messages, median, p99]: &[f64; 3]| format!("{messages}, {median} / {p99}");
        let cut = partitioned.map_or("panics".to_owned(), |ok| format!("{:.0} %", 100.0 * ok));
        format!("{name}, 3 nodes | {} | {} | {cut}", cell(near), cell(far))
    });
    let head = "messages an operation, ms: median / 99 % | no latency | 10 ms a hop | \
                succeed under partitions";
    Ok(table(head, own.into_iter().chain(others)))
}

/// What rounds save, and how long operations take then.
pub(super) fn rounds() -> anyhow::Result<String> {
    let rows = each(&[0, 10, 30, 60, 100], |&round_ms| {
        let setup = Setup { clients: 60, round_ms, ..Setup::new(3, 10) };
        let Cost { messages, median, p99, .. } = setup.cost()?;
        Ok(format!("{round_ms} | {messages:.2} | {median:.0} / {p99:.0}"))
    })?;
    Ok(table("`--round-ms` | messages an operation | ms: median / 99 %", rows))
}
