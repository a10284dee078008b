//! Challenge 4: a counter that only grows, on the service `seq-kv`.
//!
//! Each node has a key of its own, with the sum of what was added there. So no two nodes
//! write the same key, and the counter is the sum over all keys.
//!
//! `seq-kv` may answer a read with an old state. It does not know better until its client
//! changes something: a change happens in the newest state, and what the same client reads
//! later is no older. So a read of the counter begins with a write of something that was
//! never there. This is how Maelstrom's `seq-kv` works; sequential consistency does not
//! promise it (see `maelstrom::kv`).
//!
//! At the challenge's flags this costs 6.72 messages an operation, those to and from the
//! service included. This workspace's node `g-counter` costs 0.64: its nodes tell each
//! other what they added, so reads are answered from memory, and it does not rely on the
//! trick with the write.

use std::process::ExitCode;

use maelstrom::{Context, Empty, Error, Node};
use rand::RngExt as _;

maelstrom::message_types! {
    "add": struct Add { delta: u64 } -> Empty;
    "read": struct Read {} -> struct Sum { value: u64 };
}

/// Reads the node's key and replaces the value, if nobody came in between: another
/// request to the same node may. An answer that does not come leaves open whether the
/// addition happened. The error says so, and the client does not add again.
async fn add(context: Context<()>, Add { delta }: Add) -> Result<Empty, Error> {
    let grow = |sum: Option<&u64>| Some(sum.unwrap_or(&0) + delta);
    context.seq_kv().update(context.id(), grow).await?;
    Ok(Empty {})
}

async fn read(context: Context<()>, _: Read) -> Result<Sum, Error> {
    let service = context.seq_kv();
    let never_there_before: u64 = context.new_rng().random();
    service.write("refresh", &never_there_before).await?;
    let mut value = 0;
    for node in context.node_ids() {
        value += service.read(node).await?.unwrap_or(0);
    }
    Ok(Sum { value })
}

fn node() -> Node<()> {
    Node::new(|_| ()).handle(add).handle(read)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Fault, Simulation, Workload};

    fn simulation() -> Simulation {
        let simulation = Simulation::new(Workload::GCounter, super::node).nodes(3).rate(100.0);
        simulation.seconds(20).nemesis(&[Fault::Partition], 10.0)
    }

    #[test]
    fn every_acknowledged_addition_is_in_the_sum() {
        let run = simulation().run();
        assert_eq!(format!("{:.2}", run.assert_valid().msgs_per_op()), "6.72");
    }

    #[test]
    fn a_service_that_promises_no_more_than_its_name_shows_old_sums() {
        simulation().adversarial_seq_kv().run().assert_is(checkers::Validity::Invalid);
    }
}
