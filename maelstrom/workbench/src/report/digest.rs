//! What a report comes to: a verdict, rows of numbers and findings, for whatever
//! shows them.

use std::time::Duration;

use checkers::{Finding, Report, Validity};
use serde::Deserialize;
use serde_json::{Map, Value};
use simulator::settings::{Availability, SeqKv, Settings, Values};

use super::limits::Comparison;

/// The parts of a report in the order in which their findings matter.
const PARTS: [&str; 7] = ["run", "nodes", "workload", "availability", "stats", "limits", "net"];

/// A report made ready to be shown.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The verdict.
    pub valid: Validity,
    /// The verdict in a word or two.
    pub verdict: &'static str,
    /// One row a function.
    pub operations: Vec<Operations>,
    /// Why operations did not succeed, the most frequent reason first.
    pub reasons: Vec<Reason>,
    /// The fraction of operations that succeeded.
    pub ok_fraction: Option<f64>,
    /// How long values took to be everywhere.
    pub stable: Option<Stable>,
    /// Messages.
    pub messages: Option<Messages>,
    /// Limits and what was measured.
    pub limits: Vec<Comparison>,
    /// Why the verdict is not valid, by kind.
    pub findings: Vec<Kind>,
    /// What is odd, by kind.
    pub warnings: Vec<Kind>,
    /// What this workload cannot show, whatever the verdict.
    pub not_visible: Option<String>,
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

/// The operations of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operations {
    /// The function.
    pub f: String,
    /// How many succeeded, failed and stayed in doubt.
    pub counts: [u64; 3],
    /// Latencies of the successful ones in milliseconds: median, 95 %, 99 %,
    /// worst.
    pub latencies: [Option<f64>; 4],
}

/// Why operations of one function did not succeed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// The function.
    pub f: String,
    /// What became of them: `fail` or `info`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// What a node answered, for instance; may be empty.
    pub example: String,
}

impl Reason {
    /// The reason with its example.
    pub fn text(&self) -> String {
        let Self { reason, example, .. } = self;
        if example.is_empty() {
            reason.clone()
        } else {
            format!("{reason}, for instance {example}")
        }
    }

    /// What became of the operations, in words.
    pub fn outcome(&self) -> &'static str {
        if self.kind == "fail" { "failed" } else { "in doubt" }
    }
}

/// What became of the elements of a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stable {
    /// How many were added, became stable, got lost and were never read.
    pub counts: [u64; 4],
    /// Stable latencies in milliseconds: median, 95 %, 99 %, worst.
    pub latencies: [Option<f64>; 4],
}

/// Messages on the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// All, and those between nodes.
    pub counts: [u64; 2],
    /// Those between nodes per operation.
    pub per_op: Option<f64>,
}

impl Digest {
    /// Digests a report.
    pub fn of(report: &Report, limits: &[Comparison]) -> Self {
        Self {
            valid: report.valid(),
            verdict: verdict(report),
            operations: operations(report),
            reasons: reasons(report),
            ok_fraction: ok_fraction(report),
            stable: stable(report),
            messages: messages(report),
            limits: limits.to_vec(),
            findings: by_kind(all(report, |part| &part.findings)),
            warnings: by_kind(all(report, |part| &part.warnings)),
            not_visible: not_visible(report),
        }
    }
}

fn not_visible(report: &Report) -> Option<String> {
    report.result("workload", "not-visible")?.as_str().map(str::to_owned)
}

/// Nothing, where nothing was asked: the original calls that 1.
fn ok_fraction(report: &Report) -> Option<f64> {
    let fraction = report.result("availability", "ok-fraction").and_then(Value::as_f64);
    let is_empty = report.result("stats", "count").is_some_and(|count| *count == 0);
    fraction.filter(|_| !is_empty)
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
    let known = PARTS.iter().filter_map(|name| report.parts.get(name));
    let others = report.parts.iter().filter(|(name, _)| !PARTS.contains(name));
    known.chain(others.map(|(_, part)| part)).flat_map(|part| list(part).clone()).collect()
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
        kind.count += finding.omitted().unwrap_or(1);
        if finding.omitted().is_none() {
            kind.findings.push(finding);
        }
    }
    kinds
}

fn operations(report: &Report) -> Vec<Operations> {
    let by_f = report.result("stats", "by-f").and_then(Value::as_object);
    let latencies = report.result("perf", "latencies");
    let row = |(f, counts): (&String, &Value)| Operations {
        f: f.clone(),
        counts: ["ok-count", "fail-count", "info-count"].map(|name| count(counts, name)),
        latencies: quantiles(latencies.and_then(|latencies| latencies.get(f))),
    };
    by_f.into_iter().flatten().map(row).collect()
}

