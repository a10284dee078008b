//! A cluster, what its clients ask, and what is wrong with what they are told.

use std::collections::BTreeSet;
use std::time::Duration;

use g_counter::Counter;
use g_counter::counter::{Reply, Request};
use g_counter::injected_bugs::Bugs;
use maelstrom::machine::{Client, Rank, Time, draw_incarnation};
use rand::RngExt;
use simulator::cluster::{Asked, Cluster, Conditions};

pub(crate) struct World {
    pub(crate) cluster: Cluster<Counter>,
    /// What each client adds; `None` for a read.
    deltas: Vec<Option<i64>>,
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64, conditions: Conditions, bugs: Bugs) -> Self {
        let cluster = Cluster::new(nodes, seed, conditions, move |members, mut rng, _| {
            Counter::new(members, draw_incarnation(&mut rng), bugs)
        });
        Self { cluster, deltas: Vec::new() }
    }

    pub(crate) fn add(&mut self, node: Rank, delta: i64) -> Client {
        self.deltas.push(Some(delta));
        self.cluster.ask(node, Request::Add(delta.into()))
    }

    pub(crate) fn read(&mut self, node: Rank) -> Client {
        self.deltas.push(None);
        self.cluster.ask(node, Request::Read)
    }

    /// The mix of the real g-counter test: one add for two reads, since of its
    /// half and half the negative adds are left out. Deltas go from 0 to the largest one;
    /// large ones tell sums apart.
    pub(crate) fn load(&mut self, time: Duration, rate: f64, largest: i64) -> Result<(), String> {
        let Self { cluster, deltas } = self;
        cluster.load(time, rate, |cluster, node| {
            let is_add = cluster.rng().random_ratio(1, 3);
            let delta = is_add.then(|| cluster.rng().random_range(0..=largest));
            deltas.push(delta);
            cluster.ask(node, delta.map_or(Request::Read, |delta| Request::Add(delta.into())));
        })
    }

    /// What the living nodes read.
    pub(crate) fn read_all(&mut self) -> Vec<Option<i64>> {
        let nodes = (0..self.cluster.size()).filter(|&node| self.cluster.machine(node).is_some());
        let clients: Vec<Client> =
            nodes.collect::<Vec<_>>().into_iter().map(|node| self.read(node)).collect();
        let asked = self.cluster.asked();
        clients.iter().map(|client| value(&asked[client.0 as usize])).collect()
    }

    /// All that was sent among nodes and to and from the service.
    pub(crate) fn messages(&self) -> u64 {
        self.cluster.net_counts().all.send_count
    }

    /// Every request, with its delta.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (&Asked<Counter>, Option<i64>)> {
        self.cluster.asked().iter().zip(self.deltas.iter().copied())
    }

    /// The sum of the adds that were acknowledged, by which node and before when.
    fn acknowledged_where(&self, is_it: impl Fn(Rank, Time) -> bool) -> i64 {
        let adds = self.asked().filter_map(|(asked, delta)| Some((asked, delta?)));
        let acknowledged = adds.filter(|(asked, _)| {
            matches!(asked.reply, Some((at, Ok(Reply::Added))) if is_it(asked.node, at))
        });
        acknowledged.map(|(_, delta)| delta).sum()
    }

    /// The sum of the adds that were acknowledged.
    pub(crate) fn acknowledged(&self) -> i64 {
        self.acknowledged_where(|_, _| true)
    }

    /// What is wrong at the end, if anything.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let values = self.read_all();
        let (Some(read), true) = (values[0], values.iter().all(|&value| value == values[0])) else {
            return Err(format!("they disagree: {values:?}"));
        };
        let acknowledged = self.acknowledged();
        if !self.possible_sums().contains(&read) {
            return Err(format!("a wrong sum: {read}, where {acknowledged} was acknowledged"));
        }
        self.reads_contain_what_was_acknowledged()
    }

    /// The sums of all acknowledged adds and of any of those without a reply.
    fn possible_sums(&self) -> BTreeSet<i64> {
        let mut sums = BTreeSet::from([self.acknowledged()]);
        for (_, delta) in self.asked().filter(|(asked, _)| asked.reply.is_none()) {
            let more: Vec<i64> = sums.iter().map(|sum| sum + delta.unwrap_or(0)).collect();
            sums.extend(more);
        }
        sums
    }

    /// What a node reads contains all that it has acknowledged before, in former
    /// incarnations as well.
    fn reads_contain_what_was_acknowledged(&self) -> Result<(), String> {
        for read in self.cluster.asked() {
            let Some(value) = value(read) else { continue };
            let before = self.acknowledged_where(|node, at| node == read.node && at < read.at);
            if value < before {
                return Err(format!("n{} reads {value} and had acknowledged {before}", read.node));
            }
        }
        Ok(())
    }
}

/// What was read; deltas are small here, so that it is as well.
fn value(asked: &Asked<Counter>) -> Option<i64> {
    match &asked.reply {
        Some((_, Ok(Reply::Value(value)))) => value.to_string().parse().ok(),
        _ => None,
    }
}
