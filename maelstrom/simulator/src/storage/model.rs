//! What a log should have, and what it may have after a crash.

use std::fmt;

use maelstrom::journal::Index;

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

/// What a log was told.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// As it should be when it runs on.
    pub(super) now: Contents,
    /// All records before this one are safe.
    pub(super) safe: Index,
    /// What is under way.
    pub(super) pending: Option<Pending>,
}

#[derive(Clone)]
pub(super) enum Pending {
    Truncate(Index),
    Snapshot(Index, Vec<Vec<u8>>),
}

impl Model {
    pub(super) fn contents(&self) -> Contents {
        self.now.clone()
    }

    pub(super) fn append(&mut self, records: &[Vec<u8>]) {
        self.now.records.extend_from_slice(records);
        self.now.end += records.len() as u64;
    }

    /// What is under way has been done.
    pub(super) fn done(&mut self) {
        match self.pending.take() {
            Some(Pending::Truncate(end)) => {
                let kept = end - self.now.first();
                self.now.records.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
                (self.now.end, self.safe) = (end, end);
            }
            Some(Pending::Snapshot(at, pieces)) => {
                self.now = self.with_snapshot(at, &pieces);
                self.safe = self.safe.max(at);
            }
            None => {}
        }
    }

    fn with_snapshot(&self, at: Index, pieces: &[Vec<u8>]) -> Contents {
        let dropped = usize::try_from(at - self.now.first()).unwrap_or(usize::MAX);
        let records = self.now.records.iter().skip(dropped).cloned().collect();
        Contents { pieces: pieces.to_vec(), records, end: self.now.end.max(at) }
    }

    /// Whether this may be there after a crash: everything safe, and of the rest the
    /// first few records; what is under way done or not.
    pub(super) fn allows(&self, found: &Contents) -> bool {
        let is_before = is_prefix(found, &self.now, self.safe);
        match &self.pending {
            _ if is_before => true,
            None => false,
            Some(Pending::Truncate(end)) => is_prefix(found, &self.now, *end) && found.end == *end,
            Some(Pending::Snapshot(at, pieces)) => {
                is_prefix(found, &self.with_snapshot(*at, pieces), self.safe.max(*at))
            }
        }
    }
}

/// Whether a log has what another has, but perhaps not the last records, from some index
/// on.
fn is_prefix(found: &Contents, whole: &Contents, from: Index) -> bool {
    found.pieces == whole.pieces
        && found.first() == whole.first()
        && (from..=whole.end).contains(&found.end)
        && whole.records.starts_with(&found.records)
}
