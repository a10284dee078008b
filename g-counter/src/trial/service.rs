//! A sequentially consistent key-value service, as stale as it may be.
//!
//! Every change happens on the newest state. What changes nothing (a read, a
//! refused compare-and-set) is answered from any state between the newest one
//! that the client has seen and the present. A node's new life is a new client:
//! it may be shown everything from the beginning.

use std::collections::BTreeMap;

use maelstrom::NodeId;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::share::Share;

/// Which of the states that it may show the service shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staleness {
    /// Any, as Maelstrom's does.
    Random,
    /// The oldest.
    Greatest,
}

/// A node, and which of its lives.
pub(super) type Client = (NodeId, u64);

pub(super) struct Service {
    staleness: Staleness,
    /// Of each key, its values and the number of the state they came with.
    keys: BTreeMap<NodeId, Vec<(u64, Share)>>,
    newest: u64,
    seen: BTreeMap<Client, u64>,
}

impl Service {
    pub(super) fn new(staleness: Staleness) -> Self {
        Self { staleness, keys: BTreeMap::new(), newest: 0, seen: BTreeMap::new() }
    }

    pub(super) fn read(
        &mut self,
        client: &Client,
        key: &NodeId,
        rng: &mut StdRng,
    ) -> Option<Share> {
        let state = self.pick(client, rng);
        self.at(key, state)
    }

    /// Sets a key to `to` if it is `from` or missing.
    pub(super) fn cas(
        &mut self,
        client: &Client,
        key: &NodeId,
        from: Share,
        to: Share,
        rng: &mut StdRng,
    ) -> bool {
        let changes = |now: Option<Share>| now.is_none_or(|now| now == from);
        let state = self.pick(client, rng);
        if !changes(self.at(key, state)) {
            return false;
        }
        let happens = changes(self.at(key, self.newest));
        if happens {
            self.write(client, key, to);
        }
        self.seen.insert(client.clone(), self.newest);
        happens
    }

    pub(super) fn write(&mut self, client: &Client, key: &NodeId, to: Share) {
        self.newest += 1;
        self.keys.entry(key.clone()).or_default().push((self.newest, to));
        self.seen.insert(client.clone(), self.newest);
    }

    fn pick(&mut self, client: &Client, rng: &mut StdRng) -> u64 {
        let seen = self.seen.get(client).copied().unwrap_or(0);
        let state = match self.staleness {
            Staleness::Random => rng.random_range(seen..=self.newest),
            Staleness::Greatest => seen,
        };
        self.seen.insert(client.clone(), state);
        state
    }

    fn at(&self, key: &NodeId, state: u64) -> Option<Share> {
        let values = self.keys.get(key)?;
        let later = values.partition_point(|&(since, _)| since <= state);
        Some(values[later.checked_sub(1)?].1)
    }
}
