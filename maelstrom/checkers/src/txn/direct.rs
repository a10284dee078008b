//! Anomalies that need no graph: a transaction is compared with itself, with who
//! wrote what it read, and with others that read the same version.
//!
//! Only committed transactions are examined, since only their reads are known.
//! What lists alone can show stands in `list_checks.rs`.

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::Options;
use super::anomaly::{Anomalies, Anomaly};
use super::lists::List;
use super::log::{Fate, Kind, Log, Mop};
use super::numbers::{NULL, Name, Txn, Version};
use super::writes::Writes;
use crate::cases::Case;
use crate::{Missed, Subject};

/// Adds the cases that transactions show by themselves or by what they read.
pub(super) fn check(log: &Log, writes: &Writes, options: Options, anomalies: &mut Anomalies) {
    for &(version, first, second) in &writes.duplicates {
        anomalies.add(Anomaly::DuplicateWrite, || duplicate_write(log, version, [first, second]));
    }
    let committed = log.committed();
    for &txn in &committed {
        match log.kind {
            Kind::Registers => {
                register_internal(log, txn, options, anomalies);
                register_reads(log, writes, txn, anomalies);
            }
            Kind::Lists => list_internal(log, txn, options, anomalies),
        }
        overwritten_own_read(log, txn, anomalies);
    }
    lost_updates(log, &committed, options, anomalies);
}

fn duplicate_write(log: &Log, (key, value): Version, txns: [Txn; 2]) -> Case {
    let ops = log.ops(txns);
    let text = format!(
        "{} is written to key {} by operation {} and by operation {}: reads of it do not tell \
         whom they read from. Written values must be unique per key",
        log.text(value),
        log.text(key),
        ops[0],
        ops[1]
    );
    let detail = json!({"key": log.json(key), "value": log.json(value), "ops": ops});
    Case::new(ops, text, detail)
}

/// A case that is about one read of one transaction.
pub(super) fn read_case(
    log: &Log,
    txn: Txn,
    mop: &Mop,
    what: &str,
    more: &[(&str, Value)],
) -> Case {
    let op = log.op(txn);
    let mut detail = json!({"op": op, "mop": log.mop_json(mop)});
    for (name, value) in more {
        detail[name] = value.clone();
    }
    let writer = more.iter().find(|(name, _)| *name == "writer").and_then(|(_, op)| op.as_u64());
    let (key, value) = (log.text(mop.key), log.read_text(mop.value));
    let text = format!("operation {op} read key {key} = {value}, which {what}");
    let case = Case::new(writer.into_iter().chain([op]).collect(), text, detail);
    match version_read(log, mop) {
        Some(version) => case.about(Subject::both(&key, &log.text(version))),
        None => case.about(Subject::key(&key)),
    }
}

/// A read that differs from the transaction's own last read or write.
fn register_internal(log: &Log, txn: Txn, options: Options, anomalies: &mut Anomalies) {
    let mut known: FxHashMap<Name, Name> = FxHashMap::default();
    for mop in log.mops(txn) {
        let expected = known.insert(mop.key, mop.value);
        // To Elle up to 0.2.2 a key read as `null` was as good as not read.
        let expected = expected.filter(|&value| !options.compatible || value != NULL);
        if let Some(expected) = expected.filter(|&value| !mop.is_write && value != mop.value) {
            anomalies.add(Anomaly::Internal, || {
                let what = format!(
                    "contradicts the transaction's own earlier read or write of {}",
                    log.text(expected)
                );
                read_case(log, txn, mop, &what, &[("expected", log.json(expected))])
            });
            return;
        }
    }
}

/// What a transaction knows of a list from what it did before.
#[derive(Default)]
struct Known {
    /// What it read, if it did.
    list: Option<List>,
    /// Whether it read it as `null`.
    is_null: bool,
    /// What it appended since.
    appended: Vec<Name>,
}

impl Known {
    /// Whether Elle up to 0.2.2 takes it for unread.
    fn is_unread(&self) -> bool {
        self.is_null && self.appended.is_empty()
    }

    fn agrees_with(&self, log: &Log, read: List) -> bool {
        let mut rest = Some(read);
        for &element in self.appended.iter().rev() {
            match rest {
                Some(list) if log.lists.last(list) == Some(element) => {
                    rest = log.lists.without_last(list);
                }
                _ => return false,
            }
        }
        self.list.is_none_or(|list| rest == Some(list))
    }

    fn json(&self, log: &Log) -> Value {
        let start = match self.list {
            Some(list) => log.lists.elements(list).into_iter().map(|e| log.json(e)).collect(),
            None => vec![Value::from("...")],
        };
        start.into_iter().chain(self.appended.iter().map(|&e| log.json(e))).collect()
    }
}

/// The same of lists: after an append to a list not read before, only the end of
/// the list is known.
fn list_internal(log: &Log, txn: Txn, options: Options, anomalies: &mut Anomalies) {
    let mut known: FxHashMap<Name, Known> = FxHashMap::default();
    for mop in log.mops(txn) {
        if mop.is_write {
            known.entry(mop.key).or_default().appended.push(mop.value);
            continue;
        }
        let read = Known { list: Some(mop.value), is_null: mop.is_null, appended: Vec::new() };
        let expected = known.insert(mop.key, read);
        let expected = expected.filter(|known| !options.compatible || !known.is_unread());
        let disagrees = |known: &Known| {
            // To Elle a list read as `[]` is not the one read as `null`.
            let is_other_empty = options.compatible && mop.is_null && known.appended.is_empty();
            is_other_empty || !known.agrees_with(log, mop.value)
        };
        if let Some(expected) = expected.filter(disagrees) {
            anomalies.add(Anomaly::Internal, || {
                let json = expected.json(log);
                let what = format!("contradicts the transaction itself, which left {json}");
                read_case(log, txn, mop, &what, &[("expected", json)])
            });
            return;
        }
    }
}

