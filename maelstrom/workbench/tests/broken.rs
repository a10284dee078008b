//! Nodes that are broken on purpose are found, with a witness.

use std::sync::Mutex;

use maelstrom::{Context, Empty, Error, Message, Node, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use workbench::checker::{Finding, Validity};
use workbench::settings::Workload;
use workbench::simulation::{Finished, Simulation};

#[derive(Serialize, Deserialize)]
struct Broadcast {
    message: u64,
}

impl Request for Broadcast {
    const TYPE: &'static str = "broadcast";
    type Reply = Empty;
}

#[derive(Serialize, Deserialize)]
struct Read {}

#[derive(Serialize, Deserialize)]
struct Messages {
    messages: Vec<u64>,
}

impl Request for Read {
    const TYPE: &'static str = "read";
    type Reply = Messages;
}

#[derive(Serialize, Deserialize)]
struct Topology {
    topology: Box<RawValue>,
}

impl Request for Topology {
    const TYPE: &'static str = "topology";
    type Reply = Empty;
}

/// Passes a value on.
#[derive(Serialize, Deserialize)]
struct Gossip {
    message: u64,
}

impl Message for Gossip {
    const TYPE: &'static str = "gossip";
}

/// What is wrong with a node, if anything.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    ForgetsToGossip,
    LosesOneInAHundred,
    ReadsTwice,
    ReadsWhatNobodySent,
}

struct State {
    flaw: Flaw,
    messages: Mutex<Vec<u64>>,
}

impl State {
    fn add(&self, message: u64) {
        let is_lost = self.flaw == Flaw::LosesOneInAHundred && message % 100 == 41;
        if !is_lost {
            self.messages.lock().unwrap().push(message);
        }
    }

    fn read(&self) -> Vec<u64> {
        let mut messages = self.messages.lock().unwrap().clone();
        match self.flaw {
            Flaw::ReadsTwice => messages.extend(messages.first().copied()),
            Flaw::ReadsWhatNobodySent => messages.push(1_000_000),
            _ => {}
        }
        messages
    }
}

/// A node that sends every value to everybody, once.
fn flooding(flaw: Flaw) -> Node<State> {
    Node::new(move |_| State { flaw, messages: Mutex::default() })
        .handle(async |context: Context<State>, Broadcast { message }| {
            context.state().add(message);
            if context.state().flaw != Flaw::ForgetsToGossip {
                context.peers().for_each(|peer| context.send(peer, &Gossip { message }));
            }
            Ok::<_, Error>(Empty {})
        })
        .receive(async |context: Context<State>, Gossip { message }| {
            context.state().add(message);
        })
        .handle(async |context: Context<State>, _: Read| {
            Ok::<_, Error>(Messages { messages: context.state().read() })
        })
        .handle(async |_: Context<State>, _: Topology| Ok::<_, Error>(Empty {}))
}

fn run(flaw: Flaw, strict: bool) -> Finished {
    Simulation::new(Workload::Broadcast, move || flooding(flaw))
        .nodes(5)
        .rate(50.0)
        .seconds(20)
        .set(|settings| settings.strict = strict)
        .run()
}

fn told(finished: &Finished, kind: &str) -> Vec<Finding> {
    let part = &finished.report.parts["workload"];
    let told = part.findings.iter().chain(&part.warnings);
    told.filter(|finding| finding.kind == kind).cloned().collect()
}

#[test]
fn a_node_without_a_flaw_is_valid_strictly_too() {
    run(Flaw::None, true).assert_valid();
}

#[test]
fn a_node_that_forgets_to_gossip_is_invalid() {
    let finished = run(Flaw::ForgetsToGossip, false);
    finished.assert_is(Validity::Invalid);
    let lost = told(&finished, "lost");
    assert!(!lost.is_empty() && !lost[0].ops.is_empty(), "{finished}");
    assert!(lost[0].text.contains("is lost: known since op"), "{}", lost[0].text);
}

#[test]
fn a_node_that_loses_one_value_in_a_hundred_is_invalid() {
    let finished = run(Flaw::LosesOneInAHundred, false);
    finished.assert_is(Validity::Invalid);
    assert!(told(&finished, "lost").iter().all(|lost| lost.text.contains("41 is lost")));
}

#[test]
fn reads_with_a_value_twice_are_a_warning_and_strictly_wrong() {
    let finished = run(Flaw::ReadsTwice, false);
    finished.assert_valid();
    assert!(!finished.report.parts["workload"].warnings.is_empty());
    run(Flaw::ReadsTwice, true).assert_is(Validity::Invalid);
}

#[test]
fn reads_with_a_value_that_nobody_sent_are_a_warning_and_strictly_wrong() {
    let finished = run(Flaw::ReadsWhatNobodySent, false);
    finished.assert_valid();
    let warnings = &finished.report.parts["workload"].warnings;
    assert!(warnings.iter().any(|warning| warning.text.contains("1000000")), "{warnings:?}");
    run(Flaw::ReadsWhatNobodySent, true).assert_is(Validity::Invalid);
}
