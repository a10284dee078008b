//! A few nodes and a service that answers at once, by hand.

mod snapshots;
mod spread;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::announce::Run;
use crate::segment::Segment;
use crate::snapshot::Head;

/// Nodes, the registers, and who is down or cut off.
struct Cluster {
    logs: Vec<Log>,
    registers: BTreeMap<Register, Arc<str>>,
    now: Time,
    down: Vec<bool>,
    /// Announcements get lost.
    cut: bool,
    /// Those from one node to another do.
    severed: BTreeSet<(usize, usize)>,
    /// Proposals are not answered.
    stuck: bool,
    answers: BTreeMap<(usize, Ticket), Answer>,
    /// So many parts and heads of snapshots are written yet.
    writes_left: Option<usize>,
    reads: usize,
    announced: usize,
    proposed: usize,
    tickets: Ticket,
}

impl Cluster {
    fn new(nodes: usize, options: Options) -> Self {
        let logs = (0..nodes).map(|me| Log::new(me, nodes, format!("n{me}-0"), options)).collect();
        let mut cluster = Self {
            logs,
            registers: BTreeMap::new(),
            now: Time::ZERO,
            down: vec![false; nodes],
            cut: false,
            severed: BTreeSet::new(),
            stuck: false,
            answers: BTreeMap::new(),
            writes_left: None,
            reads: 0,
            announced: 0,
            proposed: 0,
            tickets: 0,
        };
        cluster.run(0);
        cluster
    }

    /// Lets so many milliseconds pass.
    fn run(&mut self, millis: u64) {
        for step in 0..=millis {
            self.now += Duration::from_millis(u64::from(step > 0));
            while (0..self.logs.len()).any(|node| self.advance(node)) {}
        }
    }

    fn advance(&mut self, node: usize) -> bool {
        if self.down[node] {
            return false;
        }
        let commands = self.logs[node].advance(self.now);
        let any = !commands.is_empty();
        for command in commands {
            self.carry_out(node, command);
        }
        any
    }

    fn carry_out(&mut self, node: usize, command: Command) {
        match command {
            Command::Read(register) => {
                self.reads += 1;
                self.logs[node].found(register, self.registers.get(&register).cloned());
            }
            Command::Propose(Register::Part(_) | Register::Snapshot(_), _)
                if self.writes_left == Some(0) => {}
            Command::Propose(register, text) => {
                if !matches!(register, Register::Segment(..)) {
                    self.writes_left = self.writes_left.map(|left| left - 1);
                }
                self.proposed += 1;
                if !self.stuck {
                    let stands = self.registers.entry(register).or_insert(text).clone();
                    self.logs[node].decided(self.now, register, &stands);
                }
            }
            Command::Announce(peer, message) => {
                self.announced += 1;
                if !self.cut && !self.down[peer] && !self.severed.contains(&(node, peer)) {
                    self.logs[peer].receive(self.now, node, message);
                }
            }
            Command::Answer(ticket, answer) => {
                self.answers.insert((node, ticket), answer);
            }
            Command::Alarm(alarm) => panic!("n{node}: {alarm}"),
            Command::Warn(_) => {}
        }
    }

