//! The workload's parts, each by itself.

mod client;
mod final_polls;
mod generator;

use std::time::Duration;

use checkers::history::OpType;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::workload::{Completion, Context, FreeThreads, Generator, Operation};

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn value(operation: &Operation) -> Value {
    serde_json::from_str(operation.value.get()).unwrap()
}

fn assigned(operation: &Operation) -> Vec<String> {
    serde_json::from_str(operation.value.get()).unwrap()
}

fn at(now: Duration, free: &FreeThreads) -> Context<'_> {
    const PROCESSES: [u64; 2] = [0, 1];
    Context { now, free, processes: &PROCESSES }
}

/// Tells a generator that an operation of this name ended with this value.
fn ended(
    generator: &mut impl Generator,
    thread: usize,
    f: &'static str,
    kind: OpType,
    value: &str,
) {
    let value = json(value);
    generator.completed(thread, &Operation::bare(f), Completion { kind, value: &value });
}

fn ok(generator: &mut impl Generator, thread: usize, f: &'static str, value: &str) {
    ended(generator, thread, f, OpType::Ok, value);
}
