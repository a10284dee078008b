//! Runs of one test, and what they come to together.

use checkers::{Quantiles, Report, Validity};

use super::style::Style;
use super::table::{self, FIGURES};

/// A run of several.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    seed: u64,
    valid: Validity,
    /// The kinds of its findings, each once.
    kinds: Vec<String>,
    msgs_per_op: Option<f64>,
    latencies: Option<Quantiles>,
    command: String,
}

impl Run {
    /// With this report, had again by this command.
    pub(crate) fn of(report: &Report, seed: u64, command: String) -> Self {
        let mut kinds: Vec<String> = Vec::new();
        for finding in report.findings() {
            if !kinds.contains(&finding.kind) {
                kinds.push(finding.kind.clone());
            }
        }
        let (msgs_per_op, latencies) = table::measured(report);
        Self { seed, valid: report.valid(), kinds, msgs_per_op, latencies, command }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.seed.to_string(), verdict(self.valid).to_owned()];
        cells.extend(table::figures(self.msgs_per_op, self.latencies.as_ref()));
        cells.push(self.kinds.join(", "));
        cells
    }
}

fn verdict(valid: Validity) -> &'static str {
    match valid {
        Validity::Valid => "valid",
        Validity::Unknown => "unknown",
        Validity::Invalid => "invalid",
    }
}

/// A line for each run, how many came out how, and how to have the first failure again.
pub(crate) fn render(runs: &[Run], style: Style) -> String {
    let titles = [&["seed", "verdict"], &FIGURES[..], &["findings"]].concat();
    let cells: Vec<Vec<String>> = runs.iter().map(Run::cells).collect();
    let lines = table::lines(&titles, &cells);
    let mut text = format!("{}\n", style.strong(&lines[0]));
    for (run, line) in runs.iter().zip(&lines[1..]) {
        let is_valid = run.valid == Validity::Valid;
        text += &format!("{}\n", if is_valid { style.good(line) } else { style.bad(line) });
    }
    let counts = [Validity::Valid, Validity::Invalid, Validity::Unknown].map(|valid| {
        let count = runs.iter().filter(|run| run.valid == valid).count();
        (count > 0).then(|| format!("{count} {}", verdict(valid)))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    text += &format!("{} runs: {}\n", runs.len(), counts.join(", "));
    if let Some(failed) = runs.iter().find(|run| run.valid != Validity::Valid) {
        text += &format!("the first that was not valid, again: {}\n", failed.command);
    }
    text
}

#[cfg(test)]
mod tests {
    use checkers::{Finding, Outcome};

    use super::*;

    fn run(seed: u64, valid: Validity, kinds: &[&str]) -> Run {
        let mut report = Report::default();
        let findings = kinds.iter().map(|kind| Finding::new(*kind, "", Vec::new())).collect();
        report.add("workload", Outcome { valid, findings, ..Outcome::default() });
        Run::of(&report, seed, format!("workbench test --seed {seed}"))
    }

    #[test]
    fn every_run_is_a_line_and_the_first_failure_can_be_had_again() {
        let runs = [
            run(7, Validity::Valid, &[]),
            run(8, Validity::Invalid, &["lost", "lost", "stale"]),
            run(9, Validity::Unknown, &["nothing-asked"]),
            run(10, Validity::Valid, &[]),
        ];
        let text = "  seed  verdict  msgs-per-op  median ms  p99 ms  max ms  findings
  7     valid              –          –       –       –
  8     invalid            –          –       –       –  lost, stale
  9     unknown            –          –       –       –  nothing-asked
  10    valid              –          –       –       –
4 runs: 2 valid, 1 invalid, 1 unknown
the first that was not valid, again: workbench test --seed 8
";
        assert_eq!(render(&runs, Style::PLAIN), text);
    }
}
