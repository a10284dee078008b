//! Counters and ids: what was acknowledged too early, counted twice, or given out again.

use std::sync::Mutex;
use std::time::Duration;

use maelstrom::{Context, Empty, Node};
use simulator::{Fault, Simulation, Workload};

use super::{told, with_faults};

maelstrom::message_types! {
    "add": struct Add { delta: u64 } -> Empty;
    "read": struct Read {} -> struct Value { value: u64 };
    "generate": struct Generate {} -> struct Id { id: String };
    "delta": struct Delta { delta: u64 } -> Empty;
}

type Total = Mutex<u64>;

/// Writes its total to `lin-kv` some time after it has acknowledged an add.
fn acknowledges_before_storing() -> Node<Total> {
    Node::new(|_| Total::default())
        .handle(async |ctx: Context<Total>, Add { delta }| {
            let later = ctx.clone();
            ctx.spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let (kv, key) = (later.lin_kv(), later.id().to_string());
                let total = kv.read::<u64>(&key).await.unwrap_or_default().unwrap_or_default();
                let _ = kv.write(&key, &(total + delta)).await;
            });
            Ok(Empty {})
        })
        .handle(async |ctx: Context<Total>, _: Read| {
            let mut value = 0;
            for node in ctx.node_ids() {
                value += ctx.lin_kv().read::<u64>(node.as_ref()).await?.unwrap_or_default();
            }
            Ok(Value { value })
        })
}

#[test]
fn a_node_that_acknowledges_before_it_stores() {
    let simulation = Simulation::new(Workload::GCounter, acknowledges_before_storing).nodes(3);
    let told = told(&with_faults(simulation.rate(1.0), &[Fault::Kill]), "wrong-sum");
    told.says(&[
        " acknowledged the add of ",
        " before it had told anybody of it, and was killed at ",
    ]);
}

/// Tells the others of every add until they answer, and counts what it is told.
fn double_counts() -> Node<Total> {
    async fn tell(ctx: Context<Total>, peer: maelstrom::NodeId, delta: u64) {
        while ctx.call(&peer, &Delta { delta }, Duration::from_millis(200)).await.is_err() {}
    }
    Node::new(|_| Total::default())
        .handle(async |ctx: Context<Total>, Add { delta }| {
            *ctx.state().lock().unwrap() += delta;
            ctx.peers().for_each(|peer| ctx.spawn(tell(ctx.clone(), peer.clone(), delta)));
            Ok(Empty {})
        })
        .handle_from_nodes(async |ctx: Context<Total>, Delta { delta }| {
            *ctx.state().lock().unwrap() += delta;
            Ok(Empty {})
        })
        .handle(async |ctx: Context<Total>, _: Read| {
            Ok(Value { value: *ctx.state().lock().unwrap() })
        })
}

#[test]
fn a_node_that_counts_a_repeated_message_again() {
    let simulation = Simulation::new(Workload::GCounter, double_counts).nodes(3).rate(2.0);
    let told = told(&with_faults(simulation, &[Fault::Loss]), "wrong-sum");
    told.says(&[
        " the same message twice, at ",
        ", because the first was not answered, and both arrived; n",
        " counted it each time.",
    ]);
    assert_eq!(told.fates().iter().filter(|line| line.contains(r#""type":"delta""#)).count(), 2);
}

#[test]
fn a_node_that_counts_a_doubled_message_twice() {
    let simulation = Simulation::new(Workload::GCounter, double_counts).nodes(3).rate(2.0);
    let told = told(&with_faults(simulation, &[Fault::Duplicate]), "wrong-sum");
    told.says(&[
        " got one message from n",
        " twice, at ",
        ", because the duplicate fault doubled it; n",
        " counted it",
    ]);
}

/// Counts from 0 whenever it starts.
fn reuses_an_id() -> Node<Total> {
    Node::new(|_| Total::default()).handle(async |ctx: Context<Total>, _: Generate| {
        let mut next = ctx.state().lock().unwrap();
        *next += 1;
        Ok(Id { id: format!("{}-{next}", ctx.id()) })
    })
}

#[test]
fn a_node_that_reuses_an_id() {
    let simulation = Simulation::new(Workload::UniqueIds, reuses_an_id).nodes(3).rate(20.0);
    told(&with_faults(simulation, &[Fault::Kill]), "duplicated").says(&[
        " gave out \"n",
        ", was killed at ",
        ", and gave it out again at ",
        ": it had forgotten what it gave out.",
    ]);
}
