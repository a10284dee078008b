//! What has to be written to the disk, where there is one.
//!
//! What others sent is written as it came, and passed on meanwhile. Values of this node's
//! own log are written first: they have their positions from then on, but nobody sees them
//! before they are [safe](Store::make_safe).

use super::Store;
use super::arrivals::PAGE;
use crate::wire::{LogId, Run, Value};

#[derive(Default)]
pub(super) struct Unwritten {
    /// Accepted for this node's own log.
    pub(super) own: Vec<Value>,
    /// The length of that log with all that was handed out.
    own_end: u64,
    /// The arrivals were handed out up to here.
    upto: usize,
}

impl Store {
    /// From now on what comes has to be written.
    pub(super) fn begin_writing(&mut self) {
        let own_end = self.own.map_or(0, |own| self.logs[own].values.len() as u64);
        self.unwritten = Some(Unwritten { own: Vec::new(), own_end, upto: self.position() });
    }

    /// Hands out what has to be written, in records of a page or so.
    pub(crate) fn take_unwritten(&mut self) -> Vec<Vec<Run>> {
        let (Some(own), Some(mut unwritten)) = (self.own, self.unwritten.take()) else {
            return Vec::new();
        };
        let mut records = Vec::new();
        // What came from this node itself was written before it was appended.
        while self.has_news(unwritten.upto, self.me) {
            let page = self.page(unwritten.upto, self.me);
            unwritten.upto = page.upto;
            records.push(page.runs);
        }
        unwritten.upto = self.position();
        records.extend(unwritten.take_own(self.logs[own].id).map(|run| vec![run]));
        self.unwritten = Some(unwritten);
        records
    }

    /// What a record has of this node's own log is safe, and may be seen. Records become safe
    /// in the order in which they were handed out.
    pub(crate) fn make_safe(&mut self, record: Vec<Run>) {
        let own = self.own.map(|own| self.logs[own].id);
        let runs = record.into_iter().filter(|run| Some(run.log) == own);
        runs.flat_map(|run| run.values).for_each(|value| self.append_own(value));
    }
}

impl Unwritten {
    /// The values of the node's own log, a page at a time.
    fn take_own(&mut self, log: LogId) -> impl Iterator<Item = Run> {
        let values = std::mem::take(&mut self.own);
        let mut bytes = 0;
        let pages = values.chunk_by(|before, _| {
            bytes += before.get().len() + 1;
            let fits = bytes < PAGE;
            bytes *= usize::from(fits);
            fits
        });
        let runs: Vec<Run> = pages
            .map(|page| {
                let first = self.own_end;
                self.own_end += page.len() as u64;
                Run { log, first, values: page.to_vec() }
            })
            .collect();
        runs.into_iter()
    }
}
