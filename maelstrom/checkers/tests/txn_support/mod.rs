//! Histories of transactions: written down by hand, or made by small databases
//! whose isolation is known.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod database;

use checkers::history::{Op, OpType, Process, raw};
use checkers::txn::{self, Model, Options};
use checkers::{Checker, Outcome};
use serde_json::{Value, json};

/// Builds a history, one operation after the other, a millisecond apart.
#[derive(Default)]
pub(crate) struct History {
    ops: Vec<Op>,
    /// What each process is about to have done.
    open: Vec<(u64, Value)>,
    is_final: bool,
}

impl History {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `process` asks for a transaction. `text` is what it will have been once it
    /// is done, as in `"r x 1, w y 2, r z -, append l 3, r l [1,2]"`.
    pub(crate) fn begin(mut self, process: u64, text: &str) -> Self {
        let done: Vec<Value> = text.split(", ").map(mop).collect();
        let asked: Vec<Value> = done.iter().map(as_asked).collect();
        self.push(OpType::Invoke, process, &asked.into());
        self.open.push((process, done.into()));
        self
    }

    pub(crate) fn ok(self, process: u64) -> Self {
        self.end(OpType::Ok, process)
    }

    pub(crate) fn fail(self, process: u64) -> Self {
        self.end(OpType::Fail, process)
    }

    pub(crate) fn info(self, process: u64) -> Self {
        self.end(OpType::Info, process)
    }

    /// A transaction that nothing else happens during.
    pub(crate) fn alone(self, process: u64, text: &str) -> Self {
        self.begin(process, text).ok(process)
    }

    /// Transactions by processes 0, 1, …, all of them at the same time.
    pub(crate) fn together(mut self, texts: &[&str]) -> Self {
        for (process, text) in texts.iter().enumerate() {
            self = self.begin(process as u64, text);
        }
        (0..texts.len()).fold(self, |history, process| history.ok(process as u64))
    }

    /// An operation of any value.
    pub(crate) fn raw(mut self, kind: OpType, process: u64, value: &Value) -> Self {
        self.push(kind, process, value);
        self
    }

    /// What follows is done after everything has come to rest.
    pub(crate) fn at_rest(mut self) -> Self {
        self.is_final = true;
        self
    }

    fn end(mut self, kind: OpType, process: u64) -> Self {
        let at = self.open.iter().position(|(p, _)| *p == process).expect("an open transaction");
        let (_, done) = self.open.remove(at);
        self.push(kind, process, &done);
        self
    }

    fn push(&mut self, kind: OpType, process: u64, value: &Value) {
        let index = self.ops.len() as u64;
        self.ops.push(Op {
            index,
            time: index * 1_000_000,
            is_final: self.is_final,
            ..Op::new(Process::Client(process), kind, "txn", raw(value))
        });
    }

    pub(crate) fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub(crate) fn registers(&self, models: &[Model], options: Options) -> Outcome {
        self.check(txn::rw_register(models, options))
    }

    pub(crate) fn lists(&self, models: &[Model], options: Options) -> Outcome {
        self.check(txn::list_append(models, options))
    }

    fn check(&self, mut checker: Box<dyn Checker>) -> Outcome {
        self.ops.iter().for_each(|op| checker.observe(op));
        checker.finish()
    }
}

/// `"r x -"` and the like; keys are strings.
fn mop(text: &str) -> Value {
    let mut words = text.splitn(3, ' ');
    let (function, key) = (words.next().unwrap(), words.next().unwrap());
    let value = match words.next().unwrap() {
        "-" => Value::Null,
        json => serde_json::from_str(json).unwrap(),
    };
    json!([function, key, value])
}

fn as_asked(mop: &Value) -> Value {
    if mop[0] == "r" { json!(["r", mop[1], null]) } else { mop.clone() }
}

/// The anomaly types reported, sorted.
pub(crate) fn types(outcome: &Outcome) -> Vec<String> {
    let types = outcome.results["anomaly-types"].as_array().unwrap();
    types.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}
