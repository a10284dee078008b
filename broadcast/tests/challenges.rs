//! The challenges as Maelstrom runs them, in virtual time, with its checks: 3a
//! to 3e, and what lies beyond their limits.

use std::time::Duration;

use broadcast::config::Config;
use broadcast::{node, node_with};
use simulator::{Fault, Finished, LatencyDist, Simulation, Workload};

fn challenge(nodes: usize) -> Simulation {
    Simulation::new(Workload::Broadcast, node).nodes(nodes).rate(10.0).seconds(20)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// 25 nodes, 100 ms, 100 operations a second.
fn efficient(period: Option<u64>, seed: u64) -> Finished {
    let config = period.map_or_else(Config::default, |period| Config {
        period: Duration::from_millis(period),
        ..Config::default()
    });
    let node = move || node_with(config.clone());
    let run = Simulation::new(Workload::Broadcast, node).nodes(25).rate(100.0).seconds(20);
    let finished = run.latency(100).seed(seed).run();
    finished.assert_valid();
    finished
}

#[test]
fn one_node_reads_what_it_was_sent() {
    challenge(1).run().assert_valid();
}

#[test]
fn five_nodes_agree() {
    for seed in 0..3 {
        challenge(5).seed(seed).totally_available().run().assert_valid();
    }
}

#[test]
fn five_nodes_agree_in_spite_of_partitions() {
    for seed in 0..5 {
        challenge(5).seed(seed).nemesis(&[Fault::Partition], 10.0).run().assert_valid();
    }
}

#[test]
fn partitions_that_come_and_go_quickly_lose_nothing() {
    for seed in 0..3 {
        let run = Simulation::new(Workload::Broadcast, node).nodes(25).rate(100.0).seconds(20);
        let finished = run.latency(100).seed(seed).nemesis(&[Fault::Partition], 3.0).run();
        finished.assert_valid();
        assert!(finished.msgs_per_op() <= 4.0, "{}", finished.msgs_per_op());
    }
}

#[test]
fn the_default_is_within_the_limits_of_3d_with_a_margin() {
    for seed in 0..3 {
        let finished = efficient(None, seed);
        assert!(finished.msgs_per_op() <= 1.10);
        assert!(finished.stable_latencies().median < millis(400));
        assert!(finished.stable_latencies().max <= millis(525));
    }
}

/// What varies from message to message is not taken for a fault: rounds go on as usual.
#[test]
fn latencies_that_vary_cost_little() {
    for (dist, most) in [(LatencyDist::Uniform, 1.20), (LatencyDist::Exponential, 1.45)] {
        for seed in 0..3 {
            let run = Simulation::new(Workload::Broadcast, node).nodes(25).rate(100.0).seconds(20);
            let finished =
                run.latency(100).set(|settings| settings.latency.dist = dist).seed(seed).run();
            finished.assert_valid();
            let messages = finished.msgs_per_op();
            assert!(messages <= most, "{dist:?}, seed {seed}: {messages}");
        }
    }
}

#[test]
fn a_longer_period_is_within_the_limits_of_3e() {
    for seed in 0..2 {
        let finished = efficient(Some(1700), seed);
        assert!(finished.msgs_per_op() <= 0.34);
        assert!(finished.stable_latencies().median < millis(1000));
        assert!(finished.stable_latencies().max < millis(1900));
    }
}

#[test]
fn without_a_period_a_value_is_stable_after_one_latency() {
    let finished = efficient(Some(0), 0);
    assert!(finished.msgs_per_op() <= 12.5);
    assert!(finished.stable_latencies().max <= millis(110));
}
