//! How long the kafka checker takes for up to a million operations, and how much
//! memory.
//!
//! `cargo bench -p maelstrom-checkers --bench kafka_checker [-- OPERATIONS]`. Making the
//! history is not counted. Healthy histories are checked, and some in which messages
//! are polled before they are sent, so that cycles have to be searched for. Time has
//! to grow with the size: each operation of the largest history may take at most
//! [`MOST`] times as long as one of the smallest.

#![expect(clippy::disallowed_methods, reason = "real seconds are what is measured")]

#[path = "../tests/kafka_support/mod.rs"]
mod kafka_support;

use std::time::{Duration, Instant};

use checkers::history::{Op, OpType};
use checkers::{Checker, Validity, kafka};

use kafka_support::{Size, generate};

fn main() {
    let ops =
        std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let sizes = [ops / 16, ops / 4, ops];
    near_linear("healthy", sizes, |ops| measure("healthy", &size(ops), Validity::Valid, |_| true));
    near_linear("impossible", sizes, |ops| {
        let mut sends = 0;
        measure("impossible", &size(ops), Validity::Invalid, move |op| {
            // Without its invocation a send seems to begin where it ends.
            sends += u64::from(op.kind == OpType::Invoke && op.f == "send");
            op.kind != OpType::Invoke || op.f != "send" || sends > ops / 4
        })
    });
}

/// How much longer an operation may take in the largest history than in the
/// smallest, which the processor's cache holds.
const MOST: f64 = 3.0;

fn size(ops: u64) -> Size {
    Size { ops, keys: 8, clients: 10, batch: 256 }
}

/// Measures all sizes and compares the time for an operation of the last with that
/// of the first.
fn near_linear(name: &str, sizes: [u64; 3], mut measure: impl FnMut(u64) -> Duration) {
    let each = sizes.map(|ops| measure(ops).as_secs_f64() / ops as f64);
    let ratio = each[2] / each[0];
    assert!(ratio < MOST, "{name}: each operation takes {ratio:.1} times as long, {each:?} s");
}

/// Checks a history without the invocations that `keep` turns down.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn measure(
    name: &str,
    size: &Size,
    expected: Validity,
    mut keep: impl FnMut(&Op) -> bool,
) -> Duration {
    let mut checker =
        Timed { checker: kafka::checker(false), lines: 0, bytes: 0, spent: Duration::ZERO };
    generate(1, size, |op| {
        if keep(&op) {
            checker.observe(&op);
        }
    });
    let Timed { checker, lines, bytes, spent } = checker;
    let before = Instant::now();
    let outcome = checker.finish();
    let finish = before.elapsed();
    assert_eq!(outcome.valid, expected, "{:?}", outcome.findings.first());
    println!(
        "{name}: {lines} lines, {} MB of values: {:.2} s to observe, {:.2} s to finish; peak memory of the process: {}",
        bytes / 1_000_000,
        spent.as_secs_f64(),
        finish.as_secs_f64(),
        peak_memory()
    );
    spent + finish
}

struct Timed {
    checker: Box<dyn Checker>,
    lines: u64,
    bytes: usize,
    spent: Duration,
}

impl Timed {
    fn observe(&mut self, op: &Op) {
        self.lines += 1;
        self.bytes += op.value.get().len();
        let before = Instant::now();
        self.checker.observe(op);
        self.spent += before.elapsed();
    }
}

/// As Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
