//! Small databases, each with the isolation that its name promises and no more.
//!
//! One loop picks a process and lets it take one step: ask for a transaction, do
//! one micro-operation, or commit. All choices come from one seed.

use std::collections::BTreeMap;

use checkers::history::{Op, OpType};
use checkers::{Checks, Workload};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::record::push;

/// What the database promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Transactions happen at one moment between request and answer.
    StrictSerializable,
    /// So do those that write. Those that only read see some earlier state.
    StaleReads,
    /// The same, but a process never sees a state older than what it saw or made.
    SessionReads,
    /// Reads are of the state at the beginning; of two that write one key at the
    /// same time only one commits.
    Snapshot,
    /// Reads are of the state at the beginning, and who commits last wins.
    LostUpdates,
    /// Every read sees what is committed just then.
    ReadCommitted,
    /// Every read sees what was written just then, committed or not.
    Dirty,
}

/// What the transactions work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Registers,
    Lists,
}

impl Data {
    /// With the defaults.
    pub(crate) fn checks(self) -> Checks {
        Checks::new(match self {
            Data::Registers => Workload::TxnRwRegister,
            Data::Lists => Workload::TxnListAppend,
        })
    }
}

/// How much of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) isolation: Isolation,
    pub(crate) data: Data,
    pub(crate) transactions: usize,
    pub(crate) processes: u64,
    /// Keys in use at a time.
    pub(crate) keys: u64,
    /// Writes after which a key is replaced by a fresh one.
    pub(crate) writes_per_key: u64,
    pub(crate) seed: u64,
}

/// A version: when it was committed, and the value, or the element appended.
type Version = (u64, Value);

#[derive(Default)]
struct Store {
    /// Commits so far.
    clock: u64,
    versions: BTreeMap<u64, Vec<Version>>,
}

impl Store {
    fn read(&self, data: Data, key: u64, at: u64) -> Value {
        let versions = self.versions.get(&key).map(Vec::as_slice).unwrap_or_default();
        let visible = || versions.iter().filter(|(time, _)| *time <= at).map(|(_, v)| v.clone());
        match data {
            Data::Registers => visible().next_back().unwrap_or(Value::Null),
            Data::Lists if visible().next().is_none() => Value::Null,
            Data::Lists => visible().collect(),
        }
    }

    fn write(&mut self, key: u64, value: Value) {
        self.versions.entry(key).or_default().push((self.clock, value));
    }

    fn changed_since(&self, key: u64, at: u64) -> bool {
        self.versions.get(&key).and_then(|v| v.last()).is_some_and(|(time, _)| *time > at)
    }
}

struct Session {
    mops: Vec<Value>,
    done: usize,
    snapshot: u64,
}

struct Simulation {
    load: Load,
    rng: StdRng,
    store: Store,
    history: Vec<Op>,
    sessions: Vec<Option<Session>>,
    /// The process number behind each session: a new one after an indeterminate
    /// transaction.
    processes: Vec<u64>,
    /// The newest state that each session has seen, where that matters.
    seen: Vec<u64>,
    next_key: u64,
    keys: Vec<(u64, u64)>,
}

/// The history of one run.
pub(crate) fn run(load: Load) -> Vec<Op> {
    simulate(load).history
}

/// The same with reads of all keys after everything has ended.
pub(crate) fn run_to_rest(load: Load) -> Vec<Op> {
    let mut simulation = simulate(load);
    for i in 0..simulation.sessions.len() {
        if let Some(mut session) = simulation.sessions[i].take() {
            while session.done < session.mops.len() {
                simulation.perform(&mut session);
            }
            simulation.end(i, session);
        }
    }
    for key in 0..simulation.next_key {
        let value = simulation.store.read(load.data, key, simulation.store.clock);
        simulation.push(0, OpType::Invoke, &json!([["r", key, null]])).is_final = true;
        simulation.push(0, OpType::Ok, &json!([["r", key, value]])).is_final = true;
    }
    simulation.history
}

fn simulate(load: Load) -> Simulation {
    let mut simulation = Simulation {
        load,
        rng: StdRng::seed_from_u64(load.seed),
        store: Store::default(),
        history: Vec::new(),
        sessions: (0..load.processes).map(|_| None).collect(),
        processes: (0..load.processes).collect(),
        seen: vec![0; load.processes as usize],
        next_key: load.keys,
        keys: (0..load.keys).map(|key| (key, 0)).collect(),
    };
    let mut started = 0;
    while started < load.transactions {
        started += usize::from(simulation.step());
    }
    simulation
}

impl Simulation {
    /// Lets some process take a step; whether that began a transaction.
    fn step(&mut self) -> bool {
        let i = self.rng.random_range(0..self.sessions.len());
        let Some(mut session) = self.sessions[i].take() else {
            self.begin(i);
            return true;
        };
        if session.done < session.mops.len() {
            self.perform(&mut session);
            self.sessions[i] = Some(session);
        } else {
            self.end(i, session);
        }
        false
    }

