//! What every history has in common: indices without gaps, times that do not run
//! backwards, processes that do one thing at a time, and that it is the workload's.
//!
//! What a client asks for, and that a completion is of what was asked for, is the
//! recorder's to get right; what is wrong with it is no finding. What nodes answer is
//! left to the checkers.

mod shape;

use std::borrow::Cow;
use std::io::{self, Read};

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use crate::Workload;
use crate::history::{self, Op, OpType, Process, ReadError};
use crate::witness::shorten;

/// Reads a history of a workload as [`history::read`] does, and looks at its form.
///
/// # Errors
///
/// When the input cannot be read at all. What is wrong with a line comes out of the
/// iterator in that line's place.
pub fn read<'a, R: Read + 'a>(
    input: R,
    workload: Workload,
) -> io::Result<impl Iterator<Item = Result<Op, FormError>> + use<'a, R>> {
    let (mut ops, mut form) = (history::read(input)?, Form::new(workload));
    Ok(std::iter::from_fn(move || {
        let op = match ops.next()? {
            Ok(op) => op,
            Err(error) => return Some(Err(error.into())),
        };
        let line = ops.line();
        Some(match form.observe(&op) {
            Ok(()) => Ok(op),
            Err(problem) => Err(FormError::Misfit { line, problem }),
        })
    }))
}

/// Why a history is none of a workload.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An operation does not fit those before it, or the workload.
    #[error("line {line} of the history: {problem}")]
    Misfit {
        /// Counting from 1.
        line: u64,
        /// What is wrong with it.
        problem: Misfit,
    },
}

/// Why an operation does not fit.
#[expect(missing_docs, reason = "the messages say what the fields are")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("its index is {found} instead of {expected}; indices count from 0 without gaps")]
    Index { expected: u64, found: u64 },
    #[error("its time is {time} ns, before that of the operation before it, {previous} ns")]
    Time { time: u64, previous: u64 },
    #[error(
        "it is `{f}`, which the workload {} does not have (it has {}): is this the history of \
         another workload?",
        .workload.name(), .workload.functions().join(", ")
    )]
    Function { f: String, workload: Workload },
    #[error("{process} begins `{f}` while its `{open}` of operation {since} is open")]
    Busy { process: Process, f: String, open: String, since: u64 },
    #[error("{process} completes `{f}`, but has nothing open")]
    Idle { process: Process, f: String },
    #[error("{process} completes `{f}`, but what it has open is the `{open}` of operation {since}")]
    Other { process: Process, f: String, open: String, since: u64 },
    #[error("the value of `{f}` is {found} instead of {expected}")]
    Value { f: String, found: String, expected: &'static str },
    #[error("{process} completes `{f}` with {found}, but operation {since} asked for {asked}")]
    Changed { process: Process, f: String, found: String, asked: String, since: u64 },
}

/// Watches a history's form.
#[derive(Debug)]
struct Form {
    workload: Workload,
    next: u64,
    time: u64,
    open: FxHashMap<Process, Open>,
}

#[derive(Debug)]
struct Open {
    index: u64,
    f: Cow<'static, str>,
    value: Box<RawValue>,
}

impl Form {
    /// Of a workload's history.
    fn new(workload: Workload) -> Self {
        Self { workload, next: 0, time: 0, open: FxHashMap::default() }
    }

    /// Takes the next operation, which has to fit those before it.
    fn observe(&mut self, op: &Op) -> Result<(), Misfit> {
        if op.index != self.next {
            return Err(Misfit::Index { expected: self.next, found: op.index });
        }
        if op.time < self.time {
            return Err(Misfit::Time { time: op.time, previous: self.time });
        }
        self.next += 1;
        self.time = op.time;
        match op.kind {
            _ if !op.process.is_client() => Ok(()),
            _ if !self.workload.functions().contains(&&*op.f) => {
                Err(Misfit::Function { f: op.f.to_string(), workload: self.workload })
            }
            OpType::Invoke => self.invoke(op),
            _ => self.complete(op),
        }
    }

    fn invoke(&mut self, op: &Op) -> Result<(), Misfit> {
        let (process, f) = (op.process, op.f.to_string());
        if let Some(expected) = shape::mismatch(self.workload, op) {
            return Err(Misfit::Value { f, found: shorten(op.value.get()), expected });
        }
        let open = Open { index: op.index, f: op.f.clone(), value: op.value.clone() };
        match self.open.insert(process, open) {
            None => Ok(()),
            Some(Open { index: since, f: open, .. }) => {
                Err(Misfit::Busy { process, f, open: open.into(), since })
            }
        }
    }

