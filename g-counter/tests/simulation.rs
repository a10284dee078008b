//! Whole nodes in the simulator: bytes, tasks and clocks included.

use std::time::Duration;

use workbench::nemesis::Fault;
use workbench::settings::{Latency, LatencyDist, Workload};
use workbench::simulation::Simulation;

/// The challenge: `-w g-counter --node-count 3 --rate 100 --time-limit 20
/// --nemesis partition`, with every operation to succeed.
fn challenge(seed: u64) -> Simulation {
    Simulation::new(Workload::GCounter, g_counter::node)
        .nodes(3)
        .rate(100.0)
        .seconds(20)
        .nemesis(&[Fault::Partition], 10.0)
        .totally_available()
        .seed(seed)
}

fn latency(millis: u64, dist: LatencyDist) -> Latency {
    Latency { mean: Duration::from_millis(millis), dist }
}

#[test]
fn the_challenge_is_passed_with_all_operations_and_0_8_messages_for_each() {
    for seed in 0..10 {
        let finished = challenge(seed).run();
        let cost = finished.assert_valid().msgs_per_op();
        assert!(cost <= 0.8, "seed {seed}: {cost} messages per operation");
    }
}

#[test]
fn slow_networks_and_frequent_partitions_change_nothing() {
    let dists = [LatencyDist::Constant, LatencyDist::Uniform, LatencyDist::Exponential];
    for (seed, dist) in (0..).zip(dists) {
        for (nodes, millis) in [(1, 10), (2, 300), (3, 100), (5, 30), (25, 100)] {
            let changed = challenge(seed).nodes(nodes).set(|settings| {
                settings.latency = latency(millis, dist);
                settings.nemesis_interval = Duration::from_secs(2);
            });
            changed.run().assert_valid();
        }
    }
}

#[test]
fn clients_that_share_a_node_share_its_writes() {
    let cost = |clients: usize| {
        let crowded = challenge(1).clients(clients).rate(1_000.0);
        let crowded = crowded.set(|settings| {
            settings.latency = latency(100, LatencyDist::Constant);
            settings.nemesis.clear();
        });
        crowded.run().assert_valid().msgs_per_op()
    };
    let (few, many) = (cost(3), cost(300));
    assert!(many < few / 4.0, "{many} messages per operation, where few clients cost {few}");
}

#[test]
fn a_hundred_nodes_keep_up_with_a_thousand_operations_a_second() {
    let large = challenge(1).nodes(100).rate(1_000.0).seconds(10);
    let cost = large.run().assert_valid().msgs_per_op();
    assert!(cost < 1.6, "{cost} messages per operation");
}

#[test]
fn the_other_constructor_serves_the_other_workload() {
    for seed in 0..5 {
        let settings = challenge(seed).settings().clone();
        Simulation::new(Workload::PnCounter, g_counter::pn_node)
            .set(|own| *own = workbench::settings::Settings { workload: own.workload, ..settings })
            .run()
            .assert_valid();
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || challenge(3).recorded().run();
    let (first, second) = (run(), run());
    assert!(!first.journal.is_empty());
    assert_eq!(first.journal, second.journal);
    assert_eq!(first.history, second.history);
}
