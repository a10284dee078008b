//! Cases of anomalies, collected: all are counted, the first few are kept.
//!
//! A broken node produces as many cases as there are operations; a person reads
//! the first ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::anomaly::Anomaly;

/// How many cases of one anomaly are kept.
const KEPT: usize = 16;

/// One case of an anomaly.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The operations concerned.
    pub(super) ops: Vec<u64>,
    /// What happened, for people.
    pub(super) text: String,
    /// What happened, in the shape of the original's results.
    pub(super) detail: Value,
    /// The same as an image, where that helps.
    pub(super) picture: Option<String>,
}

/// The cases of one anomaly.
#[derive(Clone, Debug, Default)]
pub(super) struct Cases {
    /// How many there are.
    pub(super) count: usize,
    /// The first of them.
    pub(super) kept: Vec<Case>,
}

/// The cases of all anomalies.
#[derive(Clone, Debug, Default)]
pub(super) struct Casebook(BTreeMap<Anomaly, Cases>);

impl Casebook {
    /// Counts a case, and has it made if it will be kept.
    pub(super) fn add(&mut self, anomaly: Anomaly, case: impl FnOnce() -> Case) {
        let cases = self.0.entry(anomaly).or_default();
        cases.count += 1;
        if cases.kept.len() < KEPT {
            cases.kept.push(case());
        }
    }

    /// Takes other cases, too.
    pub(super) fn append(&mut self, other: Self) {
        for (anomaly, more) in other.0 {
            let cases = self.0.entry(anomaly).or_default();
            cases.count += more.count;
            cases.kept.extend(more.kept);
            cases.kept.truncate(KEPT);
        }
    }

    /// The anomalies of which there are cases.
    pub(super) fn anomalies(&self) -> impl Iterator<Item = Anomaly> + '_ {
        self.0.keys().copied()
    }

    /// The cases of each anomaly.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Anomaly, &Cases)> + '_ {
        self.0.iter().map(|(&anomaly, cases)| (anomaly, cases))
    }
}
