//! What the pictures show, gathered while the test runs: latencies over time,
//! operations over time, and when faults were in force.
//!
//! A latency is kept as the point of the picture that it falls on, so memory is
//! bounded by the picture's size and no outlier gets lost. How much time a column
//! stands for is guessed from the settings; if a test takes longer, columns are
//! merged by twos.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checkers::history::{Op, OpType, Process};
use rustc_hash::FxHashMap;

/// Columns of the picture.
pub(crate) const COLUMNS: u32 = 640;
/// Rows of the picture, from [`SHORTEST`] at 0 to [`LONGEST`] on a logarithmic
/// scale.
pub(crate) const ROWS: u32 = 240;
/// The shortest latency that is told apart, in seconds.
pub(crate) const SHORTEST: f64 = 1e-5;
pub(crate) const LONGEST: f64 = 10.0;

/// Points and counts for pictures.
#[derive(Debug)]
pub(crate) struct Chart {
    /// Nanoseconds a column.
    pub(super) width: u64,
    /// The time of the last operation, in nanoseconds.
    pub(super) end: u64,
    /// By function.
    pub(super) series: BTreeMap<String, Series>,
    pub(super) faults: Vec<Interval>,
    open: FxHashMap<Process, u64>,
}

/// The operations of one function.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// By outcome: ok, failed, in doubt.
    pub(super) outcomes: [Outcomes; 3],
}

#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// Column and row of each point.
    pub(super) points: BTreeSet<(u32, u32)>,
    /// Completions by column.
    pub(super) counts: BTreeMap<u32, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// What it was.
    pub name: String,
    /// When it began.
    pub start: u64,
    /// When it was over, if ever.
    pub end: Option<u64>,
}

impl Chart {
    /// A chart of a test that is expected to take so long.
    pub(crate) fn new(expected: Duration) -> Self {
        let expected = u64::try_from(expected.as_nanos()).unwrap_or(u64::MAX);
        Self {
            width: expected.div_ceil(COLUMNS.into()).max(1),
            end: 0,
            series: BTreeMap::new(),
            faults: Vec::new(),
            open: FxHashMap::default(),
        }
    }

    pub(crate) fn observe(&mut self, op: &Op) {
        self.end = self.end.max(op.time);
        while self.column(op.time) >= COLUMNS {
            self.merge_columns();
        }
        match op.process {
            Process::Nemesis => self.observe_fault(op),
            Process::Client(_) if op.is_invocation() => {
                self.open.insert(op.process, op.time);
            }
            Process::Client(_) => self.observe_completion(op),
        }
    }

    /// By function: how many operations succeeded, failed, stayed in doubt.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, [u32; 3])> {
        self.series.iter().map(|(f, series)| {
            let count = |outcome: &Outcomes| outcome.counts.values().sum();
            (f.as_str(), series.outcomes.each_ref().map(count))
        })
    }

    fn observe_completion(&mut self, op: &Op) {
        let Some(start) = self.open.remove(&op.process) else { return };
        let outcome = match op.kind {
            OpType::Ok => 0,
            OpType::Fail => 1,
            OpType::Info | OpType::Invoke => 2,
        };
        let point = (self.column(start), row(op.time.saturating_sub(start)));
        let column = self.column(op.time);
        let series = match self.series.get_mut(&*op.f) {
            Some(series) => series,
            None => self.series.entry(op.f.to_string()).or_default(),
        };
        let outcome = &mut series.outcomes[outcome];
        outcome.points.insert(point);
        *outcome.counts.entry(column).or_default() += 1;
    }

    /// Faults are called `start-…` and `stop-…`, but for two, as in the original. They stand
    /// twice in a history: when they are asked for and when they are in force.
    fn observe_fault(&mut self, op: &Op) {
        let (begins, ends) = match &*op.f {
            f @ ("kill" | "pause") => (Some(f), None),
            "start" => (None, Some("kill")),
            "resume" => (None, Some("pause")),
            f => (f.strip_prefix("start-"), f.strip_prefix("stop-")),
        };
        match begins {
            // Fewer nodes than one were to be hit, or cut off.
            Some(name) if hits_nobody(op) => {
                self.faults.retain(|fault| fault.name != name || fault.end.is_some());
            }
            Some(name) if self.open_fault(name).is_none() => {
                self.faults.push(Interval { name: name.to_owned(), start: op.time, end: None });
            }
            _ => {}
        }
        if let Some(fault) = ends.and_then(|name| self.open_fault(name)) {
            fault.end = Some(op.time);
        }
    }

    fn open_fault(&mut self, name: &str) -> Option<&mut Interval> {
        self.faults.iter_mut().find(|fault| fault.name == name && fault.end.is_none())
    }

    fn column(&self, time: u64) -> u32 {
        u32::try_from(time / self.width).unwrap_or(u32::MAX)
    }

    fn merge_columns(&mut self) {
        self.width = self.width.saturating_mul(2);
        for outcome in self.series.values_mut().flat_map(|series| &mut series.outcomes) {
            let points = std::mem::take(&mut outcome.points);
            outcome.points = points.into_iter().map(|(column, row)| (column / 2, row)).collect();
            for (column, count) in std::mem::take(&mut outcome.counts) {
                *outcome.counts.entry(column / 2).or_default() += count;
            }
        }
    }
}

