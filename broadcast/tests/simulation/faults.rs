//! Loss, duplication, reordering, slow links, one-way cuts, kills and pauses.

use std::collections::BTreeSet;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::wire::Rank;
use rand::RngExt;

use crate::net::{Cut, Latency, Links, MS, Net, quantile};
use crate::partitions::apart;
use crate::seeds;

const S: Duration = Duration::from_secs(1);

fn config(period: u32) -> Config {
    Config { period: period * MS, ..Config::default() }
}

#[test]
fn everything_arrives_over_links_that_lose_duplicate_and_reorder() {
    let links = [
        Links { latency: Latency::Constant(50 * MS), loss: 0.1, duplication: 0.1 },
        Links { latency: Latency::Exponential(100 * MS), loss: 0.0, duplication: 0.0 },
        Links { latency: Latency::Exponential(50 * MS), loss: 0.3, duplication: 0.2 },
    ];
    for seed in seeds(2) {
        for (i, links) in links.into_iter().enumerate() {
            for period in [340, 0] {
                let mut net = Net::new(10, config(period), links, seed);
                net.load(S, 11 * S, 40.0);
                net.run_until(26 * S);
                let values = net.values();
                let context = format!("links {i}, period {period}, seed {seed}");
                net.assert_everywhere(&values, &context);
                let latencies = net.latencies();
                eprintln!(
                    "{context}: {} messages, median {:?}, longest {:?}",
                    net.messages,
                    quantile(&latencies, 0.5),
                    quantile(&latencies, 1.0)
                );
            }
        }
    }
}

/// The hub gets killed at any moment, and stays dead or comes back empty. What
/// the others accepted must be everywhere 3 s later.
#[test]
fn a_killed_hub_takes_nothing_with_it() {
    for seed in seeds(2) {
        for comes_back in [false, true] {
            for rate in [50.0, 1.0] {
                let mut net = Net::new(25, config(340), Links::perfect(100 * MS), seed);
                let killed = 5 * S + MS * net.rng.random_range(0..1000);
                net.load(S, killed + 5 * S, rate);
                net.kill(killed, 0);
                if comes_back {
                    let back = killed + MS * net.rng.random_range(1..2000);
                    net.start(back, 0);
                }
                net.run_until(killed + 20 * S);
                check_survivors(
                    &mut net,
                    killed,
                    &format!("seed {seed}, comes back: {comes_back}, rate {rate}"),
                );
            }
        }
    }
}

fn check_survivors(net: &mut Net, killed: Duration, context: &str) {
    let round = 2 * net.config.period + 300 * MS;
    let mut longest = Duration::ZERO;
    let mut values = BTreeSet::new();
    for (&value, fate) in &net.fates {
        let is_due = fate.origin != 0 || fate.sent > killed || fate.sent + round < killed;
        if !is_due {
            continue;
        }
        values.insert(value);
        for node in 1..net.len() {
            let came = fate.reached.get(&node);
            let came = came.unwrap_or_else(|| panic!("{value} never came to {node} ({context})"));
            longest = longest.max(*came - fate.sent);
        }
    }
    eprintln!("hub killed, {context}: longest {longest:?}");
    assert!(longest <= 3 * S, "{longest:?} ({context})");
    // What the hub alone had may be gone or not.
    for node in (0..net.len()).filter(|&node| net.is_alive(node)).collect::<Vec<_>>() {
        let read: BTreeSet<u64> = net.read(node).into_iter().collect();
        assert!(values.is_subset(&read), "node {node} lacks values ({context})");
    }
}

#[test]
fn a_node_that_comes_back_empty_is_filled_again() {
    for seed in seeds(3) {
        for period in [340, 0] {
            let mut net = Net::new(10, config(period), Links::perfect(20 * MS), seed);
            net.load(S, 10 * S, 100.0);
            for node in 0..4 {
                let at = 12 * S + MS * net.rng.random_range(0..3000);
                net.kill(at, node);
                let back = at + MS * net.rng.random_range(1..1000);
                net.start(back, node);
            }
            net.run_until(20 * S);
            let values = net.values();
            net.assert_everywhere(&values, &format!("period {period}, seed {seed}"));
        }
    }
}

