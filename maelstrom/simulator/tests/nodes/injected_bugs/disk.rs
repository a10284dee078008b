//! A store of one node with a log on its disk, right or broken in one way.
//!
//! The right one has fixed slots with checksums in two copies of the log, syncs both
//! before it answers, and holds the lock. A slot that is broken in one copy is taken
//! from the other; one that is broken in both was never answered if it is the last,
//! and means that the node must not serve any more if it is not.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use maelstrom::disk::{Disk, File, Lock};
use maelstrom::{Context, Definite, Empty, Error, Node};
use simulator::swarm::Subject;
use simulator::{DiskFault, Program, Workload};

use super::{found, passes};
use crate::wire::registers::{Cas, Found, Read, Write};

maelstrom::message_types! {
    "add": struct Add { element: u64 } -> Empty;
    "read": struct ReadAll {} -> struct Elements { value: Vec<u64> };
}

/// What is wrong with a node, if anything.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    AnswersBeforeItSynced,
    TrustsEveryBit,
    TakesNoLock,
}

const COPIES: [&str; 2] = ["log.a", "log.b"];
const SLOT: usize = 24;

/// What a slot holds: key, value and a checksum over both and its number.
#[derive(Clone, Copy, PartialEq)]
struct Record {
    key: u64,
    value: u64,
}

impl Record {
    fn encode(self, number: u64) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[..8].copy_from_slice(&self.key.to_le_bytes());
        slot[8..16].copy_from_slice(&self.value.to_le_bytes());
        let sum = checksum(number, &slot[..16]);
        slot[16..].copy_from_slice(&sum.to_le_bytes());
        slot
    }

    /// What a slot holds, if it is intact or nobody cares.
    fn decode(number: u64, slot: &[u8], flaw: Flaw) -> Option<Self> {
        let [key, value, sum] = [0, 8, 16].map(|at| {
            let field = slot.get(at..at + 8)?;
            Some(u64::from_le_bytes(field.try_into().ok()?))
        });
        let intact = sum == Some(checksum(number, slot.get(..16)?));
        (intact || flaw == Flaw::TrustsEveryBit).then_some(Self { key: key?, value: value? })
    }
}

/// FNV-1a: every step can be undone, so no single byte can change without it.
fn checksum(number: u64, bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ number;
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(start, step)
}

/// What a node has open.
struct Log {
    files: [File; 2],
    length: u64,
    _lock: Option<Lock>,
}

#[derive(Default)]
struct Store {
    log: Option<Log>,
    values: BTreeMap<u64, u64>,
    is_broken: bool,
}

struct State {
    flaw: Flaw,
    store: Mutex<Store>,
}

impl Store {
    fn open(disk: &Disk, flaw: Flaw) -> io::Result<Self> {
        let lock = (flaw != Flaw::TakesNoLock).then(|| disk.lock()).transpose()?;
        let [a, b] = COPIES.map(|name| disk.create(name));
        let files = [a?, b?];
        let copies = [files[0].read()?, files[1].read()?];
        let slots = copies.iter().map(|copy| copy.len().div_ceil(SLOT)).max().unwrap_or(0);
        let found: Vec<Option<Record>> = (0..slots).map(|n| find(&copies, n, flaw)).collect();
        let length = found.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let is_broken = found[..length].iter().any(Option::is_none);
        let records: Vec<Record> = found[..length].iter().flatten().copied().collect();
        let values = records.iter().map(|record| (record.key, record.value)).collect();
        let log = Log { files, length: length as u64, _lock: lock };
        if !is_broken {
            log.repair(&records, &copies)?;
            disk.sync()?;
        }
        Ok(Self { log: Some(log), values, is_broken })
    }

    fn check(&self) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::new(Definite::TemporarilyUnavailable, "the log is broken"));
        }
        Ok(())
    }

    /// Writes a value, and answers when it is safe.
    fn put(&mut self, key: u64, value: u64, flaw: Flaw) -> Result<Empty, Error> {
        self.check()?;
        if let Some(log) = &mut self.log
            && let Err(error) = log.append(Record { key, value }, flaw)
        {
            // Whatever is there now may be found by the next incarnation, or not.
            self.is_broken = true;
            return Err(Error::crash(error));
        }
        self.values.insert(key, value);
        Ok(Empty {})
    }
}

fn find(copies: &[Vec<u8>; 2], slot: usize, flaw: Flaw) -> Option<Record> {
    copies.iter().find_map(|copy| {
        let rest = copy.get(slot * SLOT..)?;
        Record::decode(slot as u64, &rest[..rest.len().min(SLOT)], flaw)
    })
}

impl Log {
    /// Makes both copies what the records say.
    fn repair(&self, records: &[Record], copies: &[Vec<u8>; 2]) -> io::Result<()> {
        let right: Vec<u8> =
            records.iter().zip(0..).flat_map(|(record, number)| record.encode(number)).collect();
        for (file, copy) in self.files.iter().zip(copies) {
            if *copy != right {
                file.write_at(0, &right)?;
                file.truncate(right.len() as u64)?;
                file.sync()?;
            }
        }
        Ok(())
    }

