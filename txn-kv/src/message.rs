//! What nodes say to one another.
//!
//! All of it is one-way, may get lost, come twice, late, or in any order, and
//! may come from a life of the sender's, or have been meant for a life of the
//! receiver's, that is over.

use maelstrom::Message;
use serde::{Deserialize, Serialize};

use crate::database::Version;
use crate::journal::Batch;
use crate::vector::{MAX_TIME, Origin, Vector};

/// Transactions, and what the sender has: the acknowledgement of others'.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replicate {
    /// The sender's life.
    pub origin: Origin,
    /// What it has: all of it in an answer to whoever has `seen` nothing, and where the receiver lacks what is kept as
    /// versions only. Else what is new since what the receiver is known to know.
    pub have: Vector,
    /// The number of this message among those of its sender.
    pub number: u64,
    /// The number of the last message that the sender has taken from the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// Transactions, of each origin without gaps.
    #[serde(default, skip_serializing_if = "Batch::is_empty")]
    pub commits: Batch,
    /// A number to be sent back: whose life is it there, and what does it have?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<u64>,
    /// The number that was asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u64>,
    /// What the receiver lacks is kept as versions only: it should [`Fetch`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub pruned: bool,
}

impl Message for Replicate {
    const TYPE: &'static str = "replicate";
}

/// Asks for pages of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fetch {
    /// Which; `None` for one that the receiver should take now.
    pub snapshot: Option<u64>,
    /// What the sender has, which the snapshot need not repeat.
    pub have: Vector,
    /// Which pages.
    pub pages: Vec<u32>,
}

impl Message for Fetch {
    const TYPE: &'static str = "fetch";
}

/// A page of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Of which snapshot: a number that the sender drew.
    pub snapshot: u64,
    /// What one must have for the snapshot to be complete.
    pub base: Vector,
    /// What one has with it.
    pub upto: Vector,
    /// The sender's frontier then, see [`Database`](crate::database::Database).
    pub frontier: Vector,
    /// The page's number, from 0.
    pub page: u32,
    /// How many there are.
    pub pages: u32,
    /// Versions.
    pub versions: Vec<Version>,
}

impl Message for Page {
    const TYPE: &'static str = "page";
}

impl Page {
    /// Whether the versions are of transactions that the snapshot is of.
    pub(crate) fn is_well_formed(&self) -> bool {
        let covered = |Version(_, _, time, origin): &Version| *time <= self.upto.get(origin);
        self.upto.latest() <= MAX_TIME && self.versions.iter().all(covered)
    }
}

/// Any of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Any {
    /// See [`Replicate`].
    Replicate(Replicate),
    /// See [`Fetch`].
    Fetch(Fetch),
    /// See [`Page`].
    Page(Page),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
