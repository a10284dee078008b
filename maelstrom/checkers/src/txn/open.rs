//! Transactions that never ended.
//!
//! They may still happen, so that they prove nothing, unless something that they
//! wrote was read: then they did happen. To the original they are no part of the
//! graph at all.

use rustc_hash::FxHashSet;

use super::Options;
use super::log::{Kind, Log, Txn};
use super::writes::Version;

/// The transactions that never ended and that nobody saw, sorted; with
/// `compatible`, all that never ended.
pub(super) fn without_trace(log: &Log, options: Options) -> Vec<Txn> {
    let open: Vec<Txn> = log.all().filter(|&txn| log.txn(txn).end.is_none()).collect();
    if open.is_empty() || options.compatible {
        return open;
    }
    let seen = versions_read(log);
    let is_seen = |txn: Txn| {
        let writes = log.mops(txn).iter().filter(|mop| mop.is_write);
        writes.into_iter().any(|mop| seen.contains(&(mop.key, mop.value)))
    };
    open.into_iter().filter(|&txn| !is_seen(txn)).collect()
}

fn versions_read(log: &Log) -> FxHashSet<Version> {
    if log.kind == Kind::Lists {
        return log.lists.by_last().into_iter().map(|(version, _)| version).collect();
    }
    let reads = log.committed().into_iter().flat_map(|txn| log.mops(txn));
    reads.filter(|mop| !mop.is_write).map(|mop| (mop.key, mop.value)).collect()
}
