//! What was written, what of it is safe, and what waits for that.
//!
//! When a write fails, nobody knows which of the records that were on their way are there.
//! They stay what they are, values at their positions, and are written once more: first the
//! first of them, now and then, to see whether it works again, and then the others. (A
//! position that another value got instead would have two of them on the disk.) Meanwhile
//! clients' broadcasts are refused. What is read and passed on needs no disk.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use maelstrom::Error;
use maelstrom::machine::{Held, Output, Outputs, Time};

use crate::machine::Broadcaster;
use crate::wire::Record;

/// How long it takes until a write that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Ledger {
    held: Held<Broadcaster>,
    /// Those that are not safe, in order.
    records: VecDeque<Record>,
    trouble: Option<Trouble>,
}

/// Nothing can be written.
struct Trouble {
    why: String,
    /// When to try again; none while it is tried.
    retry_at: Option<Time>,
}

impl Ledger {
    /// Has a record written, now or when that works again.
    pub(crate) fn write(&mut self, record: Record, out: &mut Outputs<Broadcaster>) {
        self.records.push_back(record.clone());
        if self.trouble.is_none() {
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
        let records = usize::try_from(records).unwrap_or(usize::MAX).min(self.records.len());
        let safe = self.records.drain(..records).collect();
        match self.trouble.take() {
            Some(_) => self.records.iter().for_each(|record| self.held.write(record.clone(), out)),
            None => self.held.written(records as u64, out),
        }
        safe
    }

    /// The records that are not safe may be there or not.
    pub(crate) fn fail(&mut self, now: Time, error: &io::Error, out: &mut Outputs<Broadcaster>) {
        let why = format!("the journal cannot be written: {error}");
        if self.trouble.is_none() {
            tracing::error!("{why}; no broadcasts are taken until it can");
        }
        let text = format!("{why}; the value may yet be broadcast");
        self.held.fail(&Error::crash(text), out);
        self.trouble = Some(Trouble { why, retry_at: Some(now + PAUSE) });
    }

    /// Tries again to write, if it is time.
    pub(crate) fn retry(&mut self, now: Time, out: &mut Outputs<Broadcaster>) {
        let Some(trouble) = &mut self.trouble else { return };
        if trouble.retry_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        match self.records.front() {
            Some(record) => out.write(record.clone()),
            None => self.trouble = None,
        }
    }

    /// Why broadcasts are refused, if they are.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.trouble.as_ref().map(|trouble| Error::unavailable(&trouble.why))
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.trouble.as_ref()?.retry_at
    }
}

#[cfg(test)]
mod tests {
    use maelstrom::machine::Client;

    use super::*;
    use crate::machine::Reply;
    use crate::wire::{LogId, Run};

    fn record(position: u64) -> Record {
        let value = serde_json::value::RawValue::from_string(position.to_string()).unwrap();
        let log = LogId { origin: 0, incarnation: 7 };
        Record(vec![Run { log, first: position, values: vec![value.into()] }])
    }

    fn answer(client: u64) -> Output<Broadcaster> {
        Output::Reply(Client(client), Ok(Reply::Done))
    }

    /// The positions of the records that are to be written, and who is answered that it is
    /// done or that it failed.
    fn said(out: &mut Outputs<Broadcaster>) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
        let (mut written, mut done, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for output in out.drain() {
            match output {
                Output::Write(Record(runs)) => written.extend(runs.iter().map(|run| run.first)),
                Output::Reply(Client(client), Ok(_)) => done.push(client),
                Output::Reply(Client(client), Err(_)) => failed.push(client),
                _ => panic!("a ledger sends nothing"),
            }
        }
        (written, done, failed)
    }

    #[test]
    fn what_failed_is_written_once_more_as_it_was_and_refused_meanwhile() {
        let (mut ledger, mut out) = (Ledger::default(), Outputs::default());
        for position in 0..3 {
            ledger.write(record(position), &mut out);
            ledger.say(answer(position), &mut out);
        }
        assert_eq!(said(&mut out), (vec![0, 1, 2], vec![], vec![]));
        assert_eq!(ledger.written(1, &mut out).len(), 1);
        assert_eq!(said(&mut out), (vec![], vec![0], vec![]));
        let full = || io::Error::other("full");
        ledger.fail(Time::ZERO, &full(), &mut out);
        assert_eq!(said(&mut out), (vec![], vec![], vec![1, 2]));
        assert!(ledger.refusal().is_some());
        // From another node; and a read, which does not wait.
        ledger.write(record(3), &mut out);
        ledger.say(answer(3), &mut out);
        assert_eq!(said(&mut out), (vec![], vec![3], vec![]));
        for now in [PAUSE, 2 * PAUSE] {
            assert_eq!(ledger.deadline(), Some(now));
            ledger.retry(now, &mut out);
            ledger.retry(now, &mut out);
            assert_eq!(said(&mut out), (vec![1], vec![], vec![]));
            if now == PAUSE {
                ledger.fail(now, &full(), &mut out);
            }
        }
        assert_eq!(ledger.written(1, &mut out).len(), 1);
        assert_eq!(said(&mut out), (vec![2, 3], vec![], vec![]));
        assert!(ledger.refusal().is_none());
        ledger.say(answer(4), &mut out);
        assert_eq!(said(&mut out), (vec![], vec![], vec![]));
        assert_eq!(ledger.written(2, &mut out).len(), 2);
        assert_eq!(said(&mut out), (vec![], vec![4], vec![]));
    }

    #[test]
    fn a_failure_of_nothing_is_forgotten() {
        let (mut ledger, mut out) = (Ledger::default(), Outputs::default());
        ledger.fail(Time::ZERO, &io::Error::other("full"), &mut out);
        ledger.retry(PAUSE, &mut out);
        assert!(ledger.refusal().is_none() && ledger.deadline().is_none());
    }
}
