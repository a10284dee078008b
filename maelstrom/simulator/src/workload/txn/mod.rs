//! `txn-rw-register` and `txn-list-append`: transactions that read and write
//! registers, or read and append to lists.
//!
//! A transaction is a list of `[f, key, value]`; the reply is the same list with
//! the reads filled in. Whether it is indeed the same list is the checker's to
//! say: here it only has to be one.

mod accesses;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

pub(super) use accesses::{Access, Accesses};

use checkers::history::raw;

use super::reply::{self, Text};
use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload,
};
use crate::settings::Settings;

#[derive(Debug)]
pub(super) struct Txn {
    shape: Shape,
    max_length: usize,
    accesses: Accesses,
    /// How many keys clients have used.
    keys: Arc<AtomicU64>,
    /// Whether something is promised for the time after the faults.
    has_promise: bool,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    /// What a write is called.
    write: &'static str,
    /// Whether what is read is a list.
    lists: bool,
}

impl Txn {
    /// `txn-rw-register`
    pub(super) fn rw_register(settings: &Settings) -> Self {
        Self::new(Shape { write: "w", lists: false }, settings)
    }

    /// `txn-list-append`
    pub(super) fn list_append(settings: &Settings) -> Self {
        Self::new(Shape { write: "append", lists: true }, settings)
    }

    fn new(shape: Shape, settings: &Settings) -> Self {
        Self {
            shape,
            max_length: settings.max_txn_length.max(1),
            accesses: Accesses::of(settings),
            keys: Arc::default(),
            has_promise: settings.promise.is_some(),
        }
    }
}

impl Workload for Txn {
    /// Transactions of 1 to `max_txn_length` accesses, each length as likely.
    fn generator(&self) -> Box<dyn Generator> {
        let mut accesses = self.accesses.clone();
        let (write, longest, keys) = (self.shape.write, self.max_length, Arc::clone(&self.keys));
        Box::new(Mixed::new(move |rng| {
            let length = rng.random_range(1..=longest);
            let transaction = transaction(&mut accesses, length, write, rng);
            keys.store(accesses.used(), Ordering::Relaxed);
            Operation::new("txn", &transaction)
        }))
    }

    /// Reads of all keys by every client, which show whether replicas agree. The original
    /// has none, nor has a test in which nothing is promised for the time after the faults.
    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        let keys = 0..self.keys.load(Ordering::Relaxed);
        let reads: Vec<_> = keys.map(|key| ("r", self.accesses.key(key), ())).collect();
        let read = Operation::new("txn", &reads).marked_final();
        self.has_promise.then(|| Box::new(EachThread::once(read)) as _)
    }

    fn probe(&self) -> Operation {
        Operation::new("txn", &[("r", 0, ())])
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(TxnClient(self.shape))
    }

    fn reuses_clients(&self) -> bool {
        true
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &[] }
    }
}

/// What is done, to which key, and with which value.
type MicroOp = (&'static str, Box<RawValue>, Option<Box<RawValue>>);

fn transaction(
    accesses: &mut Accesses,
    length: usize,
    write: &'static str,
    rng: &mut StdRng,
) -> Vec<MicroOp> {
    let mut micro_op = || match accesses.draw(rng) {
        Access::Read { key } => ("r", accesses.key(key), None),
        Access::Write { key, value } => {
            (write, accesses.key(key), Some(accesses.value(key, value)))
        }
    };
    (0..length).map(|_| micro_op()).collect()
}

struct TxnClient(Shape);

impl Client for TxnClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        Step::Request(Request::new("txn").with("txn", &operation.value))
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        let [txn] = reply::fields(body, operation.f, ["txn"])?;
        let malformed = |problem| Malformed::new(operation.f, problem, body);
        let txn = self.0.check(txn).map_err(malformed)?;
        Ok(Step::Ok(Some(txn)))
    }
}

impl Shape {
    /// Accepts a list of micro-operations. As everywhere, `null` counts as an
    /// empty list.
    fn check(self, txn: &RawValue) -> Result<Box<RawValue>, String> {
        type MicroOp<'a> = (Text<'a>, &'a RawValue, &'a RawValue);
        let micro_ops: Option<Vec<MicroOp<'_>>> = reply::typed(txn, "txn")?;
        for (f, _, value) in micro_ops.iter().flatten() {
            match f.0.as_ref() {
                "r" if self.lists => {
                    reply::list(value).map_err(|problem| format!("`txn`: a read of {problem}"))?;
                }
                "r" => {}
                f if f == self.write => {}
                f => return Err(format!("`txn`: `{f}` is neither `r` nor `{}`", self.write)),
            }
        }
        Ok(if micro_ops.is_some() { txn.to_owned() } else { raw(&[(); 0]) })
    }
}

#[cfg(test)]
mod tests;
