//! What is done to a log.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use maelstrom::journal::{Index, Log};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Script;
use super::model::{Model, Pending};

#[derive(Debug)]
pub(super) enum Call {
    Append {
        records: Vec<Vec<u8>>,
        is_synced: bool,
    },
    /// Cuts off so many records, as far as they can be.
    Truncate {
        last: u64,
    },
    /// Puts a snapshot in the place of all but so many records.
    Snapshot {
        kept: u64,
        pieces: Vec<Vec<u8>>,
    },
    /// Puts one in the place of so many records that the log does not have.
    Jump {
        ahead: u64,
        pieces: Vec<Vec<u8>>,
    },
}

/// The calls of a script, one by one.
pub(super) fn calls(script: &Script) -> impl Iterator<Item = Call> {
    let mut rng = StdRng::seed_from_u64(script.seed);
    let Script { calls, snapshots, seed, .. } = *script;
    let mut count = 0;
    let mut draw_records = move |rng: &mut StdRng, most: usize| -> Vec<Vec<u8>> {
        let number = rng.random_range(1..=most);
        let mut record = || {
            count += 1;
            let filler = "x".repeat(rng.random_range(0..12) * rng.random_range(0..3));
            format!("{count}{filler}").into_bytes()
        };
        (0..number).map(|_| record()).collect()
    };
    (0..calls).map(move |call| {
        let spacing = calls / (snapshots + 1);
        let nth = if spacing > 0 && call % spacing == 0 { call / spacing } else { 0 };
        if (1..=snapshots).contains(&nth) {
            let pieces = draw_records(&mut rng, 6);
            return match seed % 4 == 1 && nth == snapshots {
                true => Call::Jump { ahead: rng.random_range(1..5), pieces },
                false => Call::Snapshot { kept: rng.random_range(0..6), pieces },
            };
        }
        match rng.random_range(0..20) {
            0 => Call::Truncate { last: rng.random_range(1..6) },
            _ => {
                let records = draw_records(&mut rng, 4);
                Call::Append { records, is_synced: rng.random_range(0..4) > 0 }
            }
        }
    })
}

impl Call {
    /// Does it to a log, and tells the model what is under way and what was done.
    pub(super) fn perform(&self, log: &mut dyn Log, model: &Mutex<Model>) -> io::Result<()> {
        let end = log.end();
        let at_most_all = |records: u64| {
            let first = end - lock(model).now.records.len() as u64;
            end.saturating_sub(records).max(first)
        };
        match self {
            Self::Append { records, is_synced } => {
                lock(model).append(records);
                log.append(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
                if *is_synced {
                    log.sync()?;
                    lock(model).safe = log.end();
                }
                return Ok(());
            }
            Self::Truncate { last } => {
                let to = at_most_all(*last);
                lock(model).pending = Some(Pending::Truncate(to));
                log.truncate(to)?;
            }
            Self::Snapshot { kept, pieces } => {
                take_snapshot(log, model, at_most_all(*kept), pieces)?;
            }
            Self::Jump { ahead, pieces } => take_snapshot(log, model, end + ahead, pieces)?,
        }
        lock(model).done();
        Ok(())
    }
}

fn take_snapshot(
    log: &mut dyn Log,
    model: &Mutex<Model>,
    at: Index,
    pieces: &[Vec<u8>],
) -> io::Result<()> {
    lock(model).pending = Some(Pending::Snapshot(at, pieces.to_vec()));
    log.snapshot(at, &mut pieces.iter().cloned())
}

pub(super) fn lock(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}
