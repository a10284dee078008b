//! The journal of a node of a cluster: what was written, and how much of it is safe.

use std::io;
use std::mem;
use std::time::Duration;

use maelstrom::machine::{Machine, Pieces, Time};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::agenda::Due;

/// For how long a disk is full.
const FULL: Duration = Duration::from_secs(3);
/// How many times as long as a record a snapshot takes.
const SNAPSHOT: u32 = 5;

/// What a node finds when it starts again: the pieces of its last snapshot, and the records
/// since then.
pub struct Kept<M: Machine> {
    /// See [`Outputs::snapshot`](maelstrom::machine::Outputs::snapshot).
    pub pieces: Vec<Vec<u8>>,
    /// In the order in which they were written.
    pub records: Vec<M::Record>,
}

pub(super) struct Journal<M: Machine> {
    /// All that was written, safe or not.
    pub(super) kept: Kept<M>,
    /// How many records the snapshot stands for. Records are counted from the first on.
    first: usize,
    safe: usize,
    /// When all that was written until now is safe.
    safe_at: Time,
    /// The pieces that will take the place of so many records.
    snapshot: Option<(usize, Vec<Vec<u8>>)>,
    is_dead: bool,
}

impl<M: Machine> Default for Journal<M> {
    fn default() -> Self {
        Self {
            kept: Kept { pieces: Vec::new(), records: Vec::new() },
            first: 0,
            safe: 0,
            safe_at: Time::ZERO,
            snapshot: None,
            is_dead: false,
        }
    }
}

/// What is wrong with the disk when a record is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteFault {
    None,
    Full,
    Broken,
}

impl WriteFault {
    /// Draws one: there is one with this chance.
    pub(super) fn draw(rng: &mut StdRng, chance: f64) -> Self {
        if chance <= 0.0 || !rng.random_bool(chance) {
            return Self::None;
        }
        if rng.random_bool(0.25) { Self::Broken } else { Self::Full }
    }
}

impl<M: Machine> Journal<M> {
    fn end(&self) -> usize {
        self.first + self.kept.records.len()
    }

    /// The safe ones of the records since the snapshot.
    pub(super) fn safe_records(&self) -> &[M::Record] {
        &self.kept.records[..self.safe - self.first]
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Takes a record. Returns what the machine will hear of it, and when.
    pub(super) fn write(
        &mut self,
        record: M::Record,
        now: Time,
        takes: Duration,
        fault: WriteFault,
    ) -> Vec<(Time, Due)> {
        if self.is_dead {
            return Vec::new();
        }
        self.kept.records.push(record);
        self.safe_at = self.safe_at.max(now + takes);
        match fault {
            WriteFault::None => vec![(self.safe_at, Due::Written(self.end()))],
            WriteFault::Full => {
                let stalled = (self.safe_at, Due::Stalled);
                self.safe_at += FULL;
                vec![stalled, (self.safe_at, Due::Written(self.end()))]
            }
            WriteFault::Broken => {
                self.is_dead = true;
                vec![(self.safe_at, Due::WriteFailed)]
            }
        }
    }

    /// The first so many records are safe; says how many more these are.
    pub(super) fn written(&mut self, records: usize) -> u64 {
        (records - mem::replace(&mut self.safe, records)) as u64
    }

    /// Takes a snapshot, unless one is under way. Returns when it will be durable, and which
    /// records it stands for.
    pub(super) fn begin_snapshot(
        &mut self,
        pieces: Pieces,
        now: Time,
        takes: Duration,
    ) -> Option<(Time, Due)> {
        if self.is_dead || self.snapshot.is_some() {
            return None;
        }
        self.snapshot = Some((self.end(), pieces.collect::<io::Result<_>>().ok()?));
        Some((self.safe_at.max(now) + SNAPSHOT * takes, Due::Compacted))
    }

    pub(super) fn compacted(&mut self) {
        if let Some((at, pieces)) = self.snapshot.take() {
            self.kept.records.drain(..at - self.first);
            (self.first, self.kept.pieces) = (at, pieces);
        }
    }

    /// Whether a snapshot is worthwhile: every so many records.
    pub(super) fn is_bloated(&self, snapshot_every: usize) -> bool {
        let is_long = (1..=self.kept.records.len()).contains(&snapshot_every);
        is_long && self.snapshot.is_none() && !self.is_dead
    }

    /// The node is killed. What is left are the records that were safe, and perhaps the
    /// first of the others.
    pub(super) fn kill(&mut self, rng: &mut StdRng) {
        let unsafe_records = self.end() - self.safe;
        if unsafe_records > 0 {
            let lost = rng.random_range(0..=unsafe_records);
            self.kept.records.truncate(self.kept.records.len() - lost);
        }
        (self.safe, self.safe_at, self.snapshot) = (self.end(), Time::ZERO, None);
        self.is_dead = false;
    }
}
