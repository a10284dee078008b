//! Histories of one register, as hard to check as one likes.
//!
//! They are recorded from a register that is linearizable: every operation takes effect
//! at a random moment between its invocation and its completion, or never, if it stays
//! in doubt.

use checkers::history::{Op, OpType, raw};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::record::push;

/// How a history is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    /// How many operations.
    pub(crate) operations: usize,
    /// How many are open at a time, those in doubt included.
    pub(crate) open: usize,
    /// How many of them stay in doubt.
    pub(crate) in_doubt: usize,
    /// Values are below this; `None` if every write has one of its own.
    pub(crate) values: Option<u64>,
    /// Of 100 operations, so many read, and so many write; the others cas.
    pub(crate) reads: u32,
    /// See `reads`.
    pub(crate) writes: u32,
}

/// Operations as the workload has them: half reads, and a write for two cas.
pub(crate) const USUAL: Register =
    Register { operations: 300, open: 5, in_doubt: 0, values: Some(5), reads: 50, writes: 17 };

struct Call {
    process: u64,
    f: &'static str,
    argument: Value,
    /// What came of it, once it has taken effect.
    outcome: Option<(OpType, Value)>,
    is_in_doubt: bool,
}

struct Recording {
    rng: StdRng,
    settings: Register,
    current: Option<u64>,
    /// Values written so far, if each is written once.
    written: u64,
    open: Vec<Call>,
    free: Vec<u64>,
    next_process: u64,
    history: Vec<Op>,
}

impl Register {
    /// A history, linearizable.
    pub(crate) fn record(self, seed: u64) -> Vec<Op> {
        let mut recording = Recording {
            rng: StdRng::seed_from_u64(seed),
            settings: self,
            current: None,
            written: 0,
            open: Vec::new(),
            free: Vec::new(),
            next_process: 0,
            history: Vec::new(),
        };
        // Which invocations are going to stay in doubt: some of the first half, so that
        // they are open for long.
        let mut doubtful: Vec<usize> = (0..self.operations / 2).collect();
        doubtful.shuffle(&mut recording.rng);
        doubtful.truncate(self.in_doubt);
        for number in 0..self.operations {
            while recording.open.len() >= self.open {
                recording.go_on();
            }
            recording.invoke(doubtful.contains(&number));
        }
        while recording.open.iter().any(|call| !call.is_in_doubt) {
            recording.go_on();
        }
        recording.history
    }

    /// The same, and then, one after the other, two writes and a read of what the first
    /// wrote: not linearizable, whatever came before.
    pub(crate) fn record_stale(self, seed: u64) -> Vec<Op> {
        let mut history = self.record(seed);
        let (first, second) = (1_000_000, 1_000_001);
        for (f, value) in [("write", first), ("write", second), ("read", first)] {
            for kind in [OpType::Invoke, OpType::Ok] {
                push(&mut history, 0, kind, f, &json!([0, value]));
            }
        }
        history
    }

    /// The same with another value in one read; usually not linearizable.
    pub(crate) fn record_corrupted(self, seed: u64) -> Vec<Op> {
        let mut history = self.record(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let reads: Vec<usize> = (0..history.len())
            .filter(|&at| history[at].kind == OpType::Ok && history[at].f == "read")
            .collect();
        let values: Vec<u64> = reads.iter().map(|&at| value_read(&history[at])).collect();
        let at = *reads[reads.len() / 4..].choose(&mut rng).expect("reads");
        let other: Vec<u64> =
            values.into_iter().filter(|&value| value != value_read(&history[at])).collect();
        history[at].value = raw(&json!([0, other.choose(&mut rng).expect("another value")]));
        history
    }
}

fn value_read(op: &Op) -> u64 {
    op.decode::<(u64, u64)>().expect("a value").1
}

impl Recording {
    fn invoke(&mut self, is_in_doubt: bool) {
        let kind = self.rng.random_range(0..100);
        let Register { reads, writes, .. } = self.settings;
        let (f, argument) = match kind {
            _ if kind < reads && !is_in_doubt => ("read", Value::Null),
            _ if kind < reads + writes => ("write", json!(self.fresh())),
            _ => ("cas", json!([self.known(), self.fresh()])),
        };
        let process = self.free.pop().unwrap_or_else(|| {
            self.next_process += 1;
            self.next_process
        });
        self.log(process, OpType::Invoke, f, &argument);
        self.open.push(Call { process, f, argument, outcome: None, is_in_doubt });
    }

    fn fresh(&mut self) -> u64 {
        self.written += 1;
        let values = self.settings.values;
        values.map_or(self.written, |values| self.rng.random_range(0..values))
    }

    /// A value that the register may have by the time of a cas.
    fn known(&mut self) -> u64 {
        match self.settings.values {
            Some(values) => self.rng.random_range(0..values),
            None => self.current.unwrap_or(0),
        }
    }

    /// Lets a random open operation take effect, or return if it has.
    fn go_on(&mut self) {
        let at = self.rng.random_range(0..self.open.len());
        let call = &self.open[at];
        if call.outcome.is_none() {
            // Many of those in doubt never take effect.
            if !call.is_in_doubt || self.rng.random_ratio(1, 20) {
                self.take_effect(at);
            }
        } else if !call.is_in_doubt {
            let call = self.open.swap_remove(at);
            self.free.push(call.process);
            self.complete(call);
        }
    }

    fn take_effect(&mut self, at: usize) {
        let call = &mut self.open[at];
        let current = self.current;
        call.outcome = Some(match call.f {
            "read" => match current {
                Some(value) => (OpType::Ok, json!(value)),
                None => (OpType::Fail, json!("key-does-not-exist")),
            },
            "write" => {
                self.current = call.argument.as_u64();
                (OpType::Ok, call.argument.clone())
            }
            _ if current.is_none() => (OpType::Fail, json!("key-does-not-exist")),
            _ if current != call.argument[0].as_u64() => {
                (OpType::Fail, json!("precondition-failed"))
            }
            _ => {
                self.current = call.argument[1].as_u64();
                (OpType::Ok, call.argument.clone())
            }
        });
    }

    fn complete(&mut self, call: Call) {
        match call.outcome {
            Some((OpType::Fail, name)) => {
                let op = self.log(call.process, OpType::Fail, call.f, &call.argument);
                op.error = Some(raw(&json!([name, "no"])));
            }
            Some((kind, value)) => drop(self.log(call.process, kind, call.f, &value)),
            None => {}
        }
    }

    fn log(&mut self, process: u64, kind: OpType, f: &'static str, argument: &Value) -> &mut Op {
        push(&mut self.history, process, kind, f, &json!([0, argument]))
    }
}
