//! The virtual network: an event queue, links with faults, and nodes.
//!
//! Whether a link is cut is decided when a message arrives, as Maelstrom does.
//! Every message goes through its JSON form, unless that is turned off. When a
//! value reached a node is read off the messages; what a node really has is
//! read from the node, by [`Net::reads`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use broadcast::config::Config;
use broadcast::machine::{Broadcaster, Reply, Request};
use broadcast::wire::{Message, Rank, Value};
use maelstrom::machine::{Client, Input, Machine as _, Output, Outputs};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// How long messages take.
#[derive(Clone, Copy)]
pub(crate) enum Latency {
    Constant(Duration),
    Exponential(Duration),
}

/// What becomes of messages.
#[derive(Clone, Copy)]
pub(crate) struct Links {
    pub(crate) latency: Latency,
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
}

impl Links {
    pub(crate) fn perfect(latency: Duration) -> Self {
        Self { latency: Latency::Constant(latency), loss: 0.0, duplication: 0.0 }
    }
}

/// Which links are cut: `(from, to)`.
pub(crate) type Cut = BTreeSet<(Rank, Rank)>;

enum Event {
    Deliver { from: Rank, to: Rank, message: Box<Message> },
    Wake { node: Rank },
    Client { node: Rank, value: u64 },
    Cut(Cut),
    Kill(Rank),
    Start(Rank),
    Pause(Rank, Duration),
}

/// The fate of one value.
pub(crate) struct Fate {
    pub(crate) origin: Rank,
    pub(crate) sent: Duration,
    /// When it reached which node first.
    pub(crate) reached: BTreeMap<Rank, Duration>,
}

struct Slot {
    machine: Option<Broadcaster>,
    wake: Option<Duration>,
    paused: Duration,
}

pub(crate) struct Net {
    pub(crate) now: Duration,
    pub(crate) rng: StdRng,
    pub(crate) links: Links,
    pub(crate) config: Config,
    /// Extra latency of single links, one way.
    pub(crate) slow: BTreeMap<(Rank, Rank), Duration>,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) largest: usize,
    pub(crate) fates: BTreeMap<u64, Fate>,
    /// From when on which links are cut.
    pub(crate) cuts: Vec<(Duration, Cut)>,
    pub(crate) encodes: bool,
    /// Which nodes were killed.
    pub(crate) killed: Vec<Rank>,
    /// Messages sent by each node.
    pub(crate) by_node: Vec<u64>,
    nodes: Vec<Slot>,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    serial: u64,
    wakes_here: (Duration, u32),
}

impl Net {
    pub(crate) fn new(nodes: usize, config: Config, links: Links, seed: u64) -> Self {
        let mut net = Self {
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
            links,
            config,
            slow: BTreeMap::new(),
            messages: 0,
            bytes: 0,
            largest: 0,
            fates: BTreeMap::new(),
            cuts: vec![(Duration::ZERO, Cut::new())],
            encodes: true,
            killed: Vec::new(),
            by_node: vec![0; nodes],
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            wakes_here: (Duration::ZERO, 0),
        };
        for node in 0..nodes {
            net.nodes.push(Slot { machine: None, wake: None, paused: Duration::ZERO });
            let after = MS * net.rng.random_range(0..20);
            net.at(after, Event::Start(node));
        }
        net
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    // ---- what is to happen ----

    pub(crate) fn client(&mut self, at: Duration, node: Rank, value: u64) {
        self.at(at, Event::Client { node, value });
    }

    pub(crate) fn cut(&mut self, at: Duration, cut: Cut) {
        self.at(at, Event::Cut(cut));
    }

    pub(crate) fn kill(&mut self, at: Duration, node: Rank) {
        self.at(at, Event::Kill(node));
    }

    pub(crate) fn start(&mut self, at: Duration, node: Rank) {
        self.at(at, Event::Start(node));
    }

    pub(crate) fn pause(&mut self, at: Duration, node: Rank, until: Duration) {
        self.at(at, Event::Pause(node, until));
    }

    /// Clients broadcast values 0, 1, 2, … at random nodes, `rate` a second,
    /// with gaps as Maelstrom draws them. Returns how many.
    pub(crate) fn load(&mut self, from: Duration, upto: Duration, rate: f64) -> u64 {
        let first = self.fates.len() as u64
            + self.events.values().filter(|e| matches!(e, Event::Client { .. })).count() as u64;
        let mut value = first;
        let mut at = from;
        loop {
            at += Duration::from_secs_f64(self.rng.random_range(0.0..2.0 / rate));
            if at >= upto {
                return value - first;
            }
            let node = self.rng.random_range(0..self.len());
            self.client(at, node, value);
            value += 1;
        }
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((at.max(self.now), self.serial)));
        self.events.insert(self.serial, event);
    }

