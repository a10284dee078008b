//! What was found wrong: counted in full, kept in part.
//!
//! A broken node can go wrong a million times, so of each kind of anomaly only the
//! worst few cases are kept, and only those are put into words.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cases::{Case, Cases};
use crate::{Finding, Outcome, Validity};

/// The kinds of anomaly, in the order of their names in the original's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Anomaly {
    #[serde(rename = "G1a")]
    G1a,
    /// Operations read from each other in a circle.
    #[serde(rename = "G1c")]
    G1c,
    /// The same, but for the order in which they ended and began.
    #[serde(rename = "G1c-realtime")]
    G1cRealtime,
    Duplicate,
    /// Nothing in the history relates any two operations.
    EmptyTransactionGraph,
    InconsistentOffsets,
    IntNonmonotonicPoll,
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
    NonmonotonicPoll,
    NonmonotonicSend,
    /// A process's polls leave messages out.
    PollSkip,
    /// An operation read what it had itself just sent.
    PrecommittedRead,
    Unseen,
}

impl Anomaly {
    /// Sends are not isolated from each other: other clients' messages may come
    /// between two of one operation. (With edges between sends, the original also
    /// allows cycles; Maelstrom has none of those edges.)
    fn is_allowed(self) -> bool {
        self == Anomaly::IntSendSkip
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

pub(super) const KEPT: usize = 32;

#[derive(Default)]
pub(super) struct Report {
    kinds: BTreeMap<Anomaly, Cases>,
    /// What the result map shows of an anomaly, where it is not the usual.
    entries: BTreeMap<Anomaly, Value>,
    /// Odd, but no reason for a worse verdict.
    pub(super) warnings: Vec<Finding>,
}

impl Report {
    /// Counts a case, and keeps it if it is among the worst so far: those with the
    /// highest `badness`, the first of equals.
    pub(super) fn add(&mut self, anomaly: Anomaly, badness: i64, case: impl FnOnce() -> Case) {
        self.kinds.entry(anomaly).or_default().add(KEPT, badness, case);
    }

    pub(super) fn set_entry(&mut self, anomaly: Anomaly, entry: Value) {
        self.entries.insert(anomaly, entry);
    }

    pub(super) fn outcome(mut self, extra: Map<String, Value>) -> Outcome {
        let types: Vec<Anomaly> = self.kinds.keys().copied().collect();
        let bad: Vec<Anomaly> = types.iter().copied().filter(|kind| !kind.is_allowed()).collect();
        let mut results = extra;
        results.insert("bad-error-types".to_owned(), json!(bad));
        results.insert("error-types".to_owned(), json!(types));
        let (mut findings, mut warnings) = (Vec::new(), self.warnings);
        for (anomaly, cases) in self.kinds {
            let kind = anomaly.to_string();
            let told = if anomaly.is_allowed() { &mut warnings } else { &mut findings };
            told.extend(cases.kept().map(|case| case.finding(&kind, case.text.clone())));
            let usual = || {
                let errs: Value = cases.kept().map(|case| case.detail.clone()).collect();
                json!({ "count": cases.count, "errs": errs })
            };
            let entry = self.entries.remove(&anomaly).unwrap_or_else(usual);
            results.insert(kind, entry);
        }
        let valid = Validity::of(bad.is_empty());
        Outcome { valid, results, findings, warnings, ..Outcome::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(number: i64) -> Case {
        Case::new(vec![2, 1, 2], format!("case {number}"), json!(number))
    }

    #[test]
    fn every_case_is_counted_and_the_worst_are_kept_worst_first() {
        let mut report = Report::default();
        for number in 0..1000 {
            report.add(Anomaly::PollSkip, number % 500, || case(number));
        }
        let outcome = report.outcome(Map::new());
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
        let outcome = report.outcome(Map::new());
        assert_eq!(outcome.valid, Validity::Valid);
        assert_eq!(outcome.results["error-types"], json!(["int-send-skip"]));
        assert_eq!(outcome.results["bad-error-types"], json!([]));
        assert!(outcome.findings.is_empty());
        assert_eq!(outcome.warnings[0].kind, "int-send-skip");
    }
}
