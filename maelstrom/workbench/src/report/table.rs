//! Challenges in a row, one line each: verdict, messages, latencies, limits.

use std::time::Duration;

use checkers::{Figures, Quantiles, Report, Validity};
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
    /// Stable latencies where the workload has them, else those of its main operation.
    pub latencies: Option<Quantiles>,
}

/// Titles of what is measured.
pub(super) const FIGURES: [&str; 4] = ["msgs-per-op", "median ms", "p99 ms", "max ms"];

impl Row {
    /// A challenge whose test ended without a verdict.
    pub fn failed(challenge: &'static Challenge) -> Self {
        Self { challenge, valid: None, msgs_per_op: None, latencies: None }
    }

    /// A challenge with this report.
    pub fn of(challenge: &'static Challenge, report: &Report) -> Self {
        let (msgs_per_op, latencies) = measured(report);
        Self { challenge, valid: Some(report.valid()), msgs_per_op, latencies }
    }

    /// A challenge with the results that the original stored.
    pub fn of_results(challenge: &'static Challenge, results: &Value) -> Self {
        Self {
            challenge,
            valid: validity(results),
            msgs_per_op: results["net"]["servers"]["msgs-per-op"].as_f64(),
            latencies: quantiles(&results["workload"]["stable-latencies"]),
        }
    }

    /// The limits that were missed.
    pub fn missed(&self) -> Vec<Limit> {
        let is_missed = |limit: &Limit| {
            !limit.is_met(limit.metric.of(self.msgs_per_op, self.latencies.as_ref()))
        };
        self.challenge.limits().filter(is_missed).collect()
    }

    /// Whether the challenge is solved: valid, and no limit missed.
    pub fn is_solved(&self) -> bool {
        self.valid == Some(Validity::Valid) && self.missed().is_empty()
    }

    fn cells(&self) -> Vec<String> {
        let verdict = match (self.valid, self.missed().is_empty()) {
            (Some(Validity::Valid), true) => "valid",
            (Some(Validity::Valid | Validity::Invalid), false) => "limit missed",
            (Some(Validity::Invalid), true) => "invalid",
            (Some(Validity::Unknown), _) => "unknown",
            (None, _) => "failed",
        };
        let limits: Vec<String> = self.challenge.limits().map(|limit| limit.to_string()).collect();
        let mut cells = vec![self.challenge.id.to_owned(), verdict.to_owned()];
        cells.extend(figures(self.msgs_per_op, self.latencies.as_ref()));
        cells.push(limits.join("  "));
        cells
    }
}

/// Messages for each operation, and stable latencies where the workload has them, else
/// those of its main operation.
pub(super) fn measured(report: &Report) -> (Option<f64>, Option<Quantiles>) {
    let Figures { messages, elements, latencies, .. } = &report.figures;
    let stable = elements.as_ref().and_then(|elements| elements.latencies);
    let main = latencies.values().max_by_key(|latencies| latencies.count);
    let per_op = messages.and_then(|messages| messages.per_op);
    (per_op, stable.or(main.map(|latencies| latencies.quantiles)))
}

/// What [`FIGURES`] are titles of.
pub(super) fn figures(msgs_per_op: Option<f64>, latencies: Option<&Quantiles>) -> [String; 4] {
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "–".to_owned(),
    };
    let millis = |of: fn(&Quantiles) -> Duration| {
        number(latencies.map(|latencies| of(latencies).as_secs_f64() * 1e3), 1)
    };
    [number(msgs_per_op, 2), millis(|of| of.median), millis(|of| of.p99), millis(|of| of.max)]
}

/// The verdict that results have, the original's included.
pub(crate) fn validity(results: &Value) -> Option<Validity> {
    match &results["valid?"] {
        Value::Bool(true) => Some(Validity::Valid),
        Value::Bool(false) => Some(Validity::Invalid),
        Value::String(unknown) if unknown == "unknown" => Some(Validity::Unknown),
        _ => None,
    }
}

/// Quantiles as the original writes them, in ms.
fn quantiles(results: &Value) -> Option<Quantiles> {
    let millis = |point| {
        let millis = results[point].as_f64()?;
        Duration::try_from_secs_f64(millis / 1e3).ok()
    };
    Some(Quantiles {
        median: millis("0.5")?,
        p95: millis("0.95")?,
        p99: millis("0.99")?,
        max: millis("1")?,
    })
}

/// The table, numbers to the right.
pub fn render(rows: &[Row], style: Style) -> String {
    let titles = [&["challenge", "verdict"], &FIGURES[..], &["limits"]].concat();
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    let lines = lines(&titles, &cells);
    let mut text = format!("{}\n", style.strong(&lines[0]));
    for (row, line) in rows.iter().zip(&lines[1..]) {
        let painted = if row.is_solved() { style.good(line) } else { style.bad(line) };
        text.push_str(&painted);
        text.push('\n');
    }
    text
}

/// The lines of a table, its titles first. Figures stand to the right.
pub(super) fn lines(titles: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let titles_in_cells = titles.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<&Vec<String>> = [&titles_in_cells].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..titles.len()).map(|n| width(n).unwrap_or(0)).collect();
    let cell = |(column, cell): (usize, &String)| {
        let width = widths[column];
        match FIGURES.contains(&titles[column]) {
            true => format!("  {cell:>width$}"),
            false => format!("  {cell:<width$}"),
        }
    };
    let line = |row: &&Vec<String>| row.iter().enumerate().map(cell).collect::<String>();
    rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use checkers::Latencies;
    use serde_json::json;

    use super::*;

    fn row(max: f64) -> Row {
        let challenge = Challenge::find("3d").unwrap();
        let stable = json!({"0": 0, "0.5": 350, "0.95": 400, "0.99": 480, "1": max});
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
        let mut report = Report::default();
        for (f, count, millis) in [("read", 3, 1), ("add", 9, 4)] {
            let quantiles = Quantiles::of(&[Duration::from_millis(millis)]).unwrap();
            let latencies = Latencies { count, quantiles, ..Latencies::default() };
            report.figures.latencies.insert(f.to_owned(), latencies);
        }
        let row = Row::of(Challenge::find("1").unwrap(), &report);
        assert_eq!(row.latencies.unwrap().median, Duration::from_millis(4));
    }

    #[test]
    fn a_row_of_the_original_has_its_verdict_and_no_latencies_without_stable_ones() {
        let row = Row::of_results(Challenge::find("1").unwrap(), &json!({"valid?": "unknown"}));
        assert_eq!((row.valid, row.latencies), (Some(Validity::Unknown), None));
    }
}
