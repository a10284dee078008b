//! Anomalies that only lists show, because a list tells its own history.
//!
//! Elements that are aborted, repeated or never written are looked for once a
//! list, in the tree of all lists, not once a read.

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::anomaly::{Anomalies, Anomaly};
use super::dependency::group;
use super::direct::{intermediate, is_first_read, read_case};
use super::lists::{List, Spans};
use super::log::{Fate, Log, Mop};
use super::numbers::{Name, Txn};
use super::writes::Writes;
use crate::cases::Case;
use crate::{Missed, Subject};

pub(super) fn check(log: &Log, writes: &Writes, anomalies: &mut Anomalies) {
    let flaws = Flaws::of(log, writes);
    let (by_last, spans) = (log.lists.by_last(), log.lists.spans());
    for txn in log.committed() {
        let mops = log.mops(txn);
        for step in (0..mops.len()).filter(|&step| is_first_read(mops, step)) {
            flaws.check(log, writes, txn, &mops[step], anomalies);
        }
        future_read(log, txn, &by_last, &spans, anomalies);
    }
    for key in log.lists.keys() {
        if let Some(fork) = log.lists.fork(key) {
            anomalies
                .add(Anomaly::IncompatibleOrder, || incompatible_order(log, writes, key, fork));
        }
        dirty_updates(log, writes, key, anomalies);
    }
}

/// For each list its longest prefix that ends in a bad element.
struct Flaws {
    aborted: Vec<Option<List>>,
    unwritten: Vec<Option<List>>,
    repeated: Vec<Option<List>>,
}

impl Flaws {
    fn of(log: &Log, writes: &Writes) -> Self {
        let writer = |list| {
            let element = log.lists.last(list)?;
            Some(writes.get((log.lists.key(list), element)))
        };
        let repeats = log.lists.repeats();
        Self {
            aborted: log.lists.nearest(|list| {
                let write = writer(list).flatten();
                write.is_some_and(|write| log.txn(write.txn).fate == Fate::Aborted)
            }),
            unwritten: log.lists.nearest(|list| writer(list).is_some_and(|write| write.is_none())),
            repeated: log.lists.nearest(|list| repeats[list as usize]),
        }
    }

    fn check(&self, log: &Log, writes: &Writes, txn: Txn, mop: &Mop, anomalies: &mut Anomalies) {
        let list = mop.value;
        let above = |list| log.lists.without_last(list);
        let element = |list| log.lists.last(list).unwrap_or_default();
        let mut at = self.aborted[list as usize];
        while let Some(list) = at {
            let write = writes.get((mop.key, element(list)));
            let writer = write.map(|write| log.op(write.txn));
            anomalies.add(Anomaly::G1a, || aborted_read(log, txn, mop, element(list), writer));
            at = above(list).and_then(|list| self.aborted[list as usize]);
        }
        if let Some(write) = log.lists.last(list).and_then(|last| writes.get((mop.key, last)))
            && !write.is_final
            && write.txn != txn
        {
            let writer = log.op(write.txn);
            anomalies.add(Anomaly::G1b, || intermediate(log, txn, mop, writer));
        }
        if let Some(list) = self.unwritten[list as usize] {
            anomalies.add(Anomaly::GarbageRead, || {
                let what = format!("holds {}, which nobody ever appended", log.text(element(list)));
                read_case(log, txn, mop, &what, &[("element", log.json(element(list)))])
            });
        }
        if self.repeated[list as usize].is_some() {
            anomalies.add(Anomaly::DuplicateElements, || duplicates(log, txn, mop));
        }
    }
}

fn aborted_read(log: &Log, txn: Txn, mop: &Mop, element: Name, writer: Option<u64>) -> Case {
    let writer = writer.unwrap_or_default();
    let what = format!("holds {}, which operation {writer} appended and failed", log.text(element));
    let more = [("writer", Value::from(writer)), ("element", log.json(element))];
    read_case(log, txn, mop, &what, &more)
}

fn duplicates(log: &Log, txn: Txn, mop: &Mop) -> Case {
    let mut times: FxHashMap<Name, u64> = FxHashMap::default();
    let elements = log.lists.elements(mop.value);
    for &element in &elements {
        *times.entry(element).or_default() += 1;
    }
    let mut repeated: Vec<Name> = elements.into_iter().filter(|e| times[e] > 1).collect();
    repeated.sort_unstable();
    repeated.dedup();
    let names: Vec<String> = repeated.iter().map(|&e| log.text(e)).collect();
    let what = format!("holds {} more than once", names.join(", "));
    let counts: Value = repeated.iter().map(|e| (log.text(*e), Value::from(times[e]))).collect();
    read_case(log, txn, mop, &what, &[("duplicates", counts)])
}