fn reasons(report: &Report) -> Vec<Reason> {
    let reasons = report.result("stats", "reasons");
    reasons.and_then(|reasons| Vec::deserialize(reasons).ok()).unwrap_or_default()
}

fn stable(report: &Report) -> Option<Stable> {
    let results: &Map<String, Value> = &report.parts.get("workload")?.results;
    results.get("stable-count")?;
    let counts = ["attempt-count", "stable-count", "lost-count", "never-read-count"];
    let count = |name| results.get(name).and_then(Value::as_u64).unwrap_or(0);
    let latencies = quantiles(results.get("stable-latencies"));
    Some(Stable { counts: counts.map(count), latencies })
}

fn messages(report: &Report) -> Option<Messages> {
    let (all, servers) = (report.result("net", "all")?, report.result("net", "servers")?);
    let counts = [all, servers].map(|counts| count(counts, "msg-count"));
    Some(Messages { counts, per_op: servers.get("msgs-per-op").and_then(Value::as_f64) })
}

fn count(counts: &Value, name: &str) -> u64 {
    counts.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn quantiles(of: Option<&Value>) -> [Option<f64>; 4] {
    ["0.5", "0.95", "0.99", "1"].map(|point| of?.get(point)?.as_f64())
}

/// A latency with as many digits as are worth reading: `0.42 ms`, `12.3 ms`,
/// `412 ms`.
pub fn millis(latency: Option<f64>) -> String {
    match latency {
        None => "–".to_owned(),
        Some(latency) if latency < 10.0 => format!("{latency:.2} ms"),
        Some(latency) if latency < 100.0 => format!("{latency:.1} ms"),
        Some(latency) => format!("{latency:.0} ms"),
    }
}

/// The settings that say what a test was like, in words.
pub fn describe(settings: &Settings) -> Vec<(&'static str, String)> {
    let faults: Vec<&str> = settings.nemesis.iter().map(|planned| planned.fault.name()).collect();
    let faults = match faults.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        faults => format!("{faults}; every {} s or so", settings.nemesis_interval.as_secs_f64()),
    };
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
    if settings.seq_kv == SeqKv::Worst {
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
    use serde_json::json;

    use super::*;

    fn part(valid: Validity, results: Value, kinds: &[&str]) -> Outcome {
        let finding = |kind: &&str| Finding::new(*kind, format!("a {kind} thing"), vec![1]);
        Outcome {
            valid,
            results: serde_json::from_value(results).unwrap(),
            findings: kinds.iter().map(finding).collect(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_run_that_only_misses_its_limits_is_called_valid_but_over_them() {
        let mut report = Report::default();
        report.add("workload", part(Validity::Valid, json!({}), &[]));
        report.add("limits", part(Validity::Invalid, json!({}), &["over-limit"]));
        assert_eq!(Digest::of(&report, &[]).verdict, "Valid, but over its limits");
        report.add("stats", part(Validity::Unknown, json!({}), &[]));
        assert_eq!(Digest::of(&report, &[]).verdict, "Invalid");
    }

    #[test]
    fn findings_are_grouped_and_the_workloads_come_before_the_stats() {
        let mut report = Report::default();
        report.add("stats", part(Validity::Invalid, json!({}), &["never-ok"]));
        let mut lost = part(Validity::Invalid, json!({}), &["lost", "lost"]);
        lost.findings.push(Finding::omission("lost", 40));
        report.add("workload", lost);
        let digest = Digest::of(&report, &[]);
        let kinds: Vec<_> =
            digest.findings.iter().map(|kind| (kind.name.as_str(), kind.count)).collect();
        assert_eq!(kinds, [("lost", 42), ("never-ok", 1)]);
        assert_eq!(digest.findings[0].findings.len(), 2);
    }

    #[test]
    fn numbers_are_taken_from_the_results_by_their_names() {
        let mut report = Report::default();
        let by_f = json!({ "read": { "ok-count": 3, "fail-count": 2, "info-count": 1 } });
        report.add("stats", part(Validity::Valid, json!({ "by-f": by_f }), &[]));
        let latencies = json!({ "read": { "0.5": 1.5, "0.95": 2.0, "0.99": 3.0, "1": 4.0 } });
        report.add("perf", part(Validity::Valid, json!({ "latencies": latencies }), &[]));
        let net =
            json!({ "all": { "msg-count": 9 }, "servers": { "msg-count": 6, "msgs-per-op": 1.5 } });
        report.add("net", part(Validity::Valid, net, &[]));
        let digest = Digest::of(&report, &[]);
        assert_eq!(digest.operations[0].counts, [3, 2, 1]);
        assert_eq!(digest.operations[0].latencies[3], Some(4.0));
        assert_eq!(digest.messages, Some(Messages { counts: [9, 6], per_op: Some(1.5) }));
        assert_eq!(digest.stable, None);
    }
}
