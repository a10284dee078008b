//! How soon after the last fault this workspace's nodes are as promised, and how
//! quiet they are then. Each crate's documentation says the same in words. The
//! bounds are wide: they hold over a thousand seeds, and most runs are far below.

use std::time::Duration;

use workbench::nemesis::DiskFault;
use workbench::settings::Promise;
use workbench::swarm::Case;

/// So many seconds and latencies after the last fault, and so many messages a second.
fn after(case: &Case, seconds: u64, latencies: u32, idle: f64) -> Option<Promise> {
    let within = Duration::from_secs(seconds) + case.settings.latency.mean * latencies;
    Some(Promise { within, idle_messages: Some(idle) })
}

/// The same in complete networks and with the defaults alone.
fn usually(case: &Case, seconds: u64, idle: f64) -> Option<Promise> {
    let is_usual = case.arguments.is_empty() && case.settings.links.is_complete();
    after(case, seconds, 20, idle).filter(|_| is_usual)
}

pub(crate) fn broadcast(case: &Case) -> Option<Promise> {
    usually(case, 10, 2.0 * nodes(case))
}

pub(crate) fn counter(case: &Case) -> Option<Promise> {
    usually(case, 10, 4.0 * nodes(case))
}

pub(crate) fn kafka_log(case: &Case) -> Option<Promise> {
    usually(case, 5, 4.0 * nodes(case))
}

/// A full disk ends a node's service until it is started again.
pub(crate) fn txn_kv(case: &Case) -> Option<Promise> {
    let is_full = case.settings.disk.contains(&DiskFault::Full);
    usually(case, 5, 4.0 * nodes(case)).filter(|_| !is_full)
}

/// A node that needs nobody is back as soon as it is started, and says nothing.
pub(crate) fn alone(case: &Case) -> Option<Promise> {
    after(case, 1, 0, 0.0)
}

fn nodes(case: &Case) -> f64 {
    case.settings.node_count as f64
}
