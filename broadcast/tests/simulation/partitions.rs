//! Partitions that come and go, measured against flooding.
//!
//! A value that waits for its round when a partition begins waits for its end,
//! too; flooding would have brought it out. Nobody who sends fewer messages than
//! flooding can avoid that, and nobody notices a change of the network at once.
//! So median and p99 of the excess are bounded against flooding that is perfect,
//! its maximum against flooding that takes [`REACTION`] to react.

use std::time::Duration;

use broadcast::config::Config;
use broadcast::wire::Rank;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::flood::Flood;
use crate::net::{Cut, Links, MS, Net, quantile};
use crate::seeds;

const S: Duration = Duration::from_secs(1);
const L: Duration = Duration::from_millis(100);

/// How long flooding takes to react, where it is not perfect: what a value takes
/// at most that sets out in vain and then once more, until the parent is missed and
/// replaced (T + 4L), and a round (T + 2L), and some slack.
const REACTION: Duration = Duration::from_millis(1500);

/// Of how many values one is compared with flooding.
const SAMPLE: usize = 4;

/// The partitions that Maelstrom's nemesis draws from.
#[derive(Clone, Copy, Debug)]
enum Kind {
    IsolateOne,
    Halves,
    Ring,
    MinorThird,
}

const KINDS: [Kind; 4] = [Kind::IsolateOne, Kind::Halves, Kind::Ring, Kind::MinorThird];

fn draw(net: &mut Net, kind: Kind) -> Cut {
    let n = net.len();
    let mut order: Vec<Rank> = (0..n).collect();
    order.shuffle(&mut net.rng);
    match kind {
        Kind::IsolateOne => apart(&order, 1),
        Kind::Halves => apart(&order, n / 2),
        Kind::MinorThird => {
            let few = net.rng.random_range(1..=(n - 1) / 3);
            apart(&order, few)
        }
        Kind::Ring => ring(&order),
    }
}

