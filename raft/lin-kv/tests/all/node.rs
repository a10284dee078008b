//! The `lin-kv` node as Maelstrom runs it, in virtual time: whole nodes with their JSON.

use std::time::Duration;

use lin_kv::{AddNode, Read, ReadOk, RemoveNode, Transfer, Write};
use raft::Options;
use serde_json::value::RawValue;
use simulator::{Fault, Finished, Simulation, Workload};

/// `-w lin-kv --concurrency 2n --rate 100`
fn challenge(nodes: usize) -> Simulation {
    Simulation::new(Workload::LinKv, || lin_kv::node(Options::default()))
        .nodes(nodes)
        .clients(2 * nodes)
        .rate(100.0)
        .seconds(20)
}

/// Messages an operation, and the median and the 99th percentile of all latencies.
fn figures(run: &Finished) -> (f64, Vec<(&'static str, Duration, Duration)>) {
    let latencies = ["read", "write", "cas"].map(|function| {
        let quantiles = run.latencies(function).quantiles;
        (function, quantiles.median, quantiles.p99)
    });
    (run.msgs_per_op(), latencies.into())
}

#[test]
fn clusters_of_three_and_five_are_linearizable_for_few_messages() {
    for (nodes, latency) in [(3, 0), (3, 10), (5, 0), (5, 10)] {
        let run = challenge(nodes).latency(latency).run();
        run.assert_valid();
        println!("{nodes} nodes, {latency} ms: {:?}", figures(&run));
    }
}

#[test]
fn whatever_happens_to_the_network_histories_are_linearizable() {
    let faults = [Fault::Partition, Fault::Pause, Fault::OneWay, Fault::Loss, Fault::Reorder];
    for seed in 0..20 {
        let nodes = [1, 3, 5][seed as usize % 3];
        challenge(nodes).latency(10).seed(seed).nemesis(&faults, 3.0).run().assert_valid();
    }
}

#[test]
fn whoever_is_removed_added_and_made_the_leader_histories_are_linearizable() {
    let faults = [Fault::Membership, Fault::Partition, Fault::Pause, Fault::Loss];
    let mut done = [0; 3];
    for seed in 0..20 {
        let nodes = [2, 3, 5][seed as usize % 3];
        let run = challenge(nodes).latency(10).seed(seed).nemesis(&faults, 2.0).recorded().run();
        run.assert_valid();
        for (done, kind) in done.iter_mut().zip(["add_node", "remove_node", "transfer"]) {
            *done += run.journal.matches(&format!(r#""type":"{kind}_ok""#)).count();
        }
    }
    assert!(done.iter().all(|&count| count > 20), "added, removed, leading: {done:?}");
}

#[test]
fn who_is_removed_is_no_member_and_who_is_named_leads() {
    let mut scene = challenge(3).latency(10).scenario();
    let named = |node: &str| node.to_owned();
    scene.run_for(Duration::from_secs(1));
    scene.ask(1, &Transfer { node: named("n2") }).unwrap();
    scene.ask(1, &RemoveNode { node: named("n0") }).unwrap();
    scene.ask(1, &Transfer { node: named("n0") }).unwrap_err();
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    scene.ask(0, &Write { key: raw("1"), value: raw("7") }).unwrap();
    assert_eq!(scene.ask(0, &Read { key: raw("1") }).unwrap().value.get(), "7");
    scene.ask(2, &AddNode { node: named("n0") }).unwrap();
    scene.ask(1, &Transfer { node: named("n0") }).unwrap();
    scene.ask(1, &AddNode { node: named("n7") }).unwrap_err();
}

fn in_memory() -> Simulation {
    let mut options = Options::default();
    options.in_memory = true;
    Simulation::new(Workload::LinKv, move || lin_kv::node(options.clone()))
        .nodes(3)
        .clients(6)
        .latency(10)
}

#[test]
fn nodes_without_directories_are_killed_one_after_the_other_and_nothing_is_lost() {
    let raw = |text: String| RawValue::from_string(text).unwrap();
    let mut scene = in_memory().scenario();
    let key = || raw("1".to_owned());
    for round in 0..9 {
        scene.ask((round + 1) % 3, &Write { key: key(), value: raw(round.to_string()) }).unwrap();
        scene.kill(&[round % 3]);
        scene.run_for(Duration::from_secs(2));
        scene.restart();
        scene.run_for(Duration::from_secs(2));
        let ReadOk { value } = scene.ask(round % 3, &Read { key: key() }).unwrap();
        assert_eq!(value.get(), round.to_string());
    }
}

#[test]
fn where_a_majority_without_directories_is_killed_nothing_is_served() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let mut scene = in_memory().scenario();
    scene.ask(1, &Write { key: raw("1"), value: raw("7") }).unwrap();
    scene.kill(&[0, 1]);
    scene.run_for(Duration::from_secs(1));
    scene.restart();
    scene.run_for(Duration::from_secs(10));
    for node in 0..3 {
        scene.ask(node, &Read { key: raw("1") }).unwrap_err();
    }
}