#[test]
fn a_large_history_comes_in_pages() {
    let mut net = Net::new(5, config(340), Links::perfect(10 * MS), 1);
    // Values of some 20 digits: 30,000 of them are more than two pages.
    for value in 0..30_000 {
        net.client(S + MS / 10 * value as u32, (value % 5) as Rank, 10_u64.pow(19) + value);
    }
    for node in [0, 3] {
        net.kill(8 * S, node);
        net.start(8 * S + 500 * MS, node);
    }
    net.run_until(16 * S);
    let values = net.values();
    net.assert_everywhere(&values, "large history");
    assert!(net.largest <= 300 * 1024, "{} bytes in one message", net.largest);
}

/// Any mix of everything, for 20 s; then it heals, and all must be well.
#[test]
fn after_any_chaos_everything_is_everywhere() {
    for seed in seeds(8) {
        for period in [340, 0] {
            let mut net = chaos(seed, period);
            net.run_until(25 * S);
            net.links = Links::perfect(40 * MS);
            net.slow.clear();
            net.run_until(40 * S);
            let context = format!("period {period}, seed {seed}");
            let nodes = net.len();
            let read: Vec<BTreeSet<u64>> =
                (0..nodes).map(|node| net.read(node).into_iter().collect()).collect();
            let union: BTreeSet<u64> = read.iter().flatten().copied().collect();
            net.assert_everywhere(&union, &context);
            // Lost can be only what a killed node had accepted.
            let killed: BTreeSet<Rank> = net.killed.iter().copied().collect();
            for (value, fate) in &net.fates {
                assert!(
                    union.contains(value) || killed.contains(&fate.origin),
                    "{value} is lost ({context})"
                );
            }
            net.run_until(50 * S);
            let before = net.messages;
            net.run_until(60 * S);
            let idle = net.messages - before;
            assert!(idle <= 10 * nodes as u64, "{idle} messages while idle ({context})");
        }
    }
}

fn chaos(seed: u64, period: u32) -> Net {
    let links = Links { latency: Latency::Constant(40 * MS), loss: 0.0, duplication: 0.0 };
    let mut net = Net::new(2, config(period), links, seed);
    let nodes = net.rng.random_range(2..14);
    let links = Links {
        latency: if net.rng.random() {
            Latency::Constant(40 * MS)
        } else {
            Latency::Exponential(40 * MS)
        },
        loss: net.rng.random_range(0.0..0.2),
        duplication: net.rng.random_range(0.0..0.2),
    };
    let mut net = Net::new(nodes, Config { fan_out: 4, ..config(period) }, links, seed);
    net.load(S, 20 * S, 30.0);
    for _ in 0..12 {
        let at = S + MS * net.rng.random_range(0..17_000);
        let node = net.rng.random_range(0..nodes);
        let until = at + MS * net.rng.random_range(1..4_000);
        match net.rng.random_range(0..4) {
            0 => net.pause(at, node, until),
            1 => {
                net.kill(at, node);
                net.start(until, node);
            }
            _ => {
                let cut = random_cut(&mut net);
                net.cut(at, cut);
            }
        }
    }
    let slow = (net.rng.random_range(0..nodes), net.rng.random_range(0..nodes));
    net.slow.insert(slow, 700 * MS);
    net.cut(20 * S, Cut::new());
    net
}

/// Some links, one way or both, or a split, or none.
fn random_cut(net: &mut Net) -> Cut {
    let nodes = net.len();
    let order: Vec<Rank> = (0..nodes).collect();
    match net.rng.random_range(0..4) {
        0 => Cut::new(),
        1 => apart(&order, net.rng.random_range(1..nodes)),
        _ => {
            let share = net.rng.random_range(0.0..0.9);
            let pairs = order.iter().flat_map(|&a| order.iter().map(move |&b| (a, b)));
            pairs.filter(|_| net.rng.random_bool(share)).collect()
        }
    }
}

