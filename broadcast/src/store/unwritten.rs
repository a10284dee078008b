//! What has to be written to the disk, where there is one.
//!
//! What others sent is written as it came, and passed on meanwhile. Values of this node's
//! own log are written first: they have their positions from then on, but nobody sees them
//! before they are [safe](Store::make_safe).

use super::arrivals::PAGE;
use super::{Log, Store};
use crate::wire::{Run, Value};

/// No value that is written is longer, since a journal has a limit. Other nodes have the same
/// limit, if they have journals.
const LONGEST: usize = 32 << 20;

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

    /// Whether a value is short enough to be written, if it has to be.
    pub(crate) fn fits(&self, value: &Value) -> bool {
        self.unwritten.is_none() || value.get().len() <= LONGEST
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
        let values = std::mem::take(&mut unwritten.own);
        let own = Run { log: self.logs[own].id, first: unwritten.own_end, values };
        unwritten.own_end = own.end().count;
        records.extend(pages(own).map(|run| vec![run]));
        self.unwritten = Some(unwritten);
        records
    }

    /// All that is there, in parts of a page or so, which are made one at a time.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Run> + Send + use<> {
        let all = |log: &Log| Run { log: log.id, first: 0, values: log.values.clone() };
        let runs: Vec<Run> = self.logs.iter().map(all).collect();
        runs.into_iter().flat_map(pages)
    }

    /// What a record has of this node's own log is safe, and may be seen. Records become safe
    /// in the order in which they were handed out.
    pub(crate) fn make_safe(&mut self, record: Vec<Run>) {
        let own = self.own.map(|own| self.logs[own].id);
        let runs = record.into_iter().filter(|run| Some(run.log) == own);
        runs.flat_map(|run| run.values).for_each(|value| self.append_own(value));
    }
}

/// Divides a run into some of a page or so each.
fn pages(run: Run) -> impl Iterator<Item = Run> + Send {
    let Run { log, mut first, values } = run;
    let mut values = values.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let page = std::iter::from_fn(|| {
            let value = values.next_if(|_| bytes < PAGE)?;
            bytes += value.get().len() + 1;
            Some(value)
        });
        let page: Vec<Value> = page.collect();
        let run = Run { log, first, values: page };
        first = run.end().count;
        (!run.values.is_empty()).then_some(run)
    })
}
