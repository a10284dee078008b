//! A cluster, what its clients ask, and whether what they are told is linearizable.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use checkers::history::{Op, OpType, Process, raw};
use checkers::{Checks, Names, Validity, Workload};
use lin_kv::{Command, Key, Response, Store};
use maelstrom::Error;
use maelstrom::machine::{Client, Rank, draw_incarnation};
use raft::{Bugs, Change, Config, Kept, Options, Raft, Reply, Request};
use rand::RngExt as _;
use serde_json::value::RawValue;
use simulator::Effect;
use simulator::cluster::{Asked, Cluster, Conditions};

use crate::cluster::oracles;

/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many operations a key gets: the check of a key is the dearer the longer it is.
const OPERATIONS_PER_KEY: usize = 40;
/// How many keys are used at the same time.
const KEYS: usize = 3;

/// An operation of a client: its function, its key and its argument.
#[derive(Clone, Debug)]
struct Operation {
    function: &'static str,
    key: usize,
    argument: Box<RawValue>,
}

pub(crate) struct World {
    pub(crate) cluster: Cluster<Raft<Store>>,
    operations: Vec<Operation>,
    /// Whether clients change the members now and then.
    pub(crate) changes: bool,
    /// The nodes that find nothing in their directories when they start next.
    lost: Rc<RefCell<BTreeSet<Rank>>>,
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64, conditions: Conditions, options: &Options) -> Self {
        Self::with_disks(true, nodes, seed, conditions, options)
    }

    /// A cluster of nodes that have disks, or forget everything when they are killed.
    pub(crate) fn with_disks(
        have_disks: bool,
        nodes: usize,
        seed: u64,
        conditions: Conditions,
        options: &Options,
    ) -> Self {
        let (options, bugs) = (options.clone(), options.bugs);
        let lost = Rc::<RefCell<BTreeSet<Rank>>>::default();
        let found_lost = Rc::clone(&lost);
        let mut cluster = Cluster::new(nodes, seed, conditions, move |members, mut rng, kept| {
            let piece = |piece: &Vec<u8>| serde_json::from_slice(piece).unwrap();
            let mut records: Vec<_> = kept.pieces.iter().map(piece).collect();
            records.extend_from_slice(&kept.records);
            if !have_disks || found_lost.borrow_mut().remove(&members.me()) {
                records.clear();
            }
            let kept = Kept::of(records, draw_incarnation(&mut rng), have_disks);
            Raft::new(&members, rng, Store::default(), &kept, options.clone()).unwrap()
        });
        oracles::watch(&mut cluster);
        if bugs == Bugs::default() {
            oracles::listen(&mut cluster);
        }
        Self { cluster, operations: Vec::new(), changes: false, lost }
    }

    /// Kills these nodes, which lose their directories.
    pub(crate) fn lose(&mut self, nodes: &[Rank]) {
        self.lost.borrow_mut().extend(nodes);
        self.cluster.apply(Effect::Kill(nodes.to_vec()));
    }

    /// Clients ask whom they like: one half reads, a sixth writes, a third compares and
    /// sets.
    pub(crate) fn load(&mut self, time: Duration, rate: f64) -> Result<(), String> {
        let Self { cluster, operations, .. } = self;
        let changes = self.changes;
        cluster.load(time, rate, |cluster, node| {
            if changes && cluster.rng().random_ratio(1, 50) {
                let (members, nodes) = (draw_members(cluster), cluster.size());
                let change = match cluster.rng().random() {
                    true => Change::Members(members),
                    false => Change::Lead(cluster.rng().random_range(0..nodes)),
                };
                operations.push(Operation { function: "members", key: 0, argument: raw(&()) });
                cluster.ask_within(PATIENCE, node, Request::Change(change));
                return;
            }
            let key = operations.len() / (OPERATIONS_PER_KEY * KEYS) * KEYS
                + cluster.rng().random_range(0..KEYS);
            let operation = draw(cluster, key);
            let request = operation.request();
            operations.push(operation);
            match cluster.rng().random_ratio(1, 8) {
                true => cluster.ask(node, request),
                false => cluster.ask_within(PATIENCE, node, request),
            };
        })
    }

    /// Whether all clients were answered, which none may be that asked a node that was
    /// killed.
    pub(crate) fn answers_all(&self) -> Result<(), String> {
        match self.cluster.asked().iter().find(|asked| asked.reply.is_none()) {
            Some(Asked { node, at, .. }) => {
                Err(format!("n{node} does not answer who asked at {at:?}"))
            }
            None => Ok(()),
        }
    }

    /// Has the cluster have some members, as a node is asked.
    pub(crate) fn change_somehow(&mut self, node: Rank) {
        let members = draw_members(&mut self.cluster);
        self.wish(node, PATIENCE, Change::Members(members));
    }

    /// Has the cluster have these members; the client asks for long.
    pub(crate) fn change(&mut self, node: Rank, members: Config) {
        self.wish(node, 100 * PATIENCE, Change::Members(members));
    }

    /// Has a node lead.
    pub(crate) fn lead(&mut self, node: Rank, leader: Rank) -> Client {
        self.wish(node, PATIENCE, Change::Lead(leader))
    }

    /// A client wants something of the cluster itself, for so long.
    pub(crate) fn wish(&mut self, node: Rank, patience: Duration, change: Change) -> Client {
        self.operations.push(Operation { function: "members", key: 0, argument: raw(&()) });
        self.cluster.ask_within(patience, node, Request::Change(change))
    }

    /// A client asks this node.
    pub(crate) fn ask(&mut self, node: Rank) {
        let key = self.key();
        let operation = draw(&mut self.cluster, key);
        let request = operation.request();
        self.operations.push(operation);
        self.cluster.ask_within(PATIENCE, node, request);
    }

    /// Reads a key at a node.
    pub(crate) fn read(&mut self, node: Rank, key: usize) {
        let operation = Operation { function: "read", key, argument: raw(&()) };
        let request = operation.request();
        self.operations.push(operation);
        self.cluster.ask_within(PATIENCE, node, request);
    }

    /// The key that clients use at present.
    pub(crate) fn key(&self) -> usize {
        self.operations.len() / OPERATIONS_PER_KEY
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.operations.len()
    }

    /// All that clients did and saw, as the checker wants it.
    fn history(&self) -> Vec<Op> {
        let mut events = Vec::new();
        for (number, asked) in self.cluster.asked().iter().enumerate() {
            let operation = &self.operations[number];
            if operation.function == "members" {
                continue;
            }
            let (function, process) = (operation.function, Process::Client(number as u64));
            let value = raw(&(operation.key, &operation.argument));
            events.push((asked.at, Op::new(process, OpType::Invoke, function, value.clone())));
            if let Some((at, reply)) = &asked.reply {
                let (kind, value, error) = operation.outcome(reply, value);
                events.push((*at, Op { error, ..Op::new(process, kind, function, value) }));
            }
        }
        // What begins when something ends is concurrent with it.
        events.sort_by_key(|(at, op)| (*at, !op.is_invocation()));
        let number = |(index, (at, op)): (usize, (Duration, Op))| Op {
            index: index as u64,
            time: at.as_nanos() as u64,
            ..op
        };
        events.into_iter().enumerate().map(number).collect()
    }

    /// Whether each key behaves like one register.
    pub(crate) fn is_linearizable(&self) -> Result<(), String> {
        let mut checker = Checks::new(Workload::LinKv).checker(Names::default());
        self.history().iter().for_each(|op| checker.observe(op));
        let outcome = checker.finish();
        match outcome.valid {
            Validity::Valid => Ok(()),
            Validity::Unknown => Err(format!("too much to check: {:?}", outcome.findings)),
            Validity::Invalid => Err(format!("not linearizable: {:?}", outcome.findings)),
        }
    }
}

