//! A store that carries out transactions one after the other, in memory, and may
//! be broken.

use std::collections::BTreeMap;
use std::sync::Mutex;

use maelstrom::{Context, Error, Node, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Chances;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It says that it aborted what it carried out.
    AbortsTooLate,
    /// A transaction does not see its own writes.
    IgnoresItself,
    /// It acknowledges writes that it does not make.
    ForgetsWrites,
    /// It reads what was there some transactions ago.
    ReadsThePast,
    /// It appends twice.
    AppendsTwice,
    /// It answers with half of the transaction.
    AnswersHalf,
}

/// `[f, key, value]`
pub(super) type MicroOp = (String, u64, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<MicroOp>,
}

impl Request for Txn {
    const TYPE: &'static str = "txn";
    type Reply = Txn;
}

pub(super) type State = BTreeMap<u64, Value>;

/// The node's state.
#[derive(Default)]
struct Memory {
    now: State,
    /// What it was some transactions ago.
    past: State,
}

pub(super) struct Store {
    fault: Fault,
    chances: Chances,
    memory: Mutex<Memory>,
}

/// Carries out a micro-operation as it should be.
pub(super) fn apply(state: &mut State, (f, key, value): MicroOp) -> MicroOp {
    match f.as_str() {
        "r" => {
            let found = state.get(&key).cloned().unwrap_or(Value::Null);
            return (f, key, found);
        }
        "w" => {
            state.insert(key, value.clone());
        }
        _ => {
            let list = state.entry(key).or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(value.clone());
        }
    }
    (f, key, value)
}

impl Store {
    fn odd(&self, fault: Fault) -> bool {
        self.fault == fault && self.chances.take()
    }

    fn carry_out(&self, Txn { txn }: Txn) -> Result<Txn, Error> {
        let mut memory = self.memory.lock().unwrap();
        let mut seen = self.snapshot(&memory);
        let mut done = Vec::new();
        for micro_op in txn {
            let forgotten = micro_op.0 != "r" && self.odd(Fault::ForgetsWrites);
            let mut forgetful = State::new();
            let state = if forgotten { &mut forgetful } else { &mut memory.now };
            if micro_op.0 == "append" && self.odd(Fault::AppendsTwice) {
                apply(state, micro_op.clone());
            }
            done.push(match &mut seen {
                Some(seen) if micro_op.0 == "r" => apply(seen, micro_op),
                _ => apply(state, micro_op),
            });
        }
        if self.chances.0.load(std::sync::atomic::Ordering::Relaxed) % 10 == 0 {
            memory.past = memory.now.clone();
        }
        if self.odd(Fault::AbortsTooLate) {
            return Err(Error::abort("no"));
        }
        if self.odd(Fault::AnswersHalf) {
            return Err(Error::abort("half"));
        }
        Ok(Txn { txn: done })
    }

    /// What reads see instead of the present.
    fn snapshot(&self, memory: &Memory) -> Option<State> {
        if self.odd(Fault::IgnoresItself) {
            return Some(memory.now.clone());
        }
        self.odd(Fault::ReadsThePast).then(|| memory.past.clone())
    }
}
