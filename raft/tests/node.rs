//! The `lin-kv` node as Maelstrom runs it, in virtual time: whole nodes with their JSON.

use std::time::Duration;

use raft::lin_kv::{AddNode, RemoveNode, Transfer};
use raft::{Options, lin_kv};
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
    scene.ask(2, &AddNode { node: named("n0") }).unwrap();
    scene.ask(1, &Transfer { node: named("n0") }).unwrap();
    scene.ask(1, &AddNode { node: named("n7") }).unwrap_err();
}