fn draw_members(cluster: &mut Cluster<Raft<Store>>) -> Config {
    let nodes = cluster.size();
    let rng = cluster.rng();
    let voters: Vec<Rank> = (0..nodes).filter(|_| rng.random_ratio(2, 3)).collect();
    let one = rng.random_range(0..nodes);
    let voters = if voters.is_empty() { vec![one] } else { voters };
    let learners = (0..nodes).filter(|node| !voters.contains(node) && node % 2 == 0);
    Config::new(voters.iter().copied()).with_learners(learners.collect::<Vec<_>>())
}

fn draw(cluster: &mut Cluster<Raft<Store>>, key: usize) -> Operation {
    let rng = cluster.rng();
    let mut value = || rng.random_range(0..5);
    let (one, other, function) = (value(), value(), value());
    let (function, argument) = match function % 6 {
        0 => ("write", raw(&one)),
        1 | 2 => ("cas", raw(&(one, other))),
        _ => ("read", raw(&())),
    };
    Operation { function, key, argument }
}

impl Operation {
    fn request(&self) -> Request<Command, Key> {
        let key = Key::from(&*raw(&self.key));
        let json = |text: &RawValue| text.to_owned().into();
        match self.function {
            "read" => Request::Query(key),
            "write" => Request::Command(Command::Write(key, json(&self.argument))),
            _ => {
                let (from, to): (&RawValue, &RawValue) =
                    serde_json::from_str(self.argument.get()).unwrap();
                let (from, to, create) = (json(from), json(to), false);
                Request::Command(Command::Cas { key, from, to, create })
            }
        }
    }

    /// The completion of an operation: its kind, its value and its error.
    fn outcome(
        &self,
        reply: &Result<Reply<Response>, Error>,
        value: Box<RawValue>,
    ) -> (OpType, Box<RawValue>, Option<Box<RawValue>>) {
        match reply {
            Ok(Reply::Response(Response::Value(found))) => {
                let found: Box<RawValue> = found.clone().into();
                (OpType::Ok, raw(&(self.key, found)), None)
            }
            Ok(Reply::Response(Response::Done) | Reply::Changed) => (OpType::Ok, value, None),
            Ok(Reply::Response(Response::Absent)) => {
                (OpType::Fail, value, Some(raw(&("key-does-not-exist", ""))))
            }
            Ok(Reply::Response(Response::Differs(_))) => {
                (OpType::Fail, value, Some(raw(&("precondition-failed", ""))))
            }
            Err(error) if error.code().is_definite() => (OpType::Fail, value, None),
            Err(_) => (OpType::Info, value, None),
        }
    }
}
