//! What kafka-log's messages and sends cost.

use anyhow::{Context as _, ensure};
use broadcast_experiments::thresholds::worst;
use broadcast_experiments::{each, over};
use checkers::Validity;
use simulator::{Finished, Links, Simulation};
use workbench::Challenge;

use super::cluster::KAFKA_LOG;
use crate::challenges::settings;
use crate::nodes::Kind;

/// How many seeds each figure is the worst of.
const SEEDS: u64 = 5;

/// Challenge 5b at the latency, in ms, and with the arguments.
fn measure(latency: u64, arguments: &[&str], figure: fn(&Finished) -> f64) -> anyhow::Result<f64> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let runs = over(1..1 + SEEDS, |seed| {
        let challenge = Challenge::find("5b").context("no such challenge")?;
        let (settings, _) = settings(challenge, seed)?;
        let node = Kind::find(challenge.node)?;
        let simulation = Simulation::with(settings, node.program(&arguments)?).latency(latency);
        let finished = simulation.run();
        ensure!(finished.valid() == Validity::Valid, "{finished}");
        Ok(figure(&finished))
    });
    Ok(worst(runs?))
}

/// How long a send takes on average, in ms.
fn mean_send(finished: &Finished) -> f64 {
    crate::millis(finished.latencies("send").mean)
}

/// Messages and sends of challenge 5b.
pub(super) fn sends() -> anyhow::Result<String> {
    let [near, far] = [measure(0, &[], Finished::msgs_per_op)?, measure(100, &[], mean_send)?];
    Ok(format!(
        "With the flags of 5b an operation costs {near:.2} messages; with `--latency 100` a send \
         takes {far:.0} ms on average (the worst of {SEEDS} seeds)."
    ))
}

/// What `--ack-early` saves.
pub(super) fn early() -> anyhow::Result<String> {
    let early = ["--ack-early"];
    let messages = measure(0, &early, Finished::msgs_per_op)?;
    let [send, late] = [measure(100, &early, mean_send)?, measure(100, &[], mean_send)?];
    Ok(format!(
        "With `--ack-early` an operation of 5b costs {messages:.2} messages, and at 100 ms a hop a \
         send takes {send:.1} ms instead of {late:.0}."
    ))
}

/// How soon messages are shown everywhere, and what a lone one and idle nodes cost.
pub(super) fn lone() -> anyhow::Result<String> {
    let longest = each(&[2, 5, 25, 73], |&nodes| {
        let mut scene = KAFKA_LOG.scene(nodes, 0, Links::default())?;
        Ok(KAFKA_LOG.spread(&mut scene, nodes).last().copied().unwrap_or_default())
    })?;
    Ok(format!(
        "Without latency, and where nothing else is sent, an acknowledged message is shown \
         everywhere within {} ms with 2 nodes, {} with 5, {} with 25 and {} with 73.",
        longest[0], longest[1], longest[2], longest[3]
    ))
}

/// What operations cost that are rare.
pub(super) fn rare() -> anyhow::Result<String> {
    let cases = [(10, Links::default()), (40, Links::default()), (10, Links::Chain)];
    let costs = each(&cases, |(nodes, links)| {
        let simulation = Kind::find("kafka-log")?.simulation()?.nodes(*nodes).links(links.clone());
        let finished = simulation.rate(10.0).seconds(20).run();
        ensure!(finished.valid() == Validity::Valid, "{finished}");
        Ok(finished.msgs_per_op())
    })?;
    Ok(format!(
        "Each of 10 operations a second costs {:.0} messages among 10 nodes with all links, {:.0} \
         among 40, and {:.0} in a chain of 10.",
        costs[0], costs[1], costs[2]
    ))
}
