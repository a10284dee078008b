//! How soon counters agree, and what their gossip costs at most.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use simulator::Promise;

use crate::nodes::Kind;

/// The load: so many nodes, operations a second, and seconds.
const NODES: usize = 100;
const RATE: f64 = 1000.0;
const SECONDS: u64 = 5;
/// To what precision times are searched for, and up to what, in ms.
const STEP: u64 = 50;
const LONGEST: u64 = 10_000;

/// How soon a hundred nodes agree after the last add.
pub(super) fn agreement() -> anyhow::Result<String> {
    let least = least_from(least_from(0, 0)?, 100)?;
    Ok(format!(
        "{NODES} nodes at {RATE} operations a second agree within {:.2} s of the last add, without \
         latency as well as at 100 ms a hop.",
        (least * STEP) as f64 / 1e3
    ))
}

/// The least number of steps from `low` on after which every read shows all adds.
fn least_from(mut low: u64, latency: u64) -> anyhow::Result<u64> {
    let mut high = LONGEST / STEP;
    while low < high {
        let middle = u64::midpoint(low, high);
        if agrees(latency, middle * STEP)? { high = middle } else { low = middle + 1 }
    }
    ensure!(low < LONGEST / STEP, "they do not agree within {LONGEST} ms");
    Ok(low)
}

fn agrees(latency: u64, millis: u64) -> anyhow::Result<bool> {
    let simulation = Kind::find("g-counter")?.simulation()?;
    let within = Duration::from_millis(millis);
    let loaded = simulation.nodes(NODES).rate(RATE).seconds(SECONDS).latency(latency).set(|set| {
        set.promise = Some(Promise { within, idle_messages: None, shown_within: None });
    });
    let finished = loaded.run();
    ensure!(finished.ended.is_ok(), "{finished}");
    Ok(finished.figures().late_probes.context("nothing was probed")? == 0)
}
