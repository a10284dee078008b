//! What a report comes to: a verdict, rows of numbers and findings, for whatever
//! shows them.

use std::time::Duration;

use checkers::history::OpType;
use checkers::{Elements, Figures, Finding, Messages, Quantiles, Reason, Report, Validity};
use simulator::{Availability, PlannedFault, SeqKv, Settings, Values};

use super::limits::Comparison;

/// A report made ready to be shown.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The verdict.
    pub valid: Validity,
    /// The verdict in a word or two.
    pub verdict: &'static str,
    /// What was measured.
    pub figures: Figures,
    /// Limits and what was measured.
    pub limits: Vec<Comparison>,
    /// Why the verdict is not valid, by kind.
    pub findings: Vec<Kind>,
    /// What is odd, by kind.
    pub warnings: Vec<Kind>,
}

/// Findings of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The kind.
    pub name: String,
    /// The findings that are told, in order.
    pub findings: Vec<Finding>,
    /// How many there are, those included that are not told.
    pub count: u64,
}

/// A reason with its example.
pub(super) fn reason(reason: &Reason) -> String {
    let Reason { reason, example, .. } = reason;
    if example.is_empty() { reason.clone() } else { format!("{reason}, for instance {example}") }
}

/// What became of operations, in words.
pub(super) fn ended(kind: OpType) -> &'static str {
    if kind == OpType::Fail { "failed" } else { "in doubt" }
}

/// A fraction in percent.
pub(super) fn percent(fraction: f64) -> String {
    // Rounding 0.9999 up to 100 % would hide that something failed.
    let percent = (fraction * 10_000.0).floor() / 100.0;
    format!("{percent} %")
}

/// How elements fared, in words.
pub(super) fn elements(elements: &Elements) -> String {
    let Elements { attempts, stable, lost, never_read, .. } = elements;
    format!("{attempts} sent, {stable} stable, {} lost, {never_read} never read", lost.len())
}

/// After how long they were stable, in words, if any was.
pub(super) fn stable(elements: &Elements) -> Option<String> {
    let [median, p95, p99, worst] = latencies(Some(elements.latencies.as_ref()?));
    Some(format!("median {median}, 95 % {p95}, 99 % {p99}, worst {worst}"))
}

/// How many messages there were, in words.
pub(super) fn messages(messages: &Messages) -> String {
    let Messages { all, servers, per_op } = messages;
    let per_op = per_op.map_or(String::new(), |n| format!(", {n:.2} per operation"));
    format!("{servers} between nodes{per_op}; {all} with those of clients")
}

/// Median, 95 %, 99 % and the longest.
pub(super) fn latencies(quantiles: Option<&Quantiles>) -> [String; 4] {
    match quantiles {
        Some(Quantiles { median, p95, p99, max }) => [median, p95, p99, max].map(|of| millis(*of)),
        None => ["–"; 4].map(str::to_owned),
    }
}

impl Summary {
    /// Sums a report up.
    pub fn of(report: &Report, limits: &[Comparison]) -> Self {
        Self {
            valid: report.valid(),
            verdict: verdict(report),
            figures: report.figures.clone(),
            limits: limits.to_vec(),
            findings: by_kind(all(report, |part| &part.findings)),
            warnings: by_kind(all(report, |part| &part.warnings)),
        }
    }

    /// The findings that are told, in order, with what belongs to each.
    pub(crate) fn all_findings<T>(&self, of: impl Fn(&Finding) -> T) -> Vec<(&Finding, T)> {
        let all = self.findings.iter().flat_map(|kind| &kind.findings);
        all.map(|finding| (finding, of(finding))).collect()
    }
}

/// Whether limits are all that is wrong is worth a word of its own.
fn verdict(report: &Report) -> &'static str {
    let of_checks = report.parts.iter().filter(|(name, _)| **name != "limits");
    let of_checks = of_checks.map(|(_, part)| part.valid).max().unwrap_or(Validity::Valid);
    match (report.valid(), of_checks) {
        (Validity::Valid, _) => "Valid",
        (Validity::Unknown, _) => "Unknown",
        (Validity::Invalid, Validity::Valid) => "Valid, but over its limits",
        (Validity::Invalid, _) => "Invalid",
    }
}