/// A read that holds what its transaction appends only afterwards.
fn future_read(
    log: &Log,
    txn: Txn,
    by_last: &[((Name, Name), List)],
    spans: &Spans,
    anomalies: &mut Anomalies,
) {
    let mops = log.mops(txn);
    for (i, append) in mops.iter().enumerate().filter(|(_, mop)| mop.is_write) {
        let holds_it = |mop: &&Mop| {
            let mut ends = group(by_last, (append.key, append.value));
            !mop.is_write
                && mop.key == append.key
                && ends.any(|end| spans.is_prefix(end, mop.value))
        };
        if let Some(read) = mops[..i].iter().find(holds_it) {
            anomalies.add(Anomaly::FutureRead, || {
                let element = append.value;
                let what = format!("holds {}, which it appends only later", log.text(element));
                read_case(log, txn, read, &what, &[("element", log.json(element))])
            });
            return;
        }
    }
}

fn incompatible_order(log: &Log, writes: &Writes, key: Name, (one, other): (List, List)) -> Case {
    let readers = [one, other].map(|list| first_reader_beyond(log, key, list));
    // Each was read without the element at which the other parts from it.
    let missed = |reader: Option<u64>, read: List, parted: List| {
        let element = *log.lists.distinct(parted).last()?;
        let writer = writes.get((key, element))?.txn;
        Some(Missed {
            is_written: false,
            reader: reader?,
            writer: log.op(writer),
            key: log.text(key),
            read: log.read_text(read),
            value: log.text(element),
        })
    };
    let missed = [missed(readers[1], other, one), missed(readers[0], one, other)];
    let subject = Subject::missed(missed.into_iter().flatten().collect());
    let text = format!(
        "key {} was read as a list that begins {} and as one that begins {}: no order of appends \
         explains both",
        log.text(key),
        log.read_text(one),
        log.read_text(other)
    );
    let values = [log.read_json(one), log.read_json(other)];
    let detail = json!({"key": log.json(key), "values": values});
    Case::new(readers.into_iter().flatten().collect(), text, detail).about(subject)
}

/// The first operation that read a list beginning with `prefix`.
fn first_reader_beyond(log: &Log, key: Name, prefix: List) -> Option<u64> {
    let beyond = log.lists.nearest(|list| list == prefix);
    let reads_it =
        |mop: &Mop| !mop.is_write && mop.key == key && beyond[mop.value as usize].is_some();
    let reader = log.committed().into_iter().find(|&txn| log.mops(txn).iter().any(reads_it))?;
    Some(log.op(reader))
}

/// Committed appends that stand on aborted ones, in the longest list of `key`.
fn dirty_updates(log: &Log, writes: &Writes, key: Name, anomalies: &mut Anomalies) {
    let Some(longest) = log.lists.longest(key) else { return };
    let elements = log.lists.distinct(longest);
    let mut aborted: Option<(usize, Txn)> = None;
    for (i, &element) in elements.iter().enumerate() {
        let Some(write) = writes.get((key, element)) else { continue };
        match log.txn(write.txn).fate {
            Fate::Aborted => aborted = aborted.or(Some((i, write.txn))),
            Fate::Indeterminate => {}
            Fate::Committed => {
                if let Some((start, from)) = aborted.take() {
                    let range = &elements[start..=i];
                    anomalies.add(Anomaly::DirtyUpdate, || {
                        dirty_update(log, key, range, [from, write.txn])
                    });
                }
            }
        }
    }
}

fn dirty_update(log: &Log, key: Name, range: &[Name], txns: [Txn; 2]) -> Case {
    let ops = txns.map(|txn| log.op(txn));
    let values: Vec<Value> = range.iter().map(|&element| log.json(element)).collect();
    let end = |element: Option<&Name>| element.map(|&e| log.text(e)).unwrap_or_default();
    let text = format!(
        "operation {} appended {} to key {} and failed, yet operation {} committed {} on top of it",
        ops[0],
        end(range.first()),
        log.text(key),
        ops[1],
        end(range.last())
    );
    let txns = json!([ops[0], "...", ops[1]]);
    let detail = json!({"key": log.json(key), "values": values, "txns": txns});
    Case::new(ops.to_vec(), text, detail)
}