/// Cuts the first `few` off from the others.
pub(crate) fn apart(order: &[Rank], few: usize) -> Cut {
    let (left, right) = order.split_at(few);
    let pairs = left.iter().flat_map(|&a| right.iter().map(move |&b| (a, b)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}

/// Everybody sees the same number of neighbours to both sides, a majority with
/// itself.
fn ring(order: &[Rank]) -> Cut {
    let n = order.len();
    let reach = n.div_ceil(4);
    let mut cut = Cut::new();
    for (i, &a) in order.iter().enumerate() {
        for (j, &b) in order.iter().enumerate() {
            let distance = i.abs_diff(j).min(n - i.abs_diff(j));
            if distance > reach {
                cut.insert((a, b));
            }
        }
    }
    cut
}

/// Starts and stops partitions of some kinds, a mean of `interval` apart.
fn nemesis(net: &mut Net, kinds: &[Kind], from: Duration, upto: Duration, interval: Duration) {
    let mut at = from;
    let mut is_cut = false;
    loop {
        at += interval.mul_f64(net.rng.random_range(0.0..2.0));
        if at >= upto {
            break;
        }
        is_cut = !is_cut;
        let kind = kinds[net.rng.random_range(0..kinds.len())];
        let cut = if is_cut { draw(net, kind) } else { Cut::new() };
        net.cut(at, cut);
    }
    net.cut(upto, Cut::new());
}

/// By how much each value came later to each node than flooding with such a
/// reaction time would bring it.
fn excess(net: &Net, reaction: Duration) -> Vec<Duration> {
    let flood = Flood { latency: L, reaction };
    let mut all = Vec::new();
    for (value, fate) in net.fates.iter().step_by(SAMPLE) {
        let best = flood.reach(net.len(), fate.origin, fate.sent, &net.cuts);
        for (node, best) in best.into_iter().enumerate() {
            let best = best.expect("every partition ends");
            let came =
                fate.reached.get(&node).unwrap_or_else(|| panic!("{value} never came to {node}"));
            all.push(came.saturating_sub(best));
        }
    }
    all.sort();
    all
}

/// What a minute of partitions cost, and what it did to latencies.
struct Measured {
    messages_per_operation: f64,
    /// Over flooding that reacts at once.
    excess: Vec<Duration>,
    /// Over flooding that takes a while.
    beyond_reaction: Vec<Duration>,
}

/// 25 nodes, 100 operations a second, half of them reads, while partitions come and
/// go 3 s apart in the mean.
fn measure(name: &str, config: Config, kinds: &[Kind], seconds: u32, seed: u64) -> Measured {
    let mut net = Net::new(25, config, Links::perfect(L), seed);
    let (begin, end) = (2 * S, (2 + seconds) * S);
    let broadcasts = net.load(begin, end, 50.0);
    nemesis(&mut net, kinds, begin, end, 3 * S);
    net.run_until(end + 10 * S);
    let values = net.values();
    net.assert_everywhere(&values, &format!("{name}, seed {seed}"));
    let measured = Measured {
        messages_per_operation: net.messages as f64 / (2 * broadcasts) as f64,
        excess: excess(&net, Duration::ZERO),
        beyond_reaction: excess(&net, REACTION),
    };
    let of = |all: &[Duration]| [0.5, 0.99, 1.0].map(|at| quantile(all, at));
    eprintln!(
        "{name} seed {seed}: {:.2} messages per operation; median, p99 and longest excess {:?}; beyond reaction {:?}; largest message {} B",
        measured.messages_per_operation,
        of(&measured.excess),
        of(&measured.beyond_reaction),
        net.largest
    );
    measured
}

#[test]
fn values_go_around_partitions_almost_as_fast_as_by_flooding() {
    let mut pool = Vec::new();
    for seed in seeds(2) {
        let measured = measure("all kinds", Config::default(), &KINDS, 60, seed);
        assert!(measured.messages_per_operation <= 4.0);
        assert!(quantile(&measured.excess, 0.5) <= 400 * MS);
        assert!(quantile(&measured.beyond_reaction, 1.0) <= 3000 * MS);
        pool.extend(measured.excess);
    }
    pool.sort();
    assert!(quantile(&pool, 0.99) <= 1500 * MS);
}

#[test]
fn where_everybody_can_be_reached_by_some_path_nothing_takes_long() {
    for seed in seeds(1) {
        let measured = measure("ring", Config::default(), &[Kind::Ring], 60, seed);
        assert!(measured.messages_per_operation <= 4.0);
        assert!(quantile(&measured.excess, 0.5) <= 400 * MS);
        assert!(quantile(&measured.excess, 0.99) <= 1500 * MS);
        assert!(quantile(&measured.excess, 1.0) <= 3000 * MS);
    }
}

#[test]
fn each_kind_of_partition_costs_little() {
    for seed in seeds(1) {
        for kind in KINDS {
            let measured = measure(&format!("{kind:?}"), Config::default(), &[kind], 20, seed);
            assert!(measured.messages_per_operation <= 4.5);
            assert!(quantile(&measured.excess, 0.5) <= 400 * MS);
            assert!(quantile(&measured.beyond_reaction, 1.0) <= 3000 * MS);
        }
    }
}

#[test]
fn without_a_period_values_go_around_partitions_as_well() {
    let config = Config { period: Duration::ZERO, ..Config::default() };
    for seed in seeds(1) {
        let measured = measure("no period", config.clone(), &KINDS, 20, seed);
        assert!(measured.messages_per_operation <= 15.0);
        assert_eq!(quantile(&measured.excess, 0.5), Duration::ZERO);
        assert!(quantile(&measured.beyond_reaction, 0.99) <= 1000 * MS);
        assert!(quantile(&measured.beyond_reaction, 1.0) <= 3000 * MS);
    }
}

#[test]
fn when_the_network_is_steady_again_so_is_the_cost() {
    for seed in seeds(1) {
        let mut net = Net::new(25, Config::default(), Links::perfect(L), seed);
        net.load(2 * S, 42 * S, 50.0);
        nemesis(&mut net, &KINDS, 2 * S, 17 * S, 3 * S);
        net.run_until(31 * S);
        let before = net.messages;
        net.run_until(41 * S);
        let cost = (net.messages - before) as f64 / (10.0 * 100.0);
        eprintln!("seed {seed}: {cost:.2} messages per operation once it is steady again");
        assert!(cost <= 1.25);
    }
}
