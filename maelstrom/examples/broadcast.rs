//! Challenge 3: every node learns every value, by gossip with retries.
//!
//! For each other node there is a list of values that this one does not know to be there.
//! Every 400 ms each list is sent to its node, in one message however long it is. Values
//! leave the list when the answer has come. What a partition swallows stays in the list
//! and is sent again, so every value arrives when the network is whole.
//!
//! The period is longer than a message and its answer take (200 ms in challenges 3d and
//! 3e): otherwise everything would be sent twice.
//!
//! In challenges 3d and 3e, within whose limits this node stays, it costs 19.34 messages
//! an operation, and a value takes 256 ms until all nodes have it (median; 490 at most).
//! This workspace's node `broadcast` costs 1.06 and takes 261 ms (511 at most): its nodes
//! collect values along a tree, instead of each talking to every other.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Node, NodeId, Setup};

const PERIOD: Duration = Duration::from_millis(400);

maelstrom::message_types! {
    "broadcast": struct Broadcast { message: u64 } -> Empty;
    "read": struct Read {} -> struct Values { messages: BTreeSet<u64> };
    "topology": struct Topology {} -> Empty;
    "gossip": struct Gossip { values: BTreeSet<u64> } -> Empty;
}

type State = Mutex<Lists>;

struct Lists {
    values: BTreeSet<u64>,
    /// For each other node, what it may not have.
    missing: BTreeMap<NodeId, BTreeSet<u64>>,
}

fn state(setup: &Setup) -> State {
    let missing = setup.peers().map(|peer| (peer.clone(), BTreeSet::new())).collect();
    Mutex::new(Lists { values: BTreeSet::new(), missing })
}

/// The lists, locked. The lock is never held across an `await`: others would wait, too.
fn lists(context: &Context<State>) -> MutexGuard<'_, Lists> {
    context.state().lock().unwrap_or_else(PoisonError::into_inner)
}

async fn broadcast(context: Context<State>, request: Broadcast) -> Result<Empty, Error> {
    let message = request.message;
    let mut lists = lists(&context);
    lists.values.insert(message);
    for missing in lists.missing.values_mut() {
        missing.insert(message);
    }
    Ok(Empty {})
}

async fn read(context: Context<State>, _: Read) -> Result<Values, Error> {
    Ok(Values { messages: lists(&context).values.clone() })
}

/// Who is linked to whom is a suggestion; this node talks to everybody.
async fn topology(_: Context<State>, _: Topology) -> Result<Empty, Error> {
    Ok(Empty {})
}

async fn gossip(context: Context<State>, Gossip { values }: Gossip) -> Result<Empty, Error> {
    lists(&context).values.extend(values);
    Ok(Empty {})
}

async fn round(context: Context<State>) {
    let missing = lists(&context).missing.clone();
    for (peer, values) in missing.into_iter().filter(|(_, values)| !values.is_empty()) {
        // A task for each node, so that nobody waits for one that does not answer.
        context.spawn(tell(context.clone(), peer, values));
    }
}

async fn tell(context: Context<State>, peer: NodeId, values: BTreeSet<u64>) {
    let gossip = Gossip { values };
    if context.call(&peer, &gossip, PERIOD).await.is_ok()
        && let Some(missing) = lists(&context).missing.get_mut(&peer)
    {
        missing.retain(|value| !gossip.values.contains(value));
    }
}

fn node() -> Node<State> {
    let node = Node::new(state).handle(broadcast).handle(read).handle(topology);
    node.handle_from_nodes(gossip).every(PERIOD, round)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Fault, Simulation, Workload};

    fn simulation(nodes: usize, rate: f64) -> Simulation {
        Simulation::new(Workload::Broadcast, super::node).nodes(nodes).rate(rate).seconds(20)
    }

    #[test]
    fn every_value_is_everywhere_after_partitions() {
        simulation(5, 10.0).nemesis(&[Fault::Partition], 10.0).run().assert_valid();
    }

    #[test]
    fn twenty_five_nodes_stay_within_the_limits() {
        let run = simulation(25, 100.0).latency(100).run();
        assert_eq!(format!("{:.2}", run.assert_valid().msgs_per_op()), "19.34");
        let latencies = run.stable_latencies();
        assert_eq!([latencies.median, latencies.max].map(|of| of.as_millis()), [256, 490]);
    }
}
