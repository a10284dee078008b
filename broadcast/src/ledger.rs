//! What was written, what of it is safe, and what waits for that.
//!
//! A write that failed may have come to the disk all the same. So nothing is written any
//! more then: a position of the own log that another value got would have two of them there.
//! Clients' broadcasts are refused. What is read and passed on needs no disk: others' values
//! are safe where they come from.

use std::collections::VecDeque;
use std::io;

use maelstrom::Error;
use maelstrom::machine::{Held, Output, Outputs};

use crate::machine::Broadcaster;
use crate::wire::Record;

#[derive(Default)]
pub(crate) struct Ledger {
    held: Held<Broadcaster>,
    /// Those that are not safe, in order.
    records: VecDeque<Record>,
    /// Why nothing can be written.
    trouble: Option<String>,
}

impl Ledger {
    /// Has a record written, if that is possible.
    pub(crate) fn write(&mut self, record: Record, out: &mut Outputs<Broadcaster>) {
        if self.trouble.is_none() {
            self.records.push_back(record.clone());
            self.held.write(record, out);
        }
    }

    /// Says something once all that was written is safe; at once where nothing can be
    /// written.
    pub(crate) fn say(&mut self, output: Output<Broadcaster>, out: &mut Outputs<Broadcaster>) {
        match self.trouble {
            Some(_) => out.push(output),
            None => self.held.say(output, out),
        }
    }

    /// So many more records are safe. Returns them.
    pub(crate) fn written(&mut self, records: u64, out: &mut Outputs<Broadcaster>) -> Vec<Record> {
        self.held.written(records, out);
        let records = usize::try_from(records).unwrap_or(usize::MAX).min(self.records.len());
        self.records.drain(..records).collect()
    }

    /// The records that are not safe may be there or not, and no others can be written.
    pub(crate) fn fail(&mut self, error: &io::Error, out: &mut Outputs<Broadcaster>) {
        let why = format!("the journal cannot be written: {error}");
        tracing::error!("{why}; this node takes no broadcasts any more, restart it");
        let text = format!("{why}; the value may be broadcast after a restart");
        self.held.fail(&Error::crash(text), out);
        self.records.clear();
        self.trouble = Some(why);
    }

    /// Why broadcasts are refused, if they are.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.trouble.as_ref().map(Error::unavailable)
    }
}
