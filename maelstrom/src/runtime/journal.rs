//! A node's journal: numbered records on a [`Disk`] that survive what nodes go through.
//!
//! A [`Journal`] is a sequence of records, each some bytes with an [`Index`], and perhaps
//! a snapshot, which stands in the place of all records that were there when it was begun.
//! A journal is never cut off: what takes a record back is another record. It is opened
//! with what makes the node's state of them; after that it is written to. A [`Writer`]
//! does so off the event loop.
//!
//! ```
//! use maelstrom::disk::Disk;
//! use maelstrom::journal::{Entry, Journal, Log, Options};
//!
//! # let directory = std::env::temp_dir().join(format!("journal-doc-{}", std::process::id()));
//! let disk = Disk::in_directory(&directory);
//! let open = || {
//!     Journal::open(disk.clone(), Options::new("n0", 7), Vec::new, |words, entry| {
//!         match entry {
//!             Entry::Piece(bytes) | Entry::Record(_, bytes) => words.push(bytes.to_vec()),
//!         }
//!         Ok(())
//!     })
//! };
//! let (mut journal, _) = open()?;
//! journal.append(&[b"one", b"two"])?;
//! journal.sync()?; // Both survive a power failure from here on.
//! drop(journal);
//! assert_eq!(open()?.1, [b"one", b"two"]);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - What a policy of [`Sync`] promises is there after a restart, and a record is there as
//!   a whole or not at all. A record that was never reported may be there, too.
//! - One process at a time has the journal: the second one's [`Journal::open`] fails with
//!   a sentence. The operating system ends the lock with the process. A snapshot that is
//!   under way, and files that are being removed, hold the lock, too.
//! - Nothing that was damaged is taken for true: each file has a head, and each record
//!   checksums of its length and content. Nothing counts before everything was read.
//!   A journal that is corrupt stays as it is, and opening it says which file at which
//!   offset; see [`Options::discard_corrupt`]. What a snapshot stands for is not read any
//!   more, and may be damaged.
//! - Opening takes as much memory as the longest record and what the state takes. It
//!   writes no more than the records that may not be durable yet, at most one segment's: to
//!   a new segment, or over themselves where the disk is full. So a full disk does not keep
//!   a node from starting, unless writing over what is there takes room on it.
//! - A snapshot is written beside the records, to a file of its own that takes its name
//!   when it is whole and durable. Until then, and when it fails, all is as it was.
//! - Records stand in segments of about [`Options::segment_bytes`]. A snapshot begins
//!   another one, so that those it stands for are removed as files; nothing is copied.
//!
//! # A torn end, or damage
//!
//! A last record that is not whole is no damage if it can be what a crash left behind of a
//! write that was never reported: it is dropped. While the machine has not died, that is
//! the beginning of a record and nothing else. After its death it can be anything, if what
//! is behind it does not say that it was durable. The journal says so of each group after
//! its sync, in a mark that is not synced for its own sake: usually the system writes it
//! within a minute. So these things are taken for a torn end and are something else, all of
//! them only after the death of the machine:
//!
//! - damage to the group that was synced last, if its mark did not get to the disk;
//! - where not every group is synced, damage to one that was not.
//!
//! A node whose journal ends in such a way gets another [incarnation](Journal::incarnation),
//! unless only the end of a record is missing: of what was synced, that cannot be.
//!
//! Damage that only takes away the end of the last segment, or all of it as a file, cannot be
//! told from records that were never written.
//!
//! That the machine has died is known from the [start](Disk::boot) of its operating system.
//! Where that cannot be had, each process counts as if the machine had died before it.
//! A disk that is detached and attached again while that runs is not noticed: the node keeps
//! its incarnation although records that were not synced may be lost, and an end of which
//! some parts are missing is taken for damage.
//!
//! # When writing fails
//!
//! After a sync that failed, the system may have dropped what it could not write, and
//! another sync that succeeds proves nothing. So the journal [takes no more
//! records](Journal::is_dead) until it is opened again. Opening it writes all records that
//! are not known to be durable anew before anybody sees them.
//!
//! Any other error, such as that the disk is full, does not end a journal: what it left
//! behind is replaced by a new segment as soon as there is room.

