//! The orders that histories have besides that of the data.
//!
//! Real time relates a transaction to every later one, which would be quadratic.
//! For the search of cycles a transitive reduction does: a completed transaction
//! is linked to those that begin after it until one of these has completed too,
//! since whatever begins afterwards is linked to that. The completed
//! transactions not yet covered in this way are pairwise concurrent, so they are
//! never more than there are processes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::dependency::{Dependencies, Dependency};
use super::log::{Fate, Log};
use super::numbers::Txn;
use super::relation::{Relation, Scope};
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
    follow(log.all().map(|txn| Span::of(log, txn, txn)), |before, txn| {
        if log.txn(txn).fate == Fate::Aborted {
            // Nothing depends on it, but something was there to compare.
            graph.touch();
        } else {
            graph.add(before, txn, Dependency::order(Relation::Realtime));
        }
    });
}

/// When something began, and when it had happened at the latest, if it is known.
#[derive(Clone, Copy)]
pub(super) struct Span<T> {
    begin: u64,
    end: Option<u64>,
    item: T,
}

impl<T> Span<T> {
    /// The transaction's: if it did not commit, it may happen at any time.
    pub(super) fn of(log: &Log, txn: Txn, item: T) -> Self {
        let transaction = log.txn(txn);
        let end = transaction.end.filter(|_| transaction.is_committed());
        Self { begin: transaction.begin.index, end: end.map(|end| end.index), item }
    }
}

/// Links what had ended to what began then: of the spans, which are in the order
/// of their beginnings, a transitive reduction of that order.
pub(super) fn follow<T: Copy>(spans: impl Iterator<Item = Span<T>>, mut link: impl FnMut(T, T)) {
    let mut open: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut begun: Vec<Span<T>> = Vec::new();
    let mut uncovered: Vec<usize> = Vec::new();
    for span in spans {
        while let Some(&Reverse((_, ended))) = open.peek().filter(|ends| ends.0.0 < span.begin) {
            open.pop();
            let its_begin = begun[ended].begin;
            uncovered.retain(|&earlier| begun[earlier].end > Some(its_begin));
            uncovered.push(ended);
        }
        uncovered.iter().for_each(|&before| link(begun[before].item, span.item));
        open.extend(span.end.map(|end| Reverse((end, begun.len()))));
        begun.push(span);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::{Op, OpType, raw};
    use crate::txn::log::Kind;

    /// A log of transactions by (begin, end); `None` never ends.
    fn log(spans: &[(u64, Option<u64>)]) -> Log {
        let mut events: Vec<(u64, OpType, u64)> = Vec::new();
        for (process, &(begin, end)) in (0..).zip(spans) {
            events.push((begin, OpType::Invoke, process));
            events.extend(end.map(|end| (end, OpType::Ok, process)));
        }
        events.sort_by_key(|&(index, _, _)| index);
        let mut log = Log::new(Kind::Registers);
        for (index, kind, process) in events {
            log.observe(&Op {
                index,
                time: index,
                ..Op::new(Process::Client(process), kind, "txn", raw(&json!([])))
            });
        }
        log.finish();
        log
    }

    fn arcs(spans: &[(u64, Option<u64>)]) -> Vec<(u32, u32)> {
        let log = log(spans);
        let mut graph = Dependencies::new(spans.len());
        add(&log, Scope::Realtime, &mut graph);
        let mut arcs: Vec<_> = graph.graph().arcs().map(|(from, to, _)| (from, to)).collect();
        arcs.sort_unstable();
        arcs
    }

    #[test]
    fn a_chain_is_linked_from_one_to_the_next_only() {
        let chain = [(0, Some(1)), (2, Some(3)), (4, Some(5)), (6, Some(7))];
        assert_eq!(arcs(&chain), [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn concurrent_transactions_are_not_linked_and_all_of_them_to_what_follows() {
        assert_eq!(arcs(&[(0, Some(2)), (1, Some(3)), (4, Some(5))]), [(0, 2), (1, 2)]);
    }

    #[test]
    fn a_transaction_stays_linked_until_one_that_followed_it_has_ended() {
        // ==0==   ======2======
        //       1=======  ==3==
        let spans = [(0, Some(1)), (2, Some(5)), (3, Some(9)), (6, Some(8))];
        assert_eq!(arcs(&spans), [(0, 1), (0, 2), (1, 3)]);
    }

    #[test]
    fn a_transaction_that_never_ended_follows_but_is_not_followed() {
        assert_eq!(arcs(&[(0, Some(1)), (2, None), (3, Some(4))]), [(0, 1), (0, 2)]);
    }
}
