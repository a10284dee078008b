//! What a run under faults has to show, beyond or short of its verdict.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use workbench::checker::{Finding, Outcome, Validity};
use workbench::history::{self, Op, OpType, Process};
use workbench::nemesis::Fault;
use workbench::settings::Settings;
use workbench::simulation::Finished;

/// Everything but that nothing was tested: that no operation succeeded while every
/// node was down is nobody's fault.
pub(crate) fn valid(finished: &Finished) -> Result<(), String> {
    if finished.ended.is_ok() && finished.report.parts.iter().all(is_well) {
        return Ok(());
    }
    Err(finished.to_string())
}

fn is_well((name, part): (&&str, &Outcome)) -> bool {
    let is_empty = |finding: &Finding| finding.kind == "empty-transaction-graph";
    let said_nothing = !part.findings.is_empty() && part.findings.iter().all(is_empty);
    *name == "stats" || part.valid != Validity::Invalid || said_nothing
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

/// [`WINDOW_MS`] with what the network adds: eight latencies, on links that may be
/// ten times slower than the others, of messages that may be a second late.
fn window_ms(settings: &Settings) -> f64 {
    let has = |fault| settings.nemesis.iter().any(|planned| planned.fault == fault);
    let latency = settings.latency.mean.as_secs_f64() * 1e3;
    let slowest = if has(Fault::Slow) { 10.0 * latency } else { latency };
    WINDOW_MS + 8.0 * slowest + if has(Fault::Reorder) { 1000.0 } else { 0.0 }
}

/// As [`valid`], but a node that keeps values in memory may lose what it
/// acknowledged when it is killed before it could pass them on. A value is excused
/// when, at some time, all were dead who certainly had it: the node that
/// acknowledged it, and those that were up for [`window_ms`] after that without any
/// cut, loss or pause. One that was never acknowledged is excused in any case.
pub(crate) fn in_memory(finished: &Finished) -> Result<(), String> {
    if !finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill) {
        return valid(finished);
    }
    let parts = &finished.report.parts;
    let Some(workload) = parts.get("workload") else { return valid(finished) };
    let is_only_loss = workload.findings.iter().all(|finding| finding.kind == "lost");
    let others_are_well = parts.iter().filter(|(name, _)| **name != "workload").all(is_well);
    if finished.ended.is_err() || !is_only_loss || !others_are_well {
        return valid(finished);
    }
    let story = Story::read(finished)?;
    let window = window_ms(&finished.settings);
    let lost = workload.results.get("lost").and_then(Value::as_array);
    let unexcused: Vec<String> = lost
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .filter(|value| !story.excuses(value, window))
        .collect();
    if unexcused.is_empty() {
        return Ok(());
    }
    Err(format!("lost without excuse: {}\n{finished}", unexcused.join(", ")))
}

/// What happened to values, nodes and network, and when, in ms.
pub(crate) struct Story {
    nodes: BTreeSet<String>,
    /// When a value was acknowledged, and by whom.
    acknowledged: BTreeMap<String, (f64, String)>,
    events: Vec<(f64, Event)>,
}

enum Event {
    Killed(BTreeSet<String>),
    Started(BTreeSet<String>),
    /// By one fault more, or one less.
    Hindered,
    Freed,
}

impl Story {
    /// Of a run that was recorded.
    pub(crate) fn read(run: &Finished) -> Result<Self, String> {
        let settings = &run.settings;
        let name = |node| format!("n{node}");
        let nodes = (0..settings.node_count).map(name).collect();
        let mut story = Self { nodes, acknowledged: BTreeMap::new(), events: Vec::new() };
        let ops = history::read(run.history.as_bytes()).map_err(|error| error.to_string())?;
        let (mut asked, mut hindrances) = (false, BTreeSet::new());
        for op in ops {
            let op = op.map_err(|error| error.to_string())?;
            match op.process {
                // Every other operation says what was asked, not what was done.
                Process::Nemesis => {
                    asked = !asked;
                    if !asked {
                        story.fault(&op, &mut hindrances);
                    }
                }
                Process::Client(process) if op.kind == OpType::Ok && op.f == "broadcast" => {
                    let thread = process % settings.concurrency as u64;
                    let node = name((thread % settings.node_count as u64) as usize);
                    story.acknowledged.insert(op.value.get().to_owned(), (op.millis(), node));
                }
                Process::Client(_) => {}
            }
        }
        Ok(story)
    }

