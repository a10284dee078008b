//! A store that carries out transactions one after the other, in memory, and may
//! be broken.

use std::collections::BTreeMap;
use std::sync::Mutex;

use maelstrom::{Context, Error, Node};
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
    /// It answers with something that is no transaction.
    TalksNonsense,
}

/// `[f, key, value]`
pub(super) type MicroOp = (String, u64, Value);

maelstrom::message_types! {
    "txn": struct Txn { txn: Vec<MicroOp> } -> Txn;
}

pub(super) type State = BTreeMap<u64, Value>;

/// The node's state.
pub(super) struct Store {
    fault: Fault,
    chances: Chances,
    /// The present is the last of them; only a store that reads the past keeps
    /// more than that.
    states: Mutex<Vec<State>>,
}

/// Carries out a micro-operation, as it should be.
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
    fn new(fault: Fault) -> Self {
        Self { fault, chances: Chances::default(), states: Mutex::new(vec![State::new()]) }
    }

    fn odd(&self, fault: Fault) -> bool {
        self.fault == fault && self.chances.take()
    }

    fn carry_out(&self, Txn { txn }: Txn) -> Result<Txn, Error> {
        let mut states = self.states.lock().unwrap();
        let mut seen = self.wrong_view(&states);
        let mut present = match self.fault {
            Fault::ReadsThePast => states.last().cloned(),
            _ => states.pop(),
        }
        .unwrap();
        let mut answer: Vec<MicroOp> = txn
            .into_iter()
            .map(|micro_op| match &mut seen {
                Some(seen) if micro_op.0 == "r" => apply(seen, micro_op),
                _ => self.apply_perhaps(&mut present, micro_op),
            })
            .collect();
        states.push(present);
        if self.odd(Fault::AbortsTooLate) {
            return Err(Error::abort("no"));
        }
        if self.odd(Fault::TalksNonsense) {
            answer[0].0 = "nonsense".to_owned();
        }
        Ok(Txn { txn: answer })
    }

    /// What reads see instead of the present, if they see anything else.
    fn wrong_view(&self, states: &[State]) -> Option<State> {
        let back = if self.odd(Fault::IgnoresItself) {
            0
        } else if self.odd(Fault::ReadsThePast) {
            10
        } else {
            return None;
        };
        Some(states[(states.len() - 1).saturating_sub(back)].clone())
    }

    fn apply_perhaps(&self, state: &mut State, micro_op: MicroOp) -> MicroOp {
        let writes = micro_op.0 != "r";
        if writes && self.odd(Fault::ForgetsWrites) {
            return micro_op;
        }
        if writes && self.odd(Fault::AppendsTwice) {
            apply(state, micro_op.clone());
        }
        apply(state, micro_op)
    }
}

/// A store.
pub(super) fn node(fault: Fault) -> Node<Store> {
    Node::new(move |_| Store::new(fault))
        .handle(async |context: Context<Store>, request: Txn| context.state().carry_out(request))
}
