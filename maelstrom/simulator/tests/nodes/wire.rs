//! What nodes are asked and answer, in the workloads that several tests have nodes for.

/// `g-counter` and `pn-counter`.
pub(crate) mod counters {
    use maelstrom::Empty;

    maelstrom::message_types! {
        "add": pub(crate) struct Add { pub(crate) delta: i64 } -> Empty;
        "read": pub(crate) struct Sum {} -> pub(crate) struct SumOk { pub(crate) value: i64 };
    }
}

/// `lin-kv`.
pub(crate) mod registers {
    use maelstrom::Empty;

    maelstrom::message_types! {
        "read": pub(crate) struct Read { pub(crate) key: u64 }
            -> pub(crate) struct Found { pub(crate) value: u64 };
        "write": pub(crate) struct Write { pub(crate) key: u64, pub(crate) value: u64 } -> Empty;
        "cas": pub(crate) struct Cas {
            pub(crate) key: u64,
            pub(crate) from: u64,
            pub(crate) to: u64,
        } -> Empty;
    }
}

/// `broadcast`.
pub(crate) mod broadcast {
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
}
