//! A cluster in virtual time.
//!
//! One seed, one course of events. Everything that crosses the network or
//! reaches a disk goes through its JSON form on the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use maelstrom::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::oracle::Seen;
use crate::database::{Database, MAX_JOURNAL_BYTES, Record};
use crate::injected_bugs::Bugs;
use crate::json::Key;
use crate::message::Any;
use crate::replica::Replica;
use crate::transaction::MicroOp;
use crate::vector::{Origin, Stamp, Time};

pub(super) const TICK: Duration = Duration::from_millis(50);

/// What a world is like.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    /// Mean of an exponential distribution, so that messages overtake.
    pub(super) latency: Duration,
    pub(super) loss: f64,
    pub(super) duplicates: f64,
    /// Whether a node finds its log again after it was killed.
    pub(super) durable: bool,
    pub(super) keys: u64,
    /// What a node keeps at most for nodes that are away.
    pub(super) max_journal_bytes: usize,
    /// Whether to note when writes are everywhere.
    pub(super) watch: bool,
    pub(super) bugs: Bugs,
}

impl Settings {
    pub(super) fn calm(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            latency: Duration::ZERO,
            loss: 0.0,
            duplicates: 0.0,
            durable: true,
            keys: 5,
            max_journal_bytes: MAX_JOURNAL_BYTES,
            watch: false,
            bugs: Bugs::default(),
        }
    }
}

#[derive(Debug)]
enum Event {
    Tick { node: usize, life: usize },
    Deliver { from: usize, to: usize, json: String },
}

struct Member {
    id: NodeId,
    replica: Option<Replica>,
    /// Which start of the node this is.
    life: usize,
    session: usize,
    paused: bool,
    held: VecDeque<Event>,
    disk: Vec<String>,
    started: Duration,
}

