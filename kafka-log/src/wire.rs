//! What clients ask, and what they are answered.
//!
//! Shapes: Maelstrom's [workload page][kafka]. Messages are passed on as the text
//! that came, so any JSON comes back unchanged.
//!
//! [kafka]: https://github.com/jepsen-io/maelstrom/blob/main/doc/workloads.md#workload-kafka

use std::collections::BTreeMap;

use maelstrom::Empty;
use serde_json::value::RawValue;

maelstrom::message_types! {
    /// `{"type":"send","key":"k1","msg":…}`: append a message to a key's log.
    "send": pub struct Send {
        /// Which log; any text names one.
        pub key: String,
        /// Any JSON.
        pub msg: Box<RawValue>,
    } -> #[derive(PartialEq, Eq)]
    pub struct Sent {
        /// Its place there.
        pub offset: u64,
    };
    /// `{"type":"poll","offsets":{"k1":3}}`: the messages from these offsets on.
    "poll": pub struct Poll {
        /// Where to begin, by key.
        pub offsets: BTreeMap<String, u64>,
    } -> pub struct Polled {
        /// The first of them; keys of which there are none are left out. Offset and
        /// message, by key: `BTreeMap<String, Vec<(u64, Box<RawValue>)>>`
        /// as the text that it is on the wire.
        pub msgs: Box<RawValue>,
    };
    /// `{"type":"commit_offsets","offsets":{"k1":3}}`: the messages up to and
    /// including these offsets have been processed.
    "commit_offsets": pub struct CommitOffsets {
        /// The offsets, by key.
        pub offsets: BTreeMap<String, u64>,
    } -> Empty;
    /// `{"type":"list_committed_offsets","keys":["k1"]}`: what has been processed?
    "list_committed_offsets": pub struct ListCommittedOffsets {
        /// The logs.
        pub keys: Vec<String>,
    } -> #[derive(PartialEq, Eq)]
    pub struct CommittedOffsets {
        /// The offsets, by key. Keys of which nothing was committed are left out.
        pub offsets: BTreeMap<String, u64>,
    };
}
