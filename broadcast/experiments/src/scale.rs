//! Broadcast in clusters of growing size.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, ensure};
use broadcast::thresholds::{IDLE, LARGE_LONGEST, LARGE_MESSAGES};
use checkers::{Quantiles, Validity};
use clap::Args;
use simulator::{Finished, Simulation};

use crate::thresholds::{self, Threshold};
use crate::{millis, print, simulation, table};

/// For how many seconds idle nodes are watched, before the phase of recovery, and how
/// long that is.
const WATCHED: u64 = 60;
const RECOVERY: u64 = 10;

/// The load, unless told otherwise.
const NODES: [usize; 5] = [5, 25, 100, 300, 1000];
const RATE: f64 = 400.0;
const LATENCY: u64 = 100;
const SECONDS: u64 = 20;
const HEAD: &str = "nodes | values | messages a value | messages a value and node | stable latency, \
                    ms: median / p99 / longest";

/// What the command line of `broadcast-experiments scale` says.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many nodes
    #[arg(value_name = "NUM", default_values_t = NODES)]
    nodes: Vec<usize>,

    /// Operations a second; every other one is a broadcast
    #[arg(long, value_name = "RATE", default_value_t = RATE)]
    rate: f64,

    /// One-way latency, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = LATENCY)]
    latency: u64,

    /// For how many virtual seconds
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS)]
    seconds: u64,

    /// Arguments of the broadcast program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

/// Measures, and says whether all bounds are kept.
///
/// # Errors
///
/// When a run does not go through.
pub fn run(flags: &Flags) -> anyhow::Result<bool> {
    print(&format!(
        "{} operations a second (every other one a broadcast) for {} s, {} ms a hop\n\n{}\n",
        flags.rate,
        flags.seconds,
        flags.latency,
        table(HEAD, [])
    ));
    let mut is_valid = true;
    for &nodes in &flags.nodes {
        say_live(&format!("{nodes} nodes …"));
        let finished = loaded(flags, nodes)?.run();
        say_live("");
        is_valid &= finished.valid() == Validity::Valid;
        print(&format!("| {} |\n", row(nodes, &finished)));
    }
    let thresholds = extremes()?;
    print(&format!("\n{}", thresholds::render(&thresholds)));
    Ok(is_valid && thresholds.iter().all(Threshold::is_kept))
}

/// The usual load on clusters of each size, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn sizes() -> anyhow::Result<String> {
    let flags = Flags {
        nodes: NODES.to_vec(),
        rate: RATE,
        latency: LATENCY,
        seconds: SECONDS,
        arguments: Vec::new(),
    };
    let rows = NODES.map(|nodes| {
        let finished = loaded(&flags, nodes)?.run();
        ensure!(finished.valid() == Validity::Valid, "{finished}");
        Ok(row(nodes, &finished))
    });
    Ok(table(HEAD, rows.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
}

/// The extremes, in a sentence.
///
/// # Errors
///
/// When a run does not go through.
pub fn sparse_and_idle() -> anyhow::Result<String> {
    let [messages, latency, idle] = extremes()?;
    Ok(format!(
        "Among a thousand nodes that have one value a round, a value takes {:.2} messages for \
         each node, and at most {:.1} s. 25 nodes that have nothing to do send {:.1} messages a \
         second.",
        messages.found,
        latency.found / 1e3,
        idle.found
    ))
}

fn loaded(flags: &Flags, nodes: usize) -> anyhow::Result<Simulation> {
    let cluster = simulation(&flags.arguments)?.nodes(nodes);
    Ok(cluster.rate(flags.rate).seconds(flags.seconds).latency(flags.latency))
}

/// A thousand nodes with one value in each round, and 25 with nothing to do.
fn extremes() -> anyhow::Result<[Threshold; 3]> {
    let sparse = ["--period-ms", "400"].map(str::to_owned);
    let sparse = simulation(&sparse)?.nodes(1000).rate(5.0).seconds(20).latency(100).run();
    let idle = simulation(&[])?.nodes(25).rate(0.0).seconds(WATCHED).latency(100).run();
    let messages = |run: &Finished| run.figures().messages.map(|messages| messages.servers as f64);
    let said = messages(&sparse).context("no messages")?;
    let idle = messages(&idle).context("no messages")?;
    let values = values(&sparse).context("no values")?;
    Ok([
        Threshold::new(
            "1000 nodes: messages a value and node",
            said / values / 1000.0,
            LARGE_MESSAGES,
        ),
        Threshold::new(
            "1000 nodes: longest stable latency, ms",
            millis(sparse.stable_latencies().max),
            millis(LARGE_LONGEST),
        ),
        Threshold::new(
            "25 idle nodes: messages a second",
            idle / (WATCHED + RECOVERY) as f64,
            IDLE,
        ),
    ])
}

/// How many values were broadcast.
fn values(finished: &Finished) -> Option<f64> {
    Some(finished.figures().elements.as_ref()?.attempts as f64)
}

fn row(nodes: usize, finished: &Finished) -> String {
    let (Ok(stats), Some(values)) = (&finished.ended, values(finished)) else {
        return finished.to_string();
    };
    let each = stats.net.servers.msg_count as f64 / values;
    let Quantiles { median, p99, max, .. } = finished.stable_latencies();
    let [median, p99, most] = [median, p99, max].map(|of| of.as_millis());
    let a_node = each / nodes as f64;
    format!("{nodes} | {values} | {each:.1} | {a_node:.3} | {median} / {p99} / {most}")
}

/// Replaces the line on a terminal; elsewhere nobody waits for it.
fn say_live(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = std::io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
    }
}
