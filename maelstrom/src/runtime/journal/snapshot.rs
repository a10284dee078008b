//! Writing a snapshot beside the records.

use std::io;
use std::sync::Arc;

use super::Index;
use super::file::{Growing, Head, remove};
use super::found::{END_OF_SNAPSHOT, Info};
use crate::disk::{Disk, Lock};

/// A snapshot that is being written; the journal may be written to meanwhile. One that is
/// dropped leaves a file that is removed when the journal is opened again, which it is not
/// before.
pub struct Snapshot {
    pub(super) disk: Disk,
    pub(super) head: Head,
    /// `None` once it has failed.
    pub(super) file: Option<Growing>,
    pub(super) pieces: Index,
    /// What the journal's records took when it was begun.
    pub(super) bytes_before: u64,
    pub(super) claim: Arc<Claim>,
}

/// A snapshot that is whole and durable.
pub struct Written {
    pub(super) info: Info,
    pub(super) bytes_before: u64,
    pub(super) claim: Arc<Claim>,
}

/// While this lives, its journal begins no other snapshot, and nobody else opens it.
pub(super) struct Claim {
    pub(super) _lock: Arc<Lock>,
}

/// Files that are not needed any more. Nobody opens the journal before this is dropped.
pub struct Garbage {
    pub(super) disk: Disk,
    pub(super) names: Vec<String>,
    pub(super) _lock: Arc<Lock>,
}

impl Snapshot {
    /// Adds a piece. It is synced chunk by chunk: were it all left to the end, a record's
    /// sync at that time would have to wait for it.
    ///
    /// # Errors
    ///
    /// When the piece is too long for a record, and when the disk fails. What was written is
    /// removed then, and nothing more can be added.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut file = self.file.take().ok_or_else(failed)?;
        let pushed = file.push(self.pieces, self.pieces, piece);
        let synced = pushed.and_then(|is_chunk| if is_chunk { file.file.sync() } else { Ok(()) });
        match synced {
            Ok(()) => (self.file, self.pieces) = (Some(file), self.pieces + 1),
            Err(_) => file.abandon(&self.disk),
        }
        synced
    }

    /// Makes it whole and durable.
    ///
    /// # Errors
    ///
    /// When a piece of it has failed, and when the disk fails. The journal is as it was.
    pub fn finish(self) -> io::Result<Written> {
        let mut file = self.file.ok_or_else(failed)?;
        let end = file.push(END_OF_SNAPSHOT, self.pieces, b"");
        if let Err(error) = end.and_then(|_| file.finish(&self.disk)) {
            file.abandon(&self.disk);
            return Err(error);
        }
        let info = Info { name: self.head.name(), bytes: file.bytes, head: self.head };
        Ok(Written { info, bytes_before: self.bytes_before, claim: self.claim })
    }

    /// Gives it up, and removes what there is of it.
    pub fn abandon(self) {
        if let Some(file) = self.file {
            file.abandon(&self.disk);
        }
    }
}

impl Garbage {
    /// Removes them. What cannot be removed is when the journal is opened the next time.
    pub fn remove(self) {
        self.names.iter().for_each(|name| remove(&self.disk, name));
    }
}

fn failed() -> io::Error {
    io::Error::other("a piece of the snapshot has failed")
}
