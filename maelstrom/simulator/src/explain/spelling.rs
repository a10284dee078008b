//! A value that came back as one of another type: `"1"` for `1`.

use checkers::history::{Op, OpType};
use checkers::{Finding, differs_in_type_alone};
use maelstrom::protocol::json::type_of;
use serde_json::Value;

use super::Draft;
use super::run::{Operation, Run, at, time};

/// Whether an operation of the finding read the value that it is about as one of another type.
pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let value = finding.subject.value.as_deref()?;
    finding.ops.iter().find_map(|op| of(run, value, &run.operation(*op)?))
}

/// Whether this operation did.
pub(super) fn of(run: &Run<'_>, value: &str, op: &Operation<'_>) -> Option<Draft> {
    let node = run.node(op.invoked.process)?;
    let read: Vec<String> = read(op).iter().map(Value::to_string).collect();
    let odd = read.iter().find(|read| differs_in_type_alone(value, read))?;
    if read.iter().any(|read| read == value) {
        return None;
    }
    let text = format!(
        "n{node} answered {odd} at {} (op {}), which is {}, where {value} was meant, which is {}: a value \
         has to come back as it was sent.",
        at(time(op.end())),
        op.end().index,
        type_of(odd),
        type_of(value),
    );
    Some(Draft::new(text).messages(run.requests(op.invoked.index)))
}

/// The values that an operation read: of a set or a register, or messages of logs.
fn read(op: &Operation<'_>) -> Vec<Value> {
    let value = |op: &Op| op.decode().unwrap_or_default();
    let is_of_key = matches!(value(op.invoked), Value::Array(_));
    match (op.end().kind, &*op.invoked.f, value(op.end())) {
        (OpType::Ok, "read", Value::Array(pair)) if is_of_key => pair.into_iter().skip(1).collect(),
        (OpType::Ok, "read", Value::Array(items)) => items,
        (OpType::Ok, "poll" | "txn", Value::Array(steps)) => {
            steps.iter().filter_map(|step| step.get(1)?.as_object()).flat_map(messages).collect()
        }
        _ => Vec::new(),
    }
}

/// The messages of `{key: [[offset, message], …]}`.
fn messages(polled: &serde_json::Map<String, Value>) -> impl Iterator<Item = Value> {
    let pairs = polled.values().filter_map(Value::as_array).flatten();
    pairs.filter_map(|pair| pair.get(1).cloned())
}
