//! Clusters of brokers in virtual time, on a network without latency: what happens at a
//! moment is over before the next millisecond.

mod snapshots;
mod spread;
mod trust;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use maelstrom::machine::{
    Members, Operation, Output, Rank, Service, ServiceCall, draw_incarnation,
};
use rand::rngs::StdRng;
use simulator::cluster::{Cluster, Conditions, Kept};
use simulator::{Effect, Latency};

use super::*;
use crate::log::Register;
use crate::segment::Segment;

/// What all nodes have sent so far.
#[derive(Clone, Copy, Default)]
struct Counts {
    reads: usize,
    proposed: usize,
    announced: usize,
    /// Parts and heads of snapshots, and their bytes.
    written: usize,
    bytes: usize,
}

impl Counts {
    fn and(mut self, output: &Output<Broker>) -> Self {
        match output {
            Output::Send(..) => self.announced += 1,
            Output::Call(_, call) => match &call.operation {
                Operation::Cas { to, .. } => {
                    self.proposed += 1;
                    let is_snapshot = !call.key.starts_with("segment/");
                    self.written += usize::from(is_snapshot);
                    self.bytes += if is_snapshot { to.get().len() } else { 0 };
                }
                _ => self.reads += 1,
            },
            _ => {}
        }
        self
    }
}

struct World {
    cluster: Cluster<Broker>,
    counts: Rc<Cell<Counts>>,
}

impl World {
    fn new(nodes: usize, options: Options) -> Self {
        Self::with_latency(nodes, options, Duration::ZERO)
    }

    fn with_latency(nodes: usize, options: Options, mean: Duration) -> Self {
        let latency = Latency { mean, ..Latency::default() };
        let conditions = Conditions { latency, ..Conditions::default() };
        let make = move |members: Members, mut rng: StdRng, _: &Kept<Broker>| {
            let incarnation = format!("n{}-{:x}", members.me(), draw_incarnation(&mut rng));
            Broker::new(members.me(), members.count(), incarnation, options)
        };
        let mut cluster = Cluster::new(nodes, 1, conditions, make);
        let counts = Rc::new(Cell::new(Counts::default()));
        let counter = Rc::clone(&counts);
        cluster.check(move |step| {
            counter.set(step.outputs.iter().fold(counter.get(), Counts::and));
            Ok(())
        });
        let mut world = Self { cluster, counts };
        world.run(0);
        world
    }

    /// Lets so many milliseconds pass.
    fn run(&mut self, millis: u64) {
        self.cluster.run_for(Duration::from_millis(millis)).unwrap();
    }

    fn now(&self) -> Time {
        self.cluster.now()
    }

    fn counts(&self) -> Counts {
        self.counts.get()
    }

    fn ask(&mut self, node: Rank, what: Asked) -> Client {
        self.cluster.ask(node, Request { from: "c1".into(), what })
    }

    fn send(&mut self, node: Rank, key: &str, message: u64) -> Client {
        let message = RawValue::from_string(message.to_string()).unwrap();
        self.ask(node, Asked::Send(key.to_owned(), message))
    }

    fn commit(&mut self, node: Rank, key: &str, offset: u64) -> Client {
        self.ask(node, Asked::Commit(BTreeMap::from([(key.to_owned(), offset)])))
    }

    /// The offset that a send was answered.
    fn sent(&self, client: Client) -> Option<u64> {
        match self.cluster.reply(client)? {
            Ok(Reply::Sent(offset)) => Some(*offset),
            other => panic!("a send was answered {other:?}"),
        }
    }

    fn log(&self, node: Rank) -> &Log {
        &self.cluster.machine(node).expect("a node that runs").log
    }

    /// What a node has in memory that may be shown.
    fn shown(&self, node: Rank, key: &str) -> Vec<(u64, String)> {
        let messages = self.log(node).replica().stable(key, 0);
        messages.map(|(offset, text)| (offset, text.to_owned())).collect()
    }

    /// What a client gets.
    fn poll(&mut self, node: Rank, key: &str, from: u64) -> String {
        let client = self.ask(node, Asked::Poll(BTreeMap::from([(key.to_owned(), from)])));
        let end = self.now() + Duration::from_secs(1);
        while self.cluster.reply(client).is_none() && self.now() < end {
            self.run(1);
        }
        match self.cluster.reply(client) {
            Some(Ok(Reply::Page(page))) => page.get().to_owned(),
            other => panic!("a poll was answered {other:?}"),
        }
    }

    fn poll_all(&mut self, node: Rank, key: &str) -> Vec<(u64, String)> {
        let page = self.poll(node, key, 0);
        let mut keys: BTreeMap<String, Vec<(u64, Box<RawValue>)>> =
            serde_json::from_str(&page).unwrap();
        let messages = keys.remove(key).unwrap_or_default().into_iter();
        messages.map(|(offset, text)| (offset, text.get().to_owned())).collect()
    }

    /// What a register says.
    fn register(&mut self, register: Register) -> Option<String> {
        self.cluster
            .call_service(&ServiceCall::read(Service::LinKv, register.to_string()))
            .value()
            .unwrap()
    }

