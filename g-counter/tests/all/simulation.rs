//! Whole nodes in the simulator: bytes, tasks and clocks included.

use std::time::Duration;

use simulator::{Fault, Latency, LatencyDist, Simulation, Workload};

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
fn the_challenge_is_passed_with_all_operations_and_0_9_messages_for_each() {
    for seed in 0..10 {
        let finished = challenge(seed).run();
        let cost = finished.assert_valid().msgs_per_op();
        assert!(cost <= 0.9, "seed {seed}: {cost} messages per operation");
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

/// When the last message that the pattern fits was received, in virtual seconds.
fn last_received(journal: &str, is_it: impl Fn(&str) -> bool) -> f64 {
    let mut received = journal.lines().rev().filter(|line| line.contains(" Recv ") && is_it(line));
    let (time, _) = received.next().unwrap().split_once(' ').unwrap();
    time.parse().unwrap()
}

#[test]
fn a_hundred_nodes_at_a_thousand_operations_a_second_agree_two_seconds_after_the_last_add() {
    for millis in [0, 100] {
        let large = challenge(1).nodes(100).rate(1_000.0).seconds(5).latency(millis);
        let large = large.set(|settings| settings.strict = true).nemesis(&[], 1.0);
        let finished = large.recorded().run();
        let cost = finished.assert_valid().msgs_per_op();
        assert!(cost < 2.0, "{cost} messages per operation");
        let is_news =
            |line: &str| line.contains("gossip") && !line.contains(r#""contributions":{}"#);
        let added = last_received(&finished.journal, |line| line.contains("add_ok"));
        let told = last_received(&finished.journal, is_news);
        eprintln!("{millis} ms a hop: {:.2} s, {cost:.2} messages per operation", told - added);
        // All final reads are the same, and nobody has learnt anything later than that.
        assert!(told <= added + 2.0, "{} s", told - added);
    }
}

#[test]
fn a_service_that_shows_the_past_costs_nothing_and_hides_nothing() {
    for seed in 0..5 {
        let worst = challenge(seed).adversarial_seq_kv().set(|settings| settings.strict = true);
        let cost = worst.run().assert_valid().msgs_per_op();
        assert!(cost <= 0.9, "seed {seed}: {cost} messages per operation");
    }
}

#[test]
fn all_faults_together_and_a_service_that_shows_the_past_change_no_sum() {
    for seed in 0..20 {
        let all = Simulation::new(Workload::GCounter, g_counter::node)
            .nodes(4)
            .rate(50.0)
            .seconds(10)
            .latency([0, 10, 50][seed as usize % 3])
            .nemesis(&Fault::OF_ANY_NODE, 1.5)
            .adversarial_seq_kv()
            .seed(seed);
        let finished = all.set(|settings| settings.strict = true).run();
        let report = &finished.report.parts["workload"];
        assert!(finished.ended.is_ok() && report.findings.is_empty(), "{finished}");
        let reads = report.results["final-reads"].as_array().unwrap();
        assert_eq!(reads.len(), 4, "every node reads in the end: {finished}");
    }
}

#[test]
fn the_other_constructor_serves_the_other_workload() {
    for seed in 0..5 {
        let settings = challenge(seed).settings().clone();
        Simulation::new(Workload::PnCounter, g_counter::pn_node)
            .set(|own| *own = simulator::Settings { workload: own.workload, ..settings })
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
