//! Snapshots: beginning with the last one, and writing the next.
//!
//! *Safety.* What a snapshot says was stable at its writer, so it is what every replica
//! shows sooner or later; and it says all that stands below the segments that it sends its
//! readers to, for its writer took that [cut](crate::replica::Replica::cut) first, and the
//! messages after. The head is proposed when all parts stand in the service. So whoever
//! reads it can rely on them, and a writer that is killed leaves parts that nobody names.
//! Heads stand in registers 0, 1, 2, … and are written once, so of two writers one wins,
//! and it does not matter which. No segment is ever removed: readers that are half way
//! through old ones go on, and a snapshot that cannot be read is passed over for the one
//! before it, or for none.
//!
//! *Cost.* A snapshot is written after so many segments ([`Options::snapshot_every`]) or
//! bytes, but not before the log has grown by as much as the index has, so all indexes
//! together are no larger than the log. The node that wrote the last one writes the next.
//! The others look whether it did, each a quarter later than the one before it, and step
//! in if not. Parts are written two at a time, and a send never waits for one.
//!
//! - [`read`]: what a node begins with, and what polls wait for.
//! - [`write`]: the next one.

mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::snapshot::{Head, Part};

/// What this node knows and does of snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// Names the parts of this incarnation.
    incarnation: u64,
    count: u64,
    /// How many snapshots there are, as far as it is known.
    known: u64,
    /// The last of them, if it can be read.
    last: Option<Head>,
    /// What it says of parts is known here.
    is_adopted: bool,
    /// The snapshot whose head was read last, or is being.
    asked: u64,
    stage: Stage,
    /// What was applied since the last one.
    segments: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Stage {
    /// Looks for the last one; `high` is not there, `text` is that of the last found.
    Seeking {
        high: Option<u64>,
        text: Option<Arc<str>>,
    },
    /// Reads the head of an earlier one, as later ones could not be read.
    Earlier,
    /// Reads the index of snapshot `n` to begin with it.
    Restoring(u64, Index),
    Idle,
    /// Looks whether there is another one; `found` when there was.
    Looking {
        found: bool,
    },
    /// Reads the index of the last one before it writes the next.
    Adopting(Index),
    Writing(Writing),
    Proposing(Head, Arc<str>),
}

/// An index that is being read.
#[derive(Debug)]
struct Index {
    head: Head,
    unread: Vec<Part>,
    reading: BTreeSet<Part>,
    texts: Vec<Arc<str>>,
}

/// A snapshot that is being written.
#[derive(Debug)]
struct Writing {
    from: Vec<u64>,
    /// The key that comes next.
    key: usize,
    index: Vec<Part>,
    /// Of all parts of the index.
    bytes: u64,
    /// Records that are in no part yet.
    records: Vec<String>,
    waiting: BTreeMap<Part, Arc<str>>,
}

impl Snapshots {
    pub(in crate::log) fn new(incarnation: &str) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(incarnation.as_bytes());
        Self {
            incarnation: hasher.finish(),
            count: 0,
            known: 0,
            last: None,
            is_adopted: true,
            asked: 0,
            stage: Stage::Seeking { high: None, text: None },
            segments: 0,
            bytes: 0,
        }
    }

    /// Forgets everything but which names were used.
    pub(in crate::log) fn begin_again(&mut self) {
        *self = Self { incarnation: self.incarnation, count: self.count, ..Self::new("") };
    }

    /// A segment was applied.
    pub(in crate::log) fn grew(&mut self, bytes: usize) {
        self.segments += 1;
        self.bytes += bytes as u64;
    }

    /// Whether it is yet to be found out what to begin with.
    pub(in crate::log) fn is_beginning(&self) -> bool {
        matches!(self.stage, Stage::Seeking { .. } | Stage::Earlier | Stage::Restoring(..))
    }

    fn name(&mut self) -> Part {
        self.count += 1;
        Part(self.incarnation, self.count)
    }

    fn became(&mut self, head: Option<Head>, is_adopted: bool) {
        self.is_adopted = is_adopted;
        self.last = head;
        self.stage = Stage::Idle;
    }
}
