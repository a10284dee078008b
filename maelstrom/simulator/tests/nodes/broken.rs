//! Nodes that are broken on purpose are found, with a witness.

use std::sync::Mutex;

use checkers::{Finding, Validity};
use maelstrom::{Context, Empty, Error, Node};
use serde_json::value::RawValue;
use simulator::{Fault, Finished, Simulation, Workload};

maelstrom::message_types! {
    "broadcast": struct Broadcast { message: u64 } -> Empty;
    "read": struct Read {} -> struct Messages { messages: Vec<u64> };
    "topology": struct Topology { topology: Box<RawValue> } -> Empty;
    /// Passes a value on.
    "gossip": struct Gossip { message: u64 };
    /// A transaction is answered as it came: nothing was there, all was written.
    "txn": struct Txn { txn: Box<RawValue> } -> Txn;
}

/// What is wrong with a node, if anything.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    ForgetsToGossip,
    LosesOneInAHundred,
    ReadsTwice,
    ReadsWhatNobodySent,
    /// Node n1 stores nothing of what it is told by others that ends in 3.
    OneNodeMissesSome,
    /// Node n1 answers no reads.
    OneNodeIsNotRead,
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
            let flaw = context.state().flaw;
            let is_missed = flaw == Flaw::OneNodeMissesSome && message % 10 == 3;
            if !(is_missed && context.id() == "n1") {
                context.state().add(message);
            }
        })
        .handle(async |context: Context<State>, _: Read| {
            if context.state().flaw == Flaw::OneNodeIsNotRead && context.id() == "n1" {
                return Err(Error::abort("no reads here"));
            }
            Ok::<_, Error>(Messages { messages: context.state().read() })
        })
        .handle(async |_: Context<State>, _: Topology| Ok::<_, Error>(Empty {}))
}

fn run(flaw: Flaw, strict: bool) -> Finished {
    run_with_seed(flaw, strict, 0)
}

fn run_with_seed(flaw: Flaw, strict: bool, seed: u64) -> Finished {
    Simulation::new(Workload::Broadcast, move || flooding(flaw))
        .nodes(5)
        .rate(50.0)
        .seconds(20)
        .seed(seed)
        .set(|settings| settings.strict = strict)
        .run()
}

fn told(finished: &Finished, kind: &str) -> Vec<Finding> {
    let parts = finished.report.parts.values();
    let told = parts.flat_map(|part| part.findings.iter().chain(&part.warnings));
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
    let silent = told(&finished, "no-exchange");
    assert!(silent[0].text.contains("n0, n1, n2, n3, n4"), "{silent:?}");
}

#[test]
fn a_node_that_misses_values_for_good_is_named_whoever_reads_last() {
    let mut verdicts = Vec::new();
    for seed in 0..6 {
        let finished = run_with_seed(Flaw::OneNodeMissesSome, false, seed);
        let missing = told(&finished, "missing-at-end");
        let [finding] = &missing[..] else { panic!("{finished}") };
        assert!(finding.text.contains("The final read of p1 (n1)"), "{}", finding.text);
        let (_, values) = finding.text.split_once(" lacks ").unwrap();
        let (values, _) = values.split_once(" and ").unwrap();
        assert!(values.split(", ").all(|value| value.ends_with('3')), "{}", finding.text);
        verdicts.push(finished.valid());
        run_with_seed(Flaw::OneNodeMissesSome, true, seed).assert_is(Validity::Invalid);
    }
    assert!(verdicts.contains(&Validity::Valid), "the original's depends on who reads last");
}

#[test]
fn a_node_whose_final_read_is_not_answered_is_named() {
    let finished = run(Flaw::OneNodeIsNotRead, true);
    finished.assert_valid();
    let unread = told(&finished, "no-final-read");
    assert_eq!(unread.len(), 1);
    assert!(unread[0].text.contains("final read of p1 (n1)"), "{}", unread[0].text);
}

fn run_echoed_transactions(nodes: usize, strict: bool) -> Finished {
    let node = || Node::new(|_| ()).handle(async |_: Context<()>, txn: Txn| Ok(txn));
    Simulation::new(Workload::TxnRwRegister, node)
        .nodes(nodes)
        .rate(50.0)
        .seconds(10)
        .set(|settings| {
            settings.consistency_models = vec!["read-uncommitted".parse().unwrap()];
            settings.strict = strict;
        })
        .run()
}

#[test]
fn nodes_that_never_exchange_a_message_are_a_warning_and_strictly_wrong() {
    let finished = run_echoed_transactions(3, false);
    let silent = told(&finished, "no-exchange");
    assert_eq!((finished.report.parts["net"].valid, silent.len()), (Validity::Valid, 1));
    assert!(silent[0].text.contains("n0, n1, n2") && silent[0].ops.len() == 3, "{silent:?}");
    let strict = run_echoed_transactions(3, true);
    assert_eq!(strict.report.parts["net"].valid, Validity::Invalid);
}

#[test]
fn one_node_has_nobody_to_exchange_messages_with() {
    assert_eq!(told(&run_echoed_transactions(1, true), "no-exchange"), []);
    assert_eq!(told(&run(Flaw::None, true), "no-exchange"), []);
}

#[test]
fn a_node_that_was_killed_has_been_heard_all_the_same() {
    let quiet = |seed| {
        Simulation::new(Workload::Broadcast, || flooding(Flaw::None))
            .nodes(2)
            .rate(1.0)
            .seconds(10)
            .nemesis(&[Fault::Kill], 2.0)
            .seed(seed)
            .run()
    };
    for seed in 0..20 {
        let finished = quiet(seed);
        assert_eq!(told(&finished, "no-exchange"), [], "seed {seed}: {finished}");
    }
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
