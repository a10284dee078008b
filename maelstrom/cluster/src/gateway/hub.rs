//! The nodes behind the gateway, and the requests that wait for them.
//!
//! Nodes that end are started again, at first soon, then with longer and longer pauses. Who
//! waited for such a node hears that nobody knows what became of the request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use maelstrom::Error;
use maelstrom::protocol::LooseHeader;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use simulator::{Address, FaultKind, Message};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::exchange::Fields;
use super::metrics::{Metrics, Node as NodeLabel};
use crate::agent::eprint;
use crate::crew::{Crew, Heard};
use crate::link::Outage;
use crate::wire::{End, Id, PATIENCE, State};

/// The name of all clients, to nodes.
const CLIENT: u64 = 1;
/// What a gateway hears of its run.
pub(super) const HEARS: &[&str] = &["m.*.c1", "state"];
/// How long a node may take to be initialised.
const INIT: Duration = Duration::from_secs(10);
/// The pause before a node is started again: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A node that runs for so long is taken for well again.
const WELL: Duration = Duration::from_secs(60);

/// A request for a node.
pub(super) struct Ask {
    pub(super) node: usize,
    /// Without `msg_id`.
    pub(super) fields: Fields,
    pub(super) reply: oneshot::Sender<Result<Box<RawValue>, Error>>,
}

/// What is there, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    pub(super) nats: bool,
    pub(super) nodes: BTreeMap<String, &'static str>,
    pub(super) agents: BTreeMap<String, AgentHealth>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct AgentHealth {
    pub(super) is_there: bool,
    /// What keeps it from etcd; null if nothing does, or if it has none.
    pub(super) etcd: Option<String>,
    /// What keeps it from anything else.
    pub(super) error: Option<String>,
}

pub(super) struct Hub {
    crew: Crew,
    nodes: Vec<Node>,
    requests: mpsc::Receiver<Ask>,
    /// By `msg_id`.
    waiting: BTreeMap<u64, Waiting>,
    next_id: u64,
    health: watch::Sender<Health>,
    metrics: Arc<Metrics>,
}

struct Node {
    stage: Stage,
    /// How often it failed since it was well.
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It is started again then.
    Down(Instant),
    /// It was asked to, with this `msg_id`, then.
    Initialising(u64, Instant),
    /// Since then.
    Ready(Instant),
    /// Its agent is.
    Gone,
}

struct Waiting {
    node: usize,
    reply: oneshot::Sender<Result<Box<RawValue>, Error>>,
}

