//! `lww-kv`: last write wins, eventually.
//!
//! Two replicas with a Lamport clock each. A request first merges one random
//! replica into another (perhaps itself), then runs on a random replica. Of two
//! values the one with the higher timestamp wins; between equal ones, that of
//! the replica merged from. `create_if_not_exists` is ignored, as in the
//! original.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Service;
use super::request::{KvOperation, KvRequest, Reply, Request, Value};
use crate::net::Address;

const REPLICAS: usize = 2;

/// An eventually consistent key-value store.
#[derive(Debug)]
pub(super) struct LwwKv {
    rng: StdRng,
    replicas: [Replica; REPLICAS],
}

#[derive(Clone, Debug, Default)]
struct Replica {
    clock: u64,
    values: BTreeMap<String, Stamped>,
}

#[derive(Clone, Debug)]
struct Stamped {
    timestamp: u64,
    value: Value,
}

impl LwwKv {
    /// Empty replicas; `rng` draws replicas.
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, replicas: Default::default() }
    }

    fn draw(&mut self) -> usize {
        self.rng.random_range(0..REPLICAS)
    }

    fn gossip(&mut self) {
        let (from, to) = (self.draw(), self.draw());
        if let Ok([from, to]) = self.replicas.get_disjoint_mut([from, to]) {
            to.merge(from);
        }
    }
}

impl Replica {
    fn merge(&mut self, from: &Replica) {
        self.clock = self.clock.max(from.clock);
        for (key, theirs) in &from.values {
            match self.values.get_mut(key) {
                Some(ours) if ours.timestamp > theirs.timestamp => {}
                Some(ours) => ours.clone_from(theirs),
                None => drop(self.values.insert(key.clone(), theirs.clone())),
            }
        }
    }

    fn handle(&mut self, request: KvRequest<'_>) -> Reply {
        let operation = match request.operation {
            KvOperation::Cas { from, to, .. } => KvOperation::Cas { from, to, create: false },
            other => other,
        };
        let current = self.values.get(&request.key).map(|stamped| &stamped.value);
        let (reply, written) = operation.apply(current);
        if let Some(value) = written {
            self.values.insert(request.key, Stamped { timestamp: self.clock, value });
            self.clock += 1;
        }
        reply
    }
}

impl Service for LwwKv {
    fn handle(&mut self, _client: Address, request: &Request<'_>) -> Result<Reply, Reply> {
        let request = request.as_kv()?;
        self.gossip();
        let replica = self.draw();
        Ok(self.replicas[replica].handle(request))
    }
}
