//! What spreading costs, and how long it takes, when nothing goes wrong.

use std::time::Duration;

use broadcast::config::Config;

use crate::net::{Links, MS, Net, quantile};
use crate::seeds;

/// The load of challenge 3d, with reads taken to be as many as broadcasts. Latencies are
/// those from client to last node, which are longer than what the challenge's checker
/// sees between two reads.
struct Measured {
    messages_per_operation: f64,
    median: Duration,
    longest: Duration,
}

/// 25 nodes, 100 ms, 100 operations a second for 20 s, and Maelstrom's pause of
/// 10 s before the final reads.
fn measure(period: Duration, seed: u64) -> Measured {
    let config = Config { period, ..Config::default() };
    let mut net = Net::new(25, config, Links::perfect(100 * MS), seed);
    let broadcasts = net.load(Duration::from_secs(1), Duration::from_secs(21), 50.0);
    net.run_until(Duration::from_secs(31));
    let values = net.values();
    assert_eq!(values.len() as u64, broadcasts);
    net.assert_everywhere(&values, &format!("seed {seed}"));
    let latencies = net.latencies();
    let operations = 2 * broadcasts + 25;
    let measured = Measured {
        messages_per_operation: net.messages as f64 / operations as f64,
        median: quantile(&latencies, 0.5),
        longest: quantile(&latencies, 1.0),
    };
    eprintln!(
        "period {period:?} seed {seed}: {:.3} messages per operation, median {:?}, longest {:?}, {} B per message, largest {} B",
        measured.messages_per_operation,
        measured.median,
        measured.longest,
        net.bytes / net.messages,
        net.largest
    );
    measured
}

#[test]
fn the_default_takes_few_messages_and_little_time() {
    for seed in seeds(3) {
        let measured = measure(Config::default().period, seed);
        assert!(measured.messages_per_operation <= 1.12);
        assert!(measured.median < 420 * MS);
        assert!(measured.longest <= 630 * MS);
    }
}

#[test]
fn a_longer_period_takes_fewer_messages() {
    for seed in seeds(2) {
        let measured = measure(1700 * MS, seed);
        assert!(measured.messages_per_operation <= 0.35);
        assert!(measured.median < 1100 * MS);
        assert!(measured.longest <= 2000 * MS);
    }
}

#[test]
fn without_a_period_everything_is_one_hop_away() {
    for seed in seeds(1) {
        let measured = measure(Duration::ZERO, seed);
        assert!(measured.messages_per_operation <= 12.5);
        assert!(measured.longest <= 101 * MS);
    }
}

#[test]
fn any_latency_works_without_being_told() {
    for (latency, longest) in [(0, 410), (10, 430), (500, 1540), (2000, 6540)] {
        for seed in seeds(1) {
            let mut net = Net::new(25, Config::default(), Links::perfect(latency * MS), seed);
            net.load(Duration::from_secs(20), Duration::from_secs(30), 50.0);
            net.run_until(Duration::from_secs(20));
            let before = net.messages;
            net.run_until(Duration::from_secs(30));
            let rate = (net.messages - before) / 10;
            net.run_until(Duration::from_secs(45));
            let values = net.values();
            net.assert_everywhere(&values, &format!("{latency} ms, seed {seed}"));
            let latencies = net.latencies();
            eprintln!(
                "{latency} ms: {rate} messages/s, median {:?}, longest {:?}",
                quantile(&latencies, 0.5),
                quantile(&latencies, 1.0)
            );
            assert!(quantile(&latencies, 1.0) <= longest * MS);
            assert!(rate <= 160);
        }
    }
}

#[test]
fn without_a_period_any_latency_works_as_well() {
    for latency in [0, 10, 500, 2000] {
        let config = Config { period: Duration::ZERO, ..Config::default() };
        let mut net = Net::new(25, config, Links::perfect(latency * MS), 1);
        net.load(Duration::from_secs(20), Duration::from_secs(30), 20.0);
        net.run_until(Duration::from_secs(45));
        let values = net.values();
        net.assert_everywhere(&values, &format!("{latency} ms"));
        let cost = net.messages as f64 / values.len() as f64;
        eprintln!("no period, {latency} ms: {cost:.2} messages a value");
        assert!(cost <= 32.0);
        assert_eq!(quantile(&net.latencies(), 1.0), latency * MS);
    }
}

#[test]
fn an_idle_cluster_is_quiet() {
    for (period, latency) in [(300, 0), (300, 100), (0, 100)] {
        let config = Config { period: period * MS, ..Config::default() };
        let mut net = Net::new(25, config, Links::perfect(latency * MS), 1);
        net.load(Duration::from_secs(1), Duration::from_secs(5), 20.0);
        net.run_until(Duration::from_secs(30));
        let before = net.messages;
        net.run_until(Duration::from_secs(90));
        let sent = net.messages - before;
        eprintln!("idle with {period} ms at {latency} ms: {sent} messages in a minute");
        assert!(sent <= 5 * 60);
    }
}

#[test]
fn one_node_alone_sends_nothing() {
    for period in [0, 300] {
        let config = Config { period: period * MS, ..Config::default() };
        let mut net = Net::new(1, config, Links::perfect(Duration::ZERO), 1);
        let sent = net.load(Duration::ZERO, Duration::from_secs(5), 10.0);
        net.run_until(Duration::from_secs(10));
        assert_eq!(net.messages, 0);
        assert_eq!(net.read(0).len() as u64, sent);
    }
}

#[test]
fn the_same_seed_brings_the_same_messages() {
    let run = || {
        let mut net =
            Net::new(9, Config::default(), Links { loss: 0.1, ..Links::perfect(50 * MS) }, 7);
        net.load(Duration::ZERO, Duration::from_secs(10), 20.0);
        net.run_until(Duration::from_secs(20));
        (net.messages, net.bytes, net.read(3))
    };
    assert_eq!(run(), run());
}
