//! What kills cost a node that keeps values in memory: how many acknowledged
//! values are nowhere in the end, for how long a value is in danger, and whether what a
//! live node held for longer was on every live node.

use std::time::Duration;

use anyhow::ensure;
use checkers::nearest_rank;
use clap::Args;
use serde_json::Value;
use simulator::Fault;
use simulator::swarm::timeline::Timeline;

use crate::{millis, oracle, over, print};

/// What the command line of `broadcast-experiments losses` says.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many seeds
    #[arg(long, value_name = "NUM", default_value_t = SEEDS)]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "NUM", default_value_t = 0)]
    first: u64,

    /// Arguments of the broadcast program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// How many seeds, unless told otherwise.
const SEEDS: u64 = 100;
/// How many seeds the table of the documentation has.
const FEW_SEEDS: u64 = 40;
const HEAD: &str = "nodes | latency, ms | lost of what was acknowledged | of which somebody who \
                    lived could have known, of all | after so many ms: median / longest";

/// Mean time between a kill and a restart, and a restart and a kill, in seconds.
const INTERVAL: f64 = 2.0;

/// What a cluster lost.
#[derive(Default)]
struct Losses {
    acknowledged: usize,
    /// How many acknowledged values nobody has in the end.
    lost: usize,
    /// For each of those that could have been saved, since not everybody was dead who
    /// could have had it, the time that it would have needed to be everywhere.
    windows: Vec<Duration>,
    /// Values that were not where they had to be, a line for each run with any.
    misplaced: Vec<String>,
}

/// Measures, and says whether all bounds are kept.
///
/// # Errors
///
/// When a run does not go through.
pub fn run(flags: &Flags) -> anyhow::Result<bool> {
    let (table, misplaced) = rows(flags)?;
    print(&format!(
        "{} runs of 20 s, 100 operations a second (half of them broadcasts); some nodes are killed \
         every 4 s or so\nand start again, with nothing in memory, 2 s later or so.\n\n{table}\n\n\
         runs in which a value was not where it had to be: {}\n",
        flags.seeds,
        misplaced.len()
    ));
    misplaced.iter().for_each(|line| print(&format!("{line}\n")));
    Ok(misplaced.is_empty())
}

/// What is lost with the defaults, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn table() -> anyhow::Result<String> {
    let (table, misplaced) = rows(&Flags { seeds: FEW_SEEDS, first: 0, arguments: Vec::new() })?;
    ensure!(misplaced.is_empty(), "{}", misplaced.join("\n"));
    Ok(table)
}

/// The table, and the runs in which a value was not where it had to be.
fn rows(flags: &Flags) -> anyhow::Result<(String, Vec<String>)> {
    let (mut rows, mut misplaced) = (Vec::new(), Vec::new());
    for (nodes, latency) in [(5, 0), (5, 100), (25, 0), (25, 100)] {
        let losses = measure(flags, nodes, latency)?;
        let (acknowledged, windows) = (losses.acknowledged, losses.windows);
        misplaced.extend(losses.misplaced);
        let [median, most] = [0.5, 1.0].map(|q| nearest_rank(&windows, q).map_or(0.0, millis));
        let share = |values: usize| 100.0 * values as f64 / acknowledged as f64;
        let (lost, avoidable) = (share(losses.lost), share(windows.len()));
        rows.push(format!(
            "{nodes} | {latency} | {lost:.1} % | {avoidable:.1} % | {median:.0} / {most:.0}"
        ));
    }
    Ok((crate::table(HEAD, rows), misplaced))
}

fn measure(flags: &Flags, nodes: usize, latency: u64) -> anyhow::Result<Losses> {
    let seeds = flags.first..flags.first + flags.seeds;
    let mut all = Losses::default();
    for run in over(seeds, |seed| one_run(flags, nodes, latency, seed))? {
        all.acknowledged += run.acknowledged;
        all.lost += run.lost;
        all.windows.extend(run.windows);
        all.misplaced.extend(run.misplaced);
    }
    all.windows.sort_unstable();
    Ok(all)
}

fn one_run(flags: &Flags, nodes: usize, latency: u64, seed: u64) -> anyhow::Result<Losses> {
    let finished = crate::simulation(&flags.arguments)?
        .nodes(nodes)
        .rate(100.0)
        .seconds(20)
        .latency(latency)
        .nemesis(&[Fault::Kill], INTERVAL)
        .seed(seed)
        .recorded()
        .run();
    ensure!(finished.ended.is_ok(), "seed {seed} did not go through: {finished}");
    let timeline = Timeline::read(&finished).map_err(anyhow::Error::msg)?;
    let elements = finished.figures().elements.as_ref();
    let lost = elements.into_iter().flat_map(|elements| &elements.lost);
    let mut lost: Vec<String> = lost.map(Value::to_string).collect();
    lost.retain(|value| timeline.acknowledgement(value).is_some());
    let windows = lost.iter().filter_map(|value| least_window(&timeline, value)).collect();
    let misplaced = oracle::not_everywhere(&finished, &timeline);
    let misplaced = misplaced.map(|finding| {
        format!("{nodes} nodes, latency {latency} ms, seed {seed}: {}", finding.text)
    });
    let (acknowledged, misplaced) = (timeline.acknowledged(), misplaced.into_iter().collect());
    Ok(Losses { acknowledged, lost: lost.len(), windows, misplaced })
}

/// The least window that excuses a loss; nothing if any does.
fn least_window(timeline: &Timeline, value: &str) -> Option<Duration> {
    if timeline.excuses(value, Duration::ZERO) {
        return None;
    }
    let (mut low, mut high) = (Duration::ZERO, Duration::from_secs(1000));
    while high - low > Duration::from_millis(1) {
        let middle = (low + high) / 2;
        if timeline.excuses(value, middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