/// A line of a node, as far as it matters here.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Hub {
    /// Nodes of this crew, none of which runs yet.
    pub(super) fn new(
        crew: Crew,
        node_count: usize,
        requests: mpsc::Receiver<Ask>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let down = || Node { stage: Stage::Down(Instant::now()), failures: 0 };
        let nodes = std::iter::repeat_with(down).take(node_count).collect();
        let health = watch::Sender::new(Health::default());
        let waiting = BTreeMap::new();
        let mut hub = Self { crew, nodes, requests, waiting, next_id: 1, health, metrics };
        hub.look();
        hub
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Serves requests until nobody can make any more, and ends all nodes.
    pub(super) async fn serve(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        self.crew.end(End::Well, |_| {}).await;
    }

    /// Ready when it is all over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut busy = false;
            if let Poll::Ready(outage) = self.crew.link.poll_outage(cx) {
                busy = true;
                self.outage(outage);
            }
            while let Poll::Ready(Some(message)) = self.crew.poll_inbox(cx) {
                busy = true;
                match Heard::of(&message, self.crew.subject()) {
                    Some(Heard::Line { src: Address::Node(node), id, line, .. })
                        if Id::is_of(id, self.crew.starts(node)) =>
                    {
                        self.hear(node, line);
                    }
                    Some(Heard::State(state)) => self.hear_state(state),
                    _ => {}
                }
            }
            while let Poll::Ready(ask) = self.requests.poll_recv(cx) {
                busy = true;
                match ask {
                    Some(ask) => self.ask(ask),
                    None => return Poll::Ready(()),
                }
            }
            if self.crew.poll_tick(cx) {
                busy = true;
                self.look();
            }
            self.crew.poll_send(cx);
            if !busy {
                return Poll::Pending;
            }
        }
    }

    fn outage(&mut self, outage: Outage) {
        self.crew.hear_again();
        self.metrics.outages.inc();
        eprint(&match outage {
            Outage::Away(time) => format!("NATS was away for {:.1} s", time.as_secs_f64()),
            Outage::Overflow => "NATS brought more than could be taken".to_owned(),
        });
        // Their requests may be lost, or the replies.
        for node in 0..self.nodes.len() {
            if matches!(self.nodes[node].stage, Stage::Initialising(..)) {
                self.start(node);
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let Ask { node, mut fields, reply } = ask;
        let refused = match self.nodes.get(node).map(|node| node.stage) {
            _ if self.crew.link.is_away() => Error::unavailable("NATS is away"),
            Some(Stage::Ready(_)) => {
                let id = self.next_id();
                let body = to_raw_value(&id).and_then(|id| {
                    fields.insert("msg_id".to_owned(), id);
                    to_raw_value(&fields)
                });
                let sent =
                    body.map_err(Error::malformed).and_then(|body| self.send(node, id, body));
                match sent {
                    Ok(()) => {
                        self.waiting.insert(id, Waiting { node, reply });
                        return;
                    }
                    Err(error) => error,
                }
            }
            _ => Error::unavailable(format!("n{node} is not there now")),
        };
        // Who asked may be gone.
        let _ = reply.send(Err(refused));
    }

    fn send(&mut self, node: usize, id: u64, body: Box<RawValue>) -> Result<(), Error> {
        let (src, dest) = (Address::Client(CLIENT), Address::Node(node));
        self.crew.deliver(node, &Message { id, src, dest, body }).map_err(Error::malformed)
    }

    /// A node said something to clients.
    fn hear(&mut self, node: usize, line: &[u8]) {
        let Ok(Line { body }) = serde_json::from_slice(line) else { return };
        let Ok(header) = LooseHeader::read(body.get()) else { return };
        let answered = header.in_reply_to.and_then(|id| serde_json::from_str::<u64>(id.get()).ok());
        let Some(id) = answered else { return };
        match self.nodes[node].stage {
            Stage::Initialising(asked, _) if asked == id => match header.kind() {
                kind if kind == "init_ok" => self.set(node, Stage::Ready(Instant::now())),
                _ => self.fail(node, &format!("it does not take init: {body}")),
            },
            _ => {
                if self.waiting.get(&id).is_some_and(|waiting| waiting.node == node)
                    && let Some(waiting) = self.waiting.remove(&id)
                {
                    let _ = waiting.reply.send(Ok(body.to_owned()));
                }
            }
        }
    }

    fn hear_state(&mut self, state: State) {
        let State { incarnation, error, failures, .. } = state.clone();
        let Some((agent, before)) = self.crew.note_state(state) else { return };
        let name = agent.name.clone();
        let is_new = before.as_ref().is_some_and(|before| before.incarnation != incarnation);
        let was_gone = std::mem::take(&mut agent.is_gone);
        let own: Vec<usize> = agent.order.nodes.keys().copied().collect();
        let failed: Vec<(usize, FaultKind)> = failures
            .into_iter()
            .filter(|(node, failure)| agent.is_failure(*node, failure))
            .map(|(node, failure)| (node, failure.kind.into()))
            .collect();
        let known = before.and_then(|before| before.error);
        if let Some(error) = error.filter(|error| known.as_ref() != Some(error)) {
            eprint(&format!("agent {name}: {error}"));
        }
        if is_new || was_gone {
            eprint(&format!("agent {name} is there again"));
            for node in own {
                self.abandon(node, "its agent was started anew");
                self.start(node);
            }
        }
        for (node, kind) in failed {
            self.fail(node, &kind.of(node).to_string());
        }
    }

    /// A node cannot go on as it is.
    fn fail(&mut self, node: usize, why: &str) {
        if matches!(self.nodes[node].stage, Stage::Down(_) | Stage::Gone) {
            return;
        }
        self.abandon(node, why);
        let [first, longest] = PAUSES;
        let failures = &mut self.nodes[node].failures;
        let pause = longest.min(first * 2_u32.pow((*failures).min(10)));
        *failures += 1;
        eprint(&format!("{why}; it is started again in {:.1} s", pause.as_secs_f64()));
        self.set(node, Stage::Down(Instant::now() + pause));
    }

    /// Tells those who wait for a node that it will not answer.
    fn abandon(&mut self, node: usize, why: &str) {
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|(_, waiting)| waiting.node == node);
        self.waiting.extend(others);
        for (_, waiting) in own {
            let _ = waiting.reply.send(Err(Error::crash(why)));
        }
    }

    /// Has a new process of a node.
    fn start(&mut self, node: usize) {
        if self.crew.starts(node) > 0 {
            self.metrics.restarts.get_or_create(&label(node)).inc();
        }
        self.crew.start(node);
        let id = self.next_id();
        let names: Vec<String> = (0..self.nodes.len()).map(|node| format!("n{node}")).collect();
        let body = json!({"type": "init", "msg_id": id, "node_id": names[node], "node_ids": names});
        let sent = to_raw_value(&body).map_err(Error::malformed);
        if let Err(error) = sent.and_then(|body| self.send(node, id, body)) {
            eprint(&format!("n{node}: {error}"));
        }
        self.set(node, Stage::Initialising(id, Instant::now()));
    }

    /// Sees what has changed with time.
    fn look(&mut self) {
        for (name, nodes) in self.crew.missed() {
            eprint(&format!("agent {name} was not heard for {} s", PATIENCE.as_secs()));
            for node in nodes {
                self.abandon(node, "its agent is gone");
                self.set(node, Stage::Gone);
            }
        }
        let is_away = self.crew.link.is_away();
        for node in 0..self.nodes.len() {
            match self.nodes[node].stage {
                Stage::Down(until) if until <= Instant::now() && !is_away => self.start(node),
                Stage::Initialising(_, since) if since.elapsed() > INIT && !is_away => {
                    self.fail(node, &format!("n{node} does not answer init"));
                }
                Stage::Ready(since) if since.elapsed() > WELL => self.nodes[node].failures = 0,
                _ => {}
            }
        }
        // Nobody waits for these any more.
        self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        self.tell();
    }

    fn set(&mut self, node: usize, stage: Stage) {
        self.nodes[node].stage = stage;
        self.tell();
    }

    /// Says how things are.
    fn tell(&self) {
        let mut health = Health { nats: !self.crew.link.is_away(), ..Health::default() };
        for (node, Node { stage, .. }) in self.nodes.iter().enumerate() {
            let stage = match stage {
                Stage::Down(_) => "down",
                Stage::Initialising(..) => "initialising",
                Stage::Ready(_) => "ready",
                Stage::Gone => "gone",
            };
            self.metrics.ready.get_or_create(&label(node)).set((stage == "ready").into());
            health.nodes.insert(format!("n{node}"), stage);
        }
        for agent in &self.crew.agents {
            let state = agent.state.as_ref();
            let of = AgentHealth {
                is_there: !agent.is_gone,
                etcd: state.and_then(|state| state.etcd.clone()),
                error: state.and_then(|state| state.error.clone()),
            };
            health.agents.insert(agent.name.clone(), of);
        }
        self.metrics.nats.set(health.nats.into());
        self.health.send_if_modified(|known| std::mem::replace(known, health.clone()) != health);
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

fn label(node: usize) -> NodeLabel {
    NodeLabel { node: format!("n{node}") }
}
