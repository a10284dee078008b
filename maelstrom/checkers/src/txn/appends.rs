//! Dependencies between transactions on lists.
//!
//! A list tells the order of its appends, so the longest list that was read of a
//! key is the key's version order, and an append that nobody read comes after the
//! end of it, wherever that is (Elle, section 4.3).
//!
//! Here every micro-operation counts, not only what the world sees: an append in
//! the middle of a transaction stands in the list for good.

use rustc_hash::FxHashMap;

use super::dependency::{Dependencies, Dependency, group};
use super::lists::List;
use super::log::{Fate, Log};
use super::numbers::{NULL, Name, Txn, Version};
use super::writes::Writes;

/// What came just before something: an element, or the empty list.
type Before = Option<Name>;

/// A state of a list: the key, and its last element.
type State = (Name, Before);

/// The order of appends, as far as reads tell it.
#[derive(Debug, Default)]
pub(super) struct VersionOrder {
    /// Per key the elements of its longest list, each once.
    elements: FxHashMap<Name, Vec<Name>>,
    place: FxHashMap<Version, usize>,
}

impl VersionOrder {
    pub(super) fn of(log: &Log) -> Self {
        let mut order = Self::default();
        for key in log.lists.keys() {
            let elements = log.lists.longest(key).map(|longest| log.lists.distinct(longest));
            let elements = elements.unwrap_or_default();
            for (i, &element) in elements.iter().enumerate() {
                order.place.insert((key, element), i);
            }
            order.elements.insert(key, elements);
        }
        order
    }

    /// What an append followed, or came after at the earliest.
    fn before(&self, append: Version) -> Before {
        let elements = self.elements.get(&append.0)?;
        let end = self.place.get(&append).copied().unwrap_or(elements.len());
        end.checked_sub(1).and_then(|i| elements.get(i).copied())
    }

    /// Whether a list that was read is known to end before `element`: it is a
    /// beginning of the longest one, which has the element further on.
    pub(super) fn ends_before(&self, log: &Log, list: List, element: Name) -> bool {
        let key = log.lists.key(list);
        let length = log.lists.length(list) as usize;
        let last = log.lists.last(list);
        let is_beginning = last.is_none_or(|last| {
            self.place.get(&(key, last)).is_some_and(|&place| place + 1 == length)
        });
        is_beginning && self.place.get(&(key, element)).is_some_and(|&place| place >= length)
    }
}

/// Adds the dependencies.
///
/// Who made a state and read it, too, precedes what follows it by its write
/// already; `with_own_reads` says so a second time, as the original does.
pub(super) fn add_dependencies(
    log: &Log,
    writes: &Writes,
    order: &VersionOrder,
    with_own_reads: bool,
    graph: &mut Dependencies,
) {
    let mut readers: Vec<(State, Txn)> = Vec::new();
    let mut followers: Vec<(State, (Txn, Name))> = Vec::new();
    for txn in log.all().filter(|&txn| log.txn(txn).fate != Fate::Aborted) {
        for mop in log.mops(txn) {
            if mop.is_write {
                let before = order.before((mop.key, mop.value));
                followers.push(((mop.key, before), (txn, mop.value)));
            } else if log.txn(txn).is_committed() {
                readers.push(((mop.key, log.lists.last(mop.value)), txn));
            }
        }
    }
    readers.sort_unstable();
    readers.dedup();
    followers.sort_unstable();
    for &((key, last), reader) in &readers {
        if let Some(element) = last
            && let Some(writer) = writes.possible(log, (key, element))
        {
            graph.add(writer, reader, Dependency::wr(key, element));
        }
    }
    for of_state in followers.chunk_by(|a, b| a.0 == b.0) {
        let (key, before) = of_state[0].0;
        let maker = before.and_then(|element| writes.possible(log, (key, element)));
        let is_told = |reader: &Txn| with_own_reads || Some(*reader) != maker;
        let of_it: Vec<Txn> = group(&readers, (key, before)).filter(is_told).collect();
        let appends: Vec<(Txn, Name)> = of_state.iter().map(|&(_, append)| append).collect();
        graph.follow((key, before.unwrap_or(NULL)), maker, &of_it, &appends);
    }
}
