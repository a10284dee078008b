//! The figures that there are, and the documents that claim them.

use broadcast_experiments::{delay, frontier, losses, scale, sparse};

use super::{Figure, arithmetic, broadcast, cluster, counter, log, raft, transactions};
use crate::challenges;
use crate::promises::{self, ALONE, BROADCAST, COUNTER, KAFKA_LOG, LIN_KV, TXN_KV};

/// Where figures are claimed, below the workspace's root.
pub(super) const DOCUMENTS: &[&str] = &[
    "README.md",
    "broadcast/src/lib.rs",
    "g-counter/src/gossip.rs",
    "g-counter/src/lib.rs",
    "kafka-log/src/lib.rs",
    "raft/README.md",
    "raft/rounds.svg",
    "txn-kv/src/lib.rs",
    "unique-ids/src/lib.rs",
];

/// All of them, in the order in which they are printed.
pub(super) const FIGURES: [Figure; 34] = [
    Figure::quick("challenges", challenges::table),
    Figure::quick("frontier", frontier::ends),
    Figure::quick("published", frontier::published),
    Figure::quick("jitter", frontier::jitter),
    Figure::slow("scale", scale::sizes),
    Figure::slow("sparse-and-idle", scale::sparse_and_idle),
    Figure::slow("delay", || delay::worst(40)),
    Figure::quick("sparse", sparse::table),
    Figure::quick("sparse-direct", sparse::direct),
    Figure::quick("no-root", sparse::without_root),
    Figure::slow("losses", losses::table),
    Figure::quick("dead-root", broadcast::dead_root),
    Figure::quick("promise-broadcast", || Ok(BROADCAST.sentence())),
    Figure::quick("promise-counter", || Ok(COUNTER.sentence())),
    Figure::quick("promise-kafka-log", || Ok(KAFKA_LOG.sentence())),
    Figure::quick("promise-lin-kv", || Ok(LIN_KV.sentence())),
    Figure::quick("promise-txn-kv", || Ok(TXN_KV.sentence())),
    Figure::quick("promise-unique-ids", || Ok(ALONE.sentence())),
    Figure::quick("recovery", promises::table),
    Figure::quick("visible", cluster::visible),
    Figure::slow("idle", cluster::idle),
    Figure::quick("gossip", arithmetic::gossip),
    Figure::slow("agreement", counter::agreement),
    Figure::quick("sends", log::sends),
    Figure::quick("ack-early", log::early),
    Figure::quick("log-lone", log::lone),
    Figure::quick("log-rare", log::rare),
    Figure::quick("raft-cost", raft::cost),
    Figure::slow("raft-rounds", raft::rounds),
    Figure::slow("raft-picture", raft::picture),
    Figure::quick("txn-sparse", transactions::sparse),
    Figure::quick("txn-kills", transactions::kills),
    Figure::quick("txn-disk", transactions::disk),
    Figure::quick("ids", arithmetic::ids),
];
