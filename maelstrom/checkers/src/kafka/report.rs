//! What was found wrong: counted in full, kept in part.
//!
//! A broken node can go wrong a million times, so of each kind of anomaly only the
//! worst few cases are kept, and only those are put into words.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::{Finding, Outcome, Validity};

/// The kinds of anomaly, by the names in the original's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anomaly {
    /// One message at several offsets.
    Duplicate,
    /// Nothing in the history relates any two operations.
    EmptyTransactionGraph,
    /// A refused message was read.
    G1a,
    /// Operations read from each other in a circle.
    G1c,
    /// The same, but for the order in which they ended and began.
    G1cRealtime,
    /// Several messages at one offset.
    InconsistentOffsets,
    /// One operation's polls go backwards.
    IntNonmonotonicPoll,
    /// One operation's sends go backwards.
    IntNonmonotonicSend,
    /// One operation's polls leave messages out.
    IntPollSkip,
    /// One operation's sends have others' in between.
    IntSendSkip,
    /// A message that had to be read was not.
    LostWrite,
    /// An operation whose value has no meaning. The original has no name for it.
    MalformedValue,
    /// A message was read that nobody sent. The original fails on it with this
    /// message.
    NoWriterOfValue,
    /// A process's polls go backwards.
    NonmonotonicPoll,
    /// A process's sends go backwards.
    NonmonotonicSend,
    /// A process's polls leave messages out.
    PollSkip,
    /// An operation read what it had itself just sent.
    PrecommittedRead,
    /// An acknowledged message was never polled.
    Unseen,
}

