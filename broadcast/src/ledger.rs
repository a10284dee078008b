//! What was written, what of it is safe, and what waits for that.
//!
//! While the disk takes nothing, because it is full for example, clients' broadcasts are
//! refused. What is read and passed on needs no disk: others' values are safe where they come
//! from. A record whose write failed for good may have come to the disk all the same. Nothing
//! is written after that: a position of the own log that another value got would have two of
//! them there.

use std::collections::VecDeque;
use std::io;

use maelstrom::Error;
use maelstrom::machine::{Held, Output, Outputs};

use crate::machine::Broadcaster;
use crate::wire::{Record, Run};

#[derive(Default)]
pub(crate) struct Ledger {
    held: Held<Broadcaster>,
    /// Those that are not safe, in order.
    records: VecDeque<Record>,
    trouble: Option<Trouble>,
}

/// Why nothing becomes safe.
struct Trouble {
    why: String,
    /// Whether that will last until the node is restarted.
    is_final: bool,
}

impl Ledger {
    /// Has a record written, if that is possible.
    pub(crate) fn write(&mut self, record: Record, out: &mut Outputs<Broadcaster>) {
        if !self.trouble.as_ref().is_some_and(|trouble| trouble.is_final) {
            self.records.push_back(record.clone());
            self.held.write(record, out);
        }
    }

    /// Says something once all that was written is safe; at once while nothing is.
    pub(crate) fn say(&mut self, output: Output<Broadcaster>, out: &mut Outputs<Broadcaster>) {
        match self.trouble {
            Some(_) => out.push(output),
            None => self.held.say(output, out),
        }
    }

    /// So many more records are safe. Returns them.
    pub(crate) fn written(&mut self, records: u64, out: &mut Outputs<Broadcaster>) -> Vec<Record> {
        self.trouble = None;
        self.held.written(records, out);
        let records = usize::try_from(records).unwrap_or(usize::MAX).min(self.records.len());
        self.records.drain(..records).collect()
    }

    /// All that was not safe yet, in runs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> + Send + use<> {
        let records: Vec<Record> = self.records.iter().cloned().collect();
        records.into_iter().flat_map(|Record(runs)| runs)
    }

    /// Nothing becomes safe for a while.
    pub(crate) fn stall(&mut self, error: &io::Error) {
        let why = format!("the journal cannot be written now: {error}");
        self.trouble = Some(Trouble { why, is_final: false });
    }

    /// The records that are not safe may be there or not, and no others can be written.
    pub(crate) fn fail(&mut self, error: &io::Error, out: &mut Outputs<Broadcaster>) {
        let why = format!("the journal cannot be written until this node is restarted: {error}");
        let text = format!("{why}; the value may be broadcast after a restart");
        self.held.fail(&Error::crash(text), out);
        self.records.clear();
        self.trouble = Some(Trouble { why, is_final: true });
    }

    /// Why broadcasts are refused, if they are.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.trouble.as_ref().map(|trouble| Error::unavailable(&trouble.why))
    }
}
