//! `results.edn`.

use serde_json::{Map, Value};

use super::write::is_keyword;

/// A line is not longer, if it can be broken.
const WIDTH: usize = 80;

/// Under these keys stand keywords.
const OF_KEYWORDS: [&str; 12] = [
    "also-not",
    "anomaly-types",
    "bad-error-types",
    "error-types",
    "f",
    "info-txn-causes",
    "kind",
    "mop",
    "not",
    "process",
    "type",
    "valid?",
];
/// Under these keys stand sets.
const OF_SETS: [&str; 2] = ["also-not", "not"];
/// Under these keys stand objects whose keys are text, even where that is a number.
const OF_TEXTS: [&str; 2] = ["messages", "unseen"];

/// Results, such as a [`Report`](crate::Report) in JSON, as the original's `results.edn`
/// has them: keys are keywords, or numbers where they are quantiles, values or keys of a
/// register, and verdicts, kinds of anomalies and models are keywords.
pub fn results(results: &Value) -> String {
    let mut edn = broken(results, "", 0);
    edn.push('\n');
    edn
}

/// A value that stands under this key, from this column on.
fn broken(value: &Value, key: &str, column: usize) -> String {
    let flat = flat(value, key);
    let room = WIDTH.saturating_sub(column);
    let inner = column + if flat.starts_with('#') { 2 } else { 1 };
    let indent = " ".repeat(inner);
    match value {
        _ if flat.chars().count() <= room => flat,
        Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| {
                let name_in_edn = key_in_edn(name, key);
                let column = inner + name_in_edn.chars().count() + 1;
                format!("{name_in_edn} {}", broken(value, name, column))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(&format!(",\n{indent}")))
        }
        Value::Array(values) => {
            let values = values.iter().map(|value| broken(value, key, inner));
            in_brackets(&values.collect::<Vec<_>>().join(&format!("\n{indent}")), key)
        }
        _ => flat,
    }
}

/// The same on one line.
fn flat(value: &Value, key: &str) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::String(text) if OF_KEYWORDS.contains(&key) && is_keyword(text) => format!(":{text}"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| flat(value, key)).collect();
            in_brackets(&values.join(" "), key)
        }
        Value::Object(fields) => format!("{{{}}}", flat_entries(fields, key)),
    }
}

fn flat_entries(fields: &Map<String, Value>, key: &str) -> String {
    let entry = |(name, value): (&String, &Value)| {
        format!("{} {}", key_in_edn(name, key), flat(value, name))
    };
    fields.iter().map(entry).collect::<Vec<_>>().join(", ")
}

fn in_brackets(values: &str, key: &str) -> String {
    if OF_SETS.contains(&key) { format!("#{{{values}}}") } else { format!("[{values}]") }
}

/// A key of an object that stands under another key.
fn key_in_edn(name: &str, under: &str) -> String {
    let is_number = || serde_json::from_str::<serde_json::Number>(name).is_ok();
    if is_keyword(name) {
        format!(":{name}")
    } else if !OF_TEXTS.contains(&under) && is_number() {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::edn::to_json;

    #[test]
    fn results_are_spelled_and_broken_as_the_originals() {
        let all = json!({
            "net": {"servers": {"msgs-per-op": 1.5, "recv-count": 20, "send-count": 20}},
            "stats": {"by-f": {"send": {"count": 3, "valid?": true}}},
            "valid?": "unknown",
            "workload": {
                "anomaly-types": ["G-single-item", "G1c"],
                "not": ["read-committed"],
                "stable-latencies": {"0": 0, "0.5": 375, "1": 588},
                "unseen": {"unseen": {"9": 1}},
                "worst": {"key": "7", "text": "it's \"7\""},
            },
        });
        let edn = "\
{:net {:servers {:msgs-per-op 1.5, :recv-count 20, :send-count 20}},
 :stats {:by-f {:send {:count 3, :valid? true}}},
 :valid? :unknown,
 :workload {:anomaly-types [:G-single-item :G1c],
            :not #{:read-committed},
            :stable-latencies {0 0, 0.5 375, 1 588},
            :unseen {:unseen {\"9\" 1}},
            :worst {:key \"7\", :text \"it's \\\"7\\\"\"}}}
";
        assert_eq!(results(&all), edn);
        let back: Value = serde_json::from_str(&to_json(edn).unwrap()).unwrap();
        assert_eq!(back, all);
    }

    #[test]
    fn long_lists_are_broken_too() {
        let list: Vec<u64> = (0..50).collect();
        let edn = results(&json!({ "stale": list }));
        assert!(edn.starts_with("{:stale [0\n         1\n         2\n"), "{edn}");
        assert!(edn.ends_with("49]}\n"));
    }
}