    /// `hindrances` has the faults in force that keep values from spreading.
    fn fault(&mut self, op: &Op, hindrances: &mut BTreeSet<String>) {
        let nodes = || op.decode::<BTreeSet<String>>().unwrap_or_default();
        let fault = op.f.trim_start_matches("start-").trim_start_matches("stop-");
        let begins = op.f == "pause" || op.f.starts_with("start-");
        let fault = if fault == "resume" { "pause" } else { fault };
        let event = match &*op.f {
            "kill" => Event::Killed(nodes()),
            "start" => Event::Started(nodes()),
            // They delay values, but do not stop them: see `window_ms`.
            _ if ["duplicate", "reorder", "slow"].contains(&fault) => return,
            _ if begins && hindrances.insert(fault.to_owned()) => Event::Hindered,
            _ if !begins && hindrances.remove(fault) => Event::Freed,
            _ => return,
        };
        self.events.push((op.millis(), event));
    }

    /// Whether a value may be lost because all died who certainly had it, if
    /// values need this long, in ms, to be everywhere.
    pub(crate) fn excuses(&self, value: &str, window: f64) -> bool {
        let Some((acknowledged, node)) = self.acknowledged.get(value) else {
            // Nobody was told that it is safe.
            return true;
        };
        let (before, after): (Vec<_>, Vec<_>) =
            self.events.iter().partition(|(at, _)| at < acknowledged);
        let mut spread = Spread { hindrances: 0, alive: BTreeMap::new(), window };
        spread.alive = self.nodes.iter().map(|node| (node.as_str(), f64::INFINITY)).collect();
        for (at, event) in before {
            spread.happen(*at, event);
        }
        spread.begin(*acknowledged, node);
        after.into_iter().any(|(at, event)| {
            spread.happen(*at, event);
            !spread.is_known(*at)
        })
    }

    /// How many values were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }
}

/// How a value spreads, at the slowest.
struct Spread<'a> {
    hindrances: usize,
    /// The nodes that are up, and when each has the value.
    alive: BTreeMap<&'a str, f64>,
    window: f64,
}

impl<'a> Spread<'a> {
    fn begin(&mut self, now: f64, first: &str) {
        let everywhere = self.everywhere(now);
        for (node, known) in &mut self.alive {
            *known = if *node == first { now } else { everywhere };
        }
    }

    fn happen(&mut self, now: f64, event: &'a Event) {
        match event {
            Event::Killed(nodes) => self.alive.retain(|&node, _| !nodes.contains(node)),
            Event::Started(nodes) => {
                let known = self.everywhere(now);
                self.alive.extend(nodes.iter().map(|node| (node.as_str(), known)));
            }
            Event::Hindered => {
                self.hindrances += 1;
                self.put_off(now);
            }
            Event::Freed => {
                self.hindrances -= 1;
                self.put_off(now);
            }
        }
    }

    /// When those have it that do not have it yet.
    fn everywhere(&self, now: f64) -> f64 {
        if self.hindrances == 0 { now + self.window } else { f64::INFINITY }
    }

    fn put_off(&mut self, now: f64) {
        let everywhere = self.everywhere(now);
        for known in self.alive.values_mut().filter(|known| **known > now) {
            *known = everywhere;
        }
    }

    fn is_known(&self, now: f64) -> bool {
        self.alive.values().any(|&known| known <= now)
    }
}
