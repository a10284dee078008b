//! What a run under faults has to show, beyond or short of its verdict.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use workbench::checker::{Finding, Outcome, Validity};
use workbench::history::{self, Op, OpType, Process};
use workbench::simulation::Finished;

/// Everything but that nothing was tested: that no operation succeeded while every
/// node was down is nobody's fault.
pub(crate) fn valid(finished: &Finished) -> Result<(), String> {
    let is_empty = |finding: &Finding| finding.kind == "empty-transaction-graph";
    let is_well = |(name, part): (&&str, &Outcome)| {
        let said_nothing = !part.findings.is_empty() && part.findings.iter().all(is_empty);
        *name == "stats" || part.valid != Validity::Invalid || said_nothing
    };
    if finished.ended.is_ok() && finished.report.parts.iter().all(is_well) {
        return Ok(());
    }
    Err(finished.to_string())
}

/// As [`valid`], and every client was answered its final operations.
pub(crate) fn answered_in_the_end(finished: &Finished) -> Result<(), String> {
    valid(finished)?;
    let ops = history::read(finished.history.as_bytes()).map_err(|error| error.to_string())?;
    for op in ops {
        let op = op.map_err(|error| error.to_string())?;
        if op.is_final && !matches!(op.kind, OpType::Invoke | OpType::Ok) {
            return Err(format!("op {} got no final answer\n{finished}", op.index));
        }
    }
    Ok(())
}

/// How long a broadcast value has to be on its way before the death of nodes
/// cannot lose it any more, latencies not counted: a round, the time in which a
/// dead parent is noticed, and a round again.
const WINDOW_MS: f64 = 2000.0;

/// As [`valid`], but a node that keeps values in memory may lose what it
/// acknowledged when it is killed before it could pass them on: a value is excused
/// when a node was killed within [`WINDOW_MS`] and eight latencies of the
/// acknowledgement, or later if the network or a pause hindered the value from then
/// on, or when nobody was left alive.
pub(crate) fn in_memory(finished: &Finished) -> Result<(), String> {
    if !finished.settings.nemesis.iter().any(|planned| planned.fault.name() == "kill") {
        return valid(finished);
    }
    let Some(workload) = finished.report.parts.get("workload") else { return valid(finished) };
    let is_only_loss = workload.findings.iter().all(|finding| finding.kind == "lost");
    if finished.ended.is_err() || !is_only_loss {
        return valid(finished);
    }
    let story = Story::read(&finished.history)?;
    let window = WINDOW_MS + 8.0 * finished.settings.latency.mean.as_secs_f64() * 1e3;
    let nodes = finished.settings.node_count;
    let lost = workload.results.get("lost").and_then(Value::as_array);
    let unexcused: Vec<String> = lost
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .filter(|value| !story.excuses(value, window, nodes))
        .collect();
    if unexcused.is_empty() {
        return Ok(());
    }
    Err(format!("lost without excuse: {}\n{finished}", unexcused.join(", ")))
}

/// What happened to nodes and network, and when, in ms.
#[derive(Default)]
struct Story {
    /// When a value was acknowledged.
    acknowledged: BTreeMap<String, f64>,
    /// When nodes were killed, and who was down then.
    kills: Vec<(f64, BTreeSet<String>)>,
    /// Other faults, and from when to when; an open one lasts for ever.
    hindrances: Vec<(String, f64, f64)>,
}

impl Story {
    fn read(text: &str) -> Result<Self, String> {
        let mut story = Self::default();
        let mut down = BTreeSet::new();
        let ops = history::read(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut asked = false;
        for op in ops {
            let op = op.map_err(|error| error.to_string())?;
            if op.process == Process::Nemesis {
                // Every other operation says what was asked, not what was done.
                asked = !asked;
                if !asked {
                    story.fault(&op, &mut down);
                }
            } else if op.kind == OpType::Ok && op.f == "broadcast" {
                story.acknowledged.insert(op.value.get().to_owned(), op.millis());
            }
        }
        Ok(story)
    }

    fn fault(&mut self, op: &Op, down: &mut BTreeSet<String>) {
        let nodes: BTreeSet<String> = op.decode().unwrap_or_default();
        match &*op.f {
            "kill" => {
                down.extend(nodes);
                self.kills.push((op.millis(), down.clone()));
            }
            "start" => down.retain(|node| !nodes.contains(node)),
            "pause" => self.hindrances.push(("resume".to_owned(), op.millis(), f64::INFINITY)),
            f if f.starts_with("start-") => {
                let end = f.replacen("start", "stop", 1);
                self.hindrances.push((end, op.millis(), f64::INFINITY));
            }
            f => self.end(f, op.millis()),
        }
    }

    /// Ends the faults that this operation ends.
    fn end(&mut self, f: &str, now: f64) {
        for (ended_by, _, end) in &mut self.hindrances {
            if ended_by == f {
                *end = end.min(now);
            }
        }
    }

    fn excuses(&self, value: &str, window: f64, nodes: usize) -> bool {
        let Some(&acknowledged) = self.acknowledged.get(value) else {
            // Nobody was told that it is safe.
            return true;
        };
        let hindered = |until: f64| {
            let overlaps = |start: f64, end: f64| start <= until && end >= acknowledged - window;
            self.hindrances.iter().any(|&(_, start, end)| overlaps(start, end))
        };
        self.kills.iter().any(|(kill, down)| {
            let is_early = *kill >= acknowledged - window && *kill - acknowledged < window;
            let is_last = *kill >= acknowledged && down.len() == nodes;
            is_early || is_last || (*kill >= acknowledged && hindered(*kill))
        })
    }
}
