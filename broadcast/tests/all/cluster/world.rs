//! A cluster, the values that its clients send, and when each came where.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::machine::{Broadcaster, Contents, Reply, Request};
use broadcast::wire::Value;
use maelstrom::journal::Entry;
use maelstrom::machine::{Client, Rank, Record as _, Time, draw_incarnation};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;
use simulator::cluster::{Cluster, Conditions, Kept, Step};
use simulator::{Effect, Latency, LatencyDist};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

/// Conditions without faults.
pub(crate) fn steady(latency: Duration) -> Conditions {
    let latency = Latency { mean: latency, dist: LatencyDist::Constant };
    Conditions { latency, ..Conditions::default() }
}

/// The fate of one value.
pub(crate) struct Fate {
    pub(crate) origin: Rank,
    pub(crate) sent: Time,
    /// Who waits for its acknowledgement.
    client: Client,
    /// When it came to which node first.
    pub(crate) reached: BTreeMap<Rank, Time>,
}

impl Fate {
    /// How long it took to come to the last of those that it came to.
    pub(crate) fn took(&self) -> Duration {
        self.reached.values().max().map_or(Duration::MAX, |&at| at - self.sent)
    }
}

/// By value.
type Fates = BTreeMap<u64, Fate>;

pub(crate) struct World {
    pub(crate) cluster: Cluster<Broadcaster>,
    fates: Rc<RefCell<Fates>>,
    restarted: Rc<RefCell<BTreeSet<Rank>>>,
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64, config: &Config, conditions: Conditions) -> Self {
        let config = config.clone();
        let cluster = Cluster::new(nodes, seed, conditions, move |members, rng, _| {
            Broadcaster::new(members.me(), members.count(), &config, rng)
        });
        Self::of(cluster)
    }

    /// The same with a disk for each node, which loses up to this share of what was safe
    /// since its last snapshot at about every other start: none where it is synced.
    pub(crate) fn on_disks(
        nodes: usize,
        seed: u64,
        config: &Config,
        conditions: Conditions,
        loss: f64,
    ) -> Self {
        let disks = RefCell::new(vec![Disk::default(); nodes]);
        let config = config.clone();
        Self::of(Cluster::new(
            nodes,
            seed,
            conditions,
            move |members, mut rng, kept: &Kept<Broadcaster>| {
                let (me, disk) = (members.me(), &mut disks.borrow_mut()[members.me()]);
                let mut contents = Contents::new(me, members.count());
                let incarnation = disk.open(kept.records.len(), loss, &mut rng);
                for piece in &kept.pieces {
                    contents.replay(Entry::Piece(piece)).unwrap();
                }
                for (index, record) in kept.records.iter().enumerate() {
                    if !disk.lost.contains(&index) {
                        let bytes = record.encode().unwrap();
                        contents.replay(Entry::Record(index as u64, &bytes)).unwrap();
                    }
                }
                Broadcaster::restored(contents, incarnation, &config, rng)
            },
        ))
    }

    fn of(mut cluster: Cluster<Broadcaster>) -> Self {
        let nodes = cluster.size();
        let fates = Rc::new(RefCell::new(Fates::new()));
        let restarted = Rc::default();
        cluster.check(trace(nodes, Rc::clone(&fates), Rc::clone(&restarted)));
        Self { cluster, fates, restarted }
    }

    pub(crate) fn run_until(&mut self, end: Time) {
        self.cluster.run_until(end).unwrap();
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.cluster.run_for(time).unwrap();
    }

    pub(crate) fn broadcast(&mut self, node: Rank, value: u64) {
        send(&mut self.cluster, &self.fates, node, value);
    }

    /// Clients broadcast values 0, 1, 2, … at nodes that run, `rate` a second.
    pub(crate) fn load(&mut self, time: Duration, rate: f64) {
        let fates = Rc::clone(&self.fates);
        let load = self.cluster.load(time, rate, |cluster, node| {
            let value = fates.borrow().len() as u64;
            send(cluster, &fates, node, value);
        });
        load.unwrap();
    }

    /// Kills some nodes, and starts them again some time later.
    pub(crate) fn restart(&mut self, nodes: Vec<Rank>, down: Duration) {
        self.cluster.apply(Effect::Kill(nodes));
        self.run_for(down);
        self.cluster.apply(Effect::Start);
    }

    /// Some messages from one node to another are not delivered any more.
    pub(crate) fn cut_one_way(&mut self, from: Rank, to: Rank) {
        let mut grudge = vec![BTreeSet::new(); self.cluster.size()];
        grudge[to].insert(from);
        self.cluster.apply(Effect::OneWay(grudge));
    }

    /// A time up to this one, at random.
    pub(crate) fn some_time(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.cluster.rng().random())
    }

    pub(crate) fn messages(&self) -> u64 {
        self.cluster.net_counts().servers.send_count
    }

    /// All that was broadcast, and what became of it.
    pub(crate) fn fates(&self) -> Ref<'_, Fates> {
        self.fates.borrow()
    }

    /// The nodes that were killed when they had values, and started again.
    pub(crate) fn restarted(&self) -> Ref<'_, BTreeSet<Rank>> {
        self.restarted.borrow()
    }

    /// All values that were broadcast.
    pub(crate) fn values(&self) -> BTreeSet<u64> {
        self.fates().keys().copied().collect()
    }

    /// All values that were acknowledged.
    pub(crate) fn acknowledged(&self) -> BTreeSet<u64> {
        let is_acknowledged = |fate: &Fate| matches!(self.cluster.reply(fate.client), Some(Ok(_)));
        let fates = self.fates();
        let acknowledged = fates.iter().filter(|(_, fate)| is_acknowledged(fate));
        acknowledged.map(|(&value, _)| value).collect()
    }

    /// For each value, how long until it was everywhere; sorted.
    pub(crate) fn latencies(&self) -> Vec<Duration> {
        let mut all: Vec<_> = self.fates().values().map(Fate::took).collect();
        all.sort();
        all
    }

    /// What a node that runs answers to a read; each value once.
    pub(crate) fn read(&mut self, node: Rank) -> BTreeSet<u64> {
        let client = self.cluster.ask(node, Request::Read);
        let Some(Ok(Reply::Values(values))) = self.cluster.reply(client) else {
            panic!("node {node} does not answer")
        };
        let list: Vec<u64> = serde_json::from_str(values.get()).unwrap();
        let set: BTreeSet<u64> = list.iter().copied().collect();
        assert_eq!(set.len(), list.len(), "node {node} shows a value twice");
        set
    }

    /// What the nodes that run answer to a read.
    pub(crate) fn read_all(&mut self) -> Vec<BTreeSet<u64>> {
        let running = |node: &Rank| self.cluster.machine(*node).is_some();
        let running: Vec<Rank> = (0..self.cluster.size()).filter(running).collect();
        running.into_iter().map(|node| self.read(node)).collect()
    }

    /// Asserts that every node that runs has exactly these values.
    #[track_caller]
    pub(crate) fn assert_everywhere(&mut self, values: &BTreeSet<u64>, context: &str) {
        for (node, read) in self.read_all().into_iter().enumerate() {
            let missing: Vec<_> = values.difference(&read).collect();
            let other: Vec<_> = read.difference(values).collect();
            assert!(
                missing.is_empty() && other.is_empty(),
                "the node at place {node} of those that run lacks {missing:?} and has {other:?} \
                 beside ({context})"
            );
        }
    }
}

