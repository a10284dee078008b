//! What kills cost a node that keeps values in memory: how many acknowledged
//! values are lost, and for how long a value is in danger.

use anyhow::ensure;
use clap::Args;
use serde_json::Value;
use workbench::nemesis::Fault;
use workbench::settings::{Settings, Workload};
use workbench::simulation::Simulation;
use workbench::swarm::parallel;
use workbench::swarm::timeline::Timeline;

use crate::nodes::Kind;
use crate::print;

/// What the command line of `simulate losses` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// How many seeds
    #[arg(long, value_name = "NUM", default_value = "100")]
    seeds: u64,

    /// Arguments of the broadcast program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// Mean time between a kill and a restart, and a restart and a kill, in seconds.
const INTERVAL: f64 = 2.0;

/// What a cluster lost.
struct Losses {
    acknowledged: usize,
    /// For each value that was lost, though not everybody was dead who could have
    /// had it, the time that it would have needed to be everywhere, in ms.
    windows: Vec<f64>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    print(&format!(
        "{} runs of 20 s, 100 operations a second (half of them broadcasts); some nodes are killed \
         every 4 s or so\nand start again, with nothing in memory, 2 s later or so. Lost: without \
         what nobody\nalive could have known.\n\n\
         nodes  latency  acknowledged    lost  window, ms: median     max\n",
        flags.seeds
    ));
    for (nodes, latency) in [(5, 0), (5, 100), (25, 0), (25, 100)] {
        let Losses { acknowledged, windows } = measure(flags, nodes, latency)?;
        let quantile = |q: f64| windows.get(((windows.len().max(1) - 1) as f64 * q) as usize);
        let [median, most] = [0.5, 1.0].map(|q| quantile(q).copied().unwrap_or_default());
        let share = 100.0 * windows.len() as f64 / acknowledged as f64;
        print(&format!(
            "{nodes:>5}  {latency:>4} ms  {acknowledged:>12}  {share:>4.1} %  {median:>18.0}  {most:>6.0}\n"
        ));
    }
    Ok(true)
}

fn measure(flags: &Flags, nodes: usize, latency: u64) -> anyhow::Result<Losses> {
    let runs = parallel::over(0..flags.seeds, |seed| one_run(flags, nodes, latency, seed));
    let mut all = Losses { acknowledged: 0, windows: Vec::new() };
    for run in runs {
        let Losses { acknowledged, windows } = run?;
        all.acknowledged += acknowledged;
        all.windows.extend(windows);
    }
    all.windows.sort_unstable_by(f64::total_cmp);
    Ok(all)
}

fn one_run(flags: &Flags, nodes: usize, latency: u64, seed: u64) -> anyhow::Result<Losses> {
    let program = Kind::find("broadcast").map_err(anyhow::Error::msg)?.program(&flags.arguments)?;
    let finished = Simulation::with(Settings::new(Workload::Broadcast), program)
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
    let lost = finished.report.result("workload", "lost").and_then(Value::as_array);
    let lost = lost.into_iter().flatten().map(Value::to_string);
    let windows = lost.filter_map(|value| least_window(&timeline, &value)).collect();
    Ok(Losses { acknowledged: timeline.acknowledged(), windows })
}

/// The least window, in ms, that excuses a loss; nothing if any does.
fn least_window(timeline: &Timeline, value: &str) -> Option<f64> {
    if timeline.excuses(value, 0.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, 1e6);
    while high - low > 1.0 {
        let middle = f64::midpoint(low, high);
        if timeline.excuses(value, middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