    // ---- running ----

    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(&Reverse((at, serial))) = self.queue.peek() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            if let Some(event) = self.events.remove(&serial) {
                self.happen(event);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Deliver { from, to, ref message } => {
                let is_cut = self.cuts.last().is_some_and(|(_, cut)| cut.contains(&(from, to)));
                if is_cut || self.is_paused(to) {
                    if !is_cut {
                        self.at(self.nodes[to].paused, event);
                    }
                    return;
                }
                self.trace(to, message);
                let Event::Deliver { message, .. } = event else { return };
                message.check(to, from, self.len()).expect("a proper message");
                self.handle(to, Input::Message(from, *message));
            }
            Event::Wake { node } => self.wake(node),
            Event::Client { node, value } => {
                if self.is_paused(node) {
                    self.at(self.nodes[node].paused, event);
                } else if self.is_alive(node) {
                    let reached = BTreeMap::from([(node, now)]);
                    self.fates.insert(value, Fate { origin: node, sent: now, reached });
                    let request = Request::Broadcast(json(value));
                    self.handle(node, Input::Request(Client(0), request));
                }
            }
            Event::Cut(cut) => self.cuts.push((now, cut)),
            Event::Kill(node) => {
                self.nodes[node].machine = None;
                self.killed.push(node);
            }
            Event::Start(node) => {
                let rng = StdRng::seed_from_u64(self.rng.random());
                let machine = Broadcaster::new(node, self.len(), &self.config, rng);
                self.nodes[node] =
                    Slot { machine: Some(machine), wake: None, paused: Duration::ZERO };
                self.handle(node, Input::Start);
            }
            Event::Pause(node, until) => self.nodes[node].paused = until,
        }
    }

    fn is_paused(&self, node: Rank) -> bool {
        self.nodes[node].paused > self.now
    }

    fn wake(&mut self, node: Rank) {
        let now = self.now;
        if self.is_paused(node) {
            self.at(self.nodes[node].paused, Event::Wake { node });
            return;
        }
        let slot = &mut self.nodes[node];
        slot.wake = None;
        let Some(deadline) = slot.machine.as_ref().map(Broadcaster::deadline) else { return };
        if deadline.is_some_and(|at| at <= now) {
            let (at, count) = self.wakes_here;
            self.wakes_here = if at == now { (now, count + 1) } else { (now, 1) };
            assert!(self.wakes_here.1 < 20 * self.nodes.len() as u32 + 100, "a busy loop");
            self.handle(node, Input::Wake);
        } else {
            self.plan(node);
        }
    }

    /// Has a node take an input, and sends what it wants to send. Returns its reply.
    fn handle(&mut self, node: Rank, input: Input<Broadcaster>) -> Option<Reply> {
        let machine = self.nodes[node].machine.as_mut()?;
        let mut outputs = Outputs::default();
        machine.handle(self.now, input, &mut outputs);
        self.plan(node);
        let mut reply = None;
        for output in outputs.drain() {
            match output {
                Output::Send(to, message) => self.post(node, to, message),
                Output::Reply(_, given) => reply = given.ok(),
                Output::Call(..) | Output::Write(_) => {}
            }
        }
        reply
    }

    /// Sees to it that a node is woken.
    fn plan(&mut self, node: Rank) {
        let slot = &mut self.nodes[node];
        let deadline = slot.machine.as_ref().and_then(Broadcaster::deadline);
        if let Some(at) = deadline.map(|at| at.max(self.now))
            && slot.wake.is_none_or(|planned| at < planned)
        {
            slot.wake = Some(at);
            self.at(at, Event::Wake { node });
        }
    }

    fn post(&mut self, from: Rank, to: Rank, message: Message) {
        self.messages += 1;
        self.by_node[from] += 1;
        let message = Box::new(if self.encodes { self.encode(message) } else { message });
        if self.rng.random_bool(self.links.loss) {
            return;
        }
        if self.rng.random_bool(self.links.duplication) {
            let at = self.now + self.delay(from, to);
            self.at(at, Event::Deliver { from, to, message: message.clone() });
        }
        let at = self.now + self.delay(from, to);
        self.at(at, Event::Deliver { from, to, message });
    }

    fn encode(&mut self, message: Message) -> Message {
        let (message, length) = match message {
            Message::Spread(spread) => {
                let text = serde_json::to_string(&spread).unwrap();
                (Message::Spread(serde_json::from_str(&text).unwrap()), text.len())
            }
            Message::Digest(digest) => {
                let text = serde_json::to_string(&digest).unwrap();
                (Message::Digest(serde_json::from_str(&text).unwrap()), text.len())
            }
        };
        self.bytes += length as u64;
        self.largest = self.largest.max(length);
        message
    }

    fn delay(&mut self, from: Rank, to: Rank) -> Duration {
        let drawn = match self.links.latency {
            Latency::Constant(latency) => latency,
            Latency::Exponential(mean) => mean.mul_f64(-(1.0 - self.rng.random::<f64>()).ln()),
        };
        drawn + self.slow.get(&(from, to)).copied().unwrap_or_default()
    }

    fn trace(&mut self, to: Rank, message: &Message) {
        let Message::Spread(spread) = message else { return };
        for value in spread.runs.iter().flat_map(|run| &run.values) {
            if let Some(fate) = value.get().parse().ok().and_then(|v: u64| self.fates.get_mut(&v)) {
                fate.reached.entry(to).or_insert(self.now);
            }
        }
    }

    // ---- what came of it ----

    pub(crate) fn is_alive(&self, node: Rank) -> bool {
        self.nodes[node].machine.is_some()
    }

    /// What a node would answer to a read, in order.
    pub(crate) fn read(&mut self, node: Rank) -> Vec<u64> {
        match self.handle(node, Input::Request(Client(0), Request::Read)) {
            Some(Reply::Values(values)) => serde_json::from_str(values.get()).unwrap(),
            _ => panic!("node {node} does not answer"),
        }
    }

    /// Asserts that every live node has exactly these values, each once.
    #[track_caller]
    pub(crate) fn assert_everywhere(&mut self, values: &BTreeSet<u64>, context: &str) {
        for node in 0..self.len() {
            if self.is_alive(node) {
                let read = self.read(node);
                let set: BTreeSet<u64> = read.iter().copied().collect();
                assert_eq!(set.len(), read.len(), "node {node} shows a value twice ({context})");
                let missing: Vec<_> = values.difference(&set).collect();
                let excess: Vec<_> = set.difference(values).collect();
                assert!(
                    missing.is_empty() && excess.is_empty(),
                    "node {node} lacks {missing:?} and has {excess:?} beside ({context})"
                );
            }
        }
    }

    /// All values that were broadcast.
    pub(crate) fn values(&self) -> BTreeSet<u64> {
        self.fates.keys().copied().collect()
    }

    /// For each value, how long until it was everywhere; sorted.
    pub(crate) fn latencies(&self) -> Vec<Duration> {
        let everywhere = |fate: &Fate| *fate.reached.values().max().unwrap() - fate.sent;
        let mut all: Vec<_> = self.fates.values().map(everywhere).collect();
        all.sort();
        all
    }
}

/// The element at a fraction of a sorted list.
pub(crate) fn quantile(sorted: &[Duration], at: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

fn json(value: u64) -> Value {
    RawValue::from_string(value.to_string()).unwrap().into()
}