    fn begin(&mut self, i: usize) {
        let mops: Vec<Value> = (0..self.rng.random_range(1..=4)).map(|_| self.mop()).collect();
        self.push(i, OpType::Invoke, &Value::from(mops.clone()));
        let snapshot = self.store.clock;
        self.sessions[i] = Some(Session { mops, done: 0, snapshot });
    }

    fn mop(&mut self) -> Value {
        let at = self.rng.random_range(0..self.keys.len());
        let (key, writes) = self.keys[at];
        if self.rng.random_bool(0.5) {
            return json!(["r", key, null]);
        }
        let write = if self.load.data == Data::Lists { "append" } else { "w" };
        self.keys[at].1 += 1;
        if self.keys[at].1 == self.load.writes_per_key {
            self.keys[at] = (self.next_key, 0);
            self.next_key += 1;
        }
        json!([write, key, writes + 1])
    }

    /// One micro-operation, where the isolation does them one at a time.
    fn perform(&mut self, session: &mut Session) {
        let (now, snapshot) = (self.store.clock, session.snapshot);
        match self.load.isolation {
            Isolation::StrictSerializable | Isolation::StaleReads | Isolation::SessionReads => {
                session.done = session.mops.len();
            }
            Isolation::Snapshot | Isolation::LostUpdates => self.read(session, snapshot),
            Isolation::ReadCommitted => self.read(session, now),
            Isolation::Dirty => {
                let i = session.done;
                if session.mops[i][0] == "r" {
                    self.read(session, now);
                } else {
                    self.apply(&session.mops[i..=i]);
                    session.done += 1;
                }
            }
        }
    }

    /// Fills in the next micro-operation, if it is a read: the state at `at` with
    /// the transaction's own writes on top.
    fn read(&self, session: &mut Session, at: u64) {
        let i = session.done;
        session.done += 1;
        if session.mops[i][0] != "r" {
            return;
        }
        let key = session.mops[i][1].as_u64().unwrap();
        let mut value = self.store.read(self.load.data, key, at);
        let own = session.mops[..i].iter().filter(|mop| mop[0] != "r" && mop[1] == key);
        // A dirty database holds them already.
        for write in own.filter(|_| self.load.isolation != Isolation::Dirty) {
            match self.load.data {
                Data::Registers => value = write[2].clone(),
                Data::Lists => {
                    let mut list = value.as_array().cloned().unwrap_or_default();
                    list.push(write[2].clone());
                    value = list.into();
                }
            }
        }
        session.mops[i][2] = value;
    }

    fn apply(&mut self, mops: &[Value]) {
        self.store.clock += 1;
        for mop in mops.iter().filter(|mop| mop[0] != "r") {
            self.store.write(mop[1].as_u64().unwrap(), mop[2].clone());
        }
    }

    fn end(&mut self, i: usize, mut session: Session) {
        let kind = self.commit(i, &mut session);
        self.push(i, kind, &Value::from(session.mops));
        if kind == OpType::Info {
            self.processes[i] += self.load.processes;
        }
    }

    fn commit(&mut self, i: usize, session: &mut Session) -> OpType {
        let writes = |mop: &Value| mop[0] != "r";
        let changed = |store: &Store, mop: &Value| {
            writes(mop) && store.changed_since(mop[1].as_u64().unwrap(), session.snapshot)
        };
        match self.load.isolation {
            Isolation::StrictSerializable => self.read_all(session, self.store.clock),
            Isolation::StaleReads | Isolation::SessionReads => {
                let is_reader = !session.mops.iter().any(writes);
                let lag = if is_reader { self.rng.random_range(0..5) } else { 0 };
                let at = self.store.clock.saturating_sub(lag).max(self.seen[i]);
                self.read_all(session, at);
                if self.load.isolation == Isolation::SessionReads {
                    self.seen[i] = if is_reader { at } else { self.store.clock + 1 };
                }
            }
            Isolation::Snapshot if session.mops.iter().any(|mop| changed(&self.store, mop)) => {
                return OpType::Fail;
            }
            _ => {}
        }
        if self.load.isolation != Isolation::Dirty {
            // Some commits are lost, and some answers.
            if self.rng.random_bool(0.01) {
                return if self.rng.random_bool(0.5) { OpType::Fail } else { OpType::Info };
            }
            self.apply(&session.mops);
            return if self.rng.random_bool(0.01) { OpType::Info } else { OpType::Ok };
        }
        if self.rng.random_bool(0.05) { OpType::Fail } else { OpType::Ok }
    }

    fn push(&mut self, i: usize, kind: OpType, value: &Value) -> &mut Op {
        push(&mut self.history, self.processes[i], kind, "txn", value)
    }

    fn read_all(&self, session: &mut Session, at: u64) {
        session.done = 0;
        while session.done < session.mops.len() {
            self.read(session, at);
        }
    }
}