    fn complete(&mut self, op: &Op) -> Result<(), Misfit> {
        let (process, f) = (op.process, op.f.to_string());
        let Some(Open { index: since, f: open, value }) = self.open.remove(&process) else {
            return Err(Misfit::Idle { process, f });
        };
        if open != op.f {
            return Err(Misfit::Other { process, f, open: open.into(), since });
        }
        if shape::is_kept(self.workload, &value, op) {
            return Ok(());
        }
        let [found, asked] = [&op.value, &value].map(|value| shorten(value.get()));
        Err(Misfit::Changed { process, f, found, asked, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a history of such lines: `0 invoke read null`.
    fn told(workload: Workload, lines: &[&str]) -> String {
        let line = |(index, line): (usize, &&str)| {
            let [process, kind, f, value] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                return format!("{line}\n");
            };
            format!(
                r#"{{"index":{index},"time":{index},"type":"{kind}","process":{process},"f":"{f}","value":{value}}}"#
            ) + "\n"
        };
        let text: String = lines.iter().enumerate().map(line).collect();
        let read = read(text.as_bytes(), workload).unwrap();
        read.map(|op| op.err().map(|error| error.to_string()))
            .find_map(|error| error)
            .unwrap_or_default()
    }

    /// What workloads record.
    const FITTING: [(Workload, &[&str]); 10] = [
        (
            Workload::Broadcast,
            &["0 invoke broadcast [1]", "0 ok broadcast [1]", "1 invoke read null", "1 ok read 7"],
        ),
        (Workload::Echo, &["0 invoke echo 1", "0 ok echo {\"echo\":2}", "0 invoke echo 1"]),
        (
            Workload::GCounter,
            &["0 invoke add 1", "0 info add 1", "1 invoke read null", "1 fail read null"],
        ),
        (Workload::GSet, &["0 invoke add {\"a\":1,\"b\":2}", "0 ok add {\"b\":2,\"a\":1}"]),
        (
            Workload::Kafka,
            &[
                "0 invoke send [[\"send\",\"k\",[1,2]]]",
                "0 ok send [[\"send\",\"k\",[5,[1,2]]]]",
                "0 invoke poll [[\"poll\"]]",
                "0 ok poll [[\"poll\",{\"k\":[[\"5\",1]]}]]",
                "0 invoke assign [\"k\"]",
                "0 ok assign [\"k\"]",
                "0 invoke crash null",
                "0 info crash null",
            ],
        ),
        (
            Workload::LinKv,
            &[
                "0 invoke read [1,null]",
                "0 ok read [1,5]",
                "0 invoke cas [1,[2,3]]",
                "0 fail cas [1,[2,3]]",
            ],
        ),
        (Workload::PnCounter, &["0 invoke add -123456789012345678901234567890"]),
        (
            Workload::TxnListAppend,
            &["0 invoke txn [[\"append\",1,2],[\"r\",1,null]]", "0 ok txn 7"],
        ),
        (Workload::TxnRwRegister, &["0 invoke txn [[\"w\",1,2],[\"r\",1,null]]", "0 ok txn []"]),
        (Workload::UniqueIds, &["0 invoke generate null", "0 ok generate 7"]),
    ];

    #[test]
    fn what_every_workload_records_fits() {
        for (workload, lines) in FITTING {
            assert_eq!(told(workload, lines), "", "{}", workload.name());
        }
    }

    /// What does not fit the workload g-set, and what is told.
    const MISFITS: [(&[&str], &str); 9] = [
        (
            &["0 invoke read null", "0 invoke read null"],
            "2 of the history: p0 begins `read` while its `read` of operation 0 is open",
        ),
        (
            &["0 invoke read null", "3 ok read []"],
            "2 of the history: p3 completes `read`, but has nothing open",
        ),
        (
            &["0 invoke read null", "0 ok read []", "0 ok read []"],
            "3 of the history: p0 completes `read`, but has nothing open",
        ),
        (&["0 ok read []"], "1 of the history: p0 completes `read`, but has nothing open"),
        (
            &["0 invoke add 1", "0 ok read [1]"],
            "2 of the history: p0 completes `read`, but what it has open is the `add` of operation 0",
        ),
        (&["0 invoke add 1", "0 info read null"], "but what it has open is the `add`"),
        (
            &["0 invoke add 1", "0 ok add 2"],
            "2 of the history: p0 completes `add` with 2, but operation 0 asked for 1",
        ),
        (
            &["0 invoke add 1", "0 info add \"1\""],
            "p0 completes `add` with \"1\", but operation 0 asked for 1",
        ),
        (
            &["0 invoke cas 1"],
            "1 of the history: it is `cas`, which the workload g-set does not have (it has add,",
        ),
    ];

    #[test]
    fn what_does_not_fit_is_told_once_with_its_line() {
        for (lines, expected) in MISFITS {
            let told = told(Workload::GSet, lines);
            assert!(told.contains(expected), "{lines:?}: {told}");
        }
    }

    #[test]
    fn indices_and_times_that_go_wrong_are_told() {
        let at = |index: u64, time: u64, kind: &str| {
            format!(r#"{{"index":{index},"time":{time},"type":"{kind}","process":0,"f":"read"}}"#)
        };
        let wrong: [(&[&str], &str); 4] = [
            (
                &[&at(0, 5, "invoke"), "", &at(2, 5, "ok")],
                "3 of the history: its index is 2 instead of 1",
            ),
            (
                &[&at(0, 5, "invoke"), &at(1, 4, "ok")],
                "2 of the history: its time is 4 ns, before that of the operation before it, 5 ns",
            ),
            (
                &[&at(0, 5, "invoke"), &at(2, 5, "ok")],
                "2 of the history: its index is 2 instead of 1",
            ),
            (
                &[&at(0, 5, "invoke"), &at(1, 5, "okay")],
                "2 of the history is no operation: unknown variant `okay`",
            ),
        ];
        for (lines, expected) in wrong {
            let told = told(Workload::GSet, lines);
            assert!(told.contains(expected), "{lines:?}: {told}");
        }
    }

    #[test]
    fn values_that_nobody_can_have_asked_for_are_told() {
        use Workload::{GCounter, Kafka, LinKv, PnCounter, TxnListAppend, TxnRwRegister};
        for (workload, line, expected) in [
            (GCounter, "add 1.5", "`add` is 1.5 instead of an integer"),
            (PnCounter, "add null", "`add` is null instead of an integer"),
            (LinKv, "read null", "`read` is null instead of [key, value]"),
            (LinKv, "write [1]", "`write` is [1] instead of [key, value]"),
            (LinKv, "cas [1,2]", "`cas` is [1,2] instead of [key, [from, to]]"),
            (
                TxnRwRegister,
                "txn [[\"append\",1,2]]",
                "instead of a list of [\"r\", key, null] and [\"w\", key, value]",
            ),
            (
                TxnListAppend,
                "txn [[\"w\",1,2]]",
                "instead of a list of [\"r\", key, null] and [\"append\", key, value]",
            ),
            (TxnListAppend, "txn 5", "`txn` is 5 instead of a list"),
            (
                Kafka,
                "send [[\"send\",7,1]]",
                "instead of a list of [\"send\", key, message] and [\"poll\"]",
            ),
            (Kafka, "poll null", "`poll` is null instead of a list"),
            (Kafka, "assign [1]", "`assign` is [1] instead of a list of keys"),
        ] {
            let told = told(workload, &[&format!("0 invoke {line}")]);
            assert!(told.starts_with("line 1 of the history: the value of "), "{told}");
            assert!(told.contains(expected), "{line}: {told}");
        }
    }

    #[test]
    fn a_completion_is_of_what_was_asked_for() {
        use Workload::{Broadcast, GCounter, Kafka, LinKv};
        for (workload, asked, completed) in [
            (Broadcast, "broadcast 1", "ok broadcast 2"),
            (GCounter, "add 1", "info add 2"),
            (LinKv, "read [1,null]", "ok read [2,5]"),
            (LinKv, "read [1,null]", "ok read 5"),
            (LinKv, "write [1,5]", "ok write [1,6]"),
            (LinKv, "cas [1,[5,6]]", "fail cas [1,[5,7]]"),
            (Kafka, "send [[\"send\",\"k\",1]]", "ok send [[\"send\",\"j\",[0,1]]]"),
            (Kafka, "send [[\"send\",\"k\",1]]", "ok send [[\"send\",\"k\",[0,2]]]"),
            (Kafka, "send [[\"send\",\"k\",1]]", "ok send []"),
            (Kafka, "assign [\"k\"]", "ok assign [\"j\"]"),
        ] {
            let told = told(workload, &[&format!("0 invoke {asked}"), &format!("0 {completed}")]);
            assert!(told.starts_with("line 2 of the history: p0 completes "), "{asked}: {told}");
            assert!(told.contains("but operation 0 asked for "), "{asked}: {told}");
        }
    }
}
