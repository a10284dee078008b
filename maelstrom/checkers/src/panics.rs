//! Panics of nodes. A node that uses the library answers `crash` after a panic and
//! goes on, so no history shows it plainly; the original sees nothing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::witness::seconds;
use super::{Finding, Outcome, Validity, fields};

const TOLD: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct NodePanics {
    count: u64,
    kinds: BTreeMap<(String, String), Kind>,
}

#[derive(Debug)]
struct Kind {
    count: u64,
    node: usize,
    at: Duration,
    text: String,
}

impl NodePanics {
    pub(crate) fn observe(
        &mut self,
        node: usize,
        at: Duration,
        place: &str,
        text: &str,
        location: &str,
    ) {
        self.count += 1;
        let kind = self.kinds.entry((place.to_owned(), location.to_owned()));
        kind.or_insert_with(|| Kind { count: 0, node, at, text: text.to_owned() }).count += 1;
    }

    /// What is to be reported, if there were any; with `compatible`, as a warning.
    pub(crate) fn outcome(&self, compatible: bool) -> Option<Outcome> {
        if self.count == 0 {
            return None;
        }
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, kind)| kind.at);
        let mut findings: Vec<Finding> =
            kinds.iter().take(TOLD).map(|&(place, kind)| finding(place, kind)).collect();
        if let Some(more) = kinds.len().checked_sub(TOLD).filter(|&more| more > 0) {
            findings.push(Finding::omission("panic", more as u64));
        }
        let results = fields(json!({ "panic-count": self.count }));
        let (valid, findings, warnings) = match compatible {
            true => (Validity::Valid, Vec::new(), findings),
            false => (Validity::Invalid, findings, Vec::new()),
        };
        Some(Outcome { valid, results, findings, warnings, ..Outcome::default() })
    }
}

fn finding((place, location): &(String, String), kind: &Kind) -> Finding {
    let Kind { count, node, at, text } = kind;
    let times = match count {
        1 => "Once".to_owned(),
        count => format!("{count} times"),
    };
    let at = seconds(at.as_nanos() as u64);
    let text = format!(
        "{times}, first in n{node} {at} after the start: panic in {place}: {text} at {location}"
    );
    Finding::new("panic", text, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(panics: &mut NodePanics, node: usize, millis: u64, place: &str, line: u32) {
        let location = format!("src/lib.rs:{line}:5");
        panics.observe(node, Duration::from_millis(millis), place, "min > max", &location);
    }

    #[test]
    fn panics_are_told_by_place_the_first_first() {
        let mut panics = NodePanics::default();
        for second in [4, 5, 6] {
            observe(&mut panics, 3, second * 1000, "task", 7);
        }
        observe(&mut panics, 2, 1500, "handler `send`", 9);
        let outcome = panics.outcome(false).unwrap();
        assert_eq!(
            (outcome.valid, &outcome.results["panic-count"]),
            (Validity::Invalid, &json!(4))
        );
        let texts: Vec<&str> = outcome.findings.iter().map(|finding| &*finding.text).collect();
        assert_eq!(
            texts,
            [
                "Once, first in n2 1.500 s after the start: panic in handler `send`: min > max at \
                 src/lib.rs:9:5",
                "3 times, first in n3 4.000 s after the start: panic in task: min > max at \
                 src/lib.rs:7:5",
            ]
        );
    }

    #[test]
    fn the_original_sees_no_panics_and_many_kinds_are_cut_short() {
        let mut panics = NodePanics::default();
        assert!(panics.outcome(false).is_none());
        (0..8).for_each(|line| observe(&mut panics, 0, 0, "hook", line));
        let outcome = panics.outcome(true).unwrap();
        assert_eq!((outcome.valid, outcome.findings.len()), (Validity::Valid, 0));
        assert_eq!(outcome.warnings.last().and_then(|finding| finding.omitted), Some(3));
    }
}
