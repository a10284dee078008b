//! What nodes say to one another.
//!
//! All of it is one-way, may get lost, come twice, late, or in any order, and
//! may come from an incarnation of the sender's, or have been meant for an incarnation of the
//! receiver's, that is over.

use serde::Serialize;

use crate::database::Version;
use crate::journal::Batch;
use crate::vector::{Incarnation, MAX_TIME, Vector};

maelstrom::message_types! {
    /// Transactions, and what the sender has: the acknowledgement of others'.
    "replicate": pub struct Replicate {
        /// The sender's incarnation.
        pub incarnation: Incarnation,
        /// What it has: all of it in an answer to whoever has `seen` nothing, and where the
        /// receiver lacks what is kept as versions only. Else what is new since what the
        /// receiver is known to know.
        pub have: Vector,
        /// The number of this message among those of its sender.
        pub number: u64,
        /// The number of the last message that the sender has taken from the receiver.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub seen: Option<u64>,
        /// Transactions, of each incarnation without gaps.
        #[serde(default, skip_serializing_if = "Batch::is_empty")]
        pub commits: Batch,
        /// A number to be sent back: whose incarnation is it there, and what does it have?
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub ask: Option<u64>,
        /// The number that was asked with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub answer: Option<u64>,
        /// What the receiver lacks is kept as versions only: it should [`Fetch`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub pruned: bool,
    };
    /// Asks for pages of a snapshot.
    "fetch": pub struct Fetch {
        /// Which; `None` for one that the receiver should take now.
        pub snapshot: Option<u64>,
        /// What the sender has, which the snapshot need not repeat.
        pub have: Vector,
        /// Which pages.
        pub pages: Vec<u32>,
    };
    /// A page of a snapshot.
    "page": pub struct Page {
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
    };
}

maelstrom::messages! {
    /// Any of these.
    #[derive(Clone, Debug, Serialize)]
    #[serde(untagged)]
    pub enum Message {
        /// See [`Replicate`].
        Replicate,
        /// See [`Fetch`].
        Fetch,
        /// See [`Page`].
        Page,
    }
}

impl Page {
    /// Whether the versions are of transactions that the snapshot is of.
    pub(crate) fn is_well_formed(&self) -> bool {
        let covered =
            |Version(_, _, time, incarnation): &Version| *time <= self.upto.get(incarnation);
        self.upto.latest() <= MAX_TIME && self.versions.iter().all(covered)
    }
}
