//! The checkers over sizes: the time for each unit of a history must not grow with it.
//!
//! `cargo bench -p maelstrom-checkers [-- NAME]`, or `make bench-checkers`. Making the
//! histories is not counted. `NAME` chooses the rows that contain it. It lies here because
//! it makes its histories as the tests do.

#![allow(dead_code, reason = "the tests use the rest of the generators")]
#![expect(clippy::disallowed_methods, reason = "real seconds are what is measured")]
#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

mod database;
mod kafka;
mod record;
mod register;

use std::time::{Duration, Instant};

use checkers::history::{Op, OpType, Process};
use checkers::{Checker, Checks, Names, Validity, Workload};
use serde_json::value::RawValue;

use self::database::{Data, Isolation, Load};
use self::register::{Register, USUAL};

/// How many times longer a unit may take at the greatest size than at the least:
/// what caches and logarithms cost. From the least to the greatest are a factor of
/// 16, which a quadratic checker would show in full.
const MOST: f64 = 3.0;

/// Runs of each size, of which the fastest counts.
const RUNS: usize = 2;

/// What checking one history came to.
struct Measured {
    units: u64,
    valid: Validity,
    spent: Duration,
}

/// A name, whether the history is right, sizes of it, and a check of a history of a size.
type Row = (&'static str, bool, &'static [usize], fn(usize) -> Measured);

const MANY: &[usize] = &[12_500, 50_000, 200_000];

const ROWS: [Row; 14] = [
    ("kafka, right", true, &[62_500, 250_000, 1_000_000], |n| kafka(n, false)),
    // Messages are polled before they are sent, so that cycles have to be searched for.
    ("kafka, impossible", false, &[62_500, 250_000, 1_000_000], |n| kafka(n, true)),
    ("lin-kv, 5 values", true, &[25_000, 100_000, 400_000], |n| register(n, Some(5))),
    ("lin-kv, values of their own", true, &[25_000, 100_000, 400_000], |n| register(n, None)),
    ("txn registers, right", true, MANY, |n| txn(Data::Registers, RIGHT, n)),
    ("txn registers, stale", false, MANY, |n| txn(Data::Registers, Isolation::StaleReads, n)),
    ("txn registers, torn", false, MANY, |n| txn(Data::Registers, Isolation::ReadCommitted, n)),
    ("txn lists, right", true, MANY, |n| txn(Data::Lists, RIGHT, n)),
    ("txn lists, stale", false, MANY, |n| txn(Data::Lists, Isolation::StaleReads, n)),
    ("txn lists, torn", false, MANY, |n| txn(Data::Lists, Isolation::ReadCommitted, n)),
    ("txn one register", true, MANY, |n| one_key(Data::Registers, n)),
    ("txn one list, elements read", true, &[1_250, 5_000, 20_000], |n| one_key(Data::Lists, n)),
    ("lin-kv, 20 at a time, 6 in doubt", true, &[322], |n| hard(n, 20, 6)),
    ("lin-kv, 40 at a time, 20 in doubt", true, &[322], |n| hard(n, 40, 20)),
];

const RIGHT: Isolation = Isolation::StrictSerializable;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let mut worst = Vec::new();
    for row in ROWS.iter().filter(|row| is_wanted(row.0)) {
        let (name, _, sizes, _) = row;
        let nanos: Vec<f64> = sizes.iter().map(|&size| measure(row, size)).collect();
        let ratio = nanos[nanos.len() - 1] / nanos[0];
        if sizes.len() > 1 {
            println!("{name}: {ratio:.2} times as long for each at the greatest size");
        }
        if ratio > MOST {
            worst.push(*name);
        }
    }
    println!("peak memory of the process: {}", peak_memory());
    assert!(worst.is_empty(), "not linear (more than {MOST} times): {}", worst.join(", "));
}

/// Nanoseconds for each unit.
fn measure(&(name, is_right, _, run): &Row, size: usize) -> f64 {
    let runs = (0..RUNS).map(|_| run(size));
    let Measured { units, valid, spent } = runs.min_by_key(|run| run.spent).expect("a run");
    assert_eq!(valid, Validity::of(is_right), "{name}");
    let nanos = spent.as_secs_f64() * 1e9 / units as f64;
    println!("{name}: {units}: {:.2} s, {nanos:.0} ns each", spent.as_secs_f64());
    nanos
}

