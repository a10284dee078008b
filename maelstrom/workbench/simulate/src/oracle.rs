//! What runs of this workspace's nodes have to show where the general oracles
//! ask too much.

use serde_json::Value;
use workbench::checker::Finding;
use workbench::nemesis::Fault;
use workbench::settings::Settings;
use workbench::simulation::Finished;
use workbench::swarm::oracle::{valid, valid_except};
use workbench::swarm::timeline::Timeline;

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
pub(crate) fn in_memory(finished: &Finished) -> Vec<Finding> {
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let workload = finished.report.parts.get("workload").filter(|_| kills);
    let Some(workload) = workload else { return valid(finished) };
    if workload.findings.iter().any(|finding| finding.kind != "lost") {
        return valid(finished);
    }
    let mut findings = valid_except(finished, "workload");
    findings.extend(unexcused(finished));
    findings
}

/// The values that were lost without excuse.
fn unexcused(finished: &Finished) -> Option<Finding> {
    let lost = finished.report.result("workload", "lost").and_then(Value::as_array)?;
    if lost.is_empty() {
        return None;
    }
    let timeline = match Timeline::read(finished) {
        Ok(timeline) => timeline,
        Err(problem) => return Some(Finding::new("unreadable", problem, Vec::new())),
    };
    let window = window_ms(&finished.settings);
    let mut values: Vec<String> = lost.iter().map(Value::to_string).collect();
    values.retain(|value| !timeline.excuses(value, window));
    let acknowledged = values.iter().filter_map(|value| timeline.acknowledgement(value)).collect();
    let text = format!("lost without excuse: {}", values.join(", "));
    (!values.is_empty()).then(|| Finding::new("lost", text, acknowledged))
}