fn all(report: &Report, list: impl Fn(&checkers::Outcome) -> &Vec<Finding>) -> Vec<Finding> {
    report.in_order().flat_map(|part| list(part).clone()).collect()
}

fn by_kind(findings: Vec<Finding>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for finding in findings {
        let known = kinds.iter().position(|kind| kind.name == finding.kind);
        let index = known.unwrap_or_else(|| {
            kinds.push(Kind { name: finding.kind.clone(), findings: Vec::new(), count: 0 });
            kinds.len() - 1
        });
        let kind = &mut kinds[index];
        kind.count += finding.omitted.unwrap_or(1);
        if finding.omitted.is_none() {
            kind.findings.push(finding);
        }
    }
    kinds
}

/// A latency with as many digits as are worth reading: `0.42 ms`, `12.3 ms`,
/// `412 ms`.
fn millis(latency: Duration) -> String {
    match latency.as_secs_f64() * 1e3 {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis if millis < 100.0 => format!("{millis:.1} ms"),
        millis => format!("{millis:.0} ms"),
    }
}

/// The settings that say what a test was like, in words.
pub(crate) fn describe(settings: &Settings) -> Vec<(&'static str, String)> {
    let planned = |PlannedFault { fault, interval, .. }: &PlannedFault| {
        let interval = interval.unwrap_or(settings.nemesis_interval).as_secs_f64();
        format!("{} every {interval} s or so", fault.name())
    };
    let faults: Vec<String> = settings.nemesis.iter().map(planned).collect();
    let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(", ") };
    let latency = &settings.latency;
    let mut all = vec![
        ("Workload", settings.workload.name().to_owned()),
        ("Nodes", settings.node_count.to_string()),
        ("Clients", settings.concurrency.to_string()),
        ("Rate", format!("{} operations a second", settings.rate)),
        ("Time limit", format!("{} s", settings.time_limit.as_secs_f64())),
        (
            "Latency",
            match latency.mean {
                Duration::ZERO => "none".to_owned(),
                mean => format!("{} ms, {}", mean.as_millis(), latency.dist.name()),
            },
        ),
        ("Faults", faults),
        ("Seed", settings.seed.to_string()),
    ];
    if !settings.links.is_complete() {
        all.push(("Links", settings.links.to_string()));
    }
    if settings.values != Values::Integers {
        all.push(("Values", settings.values.name().to_owned()));
    }
    if settings.seq_kv == SeqKv::Adversarial {
        all.push(("seq-kv", "as stale as allowed".to_owned()));
    }
    match settings.availability {
        None => {}
        Some(Availability::Total) => all.push(("Availability", "total".to_owned())),
        Some(Availability::Fraction(least)) => {
            all.push(("Availability", format!("at least {least}")));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use checkers::Outcome;

    use super::*;

    fn part(valid: Validity, kinds: &[&str]) -> Outcome {
        let finding = |kind: &&str| Finding::new(*kind, format!("a {kind} thing"), vec![1]);
        Outcome { valid, findings: kinds.iter().map(finding).collect(), ..Outcome::default() }
    }

    #[test]
    fn a_run_that_only_misses_its_limits_is_called_valid_but_over_them() {
        let mut report = Report::default();
        report.add("workload", part(Validity::Valid, &[]));
        report.add("limits", part(Validity::Invalid, &["over-limit"]));
        assert_eq!(Summary::of(&report, &[]).verdict, "Valid, but over its limits");
        report.add("stats", part(Validity::Unknown, &[]));
        assert_eq!(Summary::of(&report, &[]).verdict, "Invalid");
    }

    #[test]
    fn findings_are_grouped_and_what_never_succeeds_comes_before_what_came_of_it() {
        let mut report = Report::default();
        report.add("stats", part(Validity::Invalid, &["never-ok"]));
        let mut lost = part(Validity::Invalid, &["lost", "lost"]);
        lost.findings.push(Finding::omission("lost", 40));
        report.add("workload", lost);
        let summary = Summary::of(&report, &[]);
        let kinds: Vec<_> =
            summary.findings.iter().map(|kind| (kind.name.as_str(), kind.count)).collect();
        assert_eq!(kinds, [("never-ok", 1), ("lost", 42)]);
        assert_eq!(summary.findings[1].findings.len(), 2);
    }
}
