//! What the results of a run come to, the original's included.

use checkers::Validity;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::table::validity;

/// Something that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

/// So many findings of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Kind {
    kind: String,
    count: usize,
}

const COUNTS: [(&str, &str); 4] = [
    ("operations", "count"),
    ("ok", "ok-count"),
    ("failed", "fail-count"),
    ("in doubt", "info-count"),
];
const ELEMENTS: [(&str, &str); 4] = [
    ("values sent", "attempt-count"),
    ("values stable", "stable-count"),
    ("values lost", "lost-count"),
    ("values never read", "never-read-count"),
];
const QUANTILES: [(&str, &str); 4] =
    [("median", "0.5"), ("95 %", "0.95"), ("99 %", "0.99"), ("worst", "1")];

/// The verdict, in a word, if there is one.
pub(super) fn verdict(results: &Value) -> Option<&'static str> {
    let mut wrong = parts(results)
        .filter(|(_, part)| !matches!(validity(part), None | Some(Validity::Valid)))
        .map(|(name, _)| name)
        .peekable();
    let has_limits_alone = wrong.peek().is_some() && wrong.all(|name| name == "limits");
    Some(match validity(results)? {
        Validity::Valid => "valid",
        Validity::Unknown => "unknown",
        Validity::Invalid if has_limits_alone => "over its limits",
        Validity::Invalid => "invalid",
    })
}

/// The parts of the results that have verdicts of their own.
fn parts(results: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let all = results.as_object().into_iter().flatten();
    all.filter(|(_, part)| part.is_object())
}

/// What was measured, the most telling first.
pub(super) fn figures(results: &Value) -> Vec<Figure> {
    let mut figures = Figures(Vec::new());
    let (stats, workload) = (&results["stats"], &results["workload"]);
    figures.add_all("", stats, &COUNTS, "");
    let net = &results["net"]["servers"];
    figures.add("messages an operation", &net["msgs-per-op"], "");
    figures.add("messages between nodes", &net["msg-count"], "");
    figures.add_all("", workload, &ELEMENTS, "");
    figures.add_all("stable ", &workload["stable-latencies"], &QUANTILES, "ms");
    for (f, latencies) in entries(&results["perf"]["latencies"]) {
        figures.add_all(&format!("{f} "), latencies, &QUANTILES, "ms");
    }
    for (f, counts) in entries(&stats["by-f"]) {
        figures.add_all(&format!("{f} "), counts, &COUNTS[1..], "");
    }
    figures.0
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

struct Figures(Vec<Figure>);

impl Figures {
    fn add(&mut self, name: &str, value: &Value, unit: &'static str) {
        if let Some(value) = value.as_f64() {
            self.0.push(Figure { name: name.to_owned(), value, unit });
        }
    }

    fn add_all(&mut self, of: &str, values: &Value, names: &[(&str, &str)], unit: &'static str) {
        for (name, key) in names {
            self.add(&format!("{of}{name}"), &values[key], unit);
        }
    }
}

/// What was found or is odd, each with its kind and text.
pub(super) fn told<'a>(results: &'a Value, list: &str) -> Vec<&'a Value> {
    parts(results).filter_map(|(_, part)| part[list].as_array()).flatten().collect()
}

/// The kinds of what was found, in order.
pub(super) fn kinds(results: &Value) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in told(results, "findings").iter().filter_map(|finding| finding["kind"].as_str()) {
        match kinds.iter_mut().find(|known| known.kind == kind) {
            Some(known) => known.count += 1,
            None => kinds.push(Kind { kind: kind.to_owned(), count: 1 }),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results() -> Value {
        json!({
            "valid?": false,
            "stats": {"valid?": true, "count": 10, "ok-count": 9, "by-f": {"read": {"ok-count": 4}}},
            "net": {"servers": {"msgs-per-op": 1.5}},
            "perf": {"latencies": {"read": {"0.5": 2.25, "count": 4}}},
            "workload": {"valid?": true, "findings": [{"kind": "lost"}, {"kind": "lost"}]},
            "limits": {"valid?": false},
        })
    }

    #[test]
    fn results_come_to_a_verdict_and_figures() {
        let mut results = results();
        assert_eq!(verdict(&results), Some("over its limits"));
        results["workload"]["valid?"] = json!(false);
        assert_eq!(verdict(&results), Some("invalid"));
        let names: Vec<(String, f64)> =
            figures(&results).into_iter().map(|figure| (figure.name, figure.value)).collect();
        let expected = [
            ("operations", 10.0),
            ("ok", 9.0),
            ("messages an operation", 1.5),
            ("read median", 2.25),
            ("read ok", 4.0),
        ];
        assert_eq!(names, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(kinds(&results), [Kind { kind: "lost".to_owned(), count: 2 }]);
    }

    #[test]
    fn whatever_else_results_are_they_have_no_verdict() {
        for other in [json!(null), json!([1]), json!({"valid?": 3}), json!({"stats": 1})] {
            assert_eq!(verdict(&other), None, "{other}");
            assert!(figures(&other).is_empty() && kinds(&other).is_empty());
        }
    }
}
