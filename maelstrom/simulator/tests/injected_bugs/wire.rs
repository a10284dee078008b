//! What a broadcast node is asked, and answers.

use std::collections::{BTreeMap, BTreeSet};

use maelstrom::Empty;

maelstrom::message_types! {
    "broadcast": pub(crate) struct Broadcast { pub(crate) message: u64 } -> Empty;
    "topology": pub(crate) struct Topology {
        pub(crate) topology: BTreeMap<String, BTreeSet<String>>,
    } -> Empty;
    "read": pub(crate) struct Read {}
        -> pub(crate) struct Messages { pub(crate) messages: BTreeSet<u64> };
}
