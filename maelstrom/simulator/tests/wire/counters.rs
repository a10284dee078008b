//! What a node of the counter workloads is asked, and answers.

use maelstrom::Empty;

maelstrom::message_types! {
    "add": pub(crate) struct Add { pub(crate) delta: i64 } -> Empty;
    "read": pub(crate) struct Sum {} -> pub(crate) struct SumOk { pub(crate) value: i64 };
}
