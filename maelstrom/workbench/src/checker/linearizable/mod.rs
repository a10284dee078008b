//! Each key of lin-kv must behave like one register: every operation takes
//! effect at one moment between its invocation and its completion.
//!
//! The model is Knossos's `cas-register`: a register starts without a value, a
//! read of null agrees with anything, a refused operation says nothing and an
//! unanswered one may take effect at any time later, once, or never.
//!
//! - [`register`]: one key's operations, in line until their fate is known.
//! - [`search`]: whether they can be put into an order that explains them.

mod register;
mod search;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use self::register::{Ended, Register, decode};
use super::element::Element;
use super::witness::{Findings, Names, shorten};
use super::{Checker, Outcome, Validity};
use crate::history::{Op, OpType, Process};

/// Checks lin-kv.
pub struct Linearizable {
    names: Names,
    keys: BTreeMap<Element, Register>,
    /// The key that a process works on.
    open: FxHashMap<Process, Element>,
    malformed: Findings,
}

impl Linearizable {
    /// A new check.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            keys: BTreeMap::new(),
            open: FxHashMap::default(),
            malformed: Findings::new("malformed-operation"),
        }
    }

    fn invoke(&mut self, op: &Op) {
        let Some((key, request)) = decode(op) else {
            self.malformed.push(&[op.index], || {
                let value = shorten(op.value.get());
                format!("{} {value} (op {}) is no operation on a key.", op.f, op.index)
            });
            return;
        };
        self.keys.entry(key.clone()).or_default().invoke(op, request);
        self.open.insert(op.process, key);
    }

    fn complete(&mut self, op: &Op) {
        let register = self.open.remove(&op.process).and_then(|key| self.keys.get_mut(&key));
        if let Some(register) = register {
            register.complete(op);
            register.advance();
        }
    }

    fn judge(&self, key: &Element, register: &Register, findings: &mut Judgement) -> Validity {
        match &register.ended {
            None => Validity::Valid,
            Some(Ended::TooMany) => {
                findings.too_many.push(&[], || describe_too_many(key));
                Validity::Unknown
            }
            Some(Ended::Impossible(witness)) => {
                let ops = [witness.invoked.index, witness.completed.index];
                findings.impossible.push(&ops, || witness.describe(key, self.names));
                Validity::Invalid
            }
        }
    }
}

/// What all keys together come to.
struct Judgement {
    impossible: Findings,
    too_many: Findings,
}

impl Checker for Linearizable {
    fn observe(&mut self, op: &Op) {
        match op.kind {
            _ if !op.process.is_client() => {}
            OpType::Invoke => self.invoke(op),
            _ => self.complete(op),
        }
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        let mut judgement = Judgement {
            impossible: Findings::new("not-linearizable"),
            too_many: Findings::new("too-many-configurations"),
        };
        let (mut valid, mut failures, mut results) = (Validity::Valid, Vec::new(), Map::new());
        self.keys.values_mut().for_each(Register::end);
        for (key, register) in &self.keys {
            let verdict = self.judge(key, register, &mut judgement);
            valid = valid.max(verdict);
            if verdict == Validity::Invalid {
                failures.push(key.to_value());
            }
            results.insert(key.to_string(), register.results(verdict));
        }
        if !self.malformed.is_empty() {
            valid = valid.max(Validity::Unknown);
        }
        let mut findings = judgement.impossible.into_vec();
        findings.extend(judgement.too_many.into_vec());
        findings.extend(self.malformed.into_vec());
        let results = Map::from_iter([
            ("results".to_owned(), Value::Object(results)),
            ("failures".to_owned(), Value::Array(failures)),
        ]);
        Outcome { valid, results, findings, warnings: Vec::new() }
    }
}

fn describe_too_many(key: &Element) -> String {
    format!(
        "Key {key} has too many operations at a time, or in doubt, to try all their orders. A \
         lower --concurrency, or fewer timeouts, would help."
    )
}