mod file;
mod found;
mod frame;
mod inspect;
mod log;
mod open;
mod queue;
mod segments;
mod snapshot;
mod sync;
mod writer;

use std::fmt;
use std::io;

use serde::Serialize;

use crate::disk::Disk;
pub use frame::check_length;
pub use inspect::{Finding, inspect};
pub use log::{Log, Memory};
pub use queue::Event;
pub use segments::Journal;
pub use snapshot::{Garbage, Snapshot, Written};
pub use sync::{Sync, UnknownSync};
pub use writer::Writer;

/// Counts the records of a journal, from 0 on.
pub type Index = u64;

/// How long a record, or a piece of a snapshot, can be: 64 MiB.
pub const MAX_RECORD_BYTES: u32 = 64 << 20;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose it is: another node's is refused.
    pub owner: String,
    /// The incarnation of a node that has no former one to continue.
    pub fresh_incarnation: u64,
    /// What is promised of records that are reported as written.
    pub sync: Sync,
    /// Whether a corrupt journal is set aside, under names that begin with `corrupt-`, and
    /// an empty one begun in its place, with the fresh incarnation. Otherwise it is
    /// refused. What is left when that is interrupted is still corrupt.
    pub discard_corrupt: bool,
    /// Whether a loss is told each time that the journal is opened, with the fresh incarnation,
    /// until it is [accepted](Journal::accept_loss); for whoever has to write down first that
    /// it was told.
    pub remembers_loss: bool,
    /// When a segment has so many bytes, another one is begun.
    pub segment_bytes: u64,
    /// Files of something else that a journal does not stand beside, and for each a sentence
    /// that says why, and what to do.
    pub refuse: &'static [(&'static str, &'static str)],
}

impl Options {
    /// The journal of this node, synced with every group; a damaged one is refused.
    pub fn new(owner: impl Into<String>, fresh_incarnation: u64) -> Self {
        Self {
            owner: owner.into(),
            fresh_incarnation,
            sync: Sync::EveryGroup,
            discard_corrupt: false,
            remembers_loss: false,
            segment_bytes: 16 << 20,
            refuse: &[],
        }
    }
}

/// What a journal has, in order: pieces of the snapshot, then records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A piece of the snapshot, as it was [pushed](Snapshot::push).
    Piece(&'a [u8]),
    /// A record.
    Record(Index, &'a [u8]),
}

/// Something in a file that is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// Where, in bytes from its beginning.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{0}: a journal belongs to one process at a time")]
    Locked(String),
    /// It is another node's.
    #[error("the journal in {disk} is of {of}, not of {not}: is this the directory?")]
    Foreign {
        /// Where it is.
        disk: String,
        /// Its owner.
        of: String,
        /// Who wanted to open it.
        not: String,
    },
    /// Another version of this program wrote it.
    #[error("{file} is written in version {version} of the format; this program knows 1")]
    Version {
        /// Which file.
        file: String,
        /// What it says.
        version: String,
    },
    /// There is a file beside which a journal is [refused](Options::refuse).
    #[error("{file}: {why}")]
    Refused {
        /// Which file.
        file: String,
        /// What [`Options::refuse`] says.
        why: String,
    },
    /// It is not what was written. Nothing was changed.
    #[error(
        "the journal in {disk} is corrupt: {fault}. Nothing was changed. Restore the file, or \
         have the corrupt journal set aside and begin with an empty one (--discard-corrupt)"
    )]
    Corrupt {
        /// Where it is.
        disk: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The disk fails.
    #[error("cannot {doing}: {error}")]
    Io {
        /// What was done.
        doing: String,
        /// What came of it.
        error: io::Error,
    },
}

impl OpenError {
    fn corrupt(disk: &Disk, file: &str, offset: u64, what: impl Into<String>) -> Self {
        let fault = Fault { file: file.to_owned(), offset, what: what.into() };
        Self::Corrupt { disk: disk.to_string(), fault }
    }
}
