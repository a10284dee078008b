//! Orders of versions of registers that no transaction shows by itself.
//!
//! The original takes the order of two versions only from a transaction that read
//! one and wrote the other, and so passes a register that goes back in time. Two
//! more things tell it:
//!
//! - *An order of transactions.* Let T precede U in real time (or in one process),
//!   and let T leave a key at v and U find it at w. If w came before v, then U
//!   missed what T saw, in a cycle of at most one anti-dependency and the order.
//!   A model that forbids those (G-single) in real time thus puts v before w.
//!   Elle calls it `linearizable-keys?` (`sequential-keys?`), and Maelstrom does
//!   not ask for it.
//! - *Final reads.* When everything has come to rest, the value that all read is
//!   the last one: every other acknowledged write of the key came before it.
//!
//! What an order of transactions tells holds only if there is no G-single, so that
//! a cycle of it is no G0: its dependencies are taken for anti-dependencies, which
//! never name a cycle worse than it is.

use rustc_hash::FxHashMap;

use super::anomaly::{Anomaly, Class};
use super::dependency::{Basis, Dependencies, Dependency, group};
use super::log::{Fate, Log};
use super::model::Model;
use super::numbers::{NULL, Name, Txn, Version};
use super::order::{Span, follow};
use super::registers::{External, Registers};
use super::relation::Scope;
use crate::history::Process;

/// The widest order of transactions that tells the order of versions, if these
/// models promise any.
pub(super) fn scope(models: &[Model]) -> Option<Scope> {
    let forbids = |&scope: &Scope| {
        let single = Anomaly::Cycle(Class::GSingle, scope);
        models.iter().any(|model| model.forbids(single))
    };
    [Scope::Realtime, Scope::Process].into_iter().find(forbids)
}

/// What a transaction found in a key and left in it.
#[derive(Clone, Copy)]
struct Visit {
    found: Name,
    left: Name,
}

/// Adds what the order of transactions tells.
pub(super) fn add_ordered(
    log: &Log,
    registers: &Registers,
    scope: Scope,
    graph: &mut Dependencies,
) {
    let visits = visits(log, registers);
    let mut pairs: Vec<(Version, Name)> = Vec::new();
    for of_key in visits.chunk_by(|a, b| a.0 == b.0) {
        let key = of_key[0].0;
        let mut link = |before: Visit, after: Visit| {
            if before.left != after.found {
                pairs.push(((key, before.left), after.found));
            }
        };
        match scope {
            Scope::Realtime => {
                let spans = of_key.iter().map(|&(_, (txn, visit))| Span::of(log, txn, visit));
                follow(spans, link);
            }
            _ => one_after_the_other(log, of_key, &mut link),
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    for of_version in pairs.chunk_by(|a, b| a.0 == b.0) {
        add_followers(registers, of_version, scope, graph);
    }
}

/// All visits by the key, then in the order in which they began.
fn visits(log: &Log, registers: &Registers) -> Vec<(Name, (Txn, Visit))> {
    let mut visits = Vec::new();
    for txn in log.all().filter(|&txn| log.txn(txn).fate != Fate::Aborted) {
        let External { reads, writes } = External::of(log.mops(txn));
        let reads = if log.txn(txn).is_committed() { reads } else { Vec::new() };
        for &(key, wrote) in &writes {
            let read = reads.iter().find(|read| read.0 == key).map(|read| read.1);
            visits.push((key, (txn, Visit { found: read.unwrap_or(wrote), left: wrote })));
        }
        let only_read = reads.iter().filter(|read| writes.iter().all(|write| write.0 != read.0));
        visits
            .extend(only_read.map(|&(key, read)| (key, (txn, Visit { found: read, left: read }))));
    }
    // Nothing is known of versions that nobody wrote, or that were undone.
    let is_known = |key, version| registers.writer((key, version)).is_some();
    visits.retain(|&(key, (_, v))| is_known(key, v.found) && is_known(key, v.left));
    visits.sort_by_key(|&(key, (txn, _))| (key, txn));
    visits
}

fn one_after_the_other(
    log: &Log,
    of_key: &[(Name, (Txn, Visit))],
    link: &mut impl FnMut(Visit, Visit),
) {
    let mut last: FxHashMap<Process, Visit> = FxHashMap::default();
    for &(_, (txn, visit)) in of_key.iter().filter(|(_, (txn, _))| log.txn(*txn).is_committed()) {
        if let Some(before) = last.insert(log.txn(txn).process, visit) {
            link(before, visit);
        }
    }
}

/// Who made a version, and who read it, comes before who made those that follow.
fn add_followers(
    registers: &Registers,
    of_version: &[(Version, Name)],
    scope: Scope,
    graph: &mut Dependencies,
) {
    let version = of_version[0].0;
    let readers = group(&registers.readers, version);
    let before: Vec<Txn> = registers.writer(version).into_iter().chain(readers).collect();
    let followers: Vec<(Txn, Name)> = of_version
        .iter()
        .filter_map(|&((key, _), next)| Some((registers.writer((key, next))?, next)))
        .collect();
    let basis = if scope == Scope::Realtime { Basis::Realtime } else { Basis::Process };
    graph.overwritten(version, &before, &followers, basis);
}

/// Adds what final reads tell: `last` holds the last version of keys.
pub(super) fn add_final(registers: &Registers, last: &[Version], graph: &mut Dependencies) {
    for &(key, value) in last.iter().filter(|&&(_, value)| value != NULL) {
        let Some(writer) = registers.writer((key, value)) else { continue };
        for (earlier, old) in group(&registers.written, key) {
            if earlier == writer {
                continue;
            }
            graph.add(earlier, writer, Dependency::ww(key, old, value).on(Basis::FinalReads));
            let readers: Vec<Txn> = group(&registers.readers, (key, old)).collect();
            graph.overwritten((key, old), &readers, &[(writer, value)], Basis::FinalReads);
        }
    }
}
