//! Registers: a follower that is behind, and two leaders at a time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use maelstrom::{Context, Definite, Empty, Error, Node, NodeId};
use simulator::{Fault, Simulation, Workload};

use super::{told, with_faults};

maelstrom::message_types! {
    "read": struct Read { key: u64 } -> struct Found { value: u64 };
    "write": struct Write { key: u64, value: u64 } -> Empty;
    "cas": struct Cas { key: u64, from: u64, to: u64 } -> Empty;
    /// To the leader.
    "put": struct Put { key: u64, from: Option<u64>, value: u64 } -> Empty;
    "get": struct Get { key: u64 } -> struct Got { value: Option<u64> };
    /// From the leader.
    "copy": struct Copy { key: u64, value: u64 };
}

/// What is wrong with a node.
#[derive(Clone, Copy, PartialEq)]
enum Bug {
    /// Reads come from its own copy, which the leader sends it in its own time.
    StaleRead,
    /// It takes itself for the leader when n0 does not answer.
    SplitBrain,
}

struct State {
    bug: Bug,
    registers: Mutex<BTreeMap<u64, u64>>,
}

const PATIENCE: Duration = Duration::from_millis(300);

fn leader() -> NodeId {
    NodeId::from("n0")
}

fn store(ctx: &Context<State>, Put { key, from, value }: &Put) -> Result<Empty, Error> {
    let mut registers = ctx.state().registers.lock().unwrap();
    let found = registers.get(key).copied();
    match (from, found) {
        (Some(_), None) => return Err(Error::new(Definite::KeyDoesNotExist, "no such key")),
        (Some(from), Some(found)) if *from != found => {
            return Err(Error::new(Definite::PreconditionFailed, "another value"));
        }
        _ => drop(registers.insert(*key, *value)),
    }
    ctx.peers().for_each(|peer| ctx.send(peer, &Copy { key: *key, value: *value }));
    Ok(Empty {})
}

async fn put(ctx: Context<State>, put: Put) -> Result<Empty, Error> {
    if *ctx.id() == leader() {
        return store(&ctx, &put);
    }
    match ctx.call(&leader(), &put, PATIENCE).await {
        Err(maelstrom::CallError::Timeout { .. }) if ctx.state().bug == Bug::SplitBrain => {
            store(&ctx, &put)
        }
        Err(maelstrom::CallError::Remote { error, .. }) => Err(error),
        other => Ok(other?),
    }
}

fn own(ctx: &Context<State>, key: u64) -> Option<u64> {
    ctx.state().registers.lock().unwrap().get(&key).copied()
}

async fn get(ctx: Context<State>, Read { key }: Read) -> Result<Found, Error> {
    let is_own = *ctx.id() == leader() || ctx.state().bug == Bug::StaleRead;
    let value = if is_own {
        own(&ctx, key)
    } else {
        let asked = ctx.call(&leader(), &Get { key }, PATIENCE).await;
        asked.map_or_else(|_| own(&ctx, key), |got| got.value)
    };
    let missing = || Error::new(Definite::KeyDoesNotExist, "no such key");
    value.map(|value| Found { value }).ok_or_else(missing)
}

fn node(bug: Bug) -> Node<State> {
    Node::new(move |_| State { bug, registers: Mutex::default() })
        .handle(get)
        .handle(async |ctx: Context<State>, Write { key, value }| {
            put(ctx, Put { key, from: None, value }).await
        })
        .handle(async |ctx: Context<State>, Cas { key, from, to }| {
            put(ctx, Put { key, from: Some(from), value: to }).await
        })
        .handle_from_nodes(async |ctx: Context<State>, put: Put| store(&ctx, &put))
        .handle_from_nodes(async |ctx: Context<State>, Get { key }| {
            Ok(Got { value: own(&ctx, key) })
        })
        .receive_from_nodes(async |ctx: Context<State>, Copy { key, value }| {
            ctx.state().registers.lock().unwrap().insert(key, value);
        })
}

#[test]
fn a_node_that_reads_what_is_out_of_date() {
    let simulation = Simulation::new(Workload::LinKv, || node(Bug::StaleRead)).nodes(3).clients(6);
    let told = told(&simulation.latency(30).rate(50.0).seconds(20), "not-linearizable");
    told.says(&[
        " for key ",
        ", but n",
        " answered ",
        ". n0 knew ",
        ", and sent it to n",
        " once, at ",
        " (`copy`); that arrived only at ",
    ]);
}

#[test]
fn a_node_that_splits_its_brain() {
    let simulation = Simulation::new(Workload::LinKv, || node(Bug::SplitBrain)).nodes(3).clients(6);
    let simulation = with_faults(simulation.rate(30.0), &[Fault::Partition]);
    told(&simulation, "not-linearizable").says(&[
        "Both n",
        " took writes to key ",
        " while the partition from ",
        " kept them apart: n",
        " acknowledged ",
    ]);
}