/// How far a write has come.
pub(super) struct Spread {
    pub(super) committed: Duration,
    pub(super) everywhere: Option<Duration>,
    pub(super) origin: Origin,
    pub(super) time: Time,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) now: Duration,
    rng: StdRng,
    members: Vec<Member>,
    queue: BTreeMap<(Duration, u64), Event>,
    queued: u64,
    /// From, to.
    pub(super) cuts: BTreeSet<(usize, usize)>,
    pub(super) history: Vec<Seen>,
    pub(super) spread: Vec<Spread>,
    sessions: usize,
    values: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// Of the largest message since this was set to 0.
    pub(super) largest: usize,
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let ids = (0..settings.nodes).map(|index| NodeId::from(format!("n{index}")));
        let member = |id| Member {
            id,
            replica: None,
            life: 0,
            session: 0,
            paused: false,
            held: VecDeque::new(),
            disk: Vec::new(),
            started: Duration::ZERO,
        };
        let mut world = Self {
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(settings.seed),
            members: ids.map(member).collect(),
            settings,
            queue: BTreeMap::new(),
            queued: 0,
            cuts: BTreeSet::new(),
            history: Vec::new(),
            spread: Vec::new(),
            sessions: 0,
            values: 0,
            messages: 0,
            bytes: 0,
            largest: 0,
        };
        for node in 0..world.settings.nodes {
            world.start(node);
        }
        world
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    pub(super) fn replica(&self, node: usize) -> &Replica {
        self.members[node].replica.as_ref().expect("the node is up")
    }

    /// Whether clients can expect an answer.
    pub(super) fn is_live(&self, node: usize) -> bool {
        self.members[node].replica.is_some() && !self.members[node].paused
    }

    // ---- Faults ----

    pub(super) fn kill(&mut self, node: usize) {
        let member = &mut self.members[node];
        member.replica = None;
        member.paused = false;
        member.held.clear();
        if !self.settings.durable {
            member.disk.clear();
        }
    }

    pub(super) fn start(&mut self, node: usize) {
        let (random, number) = (self.rng.random(), self.rng.random());
        let bugs = self.settings.bugs;
        let peers: Vec<NodeId> = self.members.iter().map(|member| member.id.clone()).collect();
        let member = &mut self.members[node];
        if member.replica.is_some() {
            return;
        }
        let mut database = Database::new(self.settings.max_journal_bytes, bugs);
        let mut origin = Origin::new(&member.id, random);
        let mut entries = member.disk.iter();
        match entries.next() {
            Some(found) => origin = serde_json::from_str(found).unwrap(),
            None => member.disk.push(serde_json::to_string(&origin).unwrap()),
        }
        for entry in member.disk.iter().skip(1) {
            database.replay(&serde_json::from_str(entry).unwrap());
        }
        let peers = peers.into_iter().filter(|id| *id != member.id);
        member.replica = Some(Replica::new(origin, database, peers, number, bugs));
        member.life += 1;
        member.started = self.now;
        if !self.settings.durable || member.life == 1 {
            self.sessions += 1;
            member.session = self.sessions;
        }
        let life = member.life;
        self.push(TICK, Event::Tick { node, life });
    }

    pub(super) fn pause(&mut self, node: usize) {
        self.members[node].paused = true;
    }

    pub(super) fn resume(&mut self, node: usize) {
        self.members[node].paused = false;
        for event in std::mem::take(&mut self.members[node].held) {
            self.push(Duration::ZERO, event);
        }
    }

    // ---- Time ----

    fn push(&mut self, after: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), event);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            self.now = entry.key().0;
            let event = entry.remove();
            self.handle(event);
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        let (Event::Tick { node, .. } | Event::Deliver { to: node, .. }) = event;
        let member = &mut self.members[node];
        if member.paused {
            member.held.push_back(event);
            return;
        }
        let elapsed = self.now.saturating_sub(member.started);
        let Some(replica) = &mut member.replica else { return };
        match event {
            Event::Tick { life, .. } if life != member.life => {}
            Event::Tick { .. } => {
                let messages = replica.tick(elapsed);
                self.push(TICK, event);
                self.send_all(node, messages);
            }
            Event::Deliver { from, json, .. } => {
                if self.cuts.contains(&(from, node)) {
                    return;
                }
                let sender = NodeId::from(format!("n{from}"));
                let message: Any = serde_json::from_str(&json).unwrap();
                let answers = replica.receive(&sender, message, elapsed);
                self.save(node);
                let answers = answers.into_iter().map(|answer| (sender.clone(), answer)).collect();
                self.send_all(node, answers);
                self.note_spread();
            }
        }
    }

    fn send_all(&mut self, from: usize, messages: Vec<(NodeId, Any)>) {
        for (dest, message) in messages {
            let to = self.members.iter().position(|member| member.id == dest).unwrap();
            let json = serde_json::to_string(&message).unwrap();
            self.messages += 1;
            self.bytes += json.len() as u64;
            self.largest = self.largest.max(json.len());
            if self.chance(self.settings.loss) {
                continue;
            }
            let copies = 1 + usize::from(self.chance(self.settings.duplicates));
            for _ in 0..copies {
                let latency = self.latency();
                self.push(latency, Event::Deliver { from, to, json: json.clone() });
            }
        }
    }

    fn latency(&mut self) -> Duration {
        let uniform: f64 = self.rng.random_range(f64::EPSILON..1.0);
        self.settings.latency.mul_f64(-uniform.ln())
    }

    /// Writes what changed to the node's disk.
    fn save(&mut self, node: usize) {
        let member = &mut self.members[node];
        let Some(replica) = &mut member.replica else { return };
        let changes = replica.take_changes();
        if changes.snapshot {
            member.disk.truncate(1);
            let records = replica.database().records();
            member.disk.extend(records.map(|record| serde_json::to_string(&record).unwrap()));
        } else if !changes.commits.is_empty() {
            let record = Record::Commits(changes.commits);
            member.disk.push(serde_json::to_string(&record).unwrap());
        }
    }

    fn note_spread(&mut self) {
        if !self.settings.watch {
            return;
        }
        let done = self.spread.iter().take_while(|spread| spread.everywhere.is_some()).count();
        for index in done..self.spread.len() {
            let Spread { origin, time, everywhere, .. } = &self.spread[index];
            let there = |member: &Member| {
                let replica = member.replica.as_ref();
                replica.is_some_and(|replica| replica.database().have().get(origin) >= *time)
            };
            if everywhere.is_none() && self.members.iter().all(there) {
                self.spread[index].everywhere = Some(self.now);
            }
        }
    }

    // ---- Clients ----

    /// Has a client of this node run some transaction.
    pub(super) fn some_txn(&mut self, node: usize) -> Result<(), String> {
        let operations = self.rng.random_range(1..=4);
        let txn: Vec<(u64, Option<u64>)> = (0..operations)
            .map(|_| {
                let key = self.rng.random_range(0..self.settings.keys);
                let write = self.rng.random_bool(0.5).then(|| {
                    self.values += 1;
                    self.values
                });
                (key, write)
            })
            .collect();
        self.txn(node, &txn)
    }

    /// Runs a transaction, of keys and what to write to them (`None`: read),
    /// and adds what it saw to the history.
    pub(super) fn txn(&mut self, node: usize, ops: &[(u64, Option<u64>)]) -> Result<(), String> {
        let request: Vec<MicroOp> = ops.iter().map(|op| micro_op(*op)).collect();
        let member = &mut self.members[node];
        let replica = member.replica.as_mut().expect("clients talk to nodes that are up");
        let answer = replica.execute(request).map_err(|error| format!("refused: {error}"))?;
        let (mut reads, mut writes) = (Vec::new(), BTreeMap::new());
        for (&(key, write), MicroOp(_, _, value)) in ops.iter().zip(&answer) {
            let value: Option<u64> = serde_json::from_str(value.text()).unwrap();
            match (write, writes.get(&key)) {
                (Some(write), _) => drop(writes.insert(key, write)),
                (None, Some(&own)) if value != Some(own) => {
                    return Err(format!("read {value:?} after writing {own} itself"));
                }
                (None, Some(_)) => {}
                (None, None) => reads.push((key, value)),
            }
        }
        let origin = replica.origin().clone();
        let time = replica.database().have().get(&origin);
        let session = member.session;
        self.save(node);
        let stamp = (!writes.is_empty()).then(|| Stamp { time, origin: origin.clone() });
        if stamp.is_some() {
            let committed = self.now;
            self.spread.push(Spread { committed, everywhere: None, origin, time });
        }
        self.history.push(Seen { session, stamp, reads, writes });
        Ok(())
    }

    // ---- The end ----

    /// Whether all nodes are the same, and what the history says they should
    /// be; and have nothing left to forget or to say.
    pub(super) fn check_end(&mut self) -> Result<(), String> {
        let first = contents(self.replica(0).database());
        for node in 0..self.settings.nodes {
            let database = self.replica(node).database();
            if database.have() != self.replica(0).database().have() {
                return Err(format!("n{node} and n0 do not have the same transactions"));
            }
            if contents(database) != first {
                return Err(format!("n{node} and n0 differ"));
            }
            if !database.journal().is_empty() {
                let count = database.journal().len();
                return Err(format!("n{node} still keeps {count} transactions"));
            }
        }
        self.check_writes(&first)?;
        let before = self.messages;
        self.run(Duration::from_secs(2));
        match self.messages - before {
            0 => Ok(()),
            count => Err(format!("{count} messages with nothing to say")),
        }
    }

    /// Every key must have the last of the writes that there are; and of these,
    /// none may be missing that was acknowledged by a node with a disk.
    fn check_writes(&self, contents: &BTreeMap<String, (String, Stamp)>) -> Result<(), String> {
        let have = self.replica(0).database().have();
        let mut last: BTreeMap<String, (String, Stamp)> = BTreeMap::new();
        for (index, seen) in self.history.iter().enumerate() {
            let Some(stamp) = &seen.stamp else { continue };
            if have.get(&stamp.origin) < stamp.time {
                if self.settings.durable {
                    return Err(format!("transaction {index} is lost"));
                }
                continue;
            }
            for (key, value) in &seen.writes {
                let present = last.get(&key.to_string());
                if present.is_none_or(|(_, present)| present < stamp) {
                    last.insert(key.to_string(), (value.to_string(), stamp.clone()));
                }
            }
        }
        if last == *contents {
            return Ok(());
        }
        Err(format!("the nodes ended with {contents:?}, the history with {last:?}"))
    }
}

fn contents(database: &Database) -> BTreeMap<String, (String, Stamp)> {
    let entry = |(key, value, stamp): (&Key, &crate::json::Value, &Stamp)| {
        (key.text().to_owned(), (value.text().to_owned(), stamp.clone()))
    };
    database.contents().map(entry).collect()
}

fn micro_op((key, write): (u64, Option<u64>)) -> MicroOp {
    let json = match write {
        Some(value) => format!(r#"["w",{key},{value}]"#),
        None => format!(r#"["r",{key},null]"#),
    };
    serde_json::from_str(&json).unwrap()
}
