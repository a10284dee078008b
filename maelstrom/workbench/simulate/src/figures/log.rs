//! What kafka-log's messages and sends cost.

use workbench::challenge::Challenge;
use workbench::simulation::{Finished, Simulation};
use workbench::swarm::parallel;

use anyhow::{Context as _, ensure};

use crate::bars::worst;
use crate::challenges::settings;
use crate::nodes::Kind;

/// How many seeds each figure is the worst of.
const SEEDS: u64 = 5;

/// Challenge 5b at the latency, in ms, and with the arguments.
fn measure(latency: u64, arguments: &[&str], figure: fn(&Finished) -> f64) -> anyhow::Result<f64> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let runs = parallel::over(1..1 + SEEDS, |seed| {
        let challenge = Challenge::find("5b").context("no such challenge")?;
        let (settings, _) = settings(challenge, seed)?;
        let node = Kind::find(challenge.node).map_err(anyhow::Error::msg)?;
        let simulation = Simulation::with(settings, node.program(&arguments)?).latency(latency);
        let finished = simulation.run();
        ensure!(finished.valid() == workbench::checker::Validity::Valid, "{finished}");
        Ok(figure(&finished))
    });
    Ok(worst(runs.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
}

/// How long a send takes on average, in ms.
fn mean_send(finished: &Finished) -> f64 {
    let latencies = finished.report.result("perf", "latencies");
    latencies.and_then(|of| of["send"]["mean"].as_f64()).unwrap_or(f64::NAN)
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
