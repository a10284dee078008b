//! Broadcast and echo: what was sent once, and answers that are wrong or do not come.

use std::sync::Mutex;
use std::time::Duration;

use maelstrom::{Context, Empty, Node};
use serde_json::value::RawValue;
use simulator::{Fault, Simulation, Workload};

use super::{told, with_faults};

maelstrom::message_types! {
    "broadcast": struct Broadcast { message: u64 } -> Empty;
    "read": struct Read {} -> struct Messages { messages: Vec<u64> };
    "topology": struct Topology { topology: Box<RawValue> } -> Empty;
    "gossip": struct Gossip { message: u64 };
    "echo": struct Echo { echo: String } -> Echo;
    "check": struct Check {} -> Empty;
}

/// Sends every value to everybody, once.
fn forgets_to_retry() -> Node<Mutex<Vec<u64>>> {
    Node::new(|_| Mutex::default())
        .handle(async |_: Context<_>, _: Topology| Ok(Empty {}))
        .handle(async |ctx: Context<Mutex<Vec<u64>>>, Broadcast { message }| {
            ctx.state().lock().unwrap().push(message);
            ctx.peers().for_each(|peer| ctx.send(peer, &Gossip { message }));
            Ok(Empty {})
        })
        .receive(async |ctx: Context<Mutex<Vec<u64>>>, Gossip { message }| {
            ctx.state().lock().unwrap().push(message);
        })
        .handle(async |ctx: Context<Mutex<Vec<u64>>>, _: Read| {
            Ok(Messages { messages: ctx.state().lock().unwrap().clone() })
        })
}

#[test]
fn a_node_that_forgets_to_retry() {
    let simulation = Simulation::new(Workload::Broadcast, forgets_to_retry).nodes(5).rate(10.0);
    let told = told(&with_faults(simulation, &[Fault::Partition]), "lost");
    let value = told.why.value.clone().unwrap();
    told.says(&[
        &format!(" knew {value} from "),
        ", and sent it to n",
        " once, at ",
        "; the partition dropped that; nobody sent it again.",
    ]);
    let fates = told.fates();
    assert!(fates.iter().any(|line| line.contains("gossip") && line.contains(&value)), "{fates:?}");
    assert!(fates.iter().any(|line| line.contains(r#""by":"partition""#)), "{fates:?}");
}

/// Holds its lock while it asks itself, and takes it to answer that.
fn deadlocks_with_itself() -> Node<tokio::sync::Mutex<()>> {
    Node::new(|_| tokio::sync::Mutex::default())
        .handle(async |ctx: Context<tokio::sync::Mutex<()>>, echo: Echo| {
            let _locked = ctx.state().lock().await;
            ctx.call(ctx.id(), &Check {}, Duration::from_secs(60)).await?;
            Ok(echo)
        })
        .handle_from_nodes(async |ctx: Context<tokio::sync::Mutex<()>>, _: Check| {
            let _locked = ctx.state().lock().await;
            Ok(Empty {})
        })
}

#[test]
fn a_node_that_deadlocks_with_itself() {
    let simulation = Simulation::new(Workload::Echo, deadlocks_with_itself).nodes(2).seconds(10);
    told(&simulation, "never-ok").says(&[
        " got the request of op ",
        " and sent itself `check` at ",
        "; it never answered that.",
    ]);
}

/// Keeps what it is to echo in one place for all requests.
fn answers_the_wrong_request() -> Node<Mutex<String>> {
    Node::new(|_| Mutex::default()).handle(async |ctx: Context<Mutex<String>>, Echo { echo }| {
        *ctx.state().lock().unwrap() = echo;
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Echo { echo: ctx.state().lock().unwrap().clone() })
    })
}

#[test]
fn a_node_that_answers_the_wrong_request() {
    let simulation = Simulation::new(Workload::Echo, answers_the_wrong_request).nodes(1);
    let told = told(&simulation.clients(5).rate(50.0).seconds(10), "wrong-echo");
    told.says(&[
        "n0 answered op ",
        " with \"Please echo ",
        "\", which c",
        " had asked for at ",
        ": it answered the wrong request.",
    ]);
}
