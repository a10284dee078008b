//! `lww-kv`: last write wins, eventually.
//!
//! Two replicas with a Lamport clock each. A request first merges one random
//! replica into another (perhaps itself), then runs on a random replica. Of two
//! values the one with the higher timestamp wins; between equal ones, that of
//! the replica merged from. `create_if_not_exists` is ignored, as in the
//! original.

use std::collections::BTreeMap;

use maelstrom::machine::Operation;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Service;
use super::incarnation::Client;
use super::request::{Reply, Value};

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

    fn handle(&mut self, key: String, operation: &Operation) -> Reply {
        let current = self.values.get(&key).map(|stamped| &stamped.value);
        let (reply, written) = match (operation, current) {
            (Operation::Cas { .. }, None) => Reply::to(&Operation::Read, None),
            _ => Reply::to(operation, current),
        };
        if let Some(value) = written {
            self.values.insert(key, Stamped { timestamp: self.clock, value });
            self.clock += 1;
        }
        reply
    }
}

impl Service for LwwKv {
    fn handle(&mut self, _: Client, key: String, operation: &Operation) -> Reply {
        self.gossip();
        let replica = self.draw();
        self.replicas[replica].handle(key, operation)
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::raw;
    use rand::SeedableRng as _;

    use super::*;
    use crate::net::Address;

    fn ask(service: &mut LwwKv, key: &str, operation: &Operation) {
        let client = Client { address: Address::Node(0), incarnation: 0 };
        service.handle(client, key.to_owned(), operation);
    }

    #[test]
    fn when_it_is_quiet_all_replicas_come_to_have_the_value_with_the_highest_timestamp() {
        for seed in 0..100 {
            let mut service = LwwKv::new(StdRng::seed_from_u64(seed));
            for value in 0..20 {
                let key = (value % 3).to_string();
                ask(&mut service, &key, &Operation::Write(raw(&value)));
            }
            let newest = |service: &LwwKv, key: &str| {
                let stamps = service.replicas.iter().filter_map(|replica| replica.values.get(key));
                stamps.map(|stamped| stamped.timestamp).max().unwrap()
            };
            let keys = ["0", "1", "2"];
            let expected = keys.map(|key| newest(&service, key));
            for _ in 0..100 {
                ask(&mut service, "other", &Operation::Read);
            }
            for (key, expected) in keys.into_iter().zip(expected) {
                let [a, b] = [0, 1].map(|index| &service.replicas[index].values[key]);
                assert_eq!((a.timestamp, b.timestamp), (expected, expected), "seed {seed}");
                assert_eq!(a.value.get(), b.value.get(), "seed {seed}");
            }
        }
    }
}
