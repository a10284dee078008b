//! Measures of one thing at growing sizes.

use std::time::{Duration, Instant};

use checkers::history::Op;
use checkers::{Checker, Outcome};

/// How many times longer a unit may take at the greatest size than at the least:
/// what caches and logarithms cost. From the least to the greatest are a factor of
/// 16, which a quadratic checker would show in full.
const MOST: f64 = 3.0;

/// Runs of each size, of which the fastest counts.
const RUNS: usize = 2;

/// One thing to measure.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What there are so many of.
    pub(crate) unit: &'static str,
    /// Sizes of histories, rising.
    pub(crate) sizes: [usize; 3],
    /// Checks a history of a size.
    pub(crate) run: fn(usize) -> Measured,
}

/// What checking one history took.
pub(crate) struct Measured {
    pub(crate) units: u64,
    pub(crate) spent: Duration,
}

/// Prints the times of all rows.
///
/// # Panics
///
/// When a unit takes more than [`MOST`] times longer at the greatest size than at
/// the least one.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
pub(crate) fn assert_linear(rows: &[Row]) {
    let mut worst = Vec::new();
    for row in rows {
        let nanos: Vec<f64> = row.sizes.iter().map(|&size| measure(row, size)).collect();
        let ratio = nanos[2] / nanos[0];
        println!("{}: {ratio:.2} times as long for each at the greatest size", row.name);
        if ratio > MOST {
            worst.push(row.name);
        }
    }
    assert!(worst.is_empty(), "not linear (more than {MOST} times): {}", worst.join(", "));
}

/// Nanoseconds for each unit.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn measure(row: &Row, size: usize) -> f64 {
    let runs = (0..RUNS).map(|_| (row.run)(size));
    let fastest = runs.min_by_key(|run| run.spent).expect("at least one run");
    let (units, seconds) = (fastest.units, fastest.spent.as_secs_f64());
    let nanos = seconds * 1e9 / units as f64;
    println!("{}: {units} {}: {seconds:.2} s, {nanos:.0} ns each", row.name, row.unit);
    nanos
}

/// A checker with a clock that runs only while it works.
pub(crate) struct Timed {
    checker: Box<dyn Checker>,
    spent: Duration,
}

impl Timed {
    pub(crate) fn new(checker: Box<dyn Checker>) -> Self {
        Self { checker, spent: Duration::ZERO }
    }

    pub(crate) fn observe(&mut self, op: &Op) {
        let before = Instant::now();
        self.checker.observe(op);
        self.spent += before.elapsed();
    }

    pub(crate) fn finish(self) -> (Outcome, Duration) {
        let before = Instant::now();
        let outcome = self.checker.finish();
        (outcome, self.spent + before.elapsed())
    }
}
