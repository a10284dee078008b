//! Challenge 2: ids that no other node, and no other request, is ever given.
//!
//! An id has three parts: the node's name, a random number that is drawn when the node
//! starts, and a count. The name tells nodes apart, the count tells requests apart, and
//! the random number tells apart what a node made before and after a restart. So nodes
//! need not talk to each other, and a partition of the network changes nothing.
//!
//! An operation costs no messages between nodes, here as with this workspace's node
//! `unique-ids`, which differs only in the bits that it draws: 122 instead of 64.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use maelstrom::{Context, Error, Node, Setup};
use rand::RngExt as _;

maelstrom::message_types! {
    "generate": struct Generate {} -> struct Generated { id: String };
}

/// The state of the node. Handlers share it, so what changes needs a lock or an atomic.
struct Ids {
    start: u64,
    count: AtomicU64,
}

impl Ids {
    fn new(setup: &Setup) -> Self {
        // Chance comes from the node's own generator. In a process it is seeded by the
        // operating system, in a test by the test's seed.
        Self { start: setup.new_rng().random(), count: AtomicU64::new(0) }
    }
}

async fn generate(context: Context<Ids>, _: Generate) -> Result<Generated, Error> {
    let Ids { start, count } = context.state();
    let count = count.fetch_add(1, Ordering::Relaxed);
    Ok(Generated { id: format!("{}-{start:016x}-{count}", context.id()) })
}

fn node() -> Node<Ids> {
    Node::new(Ids::new).handle(generate)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Fault, Simulation, Workload};

    #[test]
    fn no_id_comes_twice_whatever_is_cut_off() {
        let run = Simulation::new(Workload::UniqueIds, super::node)
            .nodes(3)
            .rate(1000.0)
            .seconds(30)
            .totally_available()
            .nemesis(&[Fault::Partition], 10.0)
            .run();
        assert_eq!(run.assert_valid().msgs_per_op(), 0.0);
    }

    #[test]
    fn no_id_comes_twice_after_a_restart() {
        let simulation = Simulation::new(Workload::UniqueIds, super::node).nodes(3).rate(100.0);
        simulation.seconds(30).nemesis(&[Fault::Kill], 3.0).run().assert_valid();
    }
}
