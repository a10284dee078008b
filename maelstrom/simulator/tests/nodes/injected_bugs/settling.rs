//! Nodes that spread values too late after the last fault, or never fall silent.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use checkers::Finding;
use maelstrom::{Context, Empty, Node, NodeId};
use serde_json::Value;
use simulator::swarm::{Case, Subject};
use simulator::{Finished, Program, Promise, Workload};
use tokio::time::sleep;

use super::{found, passes};

maelstrom::message_types! {
    "broadcast": struct Broadcast { message: Value } -> Empty;
    "topology": struct Topology {} -> Empty;
    "read": struct Read {} -> struct Values { messages: Vec<Value> };
    "sync": struct Sync {
        values: Vec<Value>,
        /// How often this was answered.
        turn: u64,
    };
}

#[derive(Default)]
struct State(Mutex<BTreeMap<String, Value>>);

impl State {
    fn add(&self, value: Value) {
        self.0.lock().unwrap().insert(value.to_string(), value);
    }

    fn values(&self) -> Vec<Value> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}

/// Sends everything to everybody every 300 ms; a late node every 12 s instead, and one
/// that never settles every hour. One that chatters answers what it gets with what it has,
/// for ever.
fn node(chatters: bool, period: u64) -> Node<State> {
    Node::new(|_| State::default())
        .handle(async |_: Context<State>, _: Topology| Ok(Empty {}))
        .handle(async |context: Context<State>, Broadcast { message }| {
            context.state().add(message);
            Ok(Empty {})
        })
        .handle(async |context: Context<State>, _: Read| {
            Ok(Values { messages: context.state().values() })
        })
        .receive(move |context: Context<State>, Sync { values, turn }: Sync| async move {
            values.into_iter().for_each(|value| context.state().add(value));
            let source = context.source().clone();
            if chatters && turn < 200 {
                sleep(Duration::from_millis(50)).await;
                send(&context, &source, turn + 1);
            }
        })
        .every(Duration::from_millis(period), async |context: Context<State>| {
            context.peers().for_each(|peer| send(&context, peer, 0));
        })
}

fn send(context: &Context<State>, peer: &NodeId, turn: u64) {
    context.send(peer, &Sync { values: context.state().values(), turn });
}

/// A second and a few latencies, of which an exponential one may be long; three nodes
/// send 20 messages a second.
fn promise(case: &Case) -> Option<Promise> {
    let within = Duration::from_secs(2) + case.settings.latency.mean * 10;
    Some(Promise { within, idle_messages: Some(25.0), shown_within: None })
}

/// What was found about liveness alone: the nodes keep values in memory and may lose them.
fn liveness(finished: &Finished) -> Vec<Finding> {
    let parts = ["settling", "quiescence"].into_iter();
    let parts = parts.filter_map(|part| finished.report.parts.get(part));
    parts.flat_map(|part| part.findings.clone()).collect()
}

const SUBJECT: Subject = Subject {
    rate: 20,
    node_counts: &[1, 2, 3],
    promise,
    oracle: liveness,
    ..Subject::new("gossip", Workload::Broadcast, |arguments| {
        let argument = arguments.first().cloned().unwrap_or_default();
        let period = match argument.as_str() {
            "late" => 12_000,
            "never" => 3_600_000,
            _ => 300,
        };
        Ok(Program::new(move || node(argument == "chatters", period)))
    })
};

#[test]
fn a_node_that_keeps_its_promise_passes() {
    passes(&SUBJECT, 40);
}

#[test]
fn a_node_that_settles_late_is_found_in_20_seeds() {
    let failure = found(&Subject { arguments: &["late"], ..SUBJECT }, 20);
    assert_eq!(failure.mode.kind, "settles-late", "{failure}");
    let text = &failure.findings[0].text;
    assert!(text.contains("s after the last fault the read of p"), "{text}");
    assert!(text.contains(" lacked ") && text.contains("acknowledged by p"), "{text}");
    assert_eq!(failure.shrunk().mode, failure.mode);
}

#[test]
fn a_node_that_never_settles_is_found_in_20_seeds_and_told_from_a_late_one() {
    let failure = found(&Subject { arguments: &["never"], ..SUBJECT }, 20);
    assert_eq!(failure.mode.kind, "never-settles", "{failure}");
    assert!(failure.findings[0].text.contains("; after the recovery it lacked "), "{failure}");
    // One of the other kind is no smaller form of it.
    assert_eq!(failure.shrunk().mode, failure.mode);
}

#[test]
fn a_node_that_never_falls_silent_is_found_in_20_seeds() {
    let failure = found(&Subject { arguments: &["chatters"], ..SUBJECT }, 20);
    assert_eq!(failure.mode.kind, "chatters", "{failure}");
    assert!(failure.findings[0].text.contains("Most often: `sync` from n"), "{failure}");
}
