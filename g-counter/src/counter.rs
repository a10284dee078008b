//! The counter as a state machine: events in, commands out; no I/O, no clock.
//!
//! It joins the parts: the [`Ledger`] writes this node's share, the [`Table`]
//! knows all shares, [`Links`] spread them, [`Lookups`] fetch what neighbours do
//! not tell. Every method that takes an event returns what to do about it;
//! [`Counter::deadline`] says when to call [`Counter::tick`] if nothing happens
//! before.
//!
//! Always: the table contains only shares that were in the service, so what a
//! read returns has happened, and what one life has read no later read of it
//! lacks.
//!
//! What is left to others: carrying commands out. Each [`Command::Write`],
//! [`Command::Check`] and [`Command::Look`] is answered by one event, at the
//! latest when its patience ends; a reply that comes after that is ignored.
//!
//! [`Ledger`]: crate::ledger

use std::collections::BTreeSet;
use std::mem;

use maelstrom::NodeId;
use tokio::time::Instant;

use crate::gossip::{Gossip, Links};
use crate::injected_bugs::Bug;
use crate::integer::Integer;
use crate::ledger::{Ledger, NoAnswer, Pace};
use crate::lookup::Lookups;
use crate::share::Share;
use crate::table::Table;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<T> {
    /// Set this node's key to `to` if it is `from`, or if nobody has written it,
    /// and report to [`Counter::written`].
    Write {
        /// What the key should be.
        from: Share,
        /// What it should become.
        to: Share,
        /// When, and how long to wait.
        pace: Pace,
    },
    /// Read this node's key and report to [`Counter::checked`].
    Check(Pace),
    /// Read these nodes' keys, after a write of something new that makes reads fresh
    /// where the service lets it, and report each to [`Counter::looked_up`], if there is
    /// anything to report.
    Look(Vec<NodeId>),
    /// Send that node a message, which may get lost.
    Tell(NodeId, Gossip),
    /// Answer a client.
    Answer(T, Answer),
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The add is in the service.
    Added,
    /// The counter's value.
    Value(Integer),
    /// No.
    Refused(Refusal),
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The add did not happen.
    #[error("the node is shutting down; nothing was added")]
    Closing,
    /// The add may have happened.
    #[error("the node lost track of the write that contains this add; read the counter to see")]
    Unknown,
}

/// One node's view of the counter. `T` stands for a client that waits.
#[derive(Debug)]
pub struct Counter<T> {
    own: NodeId,
    /// All other nodes.
    peers: BTreeSet<NodeId>,
    pub(crate) ledger: Ledger<T>,
    table: Table,
    links: Links,
    lookups: Lookups,
    /// Reads that came before this life had begun.
    readers: Vec<T>,
}

impl<T> Counter<T> {
    /// The counter of node `own` in a cluster of `nodes`. `nonce` must be drawn
    /// anew by every life of the node.
    pub fn new(own: &NodeId, nodes: &[NodeId], nonce: u64, now: Instant) -> Self {
        let peers: BTreeSet<NodeId> = nodes.iter().filter(|&node| node != own).cloned().collect();
        Self {
            own: own.clone(),
            ledger: Ledger::new(nonce, now),
            table: Table::default(),
            links: Links::new(own, nodes),
            lookups: Lookups::new(peers.iter().cloned().collect()),
            peers,
            readers: Vec::new(),
        }
    }

    /// Begins: to be called once.
    pub fn start(&mut self, now: Instant) -> Vec<Command<T>> {
        let mut out = Vec::new();
        self.ledger.start(now, &mut out);
        out
    }

    /// A client adds. It is answered when its add is in the service.
    pub fn add(&mut self, client: T, delta: Integer, now: Instant) -> Vec<Command<T>> {
        self.ledger.add(client, delta);
        let mut out = Vec::new();
        self.ledger.flush(now, &mut out);
        out
    }

    /// A client reads. It is answered at once from what is known here, except
    /// that a life that has only just begun first has to find out what the
    /// lives before it have added: a read contains every add that this node
    /// ever acknowledged. Whether what is known here is up to date is found out
    /// meanwhile, for the next read.
    pub fn read(&mut self, client: T, now: Instant) -> Vec<Command<T>> {
        if self.ledger.confirmed().is_none() {
            self.readers.push(client);
            return Vec::new();
        }
        if !self.ledger.bugs.has(Bug::NeverAsk) {
            self.links.check(now);
        }
        let mut out = vec![Command::Answer(client, self.value())];
        out.append(&mut self.tick(now));
        out
    }

