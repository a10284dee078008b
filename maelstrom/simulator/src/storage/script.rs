//! What is done to a log.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use maelstrom::journal::Log;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Script;
use super::model::Model;

#[derive(Debug)]
pub(super) enum Call {
    Append {
        records: Vec<Vec<u8>>,
        is_synced: bool,
    },
    /// Puts a snapshot in the place of all records.
    Snapshot(Vec<Vec<u8>>),
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
        // Of an empty log, too, with every other seed.
        let first = usize::from(seed % 2 == 0);
        let is_due = spacing > 0 && call % spacing == 0;
        if is_due && (first..first + snapshots).contains(&(call / spacing)) {
            return Call::Snapshot(draw_records(&mut rng, 6));
        }
        let records = draw_records(&mut rng, 4);
        Call::Append { records, is_synced: rng.random_range(0..4) > 0 }
    })
}

impl Call {
    /// Does it to a log, and tells the model what is under way and what was done.
    pub(super) fn perform(&self, log: &mut dyn Log, model: &Mutex<Model>) -> io::Result<()> {
        match self {
            Self::Append { records, is_synced } => {
                lock(model).append(records);
                log.append(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
                if *is_synced {
                    log.sync()?;
                    lock(model).safe = log.end();
                }
            }
            Self::Snapshot(pieces) => {
                lock(model).pending = Some(pieces.clone());
                log.snapshot(&mut pieces.iter().cloned())?;
                lock(model).done();
            }
        }
        Ok(())
    }
}

pub(super) fn lock(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}
