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
#[derive(Default)]
pub(super) struct Model {
    /// As it should be when it runs on.
    pub(super) now: Contents,
    /// All records before this one are safe.
    pub(super) safe: Index,
    /// The pieces of a snapshot that is under way.
    pub(super) pending: Option<Vec<Vec<u8>>>,
}

impl Model {
    pub(super) fn contents(&self) -> Contents {
        self.now.clone()
    }

    pub(super) fn append(&mut self, records: &[Vec<u8>]) {
        self.now.records.extend_from_slice(records);
        self.now.end += records.len() as u64;
    }

    /// The snapshot that was under way has been taken.
    pub(super) fn done(&mut self) {
        if let Some(pieces) = self.pending.take() {
            self.now = self.with_snapshot(pieces);
            self.safe = self.now.end;
        }
    }

    fn with_snapshot(&self, pieces: Vec<Vec<u8>>) -> Contents {
        Contents { pieces, records: Vec::new(), end: self.now.end }
    }

    /// Whether this may be there after a crash: everything safe, and of the rest the
    /// first few records; a snapshot that is under way taken or not.
    pub(super) fn allows(&self, found: &Contents) -> bool {
        let is_taken = |pieces: &Vec<_>| *found == self.with_snapshot(pieces.clone());
        is_prefix(found, &self.now, self.safe) || self.pending.as_ref().is_some_and(is_taken)
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