    /// Has a register say something else.
    fn overwrite(&mut self, register: Register, text: &str) {
        let call = ServiceCall::write(Service::LinKv, register.to_string(), &text);
        assert!(self.cluster.call_service(&call).done().unwrap());
    }

    fn kill(&mut self, node: Rank) {
        self.cluster.apply(Effect::Kill(vec![node]));
    }

    /// Starts a node again, and all that are down.
    fn restart(&mut self, node: Rank) {
        self.kill(node);
        self.cluster.apply(Effect::Start);
    }

    /// Has messages get lost from the first to the second node of each pair, and no others.
    fn sever(&mut self, pairs: &[(Rank, Rank)]) {
        let mut grudge = vec![BTreeSet::new(); self.cluster.size()];
        for &(from, to) in pairs {
            grudge[to].insert(from);
        }
        self.cluster.apply(Effect::OneWay(grudge));
    }
}

/// With a snapshot after so many segments.
fn every(snapshot_every: u64) -> Options {
    Options { snapshot_every, ..Options::default() }
}

#[test]
fn one_node_gives_offsets_without_gaps_and_shows_messages_at_once() {
    let mut world = World::new(1, Options::default());
    for message in 0..3 {
        let client = world.send(0, "k", message);
        world.run(0);
        assert_eq!(world.sent(client), Some(message));
    }
    let shown: Vec<u64> = world.shown(0, "k").iter().map(|(offset, _)| *offset).collect();
    assert_eq!(shown, [0, 1, 2]);
}

#[test]
fn a_lone_message_is_shown_everywhere_soon_and_then_nothing_more_is_written() {
    let mut world = World::new(3, Options::default());
    let client = world.send(1, "k", 7);
    world.run(0);
    assert_eq!(world.sent(client), Some(1), "answered when written");
    assert!(world.shown(1, "k").is_empty(), "n0 could still give out offset 0");
    world.run(150);
    for node in 0..3 {
        assert_eq!(world.shown(node, "k"), [(1, "7".to_owned())], "n{node}");
    }
    assert_eq!(world.counts().proposed, 3, "one segment of each node");
    world.run(10_000);
    assert_eq!(world.counts().proposed, 3);
    assert!(world.counts().reads < 100, "{} reads", world.counts().reads);
}

#[test]
fn requests_of_a_moment_share_a_segment() {
    let mut world = World::new(1, Options::default());
    let clients: Vec<Client> = (0..100).map(|message| world.send(0, "k", message)).collect();
    world.run(5);
    assert_eq!(world.counts().proposed, 2, "nobody else could come with the first");
    assert!(clients.iter().zip(0..).all(|(&client, offset)| world.sent(client) == Some(offset)));
}

#[test]
fn nodes_that_cannot_reach_each_other_agree_through_the_service() {
    let mut world = World::new(2, Options::default());
    world.sever(&[(0, 1), (1, 0)]);
    for message in 0..20 {
        world.send(message as usize % 2, "k", message);
        world.run(30);
    }
    world.run(5000);
    assert_eq!(world.shown(0, "k").len(), 20);
    assert_eq!(world.shown(0, "k"), world.shown(1, "k"));
}

#[test]
fn others_step_in_for_a_node_that_is_down() {
    let mut world = World::new(3, Options::default());
    world.kill(2);
    world.send(0, "k", 1);
    world.run(900);
    assert!(world.shown(0, "k").is_empty(), "n2 might only be slow");
    world.run(1000);
    assert_eq!(world.shown(0, "k").len(), 1);
    assert_eq!(world.shown(1, "k").len(), 1);
    world.restart(2);
    world.run(10);
    assert_eq!(world.shown(2, "k").len(), 1);
    let client = world.send(2, "k", 2);
    world.run(0);
    assert_eq!(world.sent(client), Some(2), "after all that was shown");
}

#[test]
fn nobody_steps_in_where_answers_are_promises() {
    let mut world = World::new(2, Options { ack_early: true, ..Options::default() });
    world.cluster.apply(Effect::Pause(vec![1]));
    let client = world.send(0, "k", 1);
    assert_eq!(world.sent(client), Some(0), "answered before it is written");
    world.run(20_000);
    assert!(world.shown(0, "k").is_empty());
    world.cluster.apply(Effect::Resume);
    world.run(2500);
    assert_eq!(world.shown(0, "k"), [(0, "1".to_owned())]);
}

#[test]
fn a_segment_whose_index_was_taken_goes_to_the_next_one() {
    let mut world = World::new(2, Options::default());
    let taken = Segment { by: "another".into(), seen: vec![1, 0], ..Segment::default() };
    world.overwrite(Register::Segment(0, 0), &taken.encode().unwrap());
    let client = world.send(0, "k", 1);
    world.run(0);
    assert!(world.sent(client).is_some());
    assert!(world.register(Register::Segment(0, 1)).unwrap().contains(r#""by":"n0-"#));
}

#[test]
fn commits_that_are_no_news_are_not_written() {
    let mut world = World::new(1, Options::default());
    for offset in [5, 5, 4] {
        let client = world.commit(0, "k", offset);
        world.run(5);
        assert!(matches!(world.cluster.reply(client), Some(Ok(Reply::Committed))));
        assert_eq!(world.log(0).committed("k"), Some(5));
    }
    assert_eq!(world.counts().proposed, 1);
}
