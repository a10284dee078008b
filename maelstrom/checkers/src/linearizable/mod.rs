//! Each key of lin-kv must behave like one register: every operation takes
//! effect at one moment between its invocation and its completion.
//!
//! A register starts without a value, and never loses one: the workload does not
//! delete. An unanswered operation may take effect at any time later, once, or never.
//! An operation that is refused for what the key is sees something, too: *key does not
//! exist* (20), that there is no value; *precondition failed* (22), that the value is
//! not what the cas takes it for (or that there is none: the protocol asks for 20 then,
//! but what 22 says holds). So does a read of null. Other refusals say nothing.
//!
//! The original, whose model is Knossos's `cas-register`, ignores every refusal and
//! agrees with every read of null; a compatible check does as well.
//!
//! - [`budget`]: what the search may cost.
//! - [`register`]: one key's operations, in line until their fate is known.
//! - [`search`]: whether they can be put into an order that explains them.

mod budget;
mod register;
mod search;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Map, json};

use self::budget::{Budget, Exhausted};
use self::register::{Ended, Register, decode};
use super::element::Element;
use super::witness::{self, Names};
use super::{Checker, Outcome, Validity, fields};
use crate::CheckBudget;
use crate::history::{Op, OpType, Process};

pub(crate) struct Linearizable {
    names: Names,
    keys: BTreeMap<Element, Register>,
    open: FxHashMap<Process, Element>,
    budget: Budget,
    sees_absence: bool,
}

impl Linearizable {
    /// A compatible check ignores what the original ignores.
    pub(crate) fn new(limits: CheckBudget, compatible: bool, names: Names) -> Self {
        Self {
            names,
            budget: Budget::new(limits),
            sees_absence: !compatible,
            keys: BTreeMap::new(),
            open: FxHashMap::default(),
        }
    }

    fn invoke(&mut self, op: &Op) {
        let Some((key, request)) = decode(op) else { return };
        let register = self.keys.entry(key.clone());
        register.or_insert_with(|| Register::new(self.sees_absence)).invoke(op, request);
        self.open.insert(op.process, key);
    }

    fn complete(&mut self, op: &Op) {
        let register = self.open.remove(&op.process).and_then(|key| self.keys.get_mut(&key));
        if let Some(register) = register {
            register.complete(op);
            register.advance(&mut self.budget);
        }
    }
}

/// What all keys together come to.
#[derive(Default)]
struct Findings {
    impossible: witness::Findings,
    too_many_open: witness::Findings,
    exhausted: witness::Findings,
}

impl Findings {
    fn of_key(&mut self, key: &Element, register: &Register, names: Names) -> Validity {
        match &register.ended {
            None => return Validity::Valid,
            Some(Ended::TooManyOpen) => {
                self.too_many_open.push(&[], || describe_too_many_open(key));
            }
            Some(Ended::Exhausted(what)) => {
                self.exhausted.push(&[], || describe_exhausted(key, *what));
            }
            Some(Ended::Impossible(witness)) => {
                let ops = [witness.invoked.index, witness.completed.index];
                let subject = || witness.subject(key);
                self.impossible.push_about(&ops, subject, || witness.describe(key, names));
                return Validity::Invalid;
            }
        }
        Validity::Unknown
    }
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
        let mut told = Findings::default();
        let (mut valid, mut failures, mut results) = (Validity::Valid, Vec::new(), Map::new());
        self.keys.values_mut().for_each(|register| register.end(&mut self.budget));
        for (key, register) in &self.keys {
            let verdict = told.of_key(key, register, self.names);
            valid = valid.max(verdict);
            if verdict == Validity::Invalid {
                failures.push(key.to_value());
            }
            results.insert(key.to_string(), register.results(verdict));
        }
        let told = [
            told.impossible.into_vec("not-linearizable"),
            told.too_many_open.into_vec("too-many-open"),
            told.exhausted.into_vec("check-gave-up"),
        ];
        let findings = told.concat();
        let results = fields(json!({ "results": results, "failures": failures }));
        Outcome { valid, results, findings, ..Outcome::default() }
    }
}

fn describe_too_many_open(key: &Element) -> String {
    format!(
        "Key {key} has more than 128 operations open at a time, which are not followed. A lower \
         --concurrency would help."
    )
}

fn describe_exhausted(key: &Element, what: Exhausted) -> String {
    let (limit, flag) = match what {
        Exhausted::Time(limit) => (format!("{} s", limit.as_secs_f64()), "--check-time-limit"),
        Exhausted::Memory(mib) => (format!("{mib} MiB"), "--check-memory"),
    };
    format!(
        "Key {key} has so many operations at a time, or in doubt, that {limit} do not suffice to \
         try their orders. A higher {flag} would help, or a lower --concurrency, or fewer \
         timeouts."
    )
}
