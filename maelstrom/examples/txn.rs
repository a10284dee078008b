//! Challenge 6: transactions that are always available, at read committed.
//!
//! A node carries out a transaction at once, in memory, and nothing else comes in between.
//! Then it tells the other nodes what it wrote, again and again until they have answered.
//! Nobody waits for that, so a partition delays nothing but the news.
//!
//! Every transaction has a stamp: a number above all that its node has seen, and the node's
//! name. Of two writes to a key the one with the higher stamp stays, so nodes agree in the
//! end. A transaction's writes arrive in one message, so none is seen half done.
//!
//! At the flags of 6c this costs 1.50 messages an operation; this workspace's node
//! `txn-kv` costs 0.04, because it sends many transactions in one message. It also keeps
//! what it has answered on its disk, and its reads never miss what they depend on.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use maelstrom::{CallError, Context, Empty, Error, Node, NodeId};

/// `["r", key, null]` or `["w", key, value]`.
type Operation = (String, u64, Option<u64>);
/// When a transaction happened: first the number decides, then the name.
type Stamp = (u64, NodeId);
type Writes = BTreeMap<u64, u64>;

maelstrom::message_types! {
    "txn": struct Transaction { txn: Vec<Operation> } -> Transaction;
    "replicate": struct Replicate { stamp: Stamp, writes: Writes } -> Empty;
}

#[derive(Default)]
struct Database {
    /// The highest number of a stamp that was seen.
    newest: u64,
    values: BTreeMap<u64, (Stamp, u64)>,
}

impl Database {
    /// Stores each write, unless a later transaction has written the key.
    fn store(&mut self, stamp: &Stamp, writes: &Writes) {
        self.newest = self.newest.max(stamp.0);
        for (&key, &value) in writes {
            if self.values.get(&key).is_none_or(|(stored, _)| stored < stamp) {
                self.values.insert(key, (stamp.clone(), value));
            }
        }
    }

    /// Fills in what the operations read. A transaction sees its own writes.
    fn read(&self, operations: &mut [Operation]) -> Writes {
        let mut writes = Writes::new();
        for (kind, key, value) in operations {
            if kind == "w" {
                writes.extend(value.map(|value| (*key, value)));
            } else {
                let own = writes.get(key).copied();
                *value = own.or_else(|| self.values.get(key).map(|(_, value)| *value));
            }
        }
        writes
    }
}

type State = Mutex<Database>;

fn lock(context: &Context<State>) -> MutexGuard<'_, Database> {
    context.state().lock().unwrap_or_else(PoisonError::into_inner)
}

async fn txn(context: Context<State>, request: Transaction) -> Result<Transaction, Error> {
    let Transaction { mut txn } = request;
    let mut database = lock(&context);
    let writes = database.read(&mut txn);
    if !writes.is_empty() {
        let stamp = (database.newest + 1, context.id().clone());
        database.store(&stamp, &writes);
        for peer in context.peers() {
            let replicate = Replicate { stamp: stamp.clone(), writes: writes.clone() };
            context.spawn(tell(context.clone(), peer.clone(), replicate));
        }
    }
    Ok(Transaction { txn })
}

async fn tell(context: Context<State>, peer: NodeId, replicate: Replicate) {
    // Until it has answered, or this node's input has ended.
    let second = tokio::time::Duration::from_secs(1);
    while !matches!(context.call(&peer, &replicate, second).await, Ok(_) | Err(CallError::Closed)) {
        tokio::time::sleep(second).await;
    }
}

async fn replicate(context: Context<State>, request: Replicate) -> Result<Empty, Error> {
    lock(&context).store(&request.stamp, &request.writes);
    Ok(Empty {})
}

fn node() -> Node<State> {
    Node::new(|_| State::default()).handle(txn).handle_from_nodes(replicate)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use checkers::txn::Model;
    use simulator::{Fault, Simulation, Workload};

    #[test]
    fn every_transaction_is_answered_and_reads_only_what_is_committed() {
        let simulation = Simulation::new(Workload::TxnRwRegister, super::node).nodes(2).clients(4);
        let simulation = simulation.rate(1000.0).seconds(20).totally_available();
        let simulation = simulation.nemesis(&[Fault::Partition], 10.0);
        let run = simulation.set(|set| set.consistency_models = vec![Model::ReadCommitted]).run();
        assert_eq!(format!("{:.2}", run.assert_valid().msgs_per_op()), "1.50");
    }
}
