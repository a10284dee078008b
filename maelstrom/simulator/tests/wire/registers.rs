//! What a node of the `lin-kv` workload is asked, and answers.

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
