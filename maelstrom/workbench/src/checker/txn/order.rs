//! The orders that histories have besides that of the data.
//!
//! Real time relates a transaction to every later one, which would be quadratic.
//! For the search of cycles a transitive reduction does: a completed transaction
//! is linked to those that begin after it until one of these has completed too,
//! since whatever begins afterwards is linked to that. The completed
//! transactions not yet covered in this way are pairwise concurrent, so they are
//! never more than there are processes.

use rustc_hash::FxHashMap;

use super::anomaly::Scope;
use super::dependency::{Dependencies, Dependency, Relation};
use super::log::{Fate, Log, Txn};
use crate::history::Process;

/// Adds the order that cycles of this scope may lean on.
pub(super) fn add(log: &Log, scope: Scope, graph: &mut Dependencies) {
    match scope {
        Scope::Data => {}
        Scope::Process => add_process_order(log, graph),
        Scope::Realtime => add_realtime_order(log, graph),
    }
}

/// Each process's committed transactions, one after the other.
fn add_process_order(log: &Log, graph: &mut Dependencies) {
    let mut last: FxHashMap<Process, Txn> = FxHashMap::default();
    for txn in log.committed() {
        if let Some(before) = last.insert(log.txn(txn).process, txn) {
            graph.add(before, txn, Dependency::order(Relation::Process));
        }
    }
}

/// Committed transactions before those that began after they had ended.
fn add_realtime_order(log: &Log, graph: &mut Dependencies) {
    let mut ends = log.committed().into_iter().peekable();
    let end = |txn: Txn| log.txn(txn).op();
    let mut uncovered: Vec<Txn> = Vec::new();
    for txn in log.all() {
        let begin = log.txn(txn).begin.index;
        while let Some(ended) = ends.next_if(|&ended| end(ended) < begin) {
            let its_begin = log.txn(ended).begin.index;
            uncovered.retain(|&earlier| end(earlier) > its_begin);
            uncovered.push(ended);
        }
        if log.txn(txn).fate == Fate::Aborted {
            // Nothing depends on it, but something was there to compare.
            uncovered.iter().for_each(|_| graph.touch());
            continue;
        }
        for &before in &uncovered {
            graph.add(before, txn, Dependency::order(Relation::Realtime));
        }
    }
}
