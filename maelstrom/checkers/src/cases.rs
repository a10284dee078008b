//! Cases of anomalies: all are counted, the worst few are kept.
//!
//! A broken node produces as many cases as there are operations; a person reads the
//! first ones, and only those are put into words.

use serde_json::Value;

use crate::{Finding, Subject};

#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The operations concerned, in order.
    pub(crate) ops: Vec<u64>,
    /// What happened, for people.
    pub(crate) text: String,
    /// What happened, as results show it.
    pub(crate) detail: Value,
    /// The same as an image, where that helps.
    pub(crate) picture: Option<String>,
    /// What it is about.
    pub(crate) subject: Subject,
}

impl Case {
    pub(crate) fn new(mut ops: Vec<u64>, text: String, detail: Value) -> Self {
        ops.sort_unstable();
        ops.dedup();
        Self { ops, text, detail, picture: None, subject: Subject::default() }
    }

    pub(crate) fn about(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }

    pub(crate) fn finding(&self, kind: &str, text: String) -> Finding {
        let (picture, subject) = (self.picture.clone(), self.subject.clone());
        Finding { picture, subject, ..Finding::new(kind, text, self.ops.clone()) }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cases {
    pub(crate) count: usize,
    /// Worst first; among equals in the order found.
    kept: Vec<(i64, Case)>,
}

impl Cases {
    /// Counts a case, and has it made if it is among the `most` with the highest
    /// `badness` so far.
    pub(crate) fn add(&mut self, most: usize, badness: i64, case: impl FnOnce() -> Case) {
        self.count += 1;
        let place = self.kept.partition_point(|(other, _)| *other >= badness);
        if place < most {
            self.kept.insert(place, (badness, case()));
            self.kept.truncate(most);
        }
    }

    pub(crate) fn append(&mut self, most: usize, other: Self) {
        let omitted = other.count - other.kept.len();
        for (badness, case) in other.kept {
            self.add(most, badness, || case);
        }
        self.count += omitted;
    }

    pub(crate) fn kept(&self) -> impl ExactSizeIterator<Item = &Case> {
        self.kept.iter().map(|(_, case)| case)
    }
}