/// Whether a fault that is in force hits no node and no link.
fn hits_nobody(op: &Op) -> bool {
    type Cut<'a> = (&'a str, BTreeMap<String, Vec<String>>);
    let cut = serde_json::from_str::<Cut<'_>>(op.value.get());
    op.value.get() == "[]" || cut.is_ok_and(|(_, from)| from.values().all(Vec::is_empty))
}

/// The row of a latency in nanoseconds.
fn row(nanos: u64) -> u32 {
    let seconds = (nanos as f64 / 1e9).clamp(SHORTEST, LONGEST);
    let part = (seconds / SHORTEST).log10() / (LONGEST / SHORTEST).log10();
    ((part * f64::from(ROWS)) as u32).min(ROWS - 1)
}

#[cfg(test)]
mod tests {
    use checkers::history::{null, raw};
    use serde_json::json;

    use super::*;

    fn op(time: u64, kind: OpType, process: Process, f: &'static str) -> Op {
        Op { time, ..Op::new(process, kind, f, null()) }
    }

    fn run(chart: &mut Chart, start: u64, end: u64, kind: OpType) {
        let process = Process::Client(0);
        chart.observe(&op(start, OpType::Invoke, process, "read"));
        chart.observe(&op(end, kind, process, "read"));
    }

    #[test]
    fn memory_is_bounded_by_the_picture_however_long_the_test_takes() {
        let mut chart = Chart::new(Duration::from_micros(1));
        for n in 0..100_000 {
            run(&mut chart, n * 1_000, n * 1_000 + n % 7, OpType::Ok);
        }
        let ok = &chart.series["read"].outcomes[0];
        assert!(ok.points.len() as u32 <= COLUMNS * ROWS);
        assert!(ok.points.iter().all(|&(column, row)| column < COLUMNS && row < ROWS));
        assert_eq!(ok.counts.values().sum::<u32>(), 100_000);
        assert!(ok.counts.len() as u32 > COLUMNS / 3);
    }

    #[test]
    fn latencies_are_on_a_logarithmic_scale_that_holds_everything() {
        assert_eq!(row(0), 0);
        assert_eq!(row(u64::MAX), ROWS - 1);
        assert_eq!(row(10_000_000), ROWS / 2);
    }

    #[test]
    fn a_fault_lasts_from_its_start_to_its_stop_by_whatever_name() {
        let named = [("kill", "start"), ("pause", "resume"), ("start-slow", "stop-slow")];
        for (begins, ends) in named {
            let mut chart = Chart::new(Duration::from_secs(1));
            for (time, f) in [(1, begins), (2, begins), (5, ends), (6, ends)] {
                chart.observe(&op(time, OpType::Info, Process::Nemesis, f));
            }
            let [fault] = &chart.faults[..] else { panic!("{:?}", chart.faults) };
            assert_eq!((fault.start, fault.end), (1, Some(5)), "{begins}");
            assert_eq!(fault.name, begins.replace("start-", ""));
        }
        let mut chart = Chart::new(Duration::from_secs(1));
        chart.observe(&op(1, OpType::Info, Process::Nemesis, "kill"));
        let nobody = Op { value: raw(&[(); 0]), ..op(1, OpType::Info, Process::Nemesis, "kill") };
        chart.observe(&nobody);
        assert!(chart.faults.is_empty());
        for (cut, count) in [(json!({"n0": [], "n1": []}), 0), (json!({"n0": ["n1"]}), 1)] {
            chart.observe(&op(1, OpType::Info, Process::Nemesis, "start-partition"));
            let value = raw(&("isolated", cut));
            let now = op(1, OpType::Info, Process::Nemesis, "start-partition");
            chart.observe(&Op { value, ..now });
            assert_eq!(chart.faults.len(), count);
        }
        chart.faults.clear();
        for (time, f) in [(1, "start-partition"), (2, "start-partition"), (5, "stop-partition")] {
            chart.observe(&op(time, OpType::Info, Process::Nemesis, f));
        }
        chart.observe(&op(9, OpType::Info, Process::Nemesis, "start-partition"));
        let faults = &chart.faults;
        assert_eq!((faults[0].start, faults[0].end), (1, Some(5)));
        assert_eq!((faults[1].start, faults[1].end), (9, None));
    }
}
