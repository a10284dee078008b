//! What stands in the registers of a snapshot.
//!
//! A snapshot is what a restart begins with instead of the partitions' beginnings. Its
//! *head* says where to go on reading each partition, and names its *index*; the index
//! has a record for each key, which names the registers that hold the key's stable
//! messages. So a restart reads head and index, and messages only when somebody polls for
//! them.
//!
//! Index and messages stand in *parts*: registers of at most [`PART`] bytes (more only
//! for a single message that is larger), whose names no other incarnation uses. A part is
//! written once and may be named by any number of snapshots: each writes the messages
//! that have come since the last one, and names the parts of former snapshots for the
//! rest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How many bytes a part has.
pub(crate) const PART: usize = 256 * 1024;

/// The name of a part: the incarnation that wrote it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Part(pub(crate) u64, pub(crate) u64);

/// A part that has messages of a key: those up to this offset that no part before has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored(pub(crate) Part, pub(crate) u64);

/// What a snapshot begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// Who wrote it, so that no two attempts are equal.
    pub(crate) by: String,
    /// The partition of that node.
    pub(crate) writer: usize,
    /// By partition, the first segment that says something beyond the snapshot.
    pub(crate) from: Vec<u64>,
    /// By partition, the first segment that can say nothing that is in the snapshot.
    pub(crate) until: Vec<u64>,
    /// The parts that have the records.
    pub(crate) index: Vec<Part>,
    /// How many bytes they have.
    pub(crate) bytes: u64,
}

/// A key: its name, the offset committed, where its stable messages are, and the offset
/// below which they were dropped.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record<'a>(
    #[serde(borrow)] pub(crate) Cow<'a, str>,
    pub(crate) Option<u64>,
    pub(crate) Cow<'a, [Stored]>,
    pub(crate) u64,
);

/// A part of the index.
pub(crate) fn records(text: &str) -> serde_json::Result<Vec<Record<'_>>> {
    serde_json::from_str(text)
}

/// A part that has messages, by key.
pub(crate) type Messages<'a> = BTreeMap<Cow<'a, str>, Vec<(u64, &'a RawValue)>>;

/// Reads a part that has messages.
pub(crate) fn messages(text: &str) -> serde_json::Result<Messages<'_>> {
    serde_json::from_str(text)
}
