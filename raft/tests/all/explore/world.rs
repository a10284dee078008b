//! A state of the cluster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use maelstrom::machine::{Rank, Time};
use raft::{Packet, Raft, Record, StateMachine};
use serde::{Deserialize, Serialize};

use crate::explore::nodes::Step;
use crate::explore::past::Past;

/// Counts how often it was told to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counter(i64);

impl Counter {
    pub(crate) fn count(&self) -> i64 {
        self.0
    }
}

impl StateMachine for Counter {
    type Command = i64;
    type Query = ();
    type Response = i64;

    fn apply(&mut self, delta: &i64) -> i64 {
        self.0 += delta;
        self.0
    }

    fn query(&self, (): &()) -> i64 {
        self.0
    }
}

pub(crate) type Node = Raft<Counter>;

/// A node, its clock and its disk.
pub(crate) struct Place {
    pub(crate) node: Node,
    pub(crate) clock: Time,
    /// How often it was started again.
    pub(crate) starts: u64,
    pub(crate) records: Vec<Record<i64>>,
    /// A hash of all that.
    pub(crate) digest: u64,
}

/// A message that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) from: Rank,
    pub(crate) to: Rank,
    pub(crate) packet: Packet<i64>,
    /// A hash of all that.
    pub(crate) digest: u64,
}

/// A state of the cluster.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) places: Vec<Arc<Place>>,
    /// What each node has said last to each other one, in the order of who said it, the
    /// latest message first.
    network: Vec<Vec<Arc<Sent>>>,
    /// How many of them may arrive.
    kept: usize,
    pub(crate) asked: usize,
    pub(crate) wakes: usize,
    pub(crate) crashes: usize,
    past: Past,
}

impl World {
    /// A cluster of nodes that have just started, with a network that keeps so many messages.
    pub(crate) fn new(starts: &[Step], kept: usize) -> Self {
        let places = starts.iter().map(|step| step.place.clone()).collect();
        let network = vec![Vec::new(); starts.len() * starts.len()];
        let past = Past::default();
        let mut world = Self { places, network, kept, asked: 0, wakes: 0, crashes: 0, past };
        starts.iter().enumerate().for_each(|(rank, step)| world.take(rank, step));
        world
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.places.iter().map(|place| &place.node)
    }

    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// What is under way to this node: from whom, and how many messages that one has sent
    /// since.
    pub(crate) fn messages_to(&self, rank: Rank) -> impl Iterator<Item = (Rank, usize)> {
        let ages = move |from| 0..self.messages(from, rank).len();
        (0..self.places.len()).flat_map(move |from| ages(from).map(move |age| (from, age)))
    }

    fn messages(&self, from: Rank, to: Rank) -> &[Arc<Sent>] {
        &self.network[from * self.places.len() + to]
    }

    pub(crate) fn message(&self, from: Rank, to: Rank, age: usize) -> Option<&Arc<Sent>> {
        self.messages(from, to).get(age)
    }

    /// Whether all of this is under way.
    pub(crate) fn has(&self, messages: &[Arc<Sent>]) -> bool {
        messages.iter().all(|sent| {
            self.messages(sent.from, sent.to).iter().any(|known| known.digest == sent.digest)
        })
    }

    /// A node takes a step.
    pub(crate) fn take(&mut self, rank: Rank, step: &Step) {
        let nodes = self.places.len();
        self.places[rank] = step.place.clone();
        self.past.step(rank, step, &step.place.node);
        for sent in &*step.says {
            let messages = &mut self.network[sent.from * nodes + sent.to];
            // What is said again is no other message.
            messages.retain(|known| known.digest != sent.digest);
            messages.insert(0, sent.clone());
            messages.truncate(self.kept);
        }
        let places = &self.places;
        let is_timely = |sent: &Arc<Sent>| sent.packet.term >= places[sent.to].node.term();
        self.network.iter_mut().for_each(|messages| messages.retain(is_timely));
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { places, network, kept: _, asked, wakes, crashes, past } = self;
        places.iter().for_each(|place| place.digest.hash(hasher));
        for messages in network {
            messages.len().hash(hasher);
            messages.iter().for_each(|sent| sent.digest.hash(hasher));
        }
        (asked, wakes, crashes, past).hash(hasher);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let hash = |world: &Self| {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            hasher.finish()
        };
        hash(self) == hash(other)
    }
}
