//! What a run under faults has to show, beyond or short of its verdict.
//!
//! An oracle lists what is wrong with a run. Those here fit any node; a node whose
//! promises are weaker or stronger brings its own.

use checkers::history::{self, OpType};
use checkers::{Finding, Outcome, Validity};

use crate::simulation::Finished;

impl Finished {
    /// Everything but that nothing was tested: that no operation succeeded while every
    /// node was down is nobody's fault.
    pub fn failures(&self) -> Vec<Finding> {
        self.failures_except("stats")
    }

    /// As [`failures`](Self::failures), for all parts of the report but this one.
    pub fn failures_except(&self, part: &str) -> Vec<Finding> {
        let ended = self.ended.as_ref().err();
        let mut findings: Vec<Finding> = ended
            .map(|error| Finding::new(error.kind(), error.to_string(), Vec::new()))
            .into_iter()
            .collect();
        let parts = self.report.parts.iter().filter(|(name, _)| ![part, "stats"].contains(name));
        findings.extend(parts.flat_map(|(name, outcome)| wrong(name, outcome)));
        findings
    }

    /// As [`failures`](Self::failures), and every client was answered its final operations.
    pub fn failures_and_unanswered(&self) -> Vec<Finding> {
        let mut findings = self.failures();
        for op in history::read(self.history.as_bytes()).into_iter().flatten() {
            match op {
                Ok(op) if op.is_final && !matches!(op.kind, OpType::Invoke | OpType::Ok) => {
                    let text = format!("op {}, a final {}, was not answered", op.index, op.f);
                    findings.push(Finding::new("unanswered", text, vec![op.index]));
                }
                Ok(_) => {}
                Err(error) => {
                    findings.push(Finding::new("unreadable", error.to_string(), Vec::new()));
                }
            }
        }
        findings
    }
}

/// What is wrong with a part of the report.
fn wrong(name: &str, part: &Outcome) -> Vec<Finding> {
    let is_empty = |finding: &Finding| finding.kind == "empty-transaction-graph";
    let said_nothing = !part.findings.is_empty() && part.findings.iter().all(is_empty);
    if part.valid != Validity::Invalid || said_nothing {
        return Vec::new();
    }
    if part.findings.is_empty() {
        return vec![Finding::new("invalid", format!("the check of {name} failed"), Vec::new())];
    }
    part.findings.clone()
}
