//! A state of the cluster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
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
    /// latest message first, in one piece: it is copied for every state.
    network: Vec<Option<Arc<Sent>>>,
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
        let network = vec![None; starts.len() * starts.len() * kept];
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
        let ages = move |from| 0..self.messages(from, rank).iter().flatten().count();
        (0..self.places.len()).flat_map(move |from| ages(from).map(move |age| (from, age)))
    }

    fn messages(&self, from: Rank, to: Rank) -> &[Option<Arc<Sent>>] {
        &self.network[self.places_of(from, to)]
    }

    fn places_of(&self, from: Rank, to: Rank) -> Range<usize> {
        let first = (from * self.places.len() + to) * self.kept;
        first..first + self.kept
    }

    pub(crate) fn message(&self, from: Rank, to: Rank, age: usize) -> Option<&Arc<Sent>> {
        self.messages(from, to).get(age)?.as_ref()
    }

    /// Whether all of this is under way.
    pub(crate) fn has(&self, messages: &[Arc<Sent>]) -> bool {
        messages.iter().all(|sent| {
            self.messages(sent.from, sent.to)
                .iter()
                .flatten()
                .any(|known| known.digest == sent.digest)
        })
    }

    /// A node takes a step.
    pub(crate) fn take(&mut self, rank: Rank, step: &Step) {
        self.places[rank] = step.place.clone();
        self.past.step(rank, step, &step.place.node);
        for sent in &*step.says {
            let range = self.places_of(sent.from, sent.to);
            let messages = &mut self.network[range];
            // What is said again is no other message.
            let is_known = |known: &Option<Arc<Sent>>| {
                known.as_ref().is_some_and(|it| it.digest == sent.digest)
            };
            let replaced = messages.iter().position(is_known).unwrap_or(self.kept - 1);
            messages[..=replaced].rotate_right(1);
            messages[0] = Some(sent.clone());
        }
        self.forget_former_terms();
    }

    fn forget_former_terms(&mut self) {
        let Self { places, network, kept, .. } = self;
        for messages in network.chunks_exact_mut(*kept) {
            for message in &mut *messages {
                message.take_if(|sent| sent.packet.term < places[sent.to].node.term());
            }
            messages.sort_by_key(Option::is_none);
        }
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { places, network, kept: _, asked, wakes, crashes, past } = self;
        places.iter().for_each(|place| place.digest.hash(hasher));
        let digest = |sent: &Option<Arc<Sent>>| sent.as_ref().map_or(0, |sent| sent.digest);
        network.iter().for_each(|sent| digest(sent).hash(hasher));
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
