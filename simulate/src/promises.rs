//! How soon after the last fault this workspace's nodes are as promised, and how
//! quiet they are then. The crates' documentation says the same in the sentence that
//! [`Kept::sentence`] makes. The bounds are wide: they hold over a thousand seeds, and most
//! runs are far below.

use std::time::Duration;

use simulator::swarm::Case;
use simulator::{DiskFault, Promise, Settings};

/// What a node promises for the time after the last fault.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Where it holds.
    scope: &'static str,
    /// What holds.
    what: &'static str,
    /// So many seconds …
    seconds: u64,
    /// … and mean latencies after the last fault.
    latencies: u32,
    /// The most messages a second among so many nodes when there is nothing to do.
    idle: fn(f64) -> f64,
    /// The same in words, for N nodes.
    idle_words: &'static str,
}

/// Of broadcast.
pub(crate) const BROADCAST: Kept = Kept {
    scope: "With rounds, up to 1450 ms apart, and all nodes linked to each other",
    what: "every node reads all that was acknowledged and not lost",
    idle: |nodes| 2.0 * nodes,
    idle_words: "at most 2 N",
    ..KAFKA_LOG
};

/// Of the counters.
pub(crate) const COUNTER: Kept =
    Kept { what: "every read shows all that was acknowledged", seconds: 8, ..KAFKA_LOG };

/// Of kafka-log.
pub(crate) const KAFKA_LOG: Kept = Kept {
    scope: "With the defaults, and all nodes linked to each other",
    what: "every node serves its clients again",
    seconds: 5,
    latencies: 20,
    idle: |nodes| 4.0 * nodes,
    idle_words: "at most 4 N",
};

/// Of lin-kv: a leader's heartbeats go on, ten a second and follower, and so do their
/// acknowledgements.
pub(crate) const LIN_KV: Kept = Kept {
    scope: "With the defaults, all nodes linked to each other, and at most 10 ms a hop on average",
    what: "every node serves its clients again that has not failed to write",
    idle: |nodes| 20.0 * (nodes - 1.0),
    idle_words: "at most 20 (N − 1)",
    ..KAFKA_LOG
};

/// Of txn-kv.
pub(crate) const TXN_KV: Kept = Kept {
    what: "every node whose disk is not full serves its clients again",
    seconds: 2,
    // After the last write, which may be a probe's, each node asks each other one once.
    idle: |nodes| 4.0 * nodes + nodes * nodes / 10.0,
    idle_words: "at most 4 N + N²/10",
    ..KAFKA_LOG
};

/// Of a node that needs nobody: it is back as soon as it is started, and says nothing.
pub(crate) const ALONE: Kept =
    Kept { seconds: 1, latencies: 0, idle: |_| 0.0, idle_words: "no", ..KAFKA_LOG };

impl Kept {
    /// The promise in words.
    pub(crate) fn sentence(&self) -> String {
        let Self { scope, what, idle_words, .. } = self;
        format!(
            "{scope}, {what} {} after the last fault. When clients ask for nothing, N nodes send \
             {idle_words} messages a second then, those to and from services included. The swarm checks both.",
            self.within_words()
        )
    }

    /// How soon it holds, in words.
    fn within_words(&self) -> String {
        match self.latencies {
            0 => format!("{} s", self.seconds),
            latencies => format!("{} s and {latencies} mean latencies", self.seconds),
        }
    }

    /// The promise for a case.
    fn of(&self, case: &Case) -> Promise {
        let latencies = case.settings.latency.mean * self.latencies;
        let within = Duration::from_secs(self.seconds) + latencies;
        let idle_messages = Some((self.idle)(case.settings.node_count as f64));
        Promise { within, idle_messages, shown_within: None }
    }

    /// The same in complete networks and with the defaults alone.
    fn usually(&self, case: &Case) -> Option<Promise> {
        let is_usual = is_default(case) && case.settings.links.is_complete();
        is_usual.then(|| self.of(case))
    }
}

/// The promises of all nodes, which the swarm checks, as a table.
pub(crate) fn table() -> anyhow::Result<String> {
    let nodes = [
        ("broadcast", BROADCAST),
        ("g-counter, pn-counter", COUNTER),
        ("kafka-log", KAFKA_LOG),
        ("lin-kv", LIN_KV),
        ("txn-kv", TXN_KV),
        ("echo, unique-ids", ALONE),
    ];
    let rows = nodes.map(|(name, promise)| {
        let Kept { scope, what, idle_words, .. } = promise;
        format!("{name} | {scope} | {what} | {} | {idle_words}", promise.within_words())
    });
    let head = "node | where | what holds | within | messages a second of N nodes then";
    Ok(broadcast_experiments::table(head, rows))
}

/// The longest period with which broadcast promises it.
const LONGEST_PERIOD: Duration = Duration::from_millis(1450);

/// Whether no argument but a bug was given.
fn is_default(case: &Case) -> bool {
    case.arguments.iter().all(|argument| argument.starts_with("--inject="))
}

pub(crate) fn broadcast(case: &Case) -> Option<Promise> {
    let config = broadcast::config::Config::parse(case.arguments.iter().cloned(), |_| None).ok()?;
    let has_rounds = !config.period.is_zero() && config.period <= LONGEST_PERIOD;
    let Settings { latency, links, .. } = &case.settings;
    let promise = BROADCAST.of(case);
    // Where links are missing, ways are long.
    let longer = Duration::from_secs(10) + latency.mean * 40;
    let within = if links.is_complete() { promise.within } else { longer };
    has_rounds.then_some(Promise { within, ..promise })
}

pub(crate) fn counter(case: &Case) -> Option<Promise> {
    COUNTER.usually(case)
}

/// Where links are missing it takes longer, as every node may have to find out by itself.
pub(crate) fn kafka_log(case: &Case) -> Option<Promise> {
    let Settings { latency, links, .. } = &case.settings;
    let shown =
        |millis, latencies: u32| Some(Duration::from_millis(millis) + latency.mean * latencies);
    if !links.is_complete() {
        let within = Duration::from_secs(10) + latency.mean * 40;
        let promise = Promise { within, idle_messages: None, shown_within: shown(10_000, 60) };
        return is_default(case).then_some(promise);
    }
    let promise = KAFKA_LOG.usually(case)?;
    Some(Promise { shown_within: shown(400, 60), ..promise })
}

/// On longer ways an answer takes longer than a client waits now and then; and who could not
/// write serves nobody until it is started again.
pub(crate) fn lin_kv(case: &Case) -> Option<Promise> {
    let Settings { latency, disk, .. } = &case.settings;
    let may_halt = disk.contains(&DiskFault::FailOnce);
    let is_near = latency.mean <= Duration::from_millis(10);
    LIN_KV.usually(case).filter(|_| is_near && !may_halt)
}

/// A full disk, and one that has failed, end a node's service until it is started again.
pub(crate) fn txn_kv(case: &Case) -> Option<Promise> {
    let ends = |fault: &DiskFault| matches!(fault, DiskFault::Full | DiskFault::FailOnce);
    TXN_KV.usually(case).filter(|_| !case.settings.disk.iter().any(ends))
}

pub(crate) fn alone(case: &Case) -> Option<Promise> {
    Some(ALONE.of(case))
}
