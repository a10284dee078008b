//! How long the check of lin-kv takes: ordinary loads on one key over sizes, which have
//! to grow with the number of operations; and hard ones.

#[path = "../tests/lin_kv_support/mod.rs"]
mod lin_kv_support;

use checkers::history::Op;
use checkers::{Checks, Names, Validity, Workload, workload_checker};

use lin_kv_support::{Register, USUAL};

#[expect(clippy::disallowed_methods, reason = "real seconds are what is measured")]
fn measure(history: &[Op]) -> (Validity, f64) {
    let start = std::time::Instant::now();
    let mut checker = workload_checker(&Checks::new(Workload::LinKv), Names::unknown());
    history.iter().for_each(|op| checker.observe(op));
    let valid = checker.finish().valid;
    (valid, start.elapsed().as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    for operations in [10_000, 100_000, 400_000] {
        for (values, named) in [(Some(5), "5 values"), (None, "values of their own")] {
            let history = Register { operations, values, ..USUAL }.record(1);
            let (valid, seconds) = measure(&history);
            let each = seconds * 1e6 / operations as f64;
            println!(
                "{operations:6} operations, 5 at a time, {named:19}: {seconds:.2} s, {each:.2} µs \
                 each, {valid:?}"
            );
        }
    }
    for (open, in_doubt) in [(20, 6), (40, 20), (80, 20)] {
        for (values, named) in [(Some(5), "5 values"), (None, "values of their own")] {
            let hard = Register { operations: 322, open, in_doubt, values, ..USUAL };
            let histories = [hard.record(1), hard.record_stale(1), hard.record_corrupted(1)];
            let [valid, stale, corrupted] = histories.map(|history| measure(&history));
            println!(
                "{open} at a time, {in_doubt:2} in doubt, {named:19}: {:?} {:.2} s, with a stale \
                 read {:?} {:.2} s, with another value in one read {:?} {:.2} s",
                valid.0, valid.1, stale.0, stale.1, corrupted.0, corrupted.1
            );
        }
    }
}
