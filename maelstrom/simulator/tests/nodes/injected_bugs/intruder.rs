//! A node that takes from a client what only nodes have to say.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use checkers::Finding;
use maelstrom::{Context, Empty, Error, Node};
use simulator::swarm::Subject;
use simulator::{Fault, Finished, Program, Workload};

use super::{found, passes};
use crate::wire::broadcast::{Broadcast, Messages, Read, Topology};

maelstrom::message_types! {
    /// All values of a node, for another one.
    "merge": struct Merge { messages: BTreeSet<u64> };
}

#[derive(Default)]
struct State(Mutex<BTreeSet<u64>>);

impl State {
    fn values(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap()
    }
}

/// A node that answers clients; its nodes have yet to talk to one another.
fn clients_node() -> Node<State> {
    Node::new(|_| State::default())
        .handle(async |_: Context<State>, _: Topology| Ok::<_, Error>(Empty {}))
        .handle(async |context: Context<State>, Broadcast { message }| {
            context.state().values().insert(message);
            Ok::<_, Error>(Empty {})
        })
        .handle(async |context: Context<State>, _: Read| {
            Ok::<_, Error>(Messages { messages: context.state().values().clone() })
        })
}

async fn merge(context: Context<State>, Merge { messages }: Merge) {
    context.state().values().extend(messages);
}

/// Tells all others all it has, again and again.
fn telling() -> Node<State> {
    clients_node().every(Duration::from_millis(200), async |context: Context<State>| {
        let merge = Merge { messages: context.state().values().clone() };
        context.peers().for_each(|peer| context.send(peer, &merge));
    })
}

/// Does what its argument says about a client that sends what a node sends.
fn node(argument: Option<&str>) -> Program {
    match argument {
        Some("trusting") => Program::new(|| telling().receive(merge)),
        _ => Program::new(|| telling().receive_from_nodes(merge)),
    }
}

/// What is wrong with a run, but that a node which is killed forgets.
fn but_for_kills(finished: &Finished) -> Vec<Finding> {
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let mut findings = finished.failures();
    findings.retain(|finding| !kills || finding.text.contains("nobody had sent"));
    findings
}

const SUBJECT: Subject = Subject {
    settings: &[|settings| settings.strict = true],
    node_counts: &[2, 3, 5],
    rate: 50,
    intruder: true,
    oracle: but_for_kills,
    ..Subject::new("merging-broadcast", Workload::Broadcast, |arguments| {
        Ok(node(arguments.first().map(String::as_str)))
    })
};

#[test]
fn a_node_that_takes_a_peers_message_from_a_client_is_found_in_10_seeds() {
    let failure = found(&Subject { arguments: &["trusting"], ..SUBJECT }, 10);
    assert!(failure.findings[0].text.contains("nobody had sent"), "{failure}");
    assert!(failure.settings().is_some_and(|settings| settings.intruder));
    let smallest = failure.shrunk();
    assert_eq!(smallest.mode, failure.mode);
    assert!(smallest.settings().is_some_and(|settings| settings.intruder), "{smallest}");
}

#[test]
fn the_same_node_that_takes_it_from_nodes_alone_passes() {
    passes(&SUBJECT, 40);
}

#[test]
fn without_an_intruder_nothing_is_found() {
    passes(&Subject { arguments: &["trusting"], intruder: false, ..SUBJECT }, 40);
}