/// A line is all that is left of the network: each value has to go from hand to
/// hand.
#[test]
fn values_take_any_path_that_there_is() {
    for seed in seeds(3) {
        for period in [340, 0] {
            let mut net = Net::new(9, config(period), Links::perfect(20 * MS), seed);
            let mut order: Vec<Rank> = (0..9).collect();
            for i in (1..9).rev() {
                order.swap(i, net.rng.random_range(0..=i));
            }
            let mut cut: Cut = (0..9).flat_map(|a| (0..9).map(move |b| (a, b))).collect();
            for pair in order.windows(2) {
                cut.remove(&(pair[0], pair[1]));
                cut.remove(&(pair[1], pair[0]));
            }
            net.cut(2 * S, cut);
            net.load(S, 12 * S, 20.0);
            net.run_until(if period == 0 { 72 * S } else { 30 * S });
            let values = net.values();
            net.assert_everywhere(
                &values,
                &format!("line {order:?}, period {period}, seed {seed}"),
            );
            let late = net.latencies();
            eprintln!(
                "line, period {period}, seed {seed}: median {:?}, longest {:?}",
                quantile(&late, 0.5),
                quantile(&late, 1.0)
            );
        }
    }
}

/// A node that can hear but not be heard still gets everything from the others,
/// and the others get what it has once it is heard.
#[test]
fn one_way_cuts_stop_only_that_way() {
    for deaf in [false, true] {
        let mut net = Net::new(9, config(340), Links::perfect(20 * MS), 1);
        let cut: Cut = if deaf { [(0, 4)].into() } else { [(4, 0)].into() };
        net.cut(3 * S, cut);
        net.load(S, 13 * S, 20.0);
        net.run_until(16 * S);
        let values = net.values();
        net.assert_everywhere(&values, &format!("deaf: {deaf}"));
    }
}

/// A node sends up what one child told it, and that gets lost; then the other child keeps
/// it busy for a minute. Which offsets catch an uplink that carries nothing else depends
/// on the rounds.
#[test]
fn a_lost_uplink_is_repaired_while_its_senders_other_children_keep_sending() {
    let config = Config { fan_out: 2, ..config(340) };
    for offset in (0..340).step_by(20) {
        let mut net = Net::new(7, config.clone(), Links::perfect(100 * MS), 1);
        let sent = 8 * S + offset * MS;
        for i in 0..2_000 {
            let at = S + 30 * MS * i;
            if at + 150 * MS < sent || at > sent + 250 * MS {
                net.client(at, 4, u64::from(i));
            }
        }
        net.client(sent, 3, 1_000_000);
        net.cut(sent + 380 * MS, [(1, 0)].into());
        net.cut(sent + 460 * MS, Cut::new());
        net.run_until(70 * S);
        let reached = &net.fates[&1_000_000].reached;
        assert_eq!(reached.len(), 7, "offset {offset}");
        let late = *reached.values().max().unwrap() - sent;
        assert!(late < 3 * S, "offset {offset}: {late:?}");
    }
}

#[test]
fn a_paused_hub_delays_little() {
    for seed in seeds(3) {
        let mut net = Net::new(25, config(340), Links::perfect(100 * MS), seed);
        net.load(S, 12 * S, 50.0);
        net.pause(5 * S, 0, 9 * S);
        net.run_until(20 * S);
        let values = net.values();
        net.assert_everywhere(&values, &format!("seed {seed}"));
        let mut late = Duration::ZERO;
        for fate in net.fates.values().filter(|fate| fate.origin != 0) {
            let others = fate.reached.iter().filter(|(node, _)| **node != 0);
            late = late.max(*others.map(|(_, at)| at).max().unwrap() - fate.sent);
        }
        eprintln!("hub paused, seed {seed}: longest among the others {late:?}");
        assert!(late <= 2 * S);
    }
}