    /// [`Command::Write`] was answered: whether it was done.
    pub fn written(&mut self, answer: Result<bool, NoAnswer>, now: Instant) -> Vec<Command<T>> {
        let mut out = Vec::new();
        if let Some(share) = self.ledger.written(answer, now, &mut out) {
            self.confirmed(share, now, &mut out);
        }
        out
    }

    /// [`Command::Check`] was answered: what the key is,
    /// [`Share::unwritten`] if there is none.
    pub fn checked(&mut self, answer: Result<Share, NoAnswer>, now: Instant) -> Vec<Command<T>> {
        let mut out = Vec::new();
        if let Some(share) = self.ledger.found(answer, now, &mut out) {
            self.confirmed(share, now, &mut out);
        }
        out
    }

    /// [`Command::Look`] was answered with that node's share.
    pub fn looked_up(&mut self, node: &NodeId, share: Share, now: Instant) -> Vec<Command<T>> {
        if self.table.learn(node, share, None) {
            self.lookups.succeeded();
        }
        self.tick(now)
    }

    /// A message came. What is not of this cluster is ignored.
    pub fn received(&mut self, from: &NodeId, mut gossip: Gossip, now: Instant) -> Vec<Command<T>> {
        if !self.peers.contains(from) {
            return Vec::new();
        }
        gossip.shares.retain(|node, _| *node == self.own || self.peers.contains(node));
        self.links.receive(from, &gossip, now, &mut self.table);
        self.tick(now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Command<T>> {
        let due = self.links.due(now, &self.table);
        let mut out: Vec<_> =
            due.into_iter().map(|(to, gossip)| Command::Tell(to, gossip)).collect();
        out.extend(self.lookups.due(now, &self.links).map(Command::Look));
        out
    }

    /// When to call [`Counter::tick`] if nothing happens before; never, when
    /// everything is known to be known.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let tell = self.links.deadline(now, &self.table);
        let look = self.lookups.deadline(now, &self.links);
        tell.into_iter().chain(look).min()
    }

    /// Ends: everybody who waits is answered that no answer will come.
    pub fn close(&mut self) -> Vec<Command<T>> {
        let mut out = Vec::new();
        self.ledger.close(&mut out);
        let refused = |client| Command::Answer(client, Answer::Refused(Refusal::Closing));
        out.extend(mem::take(&mut self.readers).into_iter().map(refused));
        out
    }

    /// This node's share is known to be in the service.
    fn confirmed(&mut self, share: Share, now: Instant, out: &mut Vec<Command<T>>) {
        if share.sequence == 0 {
            self.links.begin(share.incarnation);
        }
        self.table.learn(&self.own, share, None);
        let value = self.value();
        let answered = |to| Command::Answer(to, value.clone());
        out.extend(mem::take(&mut self.readers).into_iter().map(answered));
        self.ledger.flush(now, out);
        out.append(&mut self.tick(now));
    }

    fn value(&self) -> Answer {
        Answer::Value(self.table.total().clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What others tell of this node's own key may be newer than what the service
    /// shows it; but a service that decides on what it shows refuses a change of
    /// anything else, for as long as it shows that.
    #[test]
    fn a_life_takes_its_key_over_from_what_the_service_shows_not_from_hearsay() {
        let now = Instant::now();
        let (own, other) = (NodeId::from("n0"), NodeId::from("n1"));
        let mut counter = Counter::<()>::new(&own, &[own.clone(), other.clone()], 7, now);
        counter.start(now);
        counter.written(Ok(false), now);
        let share =
            |sequence, sum| Share { incarnation: 1, nonce: 9, sequence, sum: i64::into(sum) };
        let gossip = Gossip {
            incarnation: 1,
            version: 1,
            since: 0,
            seen_incarnation: 1,
            seen_version: 0,
            ask: false,
            shares: BTreeMap::from([(own, share(4, 40))]),
        };
        counter.received(&other, gossip, now);
        let commands = counter.checked(Ok(share(2, 20)), now);
        let [Command::Write { from, .. }, ..] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(*from, share(2, 20));
    }
}
