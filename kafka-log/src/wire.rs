//! What clients ask, and what they are answered.
//!
//! Shapes: Maelstrom's [workload page][kafka]. Messages are passed on as the text
//! that came, so any JSON comes back unchanged.
//!
//! [kafka]: https://github.com/jepsen-io/maelstrom/blob/main/doc/workloads.md#workload-kafka

use std::collections::BTreeMap;

use maelstrom::{Empty, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `{"type":"send","key":"k1","msg":…}`: append a message to a key's log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Send {
    /// The log.
    pub key: String,
    /// Any JSON.
    pub msg: Box<RawValue>,
}

/// `{"type":"send_ok","offset":4}`: the message is in the log.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its place there.
    pub offset: u64,
}

impl Request for Send {
    const TYPE: &'static str = "send";
    type Reply = Sent;
}

/// `{"type":"poll","offsets":{"k1":3}}`: the messages from these offsets on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Poll {
    /// Where to begin, by key.
    pub offsets: BTreeMap<String, u64>,
}

/// `{"type":"poll_ok","msgs":{"k1":[[3,…],[4,…]]}}`: the first of them. Keys of
/// which there are none are left out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Polled {
    /// Offset and message, by key: `BTreeMap<String, Vec<(u64, Box<RawValue>)>>`
    /// as the text that it is on the wire.
    pub msgs: Box<RawValue>,
}

impl Request for Poll {
    const TYPE: &'static str = "poll";
    type Reply = Polled;
}

/// `{"type":"commit_offsets","offsets":{"k1":3}}`: the messages up to and
/// including these offsets have been processed.
#[derive(Debug, Serialize, Deserialize)]
pub struct CommitOffsets {
    /// The offsets, by key.
    pub offsets: BTreeMap<String, u64>,
}

impl Request for CommitOffsets {
    const TYPE: &'static str = "commit_offsets";
    type Reply = Empty;
}

/// `{"type":"list_committed_offsets","keys":["k1"]}`: what has been processed?
#[derive(Debug, Serialize, Deserialize)]
pub struct ListCommittedOffsets {
    /// The logs.
    pub keys: Vec<String>,
}

/// `{"type":"list_committed_offsets_ok","offsets":{"k1":3}}`. Keys of which
/// nothing was committed are left out.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffsets {
    /// The offsets, by key.
    pub offsets: BTreeMap<String, u64>,
}

impl Request for ListCommittedOffsets {
    const TYPE: &'static str = "list_committed_offsets";
    type Reply = CommittedOffsets;
}
