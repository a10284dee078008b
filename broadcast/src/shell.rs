//! Around the state machine: the clock, node ids for ranks, and the task that
//! wakes it.
//!
//! Every event goes through [`event`], which sends what came of it. The machine
//! is never locked across an `await`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use maelstrom::{Context, NodeId, Setup};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;
use crate::injected_bugs::{Bug, Bugs};
use crate::machine::Broadcaster;
use crate::wire::{Message, Rank, Value};

/// The granularity of timers.
const GRANULARITY: Duration = Duration::from_millis(1);

/// A timer that comes so much too late says that this process had to wait for its turn.
const STALL: Duration = Duration::from_millis(10);

/// The state of the node.
pub struct Shell {
    machine: Mutex<Broadcaster>,
    /// The node ids, sorted: a node's rank is its index.
    ranks: Vec<NodeId>,
    /// When the machine was started: by the first event.
    started: OnceLock<Instant>,
    /// The machine may want to be woken earlier than it did.
    replanned: Notify,
    bugs: Bugs,
}

impl Shell {
    pub(crate) fn new(setup: &Setup, config: &Config) -> Self {
        let mut ranks = setup.node_ids().to_vec();
        // A list without this node, or with one twice, still is a cluster.
        ranks.push(setup.id().clone());
        ranks.sort();
        ranks.dedup();
        let me = ranks.binary_search(setup.id()).unwrap_or_default();
        let machine = Broadcaster::new(me, ranks.len(), config, setup.new_rng());
        let machine = Mutex::new(machine);
        let (started, replanned) = (OnceLock::new(), Notify::new());
        Self { machine, ranks, started, replanned, bugs: config.bugs }
    }

    /// All values as one JSON array.
    pub(crate) fn read(&self) -> Value {
        self.machine().read()
    }

    fn machine(&self) -> MutexGuard<'_, Broadcaster> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the machine when others can be talked to, and has it woken from then on.
/// Earlier, it would take the time for which its messages are held back for theirs.
pub(crate) fn start(context: &Context<Shell>) {
    let sleeper = context.clone();
    context.spawn(async move {
        sleeper.cluster_started().await;
        event(&sleeper, |_, _| ());
        let started = sleeper.state().started.get_or_init(Instant::now);
        keep_time(&sleeper, *started).await;
    });
}

/// A client says which nodes are near.
pub(crate) fn suggest(context: &Context<Shell>, topology: &RawValue) {
    let topology: BTreeMap<String, Vec<String>> =
        serde_json::from_str(topology.get()).unwrap_or_default();
    let near = topology.get(context.id().as_str()).map_or(&[][..], Vec::as_slice);
    let ranks = &context.state().ranks;
    let near: Vec<Rank> = near
        .iter()
        .filter_map(|near| ranks.binary_search_by(|rank| rank.as_str().cmp(near)).ok())
        .collect();
    event(context, |machine, _| machine.suggest(&near));
}

/// A client has a value.
pub(crate) fn broadcast(context: &Context<Shell>, value: Value) {
    if context.state().bugs.has(Bug::EarlyAnswer) {
        let later = context.clone();
        context.spawn(async move {
            sleep(Duration::from_secs(5)).await;
            event(&later, |machine, now| machine.broadcast(now, value));
        });
        return;
    }
    event(context, |machine, now| machine.broadcast(now, value));
}

/// Another node says something.
pub(crate) fn receive(context: &Context<Shell>, message: Message) {
    let Ok(from) = context.state().ranks.binary_search(context.source()) else {
        tracing::warn!(source = %context.source(), "refused a message between nodes: no such node");
        return;
    };
    if let Err(error) = event(context, |machine, now| machine.receive(now, from, message)) {
        tracing::warn!(source = %context.source(), %error, "refused a message");
    }
}

/// Lets something happen to the machine, and sends what comes of it.
fn event<T>(context: &Context<Shell>, happen: impl FnOnce(&mut Broadcaster, Duration) -> T) -> T {
    let shell = context.state();
    let mut machine = shell.machine();
    let started = shell.started.get_or_init(|| {
        machine.start(Duration::ZERO);
        Instant::now()
    });
    let now = started.elapsed();
    let planned = machine.wake();
    if planned.is_some_and(|planned| planned + STALL <= now) {
        machine.catch_up(now);
    }
    let result = happen(&mut machine, now);
    if machine.wake().is_some_and(|wake| planned.is_none_or(|planned| wake < planned)) {
        shell.replanned.notify_one();
    }
    for (to, message) in machine.outgoing() {
        send(context, to, &message);
    }
    result
}

fn send(context: &Context<Shell>, to: Rank, message: &Message) {
    let dest = &context.state().ranks[to];
    match message {
        Message::Spread(spread) => context.send(dest, spread),
        Message::Digest(digest) => context.send(dest, digest),
    }
}

/// Wakes the machine whenever it wants to be, but no more often than timers can
/// tell apart.
async fn keep_time(context: &Context<Shell>, started: Instant) {
    let shell = context.state();
    let mut earliest = started;
    loop {
        let wake = shell.machine().wake();
        match wake.map(|wake| earliest.max(started + wake)) {
            Some(at) if at > Instant::now() => {
                // Either way, look again.
                let _ = timeout_at(at, shell.replanned.notified()).await;
            }
            Some(_) => {
                event(context, Broadcaster::tick);
                earliest = Instant::now() + GRANULARITY;
            }
            None => shell.replanned.notified().await,
        }
    }
}
