//! The operations of a history, each with its completion.

use checkers::history::{Op, OpType, Process};
use rustc_hash::FxHashMap;

/// An operation from its invocation to its completion.
pub(super) struct Operation {
    pub began: Op,
    pub ended: Option<Op>,
}

/// The operations of clients, by when they began.
pub(super) fn of(history: Vec<Op>) -> Vec<Operation> {
    let mut all: Vec<Operation> = Vec::new();
    let mut open: FxHashMap<Process, usize> = FxHashMap::default();
    for op in history.into_iter().filter(|op| op.process.is_client()) {
        if op.is_invocation() {
            open.insert(op.process, all.len());
            all.push(Operation { began: op, ended: None });
        } else if let Some(row) = open.remove(&op.process) {
            all[row].ended = Some(op);
        }
    }
    all
}

impl Operation {
    /// 0 if it succeeded, 1 if it failed, 2 if nobody knows.
    pub(super) fn outcome(&self) -> u32 {
        match self.ended.as_ref().map(|op| op.kind) {
            Some(OpType::Ok) => 0,
            Some(OpType::Fail) => 1,
            Some(OpType::Info | OpType::Invoke) | None => 2,
        }
    }
}

/// What came of an operation: its value, or why it has none.
pub(super) fn result(op: &Op) -> String {
    match &op.error {
        Some(error) => format!("{{\"error\":{error}}}"),
        None => op.value.get().to_owned(),
    }
}