fn send(cluster: &mut Cluster<Broadcaster>, fates: &RefCell<Fates>, node: Rank, value: u64) {
    let client = Client(cluster.asked().len() as u64);
    let fate = Fate { origin: node, sent: cluster.now(), client, reached: BTreeMap::new() };
    fates.borrow_mut().insert(value, fate);
    let text: Value = RawValue::from_string(value.to_string()).unwrap().into();
    cluster.ask(node, Request::Broadcast(text));
}

/// What is known of a node's disk beside its records.
#[derive(Clone, Default)]
struct Disk {
    incarnation: Option<u64>,
    /// Which records were lost.
    lost: BTreeSet<usize>,
}

impl Disk {
    /// A node starts with so many records, some of which may get lost. Returns its
    /// incarnation, which is another one if they do.
    fn open(&mut self, records: usize, loss: f64, rng: &mut StdRng) -> u64 {
        let fresh = draw_incarnation(rng);
        if rng.random() {
            let lost = (records as f64 * loss * rng.random::<f64>()).ceil() as usize;
            self.lost.extend(records - lost..records);
            self.incarnation.take_if(|_| lost > 0);
        }
        *self.incarnation.get_or_insert(fresh)
    }
}

/// Notes when values come to nodes, and which nodes start again with nothing.
fn trace(
    nodes: usize,
    fates: Rc<RefCell<Fates>>,
    restarted: Rc<RefCell<BTreeSet<Rank>>>,
) -> impl FnMut(&Step<'_, Broadcaster>) -> Result<(), String> {
    // How many values each node has had since it started.
    let mut known = vec![0_usize; nodes];
    move |step| {
        let known = &mut known[step.node];
        if *known > 0 && step.machine.arrived(*known - 1).next().is_none() {
            restarted.borrow_mut().insert(step.node);
            *known = 0;
        }
        let mut fates = fates.borrow_mut();
        for value in step.machine.arrived(*known) {
            *known += 1;
            let fate = value.get().parse().ok().and_then(|value: u64| fates.get_mut(&value));
            let fate = fate.ok_or_else(|| format!("{value} was never sent"))?;
            fate.reached.entry(step.node).or_insert(step.now);
        }
        Ok(())
    }
}
