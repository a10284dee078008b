//! What lin-kv's operations cost, beside what other implementations' cost.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use broadcast_experiments::plot::{Axis, Mark, Picture};
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
/// How many nodes there are.
const SIZES: [usize; 3] = [3, 5, 7];
/// The periods of rounds, in milliseconds.
const ROUNDS: [u64; 5] = [0, 10, 30, 60, 100];

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
    /// Whether nodes have a disk, and wait for it. Those of others have none.
    has_disk: bool,
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
        Self { nodes, clients: 2 * nodes, latency, round_ms: 0, has_disk: false, faults: &[] }
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
        let mut arguments = vec![format!("--round-ms={}", self.round_ms)];
        arguments.extend((!self.has_disk).then(|| "--in-memory".to_owned()));
        let program = Kind::find("lin-kv")?.program(&arguments)?;
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
    let own = over(0..2 * SIZES.len() as u64, |row| {
        let (has_disk, at) = (row / SIZES.len() as u64 > 0, row as usize % SIZES.len());
        let setup = |latency| Setup { has_disk, ..Setup::new(SIZES[at], latency) };
        let cell = |latency| {
            let Cost { messages, median, p99, .. } = setup(latency).cost()?;
            anyhow::Ok(format!("{messages:.2}, {median:.0} / {p99:.0}"))
        };
        let cut = Setup { faults: &[Fault::Partition], ..setup(10) }.cost()?;
        let (near, far, ok) = (cell(0)?, cell(10)?, 100.0 * cut.ok);
        let disk = if has_disk { ", disks" } else { "" };
        Ok(format!("lin-kv, {} nodes{disk} | {near} | {far} | {ok:.0} %", SIZES[at]))
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

/// A cluster's size, and what operations cost with each period of the rounds.
type Rounds = (usize, Vec<(u64, Cost)>);

/// What operations cost in rounds, in clusters of several sizes.
fn measure_rounds() -> anyhow::Result<Vec<Rounds>> {
    each(&SIZES, |&nodes| {
        let costs = each(&ROUNDS, |&round_ms| {
            let setup = Setup { clients: 20 * nodes, round_ms, ..Setup::new(nodes, 10) };
            anyhow::Ok((round_ms, setup.cost()?))
        })?;
        Ok((nodes, costs))
    })
}

/// The same, once for all figures that show it.
fn measured_rounds() -> anyhow::Result<&'static [Rounds]> {
    static MEASURED: OnceLock<Result<Vec<Rounds>, String>> = OnceLock::new();
    let measured = MEASURED.get_or_init(|| measure_rounds().map_err(|error| format!("{error:#}")));
    measured.as_deref().map_err(anyhow::Error::msg)
}

/// What rounds save, and how long operations take then.
pub(super) fn rounds() -> anyhow::Result<String> {
    let measured = measured_rounds()?;
    let rows = ROUNDS.iter().enumerate().map(|(row, round_ms)| {
        let cells = measured.iter().map(|(_, costs)| {
            let (_, Cost { messages, median, p99, .. }) = costs[row];
            format!(" | {messages:.2}, {median:.0} / {p99:.0}")
        });
        format!("{round_ms}{}", cells.collect::<String>())
    });
    let head = SIZES.map(|nodes| format!(" | {nodes} nodes"));
    Ok(table(&format!("`--round-ms`{}", head.concat()), rows))
}

/// The same as a picture, beside what others take.
pub(super) fn picture() -> anyhow::Result<String> {
    let (measured, title) =
        (measured_rounds()?, "messages an operation: 10 ms a hop, 100 operations a second");
    let latency = Axis { least: 15.0, most: 400.0, marks: &[20.0, 50.0, 100.0, 200.0, 400.0] };
    let messages = Axis { least: 0.3, most: 10.0, marks: &[0.5, 1.0, 2.0, 5.0, 10.0] };
    let mut picture = Picture::new(title, latency, messages);
    let medians = "median of the slowest kind of operation, ms";
    picture.panel(0, medians, |picture| draw(picture, measured, |[median, _]| median));
    picture.panel(1, "99 % of it, ms", |picture| draw(picture, measured, |[_, p99]| p99));
    picture.legend(&[
        (0.0, Mark::Own, "lin-kv, --round-ms from 0 to 100"),
        (230.0, Mark::Default, "its default"),
        (330.0, Mark::Other, "public nodes, 3 of them"),
    ]);
    Ok(picture.content())
}

/// One panel; `of` chooses between the median and 99 %.
fn draw(picture: &mut Picture, measured: &[Rounds], of: fn([f64; 2]) -> f64) {
    for Public { name, far: [messages, median, p99], .. } in PUBLIC {
        picture.point(Mark::Other, (of([median, p99]), messages), name);
    }
    for (nodes, costs) in measured {
        let place = |cost: &Cost| (of([cost.median, cost.p99]), cost.messages);
        picture.line(costs.iter().map(|(_, cost)| place(cost)));
        for (round_ms, cost) in costs {
            let mark = if *round_ms == 0 { Mark::Default } else { Mark::Own };
            picture.point(mark, place(cost), &format!("{nodes} nodes, --round-ms={round_ms}"));
        }
        if let Some((_, cost)) = costs.last() {
            picture.word(place(cost), &format!("{nodes} nodes"));
        }
    }
}