/// Reads of what was aborted, overwritten by its own writer, never written at
/// all, or written by the reader itself but later.
fn register_reads(log: &Log, writes: &Writes, txn: Txn, anomalies: &mut Anomalies) {
    let mops = log.mops(txn);
    let is_new = |i: usize, mop: &Mop| mop.value != NULL && is_first_read(mops, i);
    for (i, mop) in mops.iter().enumerate().filter(|(i, mop)| is_new(*i, mop)) {
        let Some(write) = writes.get((mop.key, mop.value)) else {
            anomalies
                .add(Anomaly::GarbageRead, || read_case(log, txn, mop, "nobody ever wrote", &[]));
            continue;
        };
        let writer = log.op(write.txn);
        if log.txn(write.txn).fate == Fate::Aborted {
            anomalies.add(Anomaly::G1a, || {
                let what = format!("operation {writer} wrote, which failed");
                read_case(log, txn, mop, &what, &[("writer", writer.into())])
            });
        }
        if !write.is_final && write.txn != txn {
            anomalies.add(Anomaly::G1b, || intermediate(log, txn, mop, writer));
        }
        let wrote_it = |m: &Mop| m.is_write && m.key == mop.key && m.value == mop.value;
        if write.txn == txn && !mops[..i].iter().any(wrote_it) {
            anomalies.add(Anomaly::FutureRead, || {
                read_case(log, txn, mop, "it writes itself, but only later", &[])
            });
        }
    }
}

/// Whether a step is a read, and the first of its transaction that shows this.
pub(super) fn is_first_read(mops: &[Mop], step: usize) -> bool {
    !mops[step].is_write && !mops[..step].contains(&mops[step])
}

/// A read of what the transaction itself wrote and, before the read, overwrote.
fn overwritten_own_read(log: &Log, txn: Txn, anomalies: &mut Anomalies) {
    let mut written: FxHashMap<Name, Vec<Name>> = FxHashMap::default();
    for mop in log.mops(txn) {
        if mop.is_write {
            written.entry(mop.key).or_default().push(mop.value);
        } else if let Some((_, earlier)) = written.get(&mop.key).and_then(|all| all.split_last())
            && version_read(log, mop).is_some_and(|version| earlier.contains(&version))
        {
            anomalies.add(Anomaly::OverwrittenOwnRead, || {
                read_case(log, txn, mop, "it had overwritten itself before", &[])
            });
        }
    }
}

/// The write that a read ends with: the value of a register, the last element of
/// a list.
fn version_read(log: &Log, mop: &Mop) -> Option<Name> {
    match log.kind {
        Kind::Registers => Some(mop.value).filter(|&value| value != NULL),
        Kind::Lists => log.lists.last(mop.value),
    }
}

pub(super) fn intermediate(log: &Log, txn: Txn, mop: &Mop, writer: u64) -> Case {
    let what = format!("is a state that operation {writer} left again before it ended");
    read_case(log, txn, mop, &what, &[("writer", writer.into())])
}

/// Several transactions that read one version of a key and then wrote the key
/// (Adya's H_lu; without a version order, as Elle has it).
fn lost_updates(log: &Log, committed: &[Txn], options: Options, anomalies: &mut Anomalies) {
    let mut updates: Vec<Update> = Vec::new();
    let mut read: FxHashMap<Name, Option<(u32, bool)>> = FxHashMap::default();
    for &txn in committed {
        read.clear();
        for mop in log.mops(txn) {
            if !mop.is_write {
                // To Elle a list read as `[]` is not the one read as `null`.
                let is_null = mop.is_null && options.compatible;
                read.entry(mop.key).or_insert(Some((mop.value, is_null)));
            } else if let Some((version, is_null)) = read.get_mut(&mop.key).and_then(Option::take) {
                updates.push((((mop.key, version), is_null), txn));
            }
        }
    }
    updates.sort_by_key(|&(version, txn)| (version, log.op(txn)));
    for rivals in updates.chunk_by(|a, b| a.0 == b.0).filter(|rivals| rivals.len() > 1) {
        anomalies.add(Anomaly::LostUpdate, || lost_update(log, rivals));
    }
}

/// The version that a transaction read, whether as `null`, and the transaction.
type Update = ((Version, bool), Txn);

fn lost_update(log: &Log, rivals: &[Update]) -> Case {
    let ((key, value), _) = rivals[0].0;
    let ops = log.ops(rivals.iter().map(|&(_, txn)| txn));
    let list = ops.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let text = format!(
        "operations {list} all read key {} = {} and all wrote the key: at most one of their \
         updates is based on the state before it",
        log.text(key),
        log.read_text(value)
    );
    let detail = json!({"key": log.json(key), "value": log.read_json(value), "txns": ops});
    let missed = [(rivals[1].1, rivals[0].1), (rivals[0].1, rivals[1].1)]
        .into_iter()
        .filter_map(|(reader, writer)| {
            let mut written = log.mops(writer).iter().filter(|mop| mop.is_write && mop.key == key);
            Some(Missed {
                is_written: false,
                reader: log.op(reader),
                writer: log.op(writer),
                key: log.text(key),
                read: log.read_text(value),
                value: log.text(written.next()?.value),
            })
        })
        .collect();
    Case::new(ops, text, detail).about(Subject::missed(missed))
}
