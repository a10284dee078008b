//! Causal consistency with sessions: what a transaction sees includes all that it
//! depends on.
//!
//! Happens-before is the transitive closure of the order within each process and of
//! read dependencies (Ahamad et al., "Causal memory", 1995). A read violates it when a
//! transaction that happened before the reader wrote the key, and what was read is
//! known to be older: it is the initial state, or its writer happened before that
//! transaction, or the data say so. These are the patterns WriteCOInitRead and
//! WriteCORead of Bouajjani et al., "On verifying causal consistency", POPL 2017.
//!
//! A cycle of happens-before itself is left to the search for cycles (G1c-process).

use std::cmp::Reverse;

use rustc_hash::FxHashMap;
use serde_json::json;

use super::anomaly::{Anomalies, Anomaly};
use super::atomicity::Versions;
use super::log::{Fate, Log};
use super::numbers::{Name, Txn, Version};
use super::registers::External;
use crate::cases::Case;
use crate::graph::Digraph;
use crate::history::Process;

/// The largest table of what precedes what. Larger histories, of 8,000 transactions by
/// 2,000 processes for instance, are not searched.
const MOST_ENTRIES: usize = 1 << 24;

pub(super) fn check(log: &Log, versions: &Versions<'_>, anomalies: &mut Anomalies) {
    let Some(order) = HappensBefore::of(log, versions) else { return };
    let before = versions.predecessors();
    let writes = writes_by_key(log);
    for reader in log.committed() {
        for read in External::of(log.mops(reader)).reads {
            let of_key = writes.get(&read.0).map_or(&[][..], Vec::as_slice);
            let writer = versions.writer(log, read);
            let is_missed = |&(by, new): &(Txn, Name)| {
                Some(by) != writer
                    && order.precedes(by, reader)
                    && (writer.is_some_and(|writer| order.precedes(writer, by))
                        || versions.is_older(log, &before, read, new))
            };
            if let Some(&missed) = of_key.iter().rev().find(|write| is_missed(write)) {
                anomalies
                    .add(Anomaly::SessionCausalityViolation, || case(log, reader, read, missed));
            }
        }
    }
}

/// Per key who may have written it, and what, in the order of invocations.
fn writes_by_key(log: &Log) -> FxHashMap<Name, Vec<(Txn, Name)>> {
    let mut writes: FxHashMap<Name, Vec<(Txn, Name)>> = FxHashMap::default();
    for txn in log.all().filter(|&txn| log.txn(txn).fate != Fate::Aborted) {
        for (key, value) in External::of(log.mops(txn)).writes {
            writes.entry(key).or_default().push((txn, value));
        }
    }
    writes
}

/// Which transactions precede which: a vector clock for each (Mattern, 1989).
struct HappensBefore {
    processes: usize,
    /// Of each transaction its process and its place in it, from 1.
    places: Vec<(usize, u32)>,
    /// Of each transaction a row: how many transactions of each process precede it,
    /// itself included.
    clocks: Vec<u32>,
}

impl HappensBefore {
    /// `None` if it is cyclic, or too large.
    fn of(log: &Log, versions: &Versions<'_>) -> Option<Self> {
        let (places, processes) = places(log);
        if places.len().checked_mul(processes)? > MOST_ENTRIES {
            return None;
        }
        let graph = Digraph::new(places.len(), &arcs(log, versions));
        let numbers = graph.component_numbers();
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_by_key(|&txn| Reverse(numbers[txn as usize]));
        let is_cyclic = order.windows(2).any(|w| numbers[w[0] as usize] == numbers[w[1] as usize]);
        if is_cyclic {
            return None;
        }
        let clocks = vec![0; places.len() * processes];
        let mut this = Self { processes, places, clocks };
        for txn in order {
            let (process, place) = this.places[txn as usize];
            this.clocks[txn as usize * processes + process] = place;
            for arc in graph.arcs_from(txn) {
                this.merge(txn as usize, arc.to as usize);
            }
        }
        Some(this)
    }

    fn merge(&mut self, from: usize, to: usize) {
        for process in 0..self.processes {
            let known = self.clocks[from * self.processes + process];
            let clock = &mut self.clocks[to * self.processes + process];
            *clock = known.max(*clock);
        }
    }

    fn precedes(&self, one: Txn, other: Txn) -> bool {
        let (process, place) = self.places[one as usize];
        one != other && self.clocks[other as usize * self.processes + process] >= place
    }
}

/// Of each transaction its process and its place in it, and how many processes there are.
fn places(log: &Log) -> (Vec<(usize, u32)>, usize) {
    let mut numbers: FxHashMap<Process, usize> = FxHashMap::default();
    let mut counts: Vec<u32> = Vec::new();
    let place = |txn: Txn| {
        let process = *numbers.entry(log.txn(txn).process).or_insert_with(|| {
            counts.push(0);
            counts.len() - 1
        });
        counts[process] += 1;
        (process, counts[process])
    };
    (log.all().map(place).collect(), counts.len())
}

/// From each transaction to the next one of its process and to those that read from it.
/// One that failed did not happen, and its process goes on.
fn arcs(log: &Log, versions: &Versions<'_>) -> Vec<(u32, u32, ())> {
    let mut arcs = Vec::new();
    let mut last: FxHashMap<Process, Txn> = FxHashMap::default();
    for txn in log.all() {
        if let Some(previous) = last.insert(log.txn(txn).process, txn) {
            arcs.push((previous, txn, ()));
        }
    }
    for reader in log.all().filter(|&txn| log.txn(txn).is_committed()) {
        let reads = External::of(log.mops(reader)).reads;
        let writers = reads.into_iter().filter_map(|read| versions.writer(log, read));
        arcs.extend(writers.filter(|&writer| writer != reader).map(|writer| (writer, reader, ())));
    }
    arcs
}

fn case(log: &Log, reader: Txn, (key, read): Version, (missed, new): (Txn, Name)) -> Case {
    let (op, cause) = (log.op(reader), log.op(missed));
    let text = format!(
        "operation {op} read key {} = {}, which is older than {}: operation {cause} wrote that, \
         and happened before by the order of processes and reads",
        log.text(key),
        log.read_text(read),
        log.text(new)
    );
    let detail = json!({
        "op": op, "cause": cause, "key": log.json(key), "read": log.read_json(read),
        "expected": log.json(new)
    });
    Case::new(vec![op, cause], text, detail)
}
