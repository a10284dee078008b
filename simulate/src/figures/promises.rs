//! What nodes promise for the time after the last fault.

use crate::promises::{ALONE, BROADCAST, COUNTER, KAFKA_LOG, TXN_KV};
use broadcast_experiments::table;

/// The promises of all nodes, which the swarm checks.
pub(super) fn all() -> anyhow::Result<String> {
    let nodes = [
        ("broadcast", BROADCAST),
        ("g-counter, pn-counter", COUNTER),
        ("kafka-log", KAFKA_LOG),
        ("txn-kv", TXN_KV),
        ("echo, unique-ids", ALONE),
    ];
    let rows = nodes.map(|(name, promise)| {
        let (what, within, idle) = (promise.what(), promise.within_words(), promise.idle_words());
        format!("{name} | {} | {what} | {within} | {idle}", promise.scope())
    });
    Ok(table("node | where | what holds | within | messages a second of N nodes then", rows))
}
