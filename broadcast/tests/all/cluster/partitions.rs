//! Partitions of one kind alone that come and go, measured against flooding.
//!
//! Perfect flooding sends every value to everybody at every moment, so nothing is faster.
//! Nobody who sends fewer messages can bound the longest delay over it where a partition
//! may keep a value from everybody else; against flooding that takes [`REACTION`] to react,
//! to a value and to a link alike, the longest delay is bounded, too.

use std::collections::BTreeSet;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::thresholds::{Delay, PARTITIONED};
use checkers::nearest_rank;
use maelstrom::machine::{Rank, Time};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use simulator::Effect;

use crate::cluster::world::{Fate, MS, S, World, steady};

const NODES: usize = 25;
const LATENCY: Duration = Duration::from_millis(100);
/// What a value takes at most that sets out in vain and then once more: until the parent is
/// missed and replaced, a round, and some slack.
const REACTION: Duration = Duration::from_millis(1500);
/// Of so many values one is compared with flooding.
const SAMPLE: usize = 4;

/// For each node those that it does not hear.
type Grudge = Vec<BTreeSet<Rank>>;

/// Who hears whom no longer when the first `few` of an order are cut off.
fn split(order: &[Rank], few: usize) -> Grudge {
    let (left, right) = order.split_at(few);
    let other = |node: Rank| if left.contains(&node) { right } else { left };
    (0..NODES).map(|node| other(node).iter().copied().collect()).collect()
}

/// Each node hears as many neighbours to both sides, with itself a majority.
fn ring(order: &[Rank]) -> Grudge {
    let place = |node: Rank| order.iter().position(|&other| other == node).unwrap_or_default();
    let is_far = |one: usize, other: usize| {
        let distance = one.abs_diff(other);
        distance.min(NODES - distance) > NODES.div_ceil(4)
    };
    let unheard = |node| (0..NODES).filter(|&other| is_far(place(node), place(other))).collect();
    (0..NODES).map(unheard).collect()
}

/// Flooding over links that were cut, from these times on.
struct Flood<'a> {
    cuts: &'a [(Time, Grudge)],
    reaction: Duration,
}

impl Flood<'_> {
    /// The earliest time at which each node has a value (Dijkstra 1959).
    fn reach(&self, origin: Rank, sent: Time) -> Vec<Time> {
        let mut reached = vec![Time::MAX; NODES];
        let mut open: BTreeSet<Rank> = (0..NODES).collect();
        reached[origin] = sent + self.reaction;
        while let Some(from) = open.iter().copied().min_by_key(|&node| reached[node]) {
            open.remove(&from);
            for &to in &open {
                // A cut stops what a node has yet to take in; what it has taken in arrives.
                let arrives = self.opens(from, to, reached[from]).max(reached[from] + LATENCY);
                reached[to] = reached[to].min(arrives);
            }
        }
        reached[origin] = sent;
        reached
    }

    /// The first moment from `at` on at which a link has been open for long enough.
    fn opens(&self, from: Rank, to: Rank, at: Time) -> Time {
        let mut open_since = Some(Time::ZERO);
        for (number, (since, grudge)) in self.cuts.iter().enumerate() {
            let is_cut = grudge.get(to).is_some_and(|cut| cut.contains(&from));
            open_since = if is_cut { None } else { open_since.or(Some(*since + self.reaction)) };
            let end = self.cuts.get(number + 1).map_or(Time::MAX, |(next, _)| *next);
            if let Some(open) = open_since.map(|open| open.max(at)).filter(|open| *open <= end) {
                return open;
            }
        }
        panic!("every partition ends")
    }

    /// By how much values came later than by flooding, in order.
    fn delays<'f>(&self, fates: impl Iterator<Item = &'f Fate>) -> Vec<Duration> {
        let of = |fate: &Fate| -> Vec<Duration> {
            let best = self.reach(fate.origin, fate.sent).into_iter().enumerate();
            best.map(|(node, best)| {
                let came = fate.reached[&node];
                assert!(came + MS >= best || !self.reaction.is_zero(), "earlier than it can be");
                came.saturating_sub(best)
            })
            .collect()
        };
        let mut all: Vec<Duration> = fates.flat_map(of).collect();
        all.sort();
        all
    }
}

/// What so many seconds of partitions cost, with 50 values a second, and by how much values
/// came later than by perfect flooding, and than by flooding that takes a while to react.
fn measure(cut: impl Fn(&[Rank]) -> Grudge, seconds: u32, seed: u64) -> (f64, [Vec<Duration>; 2]) {
    let mut world = World::new(NODES, seed, &Config::default(), steady(LATENCY));
    let (mut cuts, end) = (vec![(Time::ZERO, Grudge::new())], (2 + seconds) * S);
    world.run_until(2 * S);
    while world.cluster.now() < end {
        let mut order: Vec<Rank> = (0..NODES).collect();
        order.shuffle(world.cluster.rng());
        let grudge = if cuts.len() % 2 == 1 { cut(&order) } else { Grudge::new() };
        world.cluster.apply(Effect::Partition(grudge.clone()));
        cuts.push((world.cluster.now(), grudge));
        let gap = (3 * S).mul_f64(world.cluster.rng().random_range(0.0..2.0));
        world.load(gap.min(end - world.cluster.now()).max(MS), 50.0);
    }
    world.cluster.apply(Effect::Heal);
    cuts.push((world.cluster.now(), Grudge::new()));
    world.run_for(10 * S);
    let values = world.values();
    world.assert_everywhere(&values, &format!("seed {seed}"));
    let fates = world.fates();
    let delays = [Duration::ZERO, REACTION]
        .map(|reaction| Flood { cuts: &cuts, reaction }.delays(fates.values().step_by(SAMPLE)));
    // Half of a client's operations are reads, which cost nothing.
    (world.messages() as f64 / (2 * values.len()) as f64, delays)
}

#[test]
fn each_kind_of_partition_alone_delays_values_little_over_flooding() {
    type Cut = fn(&[Rank]) -> Grudge;
    let kinds: [(&str, Cut); 4] = [
        ("one node", |order| split(order, 1)),
        ("up to a third", |order| split(order, (1 + order[0]) % (NODES / 3) + 1)),
        ("halves", |order| split(order, NODES / 2)),
        ("ring", ring),
    ];
    for (kind, cut) in kinds {
        let (messages, [perfect, reacting]) = measure(cut, 20, 1);
        let Delay { messages: most, median, longest, .. } = PARTITIONED;
        assert!(messages <= most, "{kind}: {messages} messages an operation");
        let perfect = nearest_rank(&perfect, 0.5).unwrap();
        let reacting = nearest_rank(&reacting, 1.0).unwrap();
        assert!(perfect <= median && reacting <= longest, "{kind}: {perfect:?}, {reacting:?}");
    }
}

#[test]
fn in_a_ring_where_everybody_can_be_reached_by_some_path_nothing_takes_long() {
    let (messages, [perfect, _]) = measure(ring, 60, 2);
    assert!(messages <= PARTITIONED.messages, "{messages} messages an operation");
    let bounds = [(0.5, PARTITIONED.median), (0.99, PARTITIONED.p99), (1.0, PARTITIONED.longest)];
    for (at, most) in bounds {
        let found = nearest_rank(&perfect, at).unwrap();
        assert!(found <= most, "{at}: {found:?}");
    }
}
