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
use super::incarnation::Client;
use super::request::{KvOperation, KvRequest, Reply, Request, Value};

const REPLICAS: usize = 2;

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
    fn handle(&mut self, _client: Client, request: &Request<'_>) -> Result<Reply, Reply> {
        let request = request.as_kv()?;
        self.gossip();
        let replica = self.draw();
        Ok(self.replicas[replica].handle(request))
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::raw;
    use rand::SeedableRng as _;
    use serde_json::json;

    use super::*;
    use crate::net::Address;

    fn ask(service: &mut LwwKv, body: &serde_json::Value) {
        let body = raw(body);
        let request = Request::parse(&body).unwrap();
        let client = Client { address: Address::Node(0), incarnation: 0 };
        service.handle(client, &request).unwrap();
    }

    #[test]
    fn when_it_is_quiet_all_replicas_come_to_have_the_value_with_the_highest_timestamp() {
        for seed in 0..100 {
            let mut service = LwwKv::new(StdRng::seed_from_u64(seed));
            for value in 0..20 {
                ask(&mut service, &json!({"type": "write", "key": value % 3, "value": value}));
            }
            let newest = |service: &LwwKv, key: &str| {
                let stamps = service.replicas.iter().filter_map(|replica| replica.values.get(key));
                stamps.map(|stamped| stamped.timestamp).max().unwrap()
            };
            let keys = ["0", "1", "2"];
            let expected = keys.map(|key| newest(&service, key));
            for _ in 0..100 {
                ask(&mut service, &json!({"type": "read", "key": "other"}));
            }
            for (key, expected) in keys.into_iter().zip(expected) {
                let [a, b] = [0, 1].map(|index| &service.replicas[index].values[key]);
                assert_eq!((a.timestamp, b.timestamp), (expected, expected), "seed {seed}");
                assert_eq!(a.value.get(), b.value.get(), "seed {seed}");
            }
        }
    }
}
