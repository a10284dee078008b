//! Which fault when.
//!
//! Partitions start and stop in turn, the first at once; the gap between two
//! operations is uniform between 0 and twice the interval. Kinds of partition and
//! the shape of the history's operations are those of `jepsen.nemesis.combined`,
//! grudges those of `jepsen.nemesis`. Carrying an action out is the world's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::value::RawValue;

use crate::history::{null, raw};
use crate::net::{Address, Grudge};
use crate::settings::Settings;

/// Decides on faults.
#[derive(Debug)]
pub struct Nemesis {
    rng: StdRng,
    nodes: usize,
    partitions: bool,
    interval: Duration,
    due: Option<Duration>,
    in_force: Option<Partition>,
}

/// A fault, or its end, as the history tells of it and as it is carried out.
#[derive(Debug)]
pub struct Action {
    /// The function.
    pub f: &'static str,
    /// The value of the first of both operations in the history: what is asked.
    pub asked: Box<RawValue>,
    /// The value of the second: what was done.
    pub done: Box<RawValue>,
    /// What is to be done.
    pub effect: Effect,
}

/// What is to be done to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Cut it.
    Partition(Grudge),
    /// End every cut.
    Heal,
}

/// How the network is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// One node is isolated.
    One,
    /// Up to, not including, a third of the nodes is split off.
    MinorityThird,
    /// A majority and a minority.
    Majority,
    /// Every node sees a majority, no two the same.
    MajoritiesRing,
}

impl Partition {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::One, Self::MinorityThird, Self::Majority, Self::MajoritiesRing];

    /// The name in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::MinorityThird => "minority-third",
            Self::Majority => "majority",
            Self::MajoritiesRing => "majorities-ring",
        }
    }

    fn draw(self, nodes: usize, rng: &mut StdRng) -> Grudge {
        let mut order: Vec<usize> = (0..nodes).collect();
        order.shuffle(rng);
        match self {
            Self::One => split(&order, 1),
            Self::MinorityThird => split(&order, nodes.saturating_sub(1) / 3),
            Self::Majority => split(&order, nodes / 2),
            Self::MajoritiesRing if nodes <= 5 => ring(&order),
            Self::MajoritiesRing => stochastic_ring(order, rng),
        }
    }
}

impl Nemesis {
    /// The faults that the settings ask for.
    pub fn new(settings: &Settings, rng: StdRng) -> Self {
        Self {
            rng,
            nodes: settings.node_count,
            partitions: settings.partition,
            interval: settings.nemesis_interval,
            due: None,
            in_force: None,
        }
    }

    /// Begins.
    pub fn start(&mut self, now: Duration) {
        self.due = self.partitions.then_some(now);
    }

    /// When the next action is due.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Which fault is in force.
    pub fn in_force(&self) -> Option<Partition> {
        self.in_force
    }

    /// The action that is due.
    pub fn act(&mut self) -> Option<Action> {
        self.due = Some(self.due? + self.draw_gap());
        Some(if self.in_force.is_some() { self.heal() } else { self.cut() })
    }

    /// Ends for good. As in the original the network is healed whether or not it
    /// is cut.
    pub fn stop(&mut self) -> Option<Action> {
        self.due.take()?;
        Some(self.heal())
    }

    fn cut(&mut self) -> Action {
        let partition = Partition::ALL[self.rng.random_range(0..Partition::ALL.len())];
        let grudge = partition.draw(self.nodes, &mut self.rng);
        self.in_force = Some(partition);
        Action {
            f: "start-partition",
            asked: raw(partition.name()),
            done: raw(&("isolated", by_name(&grudge))),
            effect: Effect::Partition(grudge),
        }
    }

    fn heal(&mut self) -> Action {
        self.in_force = None;
        Action {
            f: "stop-partition",
            asked: null(),
            done: raw("network-healed"),
            effect: Effect::Heal,
        }
    }

    /// At least a millisecond, lest an interval of nothing take forever.
    fn draw_gap(&mut self) -> Duration {
        let gap = self.interval.mul_f64(2.0 * self.rng.random::<f64>());
        gap.max(Duration::from_millis(1))
    }
}

/// Nobody hears anybody across a cut after the first `size` nodes of an order.
fn split(order: &[usize], size: usize) -> Grudge {
    let (left, right) = order.split_at(size.min(order.len()));
    let mut grudge = vec![BTreeSet::new(); order.len()];
    for (side, other) in [(left, right), (right, left)] {
        for &node in side {
            grudge[node] = other.iter().copied().collect();
        }
    }
    grudge
}

/// Each node sees those up to half a majority away from it on a ring.
fn ring(order: &[usize]) -> Grudge {
    let nodes = order.len();
    let majority = nodes / 2 + 1;
    let mut grudge = vec![(0..nodes).collect::<BTreeSet<usize>>(); nodes];
    for start in 0..nodes {
        let seen: Vec<usize> = order.iter().cycle().skip(start).take(majority).copied().collect();
        let centre = seen[majority / 2];
        for node in seen {
            grudge[centre].remove(&node);
        }
    }
    grudge
}