    fn append(&mut self, record: Record, flaw: Flaw) -> io::Result<()> {
        for file in &self.files {
            file.write_at(self.length * SLOT as u64, &record.encode(self.length))?;
            if flaw != Flaw::AnswersBeforeItSynced {
                file.sync()?;
            }
        }
        self.length += 1;
        Ok(())
    }
}

fn node(flaw: Flaw) -> Node<State> {
    Node::new(move |_| State { flaw, store: Mutex::default() })
        .on_init(open)
        .handle(async |context: Context<State>, Read { key }| {
            let store = context.state().store.lock().unwrap();
            store.check()?;
            let value = store.values.get(&key).copied();
            value.map(|value| Found { value }).ok_or_else(absent)
        })
        .handle(async |context: Context<State>, Write { key, value }| {
            let State { flaw, store } = context.state();
            store.lock().unwrap().put(key, value, *flaw)
        })
        .handle(async |context: Context<State>, Cas { key, from, to }| {
            let State { flaw, store } = context.state();
            let mut store = store.lock().unwrap();
            store.check()?;
            match store.values.get(&key).copied() {
                None => Err(absent()),
                Some(value) if value != from => {
                    Err(Error::new(Definite::PreconditionFailed, format_args!("it is {value}")))
                }
                Some(_) => store.put(key, to, *flaw),
            }
        })
}

/// A set in the same log, where each value that was ever written still counts.
fn set(flaw: Flaw) -> Node<State> {
    Node::new(move |_| State { flaw, store: Mutex::default() })
        .on_init(open)
        .handle(async |context: Context<State>, _: ReadAll| {
            let store = context.state().store.lock().unwrap();
            store.check()?;
            Ok(Elements { value: store.values.values().copied().collect() })
        })
        .handle(async |context: Context<State>, Add { element }| {
            let State { flaw, store } = context.state();
            store.lock().unwrap().put(element, element, *flaw)
        })
}

async fn open(context: Context<State>) -> Result<(), Error> {
    if let Some(disk) = context.disk() {
        let store = Store::open(&disk, context.state().flaw).map_err(Error::crash)?;
        *context.state().store.lock().unwrap() = store;
    }
    Ok(())
}

fn absent() -> Error {
    Error::new(Definite::KeyDoesNotExist, "no such key")
}

/// The disk faults that a swarm draws.
type Bears = fn(&[String]) -> &'static [DiskFault];

/// A node whose swarm draws these disk faults.
const fn subject(
    name: &'static str,
    program: fn(&[String]) -> anyhow::Result<Program>,
    disk: Bears,
) -> Subject {
    Subject { node_counts: &[1], disk, ..Subject::new(name, Workload::LinKv, program) }
}

const RIGHT: fn(&[String]) -> anyhow::Result<Program> = |_| Ok(Program::new(|| node(Flaw::None)));

#[test]
fn one_that_answers_before_it_synced_is_found_and_the_right_one_is_not() {
    let disk: Bears = |_| &[DiskFault::LoseUnsynced];
    let early = subject("early", |_| Ok(Program::new(|| node(Flaw::AnswersBeforeItSynced))), disk);
    assert_eq!(found(&early, 200).mode.kind, "not-linearizable");
    passes(&subject("right", RIGHT, disk), 200);
}

#[test]
fn one_that_trusts_a_flipped_bit_is_found_and_the_right_one_is_not() {
    let disk: Bears = |_| &[DiskFault::Flip];
    let of_sets =
        |name, program| Subject { workload: Workload::GSet, ..subject(name, program, disk) };
    let trusting = of_sets("trusting", |_| Ok(Program::new(|| set(Flaw::TrustsEveryBit))));
    assert_eq!(found(&trusting, 200).mode.kind, "lost");
    passes(&of_sets("right", |_| Ok(Program::new(|| set(Flaw::None)))), 200);
}

#[test]
fn two_processes_on_one_directory_are_found_and_a_lock_prevents_them() {
    let disk: Bears = |_| &[DiskFault::Locked];
    let open = subject("open", |_| Ok(Program::new(|| node(Flaw::TakesNoLock))), disk);
    assert_eq!(found(&open, 20).mode.kind, "two-processes-on-one-directory");
    passes(&subject("right", RIGHT, disk), 200);
}

#[test]
fn the_right_one_bears_all_disk_faults_together() {
    passes(&subject("right", RIGHT, |_| &DiskFault::ALL), 500);
}

#[test]
fn the_broken_ones_pass_where_no_disk_fails() {
    let none: Bears = |_| &[];
    passes(
        &subject("early", |_| Ok(Program::new(|| node(Flaw::AnswersBeforeItSynced))), none),
        100,
    );
    passes(&subject("trusting", |_| Ok(Program::new(|| node(Flaw::TrustsEveryBit))), none), 100);
    passes(&subject("open", |_| Ok(Program::new(|| node(Flaw::TakesNoLock))), none), 100);
}
