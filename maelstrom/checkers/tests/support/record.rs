//! A history as it grows.

use checkers::history::{Op, OpType, Process, raw};
use serde_json::Value;

/// Adds an operation a millisecond after the one before.
pub(crate) fn push<'a>(
    history: &'a mut Vec<Op>,
    process: u64,
    kind: OpType,
    f: &'static str,
    value: &Value,
) -> &'a mut Op {
    let index = history.len() as u64;
    let op = Op::new(Process::Client(process), kind, f, raw(value));
    history.push(Op { index, time: index * 1_000_000, ..op });
    &mut history[index as usize]
}