    fn send(&mut self, node: usize, key: &str, message: u64) -> Ticket {
        let message = RawValue::from_string(message.to_string()).unwrap();
        let now = self.now;
        let client = NodeId::from("c1");
        let ticket = self.next_ticket();
        self.logs[node].heard_from(now, &client);
        self.logs[node].send(now, ticket, client, key.to_owned(), message).unwrap();
        ticket
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    fn shown(&self, node: usize, key: &str) -> Vec<(u64, String)> {
        let messages = self.logs[node].replica().stable(key, 0);
        messages.map(|(offset, text)| (offset, text.to_owned())).collect()
    }

    /// What a client gets.
    fn poll(&mut self, node: usize, key: &str, from: u64) -> String {
        let offsets = BTreeMap::from([(key.to_owned(), from)]);
        loop {
            if let Some(page) = self.logs[node].poll(&offsets).unwrap() {
                return page.get().to_owned();
            }
            assert!(self.advance(node), "nothing is read");
        }
    }

    fn poll_all(&mut self, node: usize, key: &str) -> Vec<(u64, String)> {
        let page = self.poll(node, key, 0);
        let mut keys: BTreeMap<String, Vec<(u64, Box<RawValue>)>> =
            serde_json::from_str(&page).unwrap();
        let messages = keys.remove(key).unwrap_or_default().into_iter();
        messages.map(|(offset, text)| (offset, text.get().to_owned())).collect()
    }

    fn restart(&mut self, node: usize) {
        let nodes = self.logs.len();
        let options = self.logs[node].options;
        let incarnation = format!("n{node}-{:?}", self.now);
        self.logs[node] = Log::new(node, nodes, incarnation, options);
        self.down[node] = false;
    }
}

/// With a snapshot after so many segments.
fn every(snapshot_every: u64) -> Options {
    Options { snapshot_every, ..Options::default() }
}

fn early() -> Options {
    Options { ack_early: true, ..Options::default() }
}

#[test]
fn one_node_gives_offsets_without_gaps_and_shows_messages_at_once() {
    let mut cluster = Cluster::new(1, Options::default());
    for message in 0..3 {
        let ticket = cluster.send(0, "k", message);
        cluster.run(0);
        assert_eq!(cluster.answers[&(0, ticket)], Answer::Sent(message));
    }
    let shown: Vec<u64> = cluster.shown(0, "k").iter().map(|(offset, _)| *offset).collect();
    assert_eq!(shown, [0, 1, 2]);
}

#[test]
fn a_lone_message_is_shown_everywhere_soon_and_then_nothing_more_is_written() {
    let mut cluster = Cluster::new(3, Options::default());
    let ticket = cluster.send(1, "k", 7);
    cluster.run(0);
    assert_eq!(cluster.answers[&(1, ticket)], Answer::Sent(1), "answered when written");
    assert!(cluster.shown(1, "k").is_empty(), "n0 could still give out offset 0");
    cluster.run(150);
    for node in 0..3 {
        assert_eq!(cluster.shown(node, "k"), [(1, "7".to_owned())], "n{node}");
    }
    assert_eq!(cluster.proposed, 3, "one segment of each node");
    cluster.run(10_000);
    assert_eq!(cluster.proposed, 3);
    assert!(cluster.reads < 100, "{} reads", cluster.reads);
}

#[test]
fn requests_of_a_moment_share_a_segment() {
    let mut cluster = Cluster::new(1, Options::default());
    let tickets: Vec<Ticket> = (0..100).map(|message| cluster.send(0, "k", message)).collect();
    cluster.run(5);
    assert_eq!(cluster.proposed, 1);
    assert!(tickets.iter().zip(0..).all(|(&t, n)| cluster.answers[&(0, t)] == Answer::Sent(n)));
}

#[test]
fn nodes_that_cannot_reach_each_other_agree_through_the_service() {
    let mut cluster = Cluster::new(2, Options::default());
    cluster.cut = true;
    for message in 0..20 {
        cluster.send(message as usize % 2, "k", message);
        cluster.run(30);
    }
    cluster.run(5000);
    assert_eq!(cluster.shown(0, "k").len(), 20);
    assert_eq!(cluster.shown(0, "k"), cluster.shown(1, "k"));
}

#[test]
fn others_step_in_for_a_node_that_is_down() {
    let mut cluster = Cluster::new(3, Options::default());
    cluster.down[2] = true;
    cluster.send(0, "k", 1);
    cluster.run(900);
    assert!(cluster.shown(0, "k").is_empty(), "n2 might only be slow");
    cluster.run(1000);
    assert_eq!(cluster.shown(0, "k").len(), 1);
    assert_eq!(cluster.shown(1, "k").len(), 1);
    cluster.restart(2);
    cluster.run(10);
    assert_eq!(cluster.shown(2, "k").len(), 1);
    let ticket = cluster.send(2, "k", 2);
    cluster.run(0);
    assert_eq!(cluster.answers[&(2, ticket)], Answer::Sent(2), "after all that was shown");
}

#[test]
fn nobody_steps_in_where_answers_are_promises() {
    let mut cluster = Cluster::new(2, early());
    cluster.down[1] = true;
    let ticket = cluster.send(0, "k", 1);
    cluster.run(0);
    assert_eq!(cluster.answers[&(0, ticket)], Answer::Sent(0), "answered before it is written");
    cluster.run(20_000);
    assert!(cluster.shown(0, "k").is_empty());
    cluster.down[1] = false;
    cluster.run(2500);
    assert_eq!(cluster.shown(0, "k"), [(0, "1".to_owned())]);
}

#[test]
fn a_segment_whose_index_was_taken_goes_to_the_next_one() {
    let mut cluster = Cluster::new(2, Options::default());
    let taken = Segment { by: "another".into(), seen: vec![1, 0], ..Segment::default() };
    let taken: Arc<str> = taken.encode().unwrap().into();
    cluster.registers.insert(Register::Segment(0, 0), taken);
    let ticket = cluster.send(0, "k", 1);
    cluster.run(0);
    assert!(matches!(cluster.answers[&(0, ticket)], Answer::Sent(_)));
    assert!(cluster.registers[&Register::Segment(0, 1)].contains("n0-0"));
}

#[test]
fn only_a_request_that_is_in_no_segment_can_be_withdrawn_for_certain() {
    let mut cluster = Cluster::new(1, Options::default());
    cluster.stuck = true;
    let under_way = cluster.send(0, "k", 1);
    cluster.run(0);
    let queued = cluster.send(0, "k", 2);
    assert!(!cluster.logs[0].withdraw(under_way), "it may be written yet");
    assert!(cluster.logs[0].withdraw(queued));
    let in_flight = cluster.logs[0].in_flight.as_ref().unwrap();
    let (register, text) = (Register::Segment(0, in_flight.index), Arc::clone(&in_flight.text));
    cluster.stuck = false;
    cluster.logs[0].decided(cluster.now, register, &text);
    cluster.run(100);
    assert_eq!(cluster.shown(0, "k"), [(0, "1".to_owned())]);
    assert!(cluster.answers.is_empty(), "nobody waits");
}

#[test]
fn commits_that_are_no_news_are_not_written() {
    let mut cluster = Cluster::new(1, Options::default());
    let commit = |cluster: &mut Cluster, offset| {
        let offsets = BTreeMap::from([("k".to_owned(), offset)]);
        let (now, ticket) = (cluster.now, cluster.next_ticket());
        let is_news = cluster.logs[0].commit(now, ticket, "c1".into(), offsets).unwrap();
        cluster.run(5);
        is_news.then(|| cluster.answers[&(0, ticket)])
    };
    assert_eq!(commit(&mut cluster, 5), Some(Answer::Committed));
    assert_eq!(commit(&mut cluster, 5), None);
    assert_eq!(commit(&mut cluster, 4), None);
    assert_eq!(cluster.logs[0].replica().committed("k"), Some(5));
    assert_eq!(cluster.proposed, 1);
}
