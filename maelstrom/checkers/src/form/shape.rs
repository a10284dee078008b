//! The values of operations: what may be asked for, and what a completion has to repeat.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::Workload;
use crate::element::Element;
use crate::history::{Op, OpType};
use crate::kafka::decode::{assigned, micro_ops};

/// A key of lin-kv, and what is done with it.
type Access<T> = (IgnoredAny, T);

/// What the value of an invocation should be, if it is something else.
pub(super) fn mismatch(workload: Workload, op: &Op) -> Option<&'static str> {
    let (fits, expected) = match (workload, &*op.f) {
        (Workload::GCounter | Workload::PnCounter, "add") => {
            (Element::parse(op.value.get()).integer().is_some(), "an integer")
        }
        (Workload::LinKv, "cas") => {
            (is::<Access<(IgnoredAny, IgnoredAny)>>(op), "[key, [from, to]]")
        }
        (Workload::LinKv, _) => (is::<Access<IgnoredAny>>(op), "[key, value]"),
        (Workload::TxnListAppend, _) => (
            is_transaction(op, "append"),
            "a list of [\"r\", key, null] and [\"append\", key, value]",
        ),
        (Workload::TxnRwRegister, _) => {
            (is_transaction(op, "w"), "a list of [\"r\", key, null] and [\"w\", key, value]")
        }
        (Workload::Kafka, "assign") => (assigned(op).is_ok(), "a list of keys"),
        (Workload::Kafka, "send" | "poll" | "txn") => {
            (micro_ops(op).is_ok(), "a list of [\"send\", key, message] and [\"poll\"]")
        }
        _ => return None,
    };
    (!fits).then_some(expected)
}

fn is<'a, T: Deserialize<'a>>(op: &'a Op) -> bool {
    op.decode::<T>().is_ok()
}

fn is_transaction(op: &Op, write: &str) -> bool {
    let micro_ops = op.decode::<Vec<(String, IgnoredAny, IgnoredAny)>>();
    micro_ops.is_ok_and(|all| all.iter().all(|(f, ..)| f == "r" || f == write))
}

/// Whether a completion repeats what it has to of the value that was asked for.
pub(super) fn is_kept(workload: Workload, asked: &RawValue, op: &Op) -> bool {
    match (workload, &*op.f) {
        (_, "broadcast" | "add" | "write" | "cas" | "assign") => is_same(asked, &op.value),
        (Workload::LinKv, _) => {
            let key = |value| serde_json::from_str::<(&RawValue, IgnoredAny)>(value).ok();
            let keys = key(asked.get()).zip(key(op.value.get()));
            keys.is_some_and(|((asked, _), (key, _))| is_same(asked, key))
        }
        (Workload::Kafka, "send") => sent(asked).is_some_and(|(asked_key, asked)| {
            sent(&op.value).is_some_and(|(key, value)| {
                let acknowledged =
                    || Some(serde_json::from_str::<Acknowledged<'_>>(value.get()).ok()?.1);
                let message = if op.kind == OpType::Ok { acknowledged() } else { Some(value) };
                is_same(asked_key, key) && message.is_some_and(|message| is_same(asked, message))
            })
        }),
        _ => true,
    }
}

/// An offset and its message.
type Acknowledged<'a> = (IgnoredAny, &'a RawValue);

/// The key of a send, and what stands behind it.
fn sent(value: &RawValue) -> Option<(&RawValue, &RawValue)> {
    let [(_, key, rest)] = serde_json::from_str::<[(IgnoredAny, _, _); 1]>(value.get()).ok()?;
    Some((key, rest))
}

fn is_same(a: &RawValue, b: &RawValue) -> bool {
    a.get() == b.get() || Element::parse(a.get()) == Element::parse(b.get())
}
