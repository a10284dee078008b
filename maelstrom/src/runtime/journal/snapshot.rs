//! Writing a snapshot beside the records.

use std::io;
use std::sync::Arc;

use super::Index;
use super::file::{Growing, Head};
use super::found::{END_OF_SNAPSHOT, Info};
use crate::disk::Disk;

/// A snapshot that is being written; the journal may be written to meanwhile. One that is
/// dropped leaves a file that is removed when the journal is opened again.
pub struct Snapshot {
    disk: Disk,
    head: Head,
    file: Growing,
    pieces: Index,
    /// What the journal's records took when it was begun.
    bytes_before: u64,
    claim: Arc<()>,
}

/// A snapshot that is whole and durable.
pub struct Written {
    pub(super) info: Info,
    pub(super) bytes_before: u64,
    /// While this lives, the journal begins no other one.
    pub(super) claim: Arc<()>,
}

impl Snapshot {
    pub(super) fn new(
        disk: Disk,
        head: Head,
        file: Growing,
        bytes_before: u64,
        claim: Arc<()>,
    ) -> Self {
        Self { disk, head, file, pieces: 0, bytes_before, claim }
    }

    /// Adds a piece. It is synced chunk by chunk: were it all left to the end, a record's
    /// sync at that time would have to wait for it.
    ///
    /// # Errors
    ///
    /// When the piece is too long for a record, and when the disk fails; then it has to be
    /// [abandoned](Self::abandon).
    pub fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        let is_chunk = self.file.push(self.pieces, self.pieces, piece)?;
        self.pieces += 1;
        if is_chunk { self.file.file.sync() } else { Ok(()) }
    }

    /// Makes it whole and durable.
    ///
    /// # Errors
    ///
    /// When the disk fails. The journal is as it was.
    pub fn finish(mut self) -> io::Result<Written> {
        let end = self.file.push(END_OF_SNAPSHOT, self.pieces, b"");
        if let Err(error) = end.and_then(|_| self.file.finish(&self.disk)) {
            self.abandon();
            return Err(error);
        }
        let name = self.head.name();
        let info = Info { name, bytes: self.file.bytes, head: self.head };
        Ok(Written { info, bytes_before: self.bytes_before, claim: self.claim })
    }

    /// Gives it up, and removes what there is of it.
    pub fn abandon(self) {
        self.file.abandon(&self.disk);
    }
}
