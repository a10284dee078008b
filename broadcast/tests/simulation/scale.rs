//! A thousand nodes.

use std::time::Duration;

use broadcast::config::Config;

use crate::net::{Links, MS, Net, quantile};

const S: Duration = Duration::from_secs(1);

#[test]
fn a_thousand_nodes_take_about_one_message_a_value_and_node() {
    let config = Config { period: 400 * MS, ..Config::default() };
    let mut net = Net::new(1000, config, Links::perfect(100 * MS), 1);
    net.encodes = false;
    net.run_until(3 * S);
    let before = net.messages;
    // One value a round.
    for value in 0..20_u32 {
        net.client(3 * S + 400 * MS * value, (value as usize * 617) % 1000, u64::from(value));
    }
    net.run_until(3 * S + 8 * S);
    let cost = (net.messages - before) as f64 / (20.0 * 1000.0);
    net.run_until(14 * S);
    let values = net.values();
    net.assert_everywhere(&values, "a thousand nodes");
    let latencies = net.latencies();
    let busiest = net.by_node.iter().max().unwrap();
    eprintln!(
        "1000 nodes: {cost:.3} messages a value and node, median {:?}, longest {:?}, busiest node {busiest} messages",
        quantile(&latencies, 0.5),
        quantile(&latencies, 1.0)
    );
    assert!(cost <= 1.2);
    assert!(quantile(&latencies, 1.0) <= 2 * S);
}

#[test]
fn a_thousand_nodes_survive_the_death_of_the_root() {
    let config = Config { period: 400 * MS, ..Config::default() };
    let mut net = Net::new(1000, config, Links::perfect(100 * MS), 1);
    net.encodes = false;
    net.load(2 * S, 8 * S, 10.0);
    net.kill(4 * S + 77 * MS, 0);
    net.run_until(12 * S);
    let values: Vec<u64> =
        net.fates.iter().filter(|(_, fate)| fate.origin != 0).map(|(&v, _)| v).collect();
    let mut longest = Duration::ZERO;
    for value in values {
        let fate = &net.fates[&value];
        assert_eq!(fate.reached.keys().filter(|&&node| node != 0).count(), 999);
        longest = longest.max(*fate.reached.values().max().unwrap() - fate.sent);
    }
    let busiest = net.by_node.iter().max().unwrap();
    eprintln!(
        "1000 nodes, root killed: longest {longest:?}, {} messages, busiest node {busiest}",
        net.messages
    );
    assert!(longest <= 4 * S);
}
