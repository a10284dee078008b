//! What runs of nodes that keep values in memory have to show, where the general oracles
//! ask too much.

use std::time::Duration;

use broadcast::config::Config;
use checkers::Finding;
use serde_json::Value;
use simulator::swarm::oracle::{valid, valid_except};
use simulator::swarm::sightings::{self, Missing};
use simulator::swarm::timeline::Timeline;
use simulator::{Fault, Finished};

/// How long a broadcast value has to be on its way before the death of nodes
/// cannot lose it any more, latencies not counted: a round, the time in which a
/// dead parent is noticed, and a round again.
const WINDOW: Duration = Duration::from_secs(2);

/// How much longer it is without rounds, where what got lost is found when nodes
/// compare what they have.
const DIRECT: Duration = Duration::from_secs(4);

/// How much longer it is for the period that the node was given: three rounds.
fn period(arguments: &[String]) -> Duration {
    match Config::parse(arguments.iter().cloned(), |_| None) {
        Ok(config) if config.period.is_zero() => DIRECT,
        Ok(Config { period, .. }) => 3 * period.saturating_sub(Config::default().period),
        Err(_) => Duration::ZERO,
    }
}

/// [`WINDOW`] with what the network adds: eight latencies, on links that may be
/// ten times slower than the others, of messages that may be a second late.
fn window(finished: &Finished) -> Duration {
    let settings = &finished.settings;
    let has = |fault| settings.nemesis.iter().any(|planned| planned.fault == fault);
    let latency = settings.latency.mean;
    let slowest = if has(Fault::Slow) { 10 * latency } else { latency };
    let late = Duration::from_secs(has(Fault::Reorder).into());
    WINDOW + 8 * slowest + late + period(&finished.arguments)
}

/// As [`valid`], but a node that keeps values in memory may lose what it
/// acknowledged when it is killed before it could pass them on. A value is excused
/// when, at some time, all were dead who certainly had it: the node that
/// acknowledged it, and those that were up for [`window`] after that without any
/// cut, loss or pause. One that was never acknowledged is excused in any case.
pub fn in_memory(finished: &Finished) -> Vec<Finding> {
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let workload = finished.report.parts.get("workload").filter(|_| kills);
    let Some(workload) = workload else { return valid(finished) };
    if workload.findings.iter().any(|finding| finding.kind != "lost") {
        return valid(finished);
    }
    let mut findings = valid_except(finished, "workload");
    match Timeline::read(finished) {
        Ok(timeline) => {
            findings.extend(unexcused(finished, &timeline));
            // After other faults, values have the longer time that the node's
            // documentation names.
            if finished.settings.nemesis.iter().all(|planned| planned.fault == Fault::Kill) {
                findings.extend(not_everywhere(finished, &timeline));
            }
        }
        Err(problem) => findings.push(Finding::new("unreadable", problem, Vec::new())),
    }
    findings
}

/// The values that a live node held for the window and that were not on all that were up.
/// In a network that is not complete they may take longer.
pub(crate) fn not_everywhere(finished: &Finished, timeline: &Timeline) -> Option<Finding> {
    if !finished.settings.links.is_complete() {
        return None;
    }
    let missing = match sightings::missing(finished, timeline, window(finished)) {
        Ok(missing) => missing,
        Err(problem) => return Some(Finding::new("unreadable", problem, Vec::new())),
    };
    let name = |missing: &Missing| format!("{} at {}", missing.value, missing.node);
    let named: Vec<String> = missing.iter().map(name).collect();
    let text = format!("held by a live node for the window, and not shown: {}", named.join(", "));
    let operations = missing.iter().flat_map(|missing| missing.operations).collect();
    (!missing.is_empty()).then(|| Finding::new("not-everywhere", text, operations))
}

/// The values that were lost without excuse.
fn unexcused(finished: &Finished, timeline: &Timeline) -> Option<Finding> {
    let elements = finished.figures().elements.as_ref()?;
    let window = window(finished);
    let mut values: Vec<String> = elements.lost.iter().map(Value::to_string).collect();
    values.retain(|value| !timeline.excuses(value, window));
    let acknowledged = values.iter().filter_map(|value| timeline.acknowledgement(value)).collect();
    let text = format!("lost without excuse: {}", values.join(", "));
    (!values.is_empty()).then(|| Finding::new("lost", text, acknowledged))
}
