//! What a log should have, and what it may have after a crash.

use std::fmt;

use maelstrom::journal::{Index, Sync};

/// All that a log has.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) pieces: Vec<Vec<u8>>,
    /// The last ones before `end`.
    pub(super) records: Vec<Vec<u8>>,
    pub(super) end: Index,
}

impl Contents {
    fn first(&self) -> Index {
        self.end - self.records.len() as u64
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let pieces: Vec<String> = self.pieces.iter().map(text).collect();
        let records: Vec<String> = self.records.iter().map(text).collect();
        write!(f, "snapshot {pieces:?}, records from {} on: {records:?}", self.first())
    }
}

/// What has happened to a log before it is opened, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fate {
    /// Its process was killed.
    Killed,
    /// Its machine has died.
    Dead,
    /// Its files are not what was written there.
    Damaged,
}

/// What stands in the place of all records before some index.
#[derive(Clone, Default)]
struct Snapshot {
    at: Index,
    pieces: Vec<Vec<u8>>,
}

/// What a log was told, and what became of it.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// The one that counts, and those of which it is not known whether they do.
    snapshots: Vec<Snapshot>,
    /// From where the first snapshot ends.
    records: Vec<Vec<u8>>,
    /// What may be there from some index on instead: of calls that failed.
    failed: Vec<(Index, Vec<Vec<u8>>)>,
    /// All records before these survive the end of the process, and of the machine.
    reported: Index,
    safe: Index,
    pub(super) incarnation: u64,
    /// Counts changes.
    pub(super) version: u64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { snapshots: vec![Snapshot::default()], ..Self::default() }
    }

    pub(super) fn end(&self) -> Index {
        self.snapshots[0].at + self.records.len() as u64
    }

    /// What there should be as long as the log runs on.
    pub(super) fn now(&self) -> Contents {
        let Snapshot { pieces, .. } = self.snapshots[0].clone();
        Contents { pieces, records: self.records.clone(), end: self.end() }
    }

    pub(super) fn appending(&mut self, records: &[Vec<u8>]) {
        self.version += 1;
        self.records.extend_from_slice(records);
    }

    /// The last call of [`appending`](Self::appending) has failed, and the log ends here.
    pub(super) fn append_failed(&mut self, end: Index) {
        self.version += 1;
        let kept = usize::try_from(end.saturating_sub(self.snapshots[0].at));
        let kept = kept.unwrap_or(usize::MAX).min(self.records.len());
        let failed = self.records.split_off(kept);
        self.failed.push((end, failed));
    }

    /// All that was appended survives the end of the process.
    pub(super) fn reported(&mut self) {
        self.version += 1;
        self.reported = self.end();
    }

    /// All that was appended survives the end of the machine.
    pub(super) fn synced(&mut self) {
        self.reported();
        self.safe = self.end();
    }

    /// A snapshot is under way.
    pub(super) fn taking(&mut self, pieces: &[Vec<u8>]) {
        self.version += 1;
        self.snapshots.push(Snapshot { at: self.end(), pieces: pieces.to_vec() });
    }

    /// The last one that was under way has been taken.
    pub(super) fn taken(&mut self) {
        self.version += 1;
        let snapshot = self.snapshots.pop().unwrap_or_default();
        self.records.drain(..self.place(snapshot.at));
        self.safe = self.safe.max(snapshot.at);
        self.reported = self.reported.max(snapshot.at);
        self.snapshots = vec![snapshot];
    }

    /// It was opened after all, and whoever did has seen this.
    pub(super) fn opened(&mut self, found: Contents, incarnation: u64, sync: Sync) {
        let Contents { pieces, records, end } = found;
        let at = end - records.len() as u64;
        let safe = if sync == Sync::Never { at } else { end };
        let snapshots = vec![Snapshot { at, pieces }];
        let version = self.version + 1;
        *self = Self {
            snapshots,
            records,
            failed: Vec::new(),
            reported: end,
            safe,
            incarnation,
            version,
        };
    }

    /// Whether this may be found: all that survives such a fate, and of the rest the first
    /// few records. If anything is missing that was reported, nobody may go on as if
    /// nothing had happened; if nothing can be, everybody has to.
    pub(super) fn check(
        &self,
        found: &Contents,
        incarnation: u64,
        fate: Fate,
    ) -> Result<(), String> {
        let floor = match fate {
            Fate::Killed => self.reported,
            Fate::Dead => self.safe,
            Fate::Damaged => 0,
        };
        let is_empty = fate == Fate::Damaged && *found == Contents::default();
        if !is_empty && !self.allows(found, floor) {
            let now = self.now();
            return Err(format!("found {found:?}; {floor} records of this are safe: {now:?}"));
        }
        // Before the first record, nobody has anything of it.
        let is_kept = self.reported == 0 || incarnation == self.incarnation;
        let is_lost = found.end < self.reported;
        match (is_lost, is_kept) {
            (true, true) => Err(format!(
                "found {found:?}: {} records were reported, and it goes on as if nothing had \
                 happened",
                self.reported
            )),
            (false, false) if fate == Fate::Killed => {
                Err("nothing is missing, and yet there is a new incarnation".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn allows(&self, found: &Contents, floor: Index) -> bool {
        let first = found.first();
        let is_known =
            |snapshot: &Snapshot| snapshot.at == first && snapshot.pieces == found.pieces;
        if found.end < floor || !self.snapshots.iter().any(is_known) {
            return false;
        }
        let records = &self.records[self.place(first)..];
        let instead = |(from, instead): &(Index, Vec<Vec<u8>>)| {
            let kept = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
            let is_possible = *from >= floor.max(first) && kept <= records.len();
            is_possible && starts_with(&[&records[..kept], instead], &found.records)
        };
        starts_with(&[records], &found.records) || self.failed.iter().any(instead)
    }

    fn place(&self, index: Index) -> usize {
        let place = usize::try_from(index.saturating_sub(self.snapshots[0].at));
        place.unwrap_or(usize::MAX).min(self.records.len())
    }
}

fn starts_with(whole: &[&[Vec<u8>]], records: &[Vec<u8>]) -> bool {
    let mut whole = whole.iter().copied().flatten();
    records.iter().all(|record| whole.next() == Some(record))
}
