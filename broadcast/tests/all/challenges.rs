//! The challenges as Maelstrom runs them, in virtual time, with its checks: 3a
//! to 3e, and what lies beyond their limits.

use broadcast::config::Config;
use broadcast::machine::Broadcaster;
use broadcast::node_with;
use broadcast::thresholds::{EFFICIENCY, PARTITIONED};
use maelstrom::Node;
use maelstrom::machine::Driver;
use simulator::{Fault, Finished, LatencyDist, Simulation, Workload};

/// Under Maelstrom there is no directory.
fn node() -> Node<Driver<Broadcaster>> {
    node_with(in_memory())
}

fn in_memory() -> Config {
    Config { in_memory: true, ..Config::default() }
}

fn challenge(nodes: usize) -> Simulation {
    Simulation::new(Workload::Broadcast, node).nodes(nodes).rate(10.0).seconds(20)
}

/// 25 nodes, 100 ms, 100 operations a second.
fn efficient(config: Config, seed: u64) -> Finished {
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
        assert!(finished.msgs_per_op() <= PARTITIONED.messages, "{}", finished.msgs_per_op());
    }
}

#[test]
fn each_period_keeps_its_bounds() {
    assert_eq!(EFFICIENCY[0].period, Config::default().period);
    for (bounds, seeds) in EFFICIENCY.into_iter().zip([3, 1, 2, 1]) {
        for seed in 0..seeds {
            // Neither does a journal cost messages, nor, where the disk is quick, time.
            let in_memory = bounds.period != Config::default().period || seed > 0;
            let config = Config { period: bounds.period, in_memory, ..Config::default() };
            let finished = efficient(config, seed);
            let (messages, latencies) = (finished.msgs_per_op(), finished.stable_latencies());
            assert!(messages <= bounds.messages, "{bounds:?}, seed {seed}: {messages}");
            let is_soon = latencies.median <= bounds.median && latencies.max <= bounds.longest;
            assert!(is_soon, "{bounds:?}, seed {seed}: {latencies:?}");
        }
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