/// Checks what `history` hands on, with a clock that runs only meanwhile.
fn timed(
    units: usize,
    mut checker: Box<dyn Checker>,
    history: impl FnOnce(&mut dyn FnMut(&Op)),
) -> Measured {
    let mut spent = Duration::ZERO;
    history(&mut |op| {
        let before = Instant::now();
        checker.observe(op);
        spent += before.elapsed();
    });
    let before = Instant::now();
    let valid = checker.finish().valid;
    Measured { units: units as u64, valid, spent: spent + before.elapsed() }
}

fn kafka(ops: usize, is_impossible: bool) -> Measured {
    let size = kafka::Size { ops: ops as u64, keys: 8, clients: 10, batch: 256 };
    timed(ops, Checks::new(Workload::Kafka).checker(Names::unknown()), |observe| {
        let mut sends = 0;
        kafka::generate(1, &size, |op| {
            let begins_send = op.kind == OpType::Invoke && op.f == "send";
            sends += usize::from(begins_send);
            // Without its invocation a send seems to begin where it ends.
            if !(is_impossible && begins_send && sends <= ops / 4) {
                observe(&op);
            }
        });
    })
}

fn lin_kv(history: &[Op]) -> Measured {
    let checker = Checks::new(Workload::LinKv).checker(Names::unknown());
    timed(history.len() / 2, checker, |observe| history.iter().for_each(observe))
}

fn register(operations: usize, values: Option<u64>) -> Measured {
    lin_kv(&Register { operations, values, ..USUAL }.record(1))
}

/// Histories that take a search, one of them not linearizable: all together.
fn hard(operations: usize, open: usize, in_doubt: usize) -> Measured {
    let hard = Register { operations, open, in_doubt, ..USUAL };
    let own = Register { values: None, ..hard };
    let (right, stale) = (lin_kv(&hard.record(1)), lin_kv(&hard.record_stale(1)));
    let (own, corrupted) = (lin_kv(&own.record(1)), lin_kv(&own.record_corrupted(1)));
    assert_eq!((stale.valid, corrupted.valid), (Validity::Invalid, Validity::Invalid));
    let spent = [&stale, &own, &corrupted].iter().map(|run| run.spent).sum::<Duration>();
    Measured { spent: right.spent + spent, ..right }
}

fn txn_checker(data: Data) -> Box<dyn Checker> {
    data.checks().checker(Names::unknown())
}

fn txn(data: Data, isolation: Isolation, transactions: usize) -> Measured {
    let (processes, keys, writes_per_key, seed) = (10, 10, 32, 1);
    let load = Load { isolation, data, transactions, processes, keys, writes_per_key, seed };
    let history = database::run(load);
    timed(transactions, txn_checker(data), |observe| history.iter().for_each(observe))
}

/// One key that is written and read back `n` times.
fn one_key(data: Data, n: usize) -> Measured {
    let units = if data == Data::Lists { n * (n + 1) / 2 } else { 2 * n };
    timed(units, txn_checker(data), |observe| {
        let (mut index, mut list) = (0, String::new());
        let mut transaction = |asked: &str, answer: String| {
            for (kind, text) in [(OpType::Invoke, asked.to_owned()), (OpType::Ok, answer)] {
                let value = RawValue::from_string(text).expect("JSON");
                let op = Op::new(Process::Client(index / 2 % 10), kind, "txn", value);
                observe(&Op { index, time: index * 1_000, ..op });
                index += 1;
            }
        };
        for i in 1..=n {
            list += &if i == 1 { i.to_string() } else { format!(",{i}") };
            let (write, read) = match data {
                Data::Registers => (format!(r#"[["w",1,{i}]]"#), format!(r#"[["r",1,{i}]]"#)),
                Data::Lists => (format!(r#"[["append",1,{i}]]"#), format!(r#"[["r",1,[{list}]]]"#)),
            };
            transaction(&write, write.clone());
            transaction(r#"[["r",1,null]]"#, read);
        }
    })
}

/// As Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
