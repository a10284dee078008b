//! What is done to a log.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use maelstrom::journal::{Log, Sync};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::model::Model;
use super::{Recoverable, Script};

#[derive(Clone, Debug)]
pub(super) struct Append {
    records: Vec<Vec<u8>>,
    is_synced: bool,
    /// Whether they are reported before they are synced.
    is_reported: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    Append(Append),
    /// Puts a snapshot in the place of all records until now, and appends some while it is
    /// written.
    Snapshot {
        pieces: Vec<Vec<u8>>,
        amid: Vec<Append>,
    },
}

/// The calls of a script, in order.
pub(super) fn calls(script: &Script) -> Vec<Call> {
    let Script { calls, snapshots, seed, sync, .. } = *script;
    let mut draw = Draw { rng: StdRng::seed_from_u64(seed), count: 0, sync };
    let spacing = calls / (snapshots + 1);
    // Of an empty log, too, with every other seed.
    let first = usize::from(seed % 2 != 0);
    let is_snapshot = |call: usize| {
        let nth = call.checked_div(spacing).unwrap_or(usize::MAX);
        call.is_multiple_of(spacing) && (first..first + snapshots).contains(&nth)
    };
    let call = |call| match is_snapshot(call) {
        true => {
            let pieces = draw.records(6);
            let amid = draw.rng.random_range(0..8);
            Call::Snapshot { pieces, amid: (0..amid).map(|_| draw.append()).collect() }
        }
        false => Call::Append(draw.append()),
    };
    (0..calls).map(call).collect()
}

struct Draw {
    rng: StdRng,
    count: u64,
    sync: Sync,
}

impl Draw {
    fn append(&mut self) -> Append {
        let draw = self.rng.random_range(0..8);
        let is_synced = match self.sync {
            Sync::EveryGroup => draw > 1,
            Sync::Interval(_) => draw > 5,
            Sync::Never => false,
        };
        let is_reported = self.sync != Sync::EveryGroup;
        Append { records: self.records(3), is_synced, is_reported }
    }

    /// Some, of which none is like another.
    fn records(&mut self, most: usize) -> Vec<Vec<u8>> {
        let number = self.rng.random_range(1..=most);
        (0..number).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> Vec<u8> {
        self.count += 1;
        let filler = "x".repeat(self.rng.random_range(0..10) * self.rng.random_range(0..2));
        format!("{}{filler}", self.count).into_bytes()
    }
}

impl Append {
    fn perform(&self, log: &mut dyn Log, model: &Mutex<Model>) -> io::Result<()> {
        lock(model).appending(&self.records);
        let records: Vec<&[u8]> = self.records.iter().map(Vec::as_slice).collect();
        if let Err(error) = log.append(&records) {
            lock(model).append_failed(log.end());
            return Err(error);
        }
        if self.is_reported {
            lock(model).reported();
        }
        if self.is_synced {
            log.sync()?;
            lock(model).synced();
        }
        Ok(())
    }
}

impl Call {
    /// Does it to a log, and tells the model what is under way and what was done. Returns
    /// the first error.
    pub(super) fn perform(
        &self,
        log: &mut dyn Recoverable,
        model: &Mutex<Model>,
    ) -> io::Result<()> {
        match self {
            Self::Append(append) => append.perform(log, model),
            Self::Snapshot { pieces, amid } => {
                lock(model).taking(pieces);
                let (mut amid, mut done) = (amid.iter(), Ok(()));
                let taken = log.snapshot_amid(&mut pieces.iter().cloned(), &mut |log| {
                    if let Some(append) = amid.next() {
                        let appended = append.perform(log, model);
                        done = std::mem::replace(&mut done, Ok(())).and(appended);
                    }
                });
                if taken.is_ok() {
                    lock(model).taken();
                }
                done.and(taken)
            }
        }
    }
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
