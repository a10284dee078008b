//! Partitions that come and go, measured against flooding.

use std::time::Duration;

use broadcast::config::Config;
use broadcast::wire::Rank;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::flood::flood;
use crate::net::{Cut, Links, MS, Net, quantile};
use crate::seeds;

const L: Duration = Duration::from_millis(100);

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

/// By how much each value came later to each node than flooding would bring it
/// that sets out so long after the value came.
fn excess(net: &Net, delay: Duration) -> Vec<Duration> {
    let mut all = Vec::new();
    for (value, fate) in &net.fates {
        let best = flood(net.len(), fate.origin, fate.sent + delay, L, &net.cuts);
        for (node, best) in best.into_iter().enumerate() {
            let best = best.expect("every partition ends");
            let came = fate.reached.get(&node).unwrap_or_else(|| panic!("{value} never came to {node}"));
            all.push(came.saturating_sub(best));
        }
    }
    all.sort();
    all
}

fn measure(name: &str, kinds: &[Kind], period: Duration, seed: u64) -> (f64, Vec<Duration>) {
    let config = Config { period, ..Config::default() };
    let mut net = Net::new(25, config, Links::perfect(L), seed);
    let (begin, end) = (Duration::from_secs(2), Duration::from_secs(62));
    let broadcasts = net.load(begin, end, 50.0);
    nemesis(&mut net, kinds, begin, end, Duration::from_secs(3));
    net.run_until(end + Duration::from_secs(10));
    let values = net.values();
    net.assert_everywhere(&values, &format!("{name}, seed {seed}"));
    let cost = net.messages as f64 / (2 * broadcasts) as f64;
    let late = excess(&net, period + 2 * L);
    let excess = excess(&net, Duration::ZERO);
    eprintln!(
        "{name} seed {seed}: {cost:.2} messages per operation, excess median {:?}, p99 {:?}, max {:?}, late p99 {:?} max {:?}, largest {} B",
        quantile(&excess, 0.5), quantile(&excess, 0.99), quantile(&excess, 1.0), quantile(&late, 0.99), quantile(&late, 1.0), net.largest
    );
    (cost, excess)
}

#[test]
fn values_go_around_partitions_almost_as_fast_as_by_flooding() {
    let sets: [(&str, &[Kind]); 5] = [
        ("isolate one", &KINDS[..1]),
        ("halves", &KINDS[1..2]),
        ("ring", &KINDS[2..3]),
        ("minor third", &KINDS[3..]),
        ("all kinds", &KINDS),
    ];
    for seed in seeds(1) {
        for (name, kinds) in sets {
            let (cost, excess) = measure(name, kinds, Config::default().period, seed);
            let _ = (cost, excess);
        }
    }
}