impl Anomaly {
    fn name(self) -> &'static str {
        match self {
            Anomaly::Duplicate => "duplicate",
            Anomaly::EmptyTransactionGraph => "empty-transaction-graph",
            Anomaly::G1a => "G1a",
            Anomaly::G1c => "G1c",
            Anomaly::G1cRealtime => "G1c-realtime",
            Anomaly::InconsistentOffsets => "inconsistent-offsets",
            Anomaly::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Anomaly::IntNonmonotonicSend => "int-nonmonotonic-send",
            Anomaly::IntPollSkip => "int-poll-skip",
            Anomaly::IntSendSkip => "int-send-skip",
            Anomaly::LostWrite => "lost-write",
            Anomaly::MalformedValue => "malformed-value",
            Anomaly::NoWriterOfValue => "no-writer-of-value",
            Anomaly::NonmonotonicPoll => "nonmonotonic-poll",
            Anomaly::NonmonotonicSend => "nonmonotonic-send",
            Anomaly::PollSkip => "poll-skip",
            Anomaly::PrecommittedRead => "precommitted-read",
            Anomaly::Unseen => "unseen",
        }
    }

    /// Sends are not isolated from each other: other clients' messages may come
    /// between two of one operation. (With edges between sends, the original also
    /// allows cycles; Maelstrom has none of those edges.)
    fn is_allowed(self) -> bool {
        self == Anomaly::IntSendSkip
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One occurrence of an anomaly.
pub(super) struct Case {
    /// What the result map shows of it.
    pub(super) err: Value,
    /// The same in sentences.
    pub(super) text: String,
    /// The operations concerned.
    pub(super) ops: Vec<u64>,
}

/// Cases kept of each kind.
pub(super) const KEPT: usize = 32;

/// All that was found wrong.
#[derive(Default)]
pub(super) struct Report {
    kinds: BTreeMap<&'static str, Kind>,
    /// Odd, but no reason for a worse verdict.
    pub(super) warnings: Vec<Finding>,
}

struct Kind {
    anomaly: Anomaly,
    count: u64,
    /// Worst first; among equals in the order found.
    worst: Vec<(i64, Case)>,
    /// The entry in the result map, where it is not the usual one.
    entry: Option<Value>,
}

impl Report {
    /// Counts a case, and keeps it if it is among the worst so far: those with the
    /// highest `badness`, the first of equals.
    pub(super) fn add(&mut self, anomaly: Anomaly, badness: i64, case: impl FnOnce() -> Case) {
        let kind = self.kind(anomaly);
        kind.count += 1;
        let place = kind.worst.partition_point(|(other, _)| *other >= badness);
        if place < KEPT {
            kind.worst.insert(place, (badness, case()));
            kind.worst.truncate(KEPT);
        }
    }

    /// Sets what the result map shows of an anomaly.
    pub(super) fn set_entry(&mut self, anomaly: Anomaly, entry: Value) {
        self.kind(anomaly).entry = Some(entry);
    }

    fn kind(&mut self, anomaly: Anomaly) -> &mut Kind {
        self.kinds.entry(anomaly.name()).or_insert_with(|| Kind {
            anomaly,
            count: 0,
            worst: Vec::new(),
            entry: None,
        })
    }

    /// The verdict, with `extra` added to the result map.
    pub(super) fn outcome(self, extra: impl IntoIterator<Item = (&'static str, Value)>) -> Outcome {
        let types: Vec<&str> = self.kinds.keys().copied().collect();
        let bad: Vec<&str> = self
            .kinds
            .values()
            .filter(|kind| !kind.anomaly.is_allowed())
            .map(|kind| kind.anomaly.name())
            .collect();
        let valid = Validity::of(bad.is_empty());
        let mut results =
            Map::from_iter(extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
        results.insert("bad-error-types".to_owned(), json!(bad));
        results.insert("error-types".to_owned(), json!(types));
        let (mut findings, mut warnings) = (Vec::new(), self.warnings);
        for (name, kind) in self.kinds {
            let into = if kind.anomaly.is_allowed() { &mut warnings } else { &mut findings };
            results.insert(name.to_owned(), kind.unpack(into));
        }
        Outcome { valid, results, findings, warnings, ..Outcome::default() }
    }
}

impl Kind {
    /// Moves the words to `findings`; what is left is the result map's entry.
    fn unpack(self, findings: &mut Vec<Finding>) -> Value {
        let mut errs = Vec::with_capacity(self.worst.len());
        for (_, Case { err, text, mut ops }) in self.worst {
            ops.sort_unstable();
            ops.dedup();
            findings.push(Finding::new(self.anomaly.to_string(), text, ops));
            errs.push(err);
        }
        self.entry.unwrap_or_else(|| json!({ "count": self.count, "errs": errs }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(number: i64) -> Case {
        Case { err: json!(number), text: format!("case {number}"), ops: vec![2, 1, 2] }
    }

    #[test]
    fn every_case_is_counted_and_the_worst_are_kept_worst_first() {
        let mut report = Report::default();
        for number in 0..1000 {
            report.add(Anomaly::PollSkip, number % 500, || case(number));
        }
        let outcome = report.outcome([]);
        let entry = &outcome.results["poll-skip"];
        assert_eq!(entry["count"], 1000);
        assert_eq!(entry["errs"].as_array().unwrap().len(), KEPT);
        assert_eq!(entry["errs"][0], 499);
        assert_eq!(entry["errs"][1], 999);
        assert_eq!(outcome.findings.len(), KEPT);
        assert_eq!(outcome.findings[0].ops, [1, 2]);
    }

    #[test]
    fn an_allowed_anomaly_is_a_warning_and_leaves_the_verdict_alone() {
        let mut report = Report::default();
        report.add(Anomaly::IntSendSkip, 2, || case(1));
        let outcome = report.outcome([]);
        assert_eq!(outcome.valid, Validity::Valid);
        assert_eq!(outcome.results["error-types"], json!(["int-send-skip"]));
        assert_eq!(outcome.results["bad-error-types"], json!([]));
        assert!(outcome.findings.is_empty());
        assert_eq!(outcome.warnings[0].kind, "int-send-skip");
    }
}
