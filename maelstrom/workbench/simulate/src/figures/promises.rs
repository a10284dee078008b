//! What nodes promise for the time after the last fault, and how much of it they need.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use workbench::settings::Promise;
use workbench::simulation::Simulation;
use workbench::swarm::{draw, parallel};

use super::table;
use crate::nodes::Kind;
use crate::promises::{ALONE, BROADCAST, COUNTER, KAFKA_LOG, Kept, TXN_KV};

/// How many seeds of the swarm are drawn for each node.
const SEEDS: u64 = 80;

/// The promises of all nodes, and how many runs need more than a quarter of the time.
pub(super) fn all() -> anyhow::Result<String> {
    let nodes = [
        ("broadcast", BROADCAST),
        ("g-counter", COUNTER),
        ("kafka-log", KAFKA_LOG),
        ("txn-kv", TXN_KV),
        ("unique-ids", ALONE),
    ];
    let rows = nodes.map(|(name, promise)| row(name, &promise));
    let head = "node | as promised after the last fault within | and not within a quarter of that, \
                of all runs | messages a second of N nodes then";
    Ok(table(head, rows.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
}

fn row(name: &str, promise: &Kept) -> anyhow::Result<String> {
    let node = Kind::find(name).map_err(anyhow::Error::msg)?;
    let late = parallel::over(0..SEEDS, |seed| is_late(node, seed));
    let late = late.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let (runs, late) =
        (late.iter().flatten().count(), late.iter().flatten().filter(|is_late| **is_late).count());
    let share = 100.0 * late as f64 / runs as f64;
    let (within, idle) = (promise.within_words(), promise.idle_words());
    Ok(format!("{name} | {within} | {share:.0} % of {runs} | {idle}"))
}

/// Whether a seed's run with faults is not as promised after a quarter of the time;
/// nothing if it has no faults or the node promises nothing.
fn is_late(node: &Kind, seed: u64) -> anyhow::Result<Option<bool>> {
    let mut case = draw::case(seed, &node.subject, &[])?;
    let faults = case.settings.nemesis.len();
    let Some(Promise { within, .. }) = case.settings.promise.filter(|_| faults > 0) else {
        return Ok(None);
    };
    case.settings.promise =
        Some(Promise { within: quarter(within), idle_messages: None, shown_within: None });
    let finished = Simulation::with(case.settings, node.program(&case.arguments)?).run();
    ensure!(finished.ended.is_ok(), "{name} {finished}", name = node.subject.name);
    let late = finished.report.result("settling", "late-count").and_then(Value::as_u64);
    Ok(Some(late.context("nothing was probed")? > 0))
}

fn quarter(within: Duration) -> Duration {
    Duration::from_millis((within / 4).as_millis() as u64)
}
