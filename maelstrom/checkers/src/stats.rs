//! How many operations succeeded, failed or stayed in doubt, in all and by
//! function.
//!
//! A function of which not one operation succeeded makes a history invalid,
//! except kafka's `crash`, which never does. Steps of which no transaction
//! that has them succeeded are a warning: the original does not look into
//! transactions.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::reasons::{self, Reasons};
use super::witness::Findings;
use super::{Checker, Ended, Figures, Outcome, Reason, Validity, fields};
use crate::history::{Op, OpType};

/// Functions that need no success.
const EXCEPTED: [&str; 2] = ["crash", "debug-topic-partitions"];

#[derive(Debug, Default)]
pub(crate) struct Stats {
    by_f: BTreeMap<String, Ended>,
    /// By kind of step, the transactions that have one.
    by_step: BTreeMap<String, Ended>,
    reasons: Reasons,
}

impl Ended {
    fn count(&mut self, kind: OpType) {
        match kind {
            OpType::Invoke => {}
            OpType::Ok => self.ok += 1,
            OpType::Fail => self.fail += 1,
            OpType::Info => self.info += 1,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self { ok: self.ok + other.ok, fail: self.fail + other.fail, info: self.info + other.info }
    }

    fn results(self) -> Map<String, Value> {
        let Self { ok, fail, info } = self;
        let count = ok + fail + info;
        fields(json!({ "count": count, "ok-count": ok, "fail-count": fail, "info-count": info }))
    }
}

impl Checker for Stats {
    fn observe(&mut self, op: &Op) {
        if op.is_invocation() || !op.process.is_client() {
            return;
        }
        self.reasons.observe(op);
        steps(op).iter().for_each(|step| match self.by_step.get_mut(*step) {
            Some(counts) => counts.count(op.kind),
            None => self.by_step.entry((*step).to_owned()).or_default().count(op.kind),
        });
        // Not through `entry`, which wants a copy of the name each time.
        match self.by_f.get_mut(&*op.f) {
            Some(counts) => counts.count(op.kind),
            None => self.by_f.entry(op.f.to_string()).or_default().count(op.kind),
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let all = self.by_f.values().fold(Ended::default(), Ended::plus);
        let mut by_f = Map::new();
        let mut findings = Findings::default();
        for (f, counts) in &self.by_f {
            let mut results = counts.results();
            results.insert("valid?".to_owned(), json!(counts.ok > 0));
            by_f.insert(f.clone(), Value::Object(results));
            if counts.ok == 0 && !EXCEPTED.contains(&f.as_str()) {
                findings.push(&[], || describe(f, *counts, self.reasons.main_of(f)));
            }
        }
        let mut warnings = Findings::default();
        let of_f = |f: &str| self.by_f.get(f).is_some_and(|counts| counts.ok > 0);
        for (step, counts) in self.by_step.iter().filter(|(_, counts)| counts.ok == 0) {
            if of_f(TXN) {
                warnings.push(&[], || describe_step(step, *counts, self.reasons.main_of(TXN)));
            }
        }
        let mut results = all.results();
        results.insert("by-f".to_owned(), Value::Object(by_f));
        let reasons = self.reasons.most_frequent();
        if !reasons.is_empty() {
            results.insert("reasons".to_owned(), reasons::to_json(&reasons));
        }
        Outcome {
            valid: Validity::of(findings.is_empty()),
            results,
            findings: findings.into_vec("never-ok"),
            warnings: warnings.into_vec("never-ok"),
            figures: Figures { ended: self.by_f, reasons, ..Figures::default() },
        }
    }
}

/// The function of transactions.
const TXN: &str = "txn";

/// The kinds of steps of a transaction, each once.
fn steps(op: &Op) -> Vec<&str> {
    type Step<'a> = (&'a str, IgnoredAny, IgnoredAny);
    if op.f != TXN {
        return Vec::new();
    }
    let steps: Vec<Step<'_>> = serde_json::from_str(op.value.get()).unwrap_or_default();
    let mut kinds: Vec<&str> = steps.into_iter().map(|(kind, ..)| kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn describe(f: &str, counts: Ended, reason: Option<&Reason>) -> String {
    format!(
        "Not one {f} succeeded: {} failed, {} stayed in doubt.{} The original calls such a run \
         invalid, since it tested nothing.",
        counts.fail,
        counts.info,
        mostly(reason)
    )
}

fn describe_step(step: &str, counts: Ended, reason: Option<&Reason>) -> String {
    let name = match step {
        "r" => "reads",
        "w" => "writes",
        "append" => "appends",
        other => other,
    };
    format!(
        "Not one transaction that {name} succeeded: {} failed, {} stayed in doubt.{} What others show \
         says nothing of those.",
        counts.fail,
        counts.info,
        mostly(reason)
    )
}

/// What was most often the reason.
fn mostly(reason: Option<&Reason>) -> String {
    reason.map_or(String::new(), |Reason { reason, count, example, .. }| {
        let example = if example.is_empty() { String::new() } else { format!(": {example}") };
        format!(" Most often ({count}) because of: {reason}{example}.")
    })
}
