//! Challenges in a row, one line each: verdict, messages, latencies, limits.

use checkers::{Report, Validity};
use serde_json::Value;

use super::limits::Limit;
use super::style::Style;
use crate::challenge::Challenge;

/// What is told of a challenge that was run.
#[derive(Clone, Debug)]
pub struct Row {
    /// The challenge.
    pub challenge: &'static Challenge,
    /// The verdict; `None` when there is none because the bench failed.
    pub valid: Option<Validity>,
    /// Messages between nodes for each operation.
    pub msgs_per_op: Option<f64>,
    /// Median, 99th percentile and maximum, in ms: of stable latencies where the
    /// workload has them, else of its main operation.
    pub latencies: [Option<f64>; 3],
}

const POINTS: [&str; 3] = ["0.5", "0.99", "1"];
const TITLES: [&str; 7] =
    ["challenge", "verdict", "msgs-per-op", "median ms", "p99 ms", "max ms", "limits"];

impl Row {
    /// A challenge whose test ended without a verdict.
    pub fn failed(challenge: &'static Challenge) -> Self {
        Self { challenge, valid: None, msgs_per_op: None, latencies: [None; 3] }
    }

    /// A challenge with this report.
    pub fn of(challenge: &'static Challenge, report: &Report) -> Self {
        let results = serde_json::to_value(report).unwrap_or(Value::Null);
        Self { valid: Some(report.valid()), ..Self::of_results(challenge, &results) }
    }

    /// A challenge with the results that a store has, the original's included.
    pub fn of_results(challenge: &'static Challenge, results: &Value) -> Self {
        let valid = validity(results);
        let stable = &results["workload"]["stable-latencies"];
        let latencies = if stable.is_object() { stable } else { main_operation(results) };
        Self {
            challenge,
            valid,
            msgs_per_op: results["net"]["servers"]["msgs-per-op"].as_f64(),
            latencies: POINTS.map(|point| latencies[point].as_f64()),
        }
    }

    /// The limits that were missed.
    pub fn missed(&self) -> Vec<Limit> {
        let is_missed = |limit: &Limit| !limit.is_met(self.measured(limit));
        limits(self.challenge).filter(is_missed).collect()
    }

    fn measured(&self, limit: &Limit) -> Option<f64> {
        use super::limits::{Metric, Quantile};
        match limit.metric {
            Metric::MsgsPerOp => self.msgs_per_op,
            Metric::Stable(Quantile::Median) => self.latencies[0],
            Metric::Stable(Quantile::P95) => None,
            Metric::Stable(Quantile::P99) => self.latencies[1],
            Metric::Stable(Quantile::Max) => self.latencies[2],
        }
    }

    /// Whether the challenge is solved: valid, and no limit missed.
    pub fn is_solved(&self) -> bool {
        self.valid == Some(Validity::Valid) && self.missed().is_empty()
    }

    fn cells(&self) -> [String; 7] {
        let number = |value: Option<f64>, digits: usize| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "–".to_owned(),
        };
        let verdict = match (self.valid, self.missed().is_empty()) {
            (Some(Validity::Valid), true) => "valid",
            (Some(Validity::Valid | Validity::Invalid), false) => "limit missed",
            (Some(Validity::Invalid), true) => "invalid",
            (Some(Validity::Unknown), _) => "unknown",
            (None, _) => "failed",
        };
        let [median, p99, max] = self.latencies;
        [
            self.challenge.id.to_owned(),
            verdict.to_owned(),
            number(self.msgs_per_op, 2),
            number(median, 1),
            number(p99, 1),
            number(max, 1),
            limits(self.challenge).map(|limit| limit.to_string()).collect::<Vec<_>>().join("  "),
        ]
    }
}

/// The verdict that results have, the original's included.
pub fn validity(results: &Value) -> Option<Validity> {
    match &results["valid?"] {
        Value::Bool(true) => Some(Validity::Valid),
        Value::Bool(false) => Some(Validity::Invalid),
        Value::String(unknown) if unknown == "unknown" => Some(Validity::Unknown),
        _ => None,
    }
}

fn limits(challenge: &Challenge) -> impl Iterator<Item = Limit> {
    challenge.limits.split(',').filter_map(|limit| limit.parse().ok())
}

/// The latencies of the operation that was done most often.
fn main_operation(results: &Value) -> &Value {
    let by_f = results["perf"]["latencies"].as_object();
    let count = |of: &&Value| of["count"].as_u64();
    by_f.and_then(|by_f| by_f.values().max_by_key(count)).unwrap_or(&Value::Null)
}

/// The table, numbers to the right.
pub fn render(rows: &[Row], style: Style) -> String {
    let cells: Vec<[String; 7]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.chain([TITLES[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell = match column {
                0 | 1 | 6 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            };
            line.push_str("  ");
            line.push_str(&cell);
        }
        line.trim_end().to_owned()
    };
    let mut text = format!("{}\n", style.strong(line(&TITLES.map(str::to_owned))));
    for (row, cells) in rows.iter().zip(&cells) {
        let line = line(cells);
        let painted = if row.is_solved() { style.good(line) } else { style.bad(line) };
        text.push_str(&painted);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(max: f64) -> Row {
        let challenge = Challenge::find("3d").unwrap();
        let stable = json!({"0.5": 350, "0.99": 480, "1": max});
        let results = json!({
            "valid?": true,
            "workload": {"stable-latencies": stable},
            "net": {"servers": {"msgs-per-op": 1.25}},
        });
        Row::of_results(challenge, &results)
    }

    #[test]
    fn a_challenge_is_a_line_of_the_table() {
        assert_eq!(
            render(&[row(510.0)], Style::PLAIN),
            "  challenge  verdict  msgs-per-op  median ms  p99 ms  max ms  limits\n  \
             3d         valid           1.25      350.0   480.0   510.0  msgs-per-op<30  \
             stable-median<400  stable-max<600\n"
        );
    }

    #[test]
    fn a_missed_limit_is_no_solution() {
        assert!(row(599.9).is_solved());
        assert!(!row(600.0).is_solved());
        assert_eq!(row(600.0).missed()[0].to_string(), "stable-max<600");
        assert!(!Row::failed(Challenge::find("1").unwrap()).is_solved());
    }

    #[test]
    fn without_stable_latencies_it_is_the_main_operations_that_count() {
        let results = json!({
            "valid?": "unknown",
            "perf": {"latencies": {
                "read": {"count": 3, "0.5": 1.0, "0.99": 2.0, "1": 3.0},
                "add": {"count": 9, "0.5": 4.0, "0.99": 5.0, "1": 6.0},
            }},
        });
        let row = Row::of_results(Challenge::find("1").unwrap(), &results);
        assert_eq!(row.latencies, [Some(4.0), Some(5.0), Some(6.0)]);
        assert_eq!(row.valid, Some(Validity::Unknown));
    }
}
