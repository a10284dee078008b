//! What runs of nodes have to show, where the general oracles ask too much of those that
//! keep values in memory.

use std::time::Duration;

use broadcast::config::Config;
use checkers::Finding;
use maelstrom::journal::Sync;
use serde_json::Value;
use simulator::swarm::observations::Missing;
use simulator::swarm::timeline::Timeline;
use simulator::{DiskFault, Fault, Finished, Settings};

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

/// Whether what nodes keep goes away when they are killed: always in memory, and on a disk
/// that loses what is not synced where that is not every group.
fn is_forgetful(finished: &Finished) -> bool {
    let lost = [DiskFault::LoseUnsynced, DiskFault::Torn];
    let is_lost = finished.settings.disk.iter().any(|fault| lost.contains(fault));
    crate::config(&finished.arguments)
        .is_ok_and(|config| config.in_memory || is_lost && config.sync != Sync::EveryGroup)
}

/// As [`Finished::failures`], but a node whose memory [goes away](is_forgetful) may lose what it
/// acknowledged when it is killed before it could pass them on. A value is excused
/// when, at some time, all were dead who certainly had it: the node that
/// acknowledged it, and those that were up for [`window`] after that without any
/// cut, loss or pause. One that was never acknowledged is excused in any case. Nor are
/// faults an excuse once they have been over, or as they are, for long enough.
pub fn values(finished: &Finished) -> Vec<Finding> {
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let is_excusable = kills && is_forgetful(finished);
    let workload = finished.report.parts.get("workload").filter(|_| is_excusable);
    let has_excuse = workload
        .is_some_and(|workload| workload.findings.iter().all(|finding| finding.kind == "lost"));
    let mut findings =
        if has_excuse { finished.failures_except("workload") } else { finished.failures() };
    match Timeline::read(finished) {
        Ok(timeline) => {
            findings.extend(has_excuse.then(|| unexcused(finished, &timeline)).flatten());
            findings.extend(not_everywhere(finished, &timeline));
            findings.extend(wasteful(finished));
        }
        Err(problem) => findings.push(Finding::new("unreadable", problem, Vec::new())),
    }
    findings
}

/// The period of the rounds of a tree in which all are children of one; none if it has none,
/// or is deeper.
fn flat_period(finished: &Finished) -> Option<Duration> {
    let config = Config::parse(finished.arguments.iter().cloned(), |_| None).ok()?;
    let is_flat = finished.settings.node_count <= config.fan_out + 1;
    Some(config.period).filter(|period| is_flat && !period.is_zero())
}

/// How many times the messages of all rounds, each with a message up of every child, nodes may
/// send while nothing is wrong, however latencies vary, where all are children of one.
const WASTE: f64 = 1.25;
/// A false alarm costs more for a while. In a run this long some of them make no difference.
const LONG: Duration = Duration::from_secs(60);

/// More messages than rounds account for, in a long run without faults.
fn wasteful(finished: &Finished) -> Option<Finding> {
    let Settings { nemesis, links, node_count, time_limit, intruder, .. } = &finished.settings;
    let period = flat_period(finished)?;
    let is_calm = nemesis.is_empty() && links.is_complete() && !intruder;
    if !is_calm || *time_limit < LONG {
        return None;
    }
    let sent = finished.figures().messages?.servers as f64;
    let children = *node_count as f64 - 1.0;
    let rounds = time_limit.as_secs_f64() / period.as_secs_f64() + 1.0;
    let most = WASTE * 2.0 * children * rounds + 10.0 * (children + 1.0);
    let text = format!("{sent} messages between nodes; at most {most:.0} were promised");
    (sent > most).then(|| Finding::new("wasteful", text, Vec::new()))
}

/// How much longer than [`WINDOW`] the node's documentation gives it after any fault.
const LONGER: Duration = Duration::from_secs(3);

/// How much longer it takes where a node that is dead may have children: one that has nothing
/// to say learns of that when its lease ends, by the node's documentation.
const LONGEST_LEASE: Duration = Duration::from_secs(8);

/// How long after a live node got a value it is on all that it can reach, if no fault begins
/// or ends but kills and restarts: [`window`] where there are none but those and partitions,
/// in a tree in which all are children of one, and otherwise twelve latencies and [`LONGER`]
/// more, and [`LONGEST_LEASE`] where nodes in the middle of a tree are killed.
fn spread_time(finished: &Finished) -> Duration {
    let Settings { nemesis, latency, .. } = &finished.settings;
    let has = |fault| nemesis.iter().any(|planned| planned.fault == fault);
    let is_mild = |fault| matches!(fault, Fault::Kill | Fault::Partition);
    let are_mild = nemesis.iter().all(|planned| is_mild(planned.fault));
    let mut spread_time = window(finished);
    let is_flat = flat_period(finished).is_some();
    if !is_flat || !are_mild {
        spread_time += LONGER + 12 * latency.mean;
    }
    if !is_flat && has(Fault::Kill) {
        spread_time += LONGEST_LEASE;
    }
    spread_time
}

/// The values that a live node held for long enough and that were not on all that it could
/// reach. In a network that is not complete they may take longer.
pub(crate) fn not_everywhere(finished: &Finished, timeline: &Timeline) -> Option<Finding> {
    let Settings { nemesis, links, .. } = &finished.settings;
    let has_clocks = nemesis.iter().any(|planned| planned.fault == Fault::Clock);
    if !links.is_complete() || has_clocks {
        return None;
    }
    let missing = match Missing::find(finished, timeline, spread_time(finished)) {
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
