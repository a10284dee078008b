//! `seq-kv`: sequentially consistent, and stale on purpose.
//!
//! The store remembers its last 32 states. Each client has an index, the newest
//! state that it has certainly seen. An operation is tried on a state drawn
//! between that index and the newest. If it would leave that state as it is, the
//! answer comes from there and the client's index moves there; if it would
//! change it, it runs on the newest state instead and makes a new one.
//!
//! So a client does not see time run backwards, and nobody loses a write, but a
//! reader may lag for as long as it only reads. A client is a name: one that was
//! killed and started again goes on where it was.
//!
//! A client that is more than 32 states behind draws states that are no longer
//! remembered; like the original's ring buffer we then give it the remembered state
//! at that distance modulo 32, which can take it back in time.

use std::collections::VecDeque;

use maelstrom::machine::Operation;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use super::Service;
use super::incarnation::Client;
use super::request::{Reply, Value, is_same};
use crate::net::Address;

const STATES: u64 = 32;

/// A sequentially consistent key-value store.
///
/// States differ from their predecessor in one key, so that it suffices to know
/// for each key from which state on it had which value.
#[derive(Debug)]
pub(super) struct SeqKv {
    rng: StdRng,
    /// The newest state; the first is 0 and empty.
    newest: u64,
    versions: FxHashMap<String, VecDeque<Version>>,
    clients: FxHashMap<Address, u64>,
}

#[derive(Debug)]
struct Version {
    since: u64,
    value: Value,
}

impl SeqKv {
    /// An empty store; `rng` draws how stale it is.
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, newest: 0, versions: FxHashMap::default(), clients: FxHashMap::default() }
    }

    /// The state remembered for an index that a client drew.
    fn remembered(&self, index: u64) -> u64 {
        let states = STATES.min(self.newest + 1);
        self.newest - (self.newest - index) % states
    }

    fn value_at(&self, state: u64, key: &str) -> Option<&Value> {
        let versions = self.versions.get(key)?;
        versions.iter().rev().find(|version| version.since <= state).map(|version| &version.value)
    }

    /// Makes a new state, and forgets what only forgotten states had.
    fn write(&mut self, key: String, value: Value) {
        self.newest += 1;
        let oldest = (self.newest + 1).saturating_sub(STATES);
        let versions = self.versions.entry(key).or_default();
        versions.push_back(Version { since: self.newest, value });
        while versions.get(1).is_some_and(|second| second.since <= oldest) {
            versions.pop_front();
        }
    }

    /// The answer of a state that the operation leaves as it is.
    fn try_on(&self, state: u64, key: &str, operation: &Operation) -> Option<Reply> {
        let current = self.value_at(state, key);
        match Reply::to(operation, current) {
            (reply, None) => Some(reply),
            (reply, Some(new)) => current.is_some_and(|old| is_same(old, &new)).then_some(reply),
        }
    }
}

impl Service for SeqKv {
    fn handle(&mut self, client: Client, key: String, operation: &Operation) -> Reply {
        let seen = self.clients.get(&client.address).copied().unwrap_or(0);
        let index = self.rng.random_range(seen..=self.newest);
        if let Some(reply) = self.try_on(self.remembered(index), &key, operation) {
            self.clients.insert(client.address, index);
            return reply;
        }
        // Even if the newest state stays as it is, the original counts a new one.
        let (reply, written) = Reply::to(operation, self.value_at(self.newest, &key));
        match written {
            Some(value) => self.write(key, value),
            None => self.newest += 1,
        }
        self.clients.insert(client.address, self.newest);
        reply
    }
}