/// For more nodes an exact ring need not exist: links the least connected node
/// with the least connected one that it has no link to yet, until every node sees
/// a majority.
fn stochastic_ring(mut order: Vec<usize>, rng: &mut StdRng) -> Grudge {
    let nodes = order.len();
    let majority = nodes / 2 + 1;
    let mut seen: Vec<BTreeSet<usize>> = (0..nodes).map(|node| BTreeSet::from([node])).collect();
    loop {
        order.shuffle(rng);
        order.sort_by_key(|&node| seen[node].len());
        let first = order[0];
        let partner = order.iter().copied().find(|node| !seen[first].contains(node));
        let Some(second) = partner.filter(|_| seen[first].len() < majority) else { break };
        seen[first].insert(second);
        seen[second].insert(first);
    }
    seen.iter().map(|seen| (0..nodes).filter(|node| !seen.contains(node)).collect()).collect()
}

fn by_name(grudge: &Grudge) -> BTreeMap<String, Vec<String>> {
    let name = |node: usize| Address::Node(node).to_string();
    let names = |nodes: &BTreeSet<usize>| nodes.iter().map(|&node| name(node)).collect();
    grudge.iter().enumerate().map(|(node, cut)| (name(node), names(cut))).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn draws(partition: Partition, nodes: usize) -> impl Iterator<Item = Grudge> {
        let mut rng = StdRng::seed_from_u64(nodes as u64);
        (0..50).map(move |_| partition.draw(nodes, &mut rng))
    }

    /// Sizes of the sets of nodes that see each other, in a split.
    fn sides(grudge: &Grudge) -> (usize, usize) {
        let first: BTreeSet<usize> =
            (0..grudge.len()).filter(|node| !grudge[0].contains(node)).collect();
        for (node, cut) in grudge.iter().enumerate() {
            for other in 0..grudge.len() {
                let same_side = first.contains(&node) == first.contains(&other);
                assert_eq!(cut.contains(&other), !same_side, "{grudge:?}");
            }
        }
        let (a, b) = (first.len(), grudge.len() - first.len());
        (a.min(b), a.max(b))
    }

    #[test]
    fn splits_have_the_sizes_of_their_names() {
        for nodes in 2..12 {
            for (partition, smaller) in [
                (Partition::One, 1),
                (Partition::MinorityThird, (nodes - 1) / 3),
                (Partition::Majority, nodes / 2),
            ] {
                for grudge in draws(partition, nodes) {
                    assert_eq!(sides(&grudge), (smaller, nodes - smaller), "{partition:?}");
                }
            }
        }
    }

    #[test]
    fn in_a_ring_every_node_sees_a_majority_and_no_two_the_same() {
        for nodes in [3, 4, 5, 6, 8] {
            for grudge in draws(Partition::MajoritiesRing, nodes) {
                assert!(grudge.iter().all(|cut| nodes - cut.len() > nodes / 2), "{grudge:?}");
                let distinct: BTreeSet<&BTreeSet<usize>> = grudge.iter().collect();
                assert!(distinct.len() == nodes || nodes > 5, "{grudge:?}");
            }
        }
    }

    #[test]
    fn a_ring_of_five_cuts_each_node_off_from_two() {
        for grudge in draws(Partition::MajoritiesRing, 5) {
            for (node, cut) in grudge.iter().enumerate() {
                assert_eq!(cut.len(), 2);
                assert!(cut.iter().all(|&other| grudge[other].contains(&node)), "{grudge:?}");
            }
        }
    }

    #[test]
    fn a_single_node_can_be_cut_off_from_nobody() {
        for partition in Partition::ALL {
            for grudge in draws(partition, 1) {
                assert_eq!(grudge, [BTreeSet::new()]);
            }
        }
    }

    #[test]
    fn cuts_and_heals_alternate_at_about_the_interval() {
        let mut settings = Settings::new(crate::settings::Workload::Echo);
        settings.partition = true;
        settings.nemesis_interval = Duration::from_secs(10);
        let mut nemesis = Nemesis::new(&settings, StdRng::seed_from_u64(0));
        nemesis.start(Duration::from_secs(1));
        assert_eq!(nemesis.due(), Some(Duration::from_secs(1)));
        for turn in 0..2000 {
            let action = nemesis.act().unwrap();
            assert_eq!(action.effect == Effect::Heal, turn % 2 == 1);
        }
        let mean = nemesis.due().unwrap().as_secs_f64() / 2000.0;
        assert!((9.0..11.0).contains(&mean), "{mean}");
        assert_eq!(nemesis.stop().unwrap().effect, Effect::Heal);
        assert!(nemesis.stop().is_none());
    }
}
