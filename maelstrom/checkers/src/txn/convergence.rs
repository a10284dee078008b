//! Whether replicas agree once everything has come to rest.
//!
//! Final reads are those that are made after the faults have healed and the load
//! has stopped. No isolation model speaks of them, and a node that forgets every
//! write can pass a weak one; yet replicas that still differ then will differ for
//! ever. So final reads of a key have to be equal, and not of a key's initial
//! state when a write to it was acknowledged. Keys are passed over to which an
//! indeterminate transaction wrote, or any that was still open when the final
//! reads began: those may change while they are read.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use serde_json::json;

use super::anomaly::{Anomalies, Anomaly};
use super::log::{Fate, Kind, Log};
use super::numbers::{NULL, Name, Txn, Version};
use crate::cases::Case;

/// Adds the cases, if there are final reads at all. Returns the last version of
/// each key on which they agree.
pub(super) fn check(log: &Log, anomalies: &mut Anomalies) -> Vec<Version> {
    let finals = log.transactions.iter().filter(|t| t.is_final);
    let Some(rest_begins) = finals.map(|t| t.begin.index).min() else { return Vec::new() };
    let (mut unsettled, mut written) = (FxHashSet::default(), FxHashSet::default());
    for txn in log.all().filter(|&txn| log.txn(txn).fate != Fate::Aborted) {
        let is_settled = log.txn(txn).is_committed() && log.op(txn) < rest_begins;
        for mop in log.mops(txn).iter().filter(|mop| mop.is_write) {
            if is_settled { &mut written } else { &mut unsettled }.insert(mop.key);
        }
    }
    let mut last = Vec::new();
    for (key, reads) in final_reads(log).into_iter().filter(|(key, _)| !unsettled.contains(key)) {
        check_key(log, key, &reads, written.contains(&key), anomalies);
        if let (1, Some((&value, _))) = (reads.len(), reads.first_key_value()) {
            last.push((key, value));
        }
    }
    last
}

/// Per key the values read at last, and by whom first.
fn final_reads(log: &Log) -> BTreeMap<Name, BTreeMap<u32, Txn>> {
    let mut reads: BTreeMap<Name, BTreeMap<u32, Txn>> = BTreeMap::new();
    for txn in log.committed().into_iter().filter(|&txn| log.txn(txn).is_final) {
        for mop in log.mops(txn).iter().filter(|mop| !mop.is_write) {
            reads.entry(mop.key).or_default().entry(mop.value).or_insert(txn);
        }
    }
    reads
}

fn check_key(
    log: &Log,
    key: Name,
    reads: &BTreeMap<u32, Txn>,
    is_written: bool,
    anomalies: &mut Anomalies,
) {
    let is_initial = |value: u32| match log.kind {
        Kind::Registers => value == NULL,
        Kind::Lists => log.lists.length(value) == 0,
    };
    let key_text = log.text(key);
    let text = if reads.len() > 1 {
        let told = |(&value, &txn): (&u32, &Txn)| {
            format!("{} (operation {})", log.read_text(value), log.op(txn))
        };
        let values: Vec<String> = reads.iter().map(told).collect();
        format!("final reads of key {key_text} differ: {}", values.join(", "))
    } else if is_written && reads.keys().any(|&value| is_initial(value)) {
        format!(
            "final reads find nothing under key {key_text}, though writes to it were acknowledged"
        )
    } else {
        return;
    };
    anomalies.add(Anomaly::DivergentFinalRead, || case(log, key, reads, text));
}

fn case(log: &Log, key: Name, reads: &BTreeMap<u32, Txn>, text: String) -> Case {
    let mut ops = log.ops(reads.values().copied());
    ops.sort_unstable();
    let values: Vec<_> = reads.keys().map(|&value| log.read_json(value)).collect();
    let detail = json!({"key": log.json(key), "values": values, "ops": ops});
    Case::new(ops, text, detail)
}
