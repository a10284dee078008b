//! The arrivals: what was added to any log, in order, and what of it goes into one message.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Log, Store};
use crate::wire::{Rank, Run, Value};

/// How many bytes of values go into one message.
pub(crate) const PAGE: usize = 256 * 1024;
/// What a run costs beside its values, in bytes, about.
const RUN_OVERHEAD: usize = 48;

/// One arrival. Each value has one, so it is narrow.
pub(super) struct Entry {
    log: u32,
    position: u32,
    from: u32,
}

impl Entry {
    pub(super) fn new(log: usize, position: usize, from: Rank) -> Self {
        let [log, position, from] = [log, position, from].map(|number| {
            u32::try_from(number).expect("no more than 2^32 nodes, and values in memory")
        });
        Self { log, position, from }
    }

    fn is_from(&self, peer: Rank) -> bool {
        self.from as usize == peer
    }
}

/// A part of the arrivals, ready to be sent.
pub(crate) struct Page {
    /// The position behind it.
    pub(crate) upto: usize,
    /// The values, without those that came from the receiver.
    pub(crate) runs: Vec<Run>,
}

impl Store {
    /// The values that arrived, from a position on.
    pub(crate) fn arrived(&self, since: usize) -> impl Iterator<Item = &Value> {
        let entries = self.arrivals.iter().skip(since);
        entries.map(|entry| &self.logs[entry.log as usize].values[entry.position as usize])
    }

    /// The end of the arrivals.
    pub(crate) fn position(&self) -> usize {
        self.arrivals.len()
    }

    /// Whether anything that arrived from `since` on did not come from
    /// `peer`.
    pub(crate) fn has_news(&self, since: usize, peer: Rank) -> bool {
        self.arrivals.iter().skip(since).any(|entry| !entry.is_from(peer))
    }

    /// What arrived from `since` on, as far as a message goes.
    pub(crate) fn page(&self, since: usize, peer: Rank) -> Page {
        let mut page = Pager::default();
        let mut upto = since;
        for entry in self.arrivals.iter().skip(since) {
            let (log, position) = (entry.log as usize, entry.position as usize);
            if !entry.is_from(peer) && !page.take(self, log, position) {
                break;
            }
            upto += 1;
        }
        Page { upto, runs: page.runs() }
    }
}

/// Collects single values into runs, up to a page.
#[derive(Default)]
pub(super) struct Pager {
    runs: BTreeMap<usize, Run>,
    bytes: usize,
}

impl Pager {
    /// Adds a value; false if the page is full. Values of one log must come in
    /// order; where one is left out (the receiver has it), the run goes on with
    /// it nevertheless, so that it stays one run.
    pub(super) fn take(&mut self, store: &Store, log: usize, position: usize) -> bool {
        let Log { id, ref values, .. } = store.logs[log];
        let first =
            self.runs.get(&log).map_or(position, |run| run.first as usize + run.values.len());
        let added = &values[first.min(position)..=position];
        let bytes: usize = added.iter().map(|value| value.get().len() + 1).sum();
        if self.bytes > 0 && self.bytes + bytes > PAGE {
            return false;
        }
        self.bytes += bytes;
        let run = self.runs.entry(log).or_insert_with(|| {
            self.bytes += RUN_OVERHEAD;
            Run { log: id, first: position as u64, values: Vec::new() }
        });
        run.values.extend(added.iter().map(Arc::clone));
        true
    }

    pub(super) fn runs(self) -> Vec<Run> {
        self.runs.into_values().collect()
    }
}
