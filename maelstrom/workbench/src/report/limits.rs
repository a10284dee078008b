//! Limits of a challenge beyond a valid verdict: "fewer than 30 messages an
//! operation", "half of the values everywhere within 400 ms".

use std::fmt;
use std::str::FromStr;

use checkers::{Figures, Finding, Outcome, Quantiles, Report, Validity};
use serde_json::{Map, Value, json};
use simulator::Workload;

/// What a limit is about: messages between nodes per operation, or a quantile of the time
/// after which a value was in every read, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names on the command line say it all")]
pub enum Metric {
    MsgsPerOp,
    StableMedian,
    StableP95,
    StableP99,
    StableMax,
}

impl Metric {
    const NAMES: [(Self, &str); 5] = [
        (Self::MsgsPerOp, "msgs-per-op"),
        (Self::StableMedian, "stable-median"),
        (Self::StableP95, "stable-p95"),
        (Self::StableP99, "stable-p99"),
        (Self::StableMax, "stable-max"),
    ];

    fn unit(self) -> &'static str {
        if self == Self::MsgsPerOp { "" } else { " ms" }
    }

    /// What it says, in a sentence.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::MsgsPerOp => {
                "Messages between nodes and services, for each operation of a client."
            }
            Self::StableMedian => "Half of the values were in every read after at most this long.",
            Self::StableP95 => "95 of 100 values were in every read after at most this long.",
            Self::StableP99 => "99 of 100 values were in every read after at most this long.",
            Self::StableMax => "Every value was in every read after at most this long.",
        }
    }

    /// Whether tests of this workload measure it.
    pub fn applies_to(self, workload: Workload) -> bool {
        self == Self::MsgsPerOp || matches!(workload, Workload::Broadcast | Workload::GSet)
    }

    /// The figure, of what was measured of messages and values; latencies in ms.
    pub(super) fn of(self, msgs_per_op: Option<f64>, stable: Option<&Quantiles>) -> Option<f64> {
        let latency = match self {
            Self::MsgsPerOp => return msgs_per_op,
            Self::StableMedian => stable?.median,
            Self::StableP95 => stable?.p95,
            Self::StableP99 => stable?.p99,
            Self::StableMax => stable?.max,
        };
        Some(latency.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Self::NAMES.iter().filter(|(metric, _)| metric == self);
        names.try_for_each(|(_, name)| f.write_str(name))
    }
}

/// An upper bound on a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What is bounded.
    pub metric: Metric,
    /// Whether the bound itself will do.
    pub or_equal: bool,
    /// The bound.
    pub bound: f64,
}

/// Why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no `<`.
    #[error("a limit is a metric, < or <=, and a number, such as msgs-per-op<30")]
    Form,
    /// The metric is unknown.
    #[error("there is no metric {name:?}; there are {}", Metric::NAMES.map(|(_, name)| name).join(", "))]
    Metric {
        /// What was given.
        name: String,
    },
    /// The bound is no number.
    #[error("{text:?} is no number that {metric} could be compared with")]
    Bound {
        /// What was given.
        text: String,
        /// What it was to bound.
        metric: String,
    },
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (name, bound) = text.split_once('<').ok_or(LimitError::Form)?;
        let (or_equal, bound) = match bound.strip_prefix('=') {
            Some(bound) => (true, bound.trim()),
            None => (false, bound.trim()),
        };
        let name = name.trim();
        let known = Metric::NAMES.into_iter().find(|(_, known)| *known == name);
        let (metric, _) = known.ok_or_else(|| LimitError::Metric { name: name.to_owned() })?;
        match bound.parse::<f64>() {
            Ok(bound) if bound.is_finite() => Ok(Self { metric, or_equal, bound }),
            _ => Err(LimitError::Bound { text: bound.to_owned(), metric: name.to_owned() }),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.metric, if self.or_equal { "<=" } else { "<" }, self.bound)
    }
}

impl Limit {
    /// Whether what was measured keeps the limit; nothing does not.
    pub fn is_met(&self, measured: Option<f64>) -> bool {
        measured.is_some_and(|measured| self.admits(measured))
    }

    /// Which is how people say it.
    pub(crate) fn in_words(&self) -> String {
        let Self { metric, or_equal, bound } = self;
        let than = if *or_equal { "at most" } else { "below" };
        match metric {
            Metric::MsgsPerOp => format!("{than} {bound} messages per operation"),
            Metric::StableMedian => format!("median {than} {bound} ms"),
            Metric::StableP95 => format!("95th percentile {than} {bound} ms"),
            Metric::StableP99 => format!("99th percentile {than} {bound} ms"),
            Metric::StableMax => format!("maximum {than} {bound} ms"),
        }
    }

    fn admits(&self, measured: f64) -> bool {
        measured < self.bound || (self.or_equal && measured == self.bound)
    }
}

/// A limit next to what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The limit.
    pub limit: Limit,
    /// `None` when there was nothing to measure, which misses the limit.
    pub measured: Option<f64>,
}

impl Comparison {
    /// Each limit next to what the report says.
    pub fn of(limits: &[Limit], report: &Report) -> Vec<Self> {
        let Figures { messages, elements, .. } = &report.figures;
        let per_op = messages.and_then(|messages| messages.per_op);
        let stable = elements.as_ref().and_then(|elements| elements.latencies.as_ref());
        let compare = |&limit: &Limit| Self { limit, measured: limit.metric.of(per_op, stable) };
        limits.iter().map(compare).collect()
    }

    /// The limits as a part of the report: a limit missed makes a run invalid.
    pub fn outcome(comparisons: &[Self]) -> Outcome {
        let finding = |missed: &Self| Finding::new("over-limit", missed.describe(), Vec::new());
        let missed = comparisons.iter().filter(|comparison| !comparison.is_met());
        let findings: Vec<Finding> = missed.map(finding).collect();
        let result = |comparison: &Self| {
            let value = json!({
                "limit": comparison.limit.to_string(),
                "measured": comparison.measured,
                "valid?": comparison.is_met(),
            });
            (comparison.limit.metric.to_string(), value)
        };
        let results: Map<String, Value> = comparisons.iter().map(result).collect();
        let valid = Validity::of(findings.is_empty());
        Outcome { valid, results, findings, ..Outcome::default() }
    }

    /// Whether the limit was kept.
    pub fn is_met(&self) -> bool {
        self.limit.is_met(self.measured)
    }

    fn describe(&self) -> String {
        let Limit { metric, bound, or_equal } = self.limit;
        let unit = metric.unit();
        let most = if or_equal { "at most" } else { "less than" };
        match self.measured {
            Some(measured) => {
                let measured = short(measured);
                format!("{metric} is {measured}{unit}; the limit is {most} {bound}{unit}.")
            }
            None => format!("{metric} could not be measured; the limit is {most} {bound}{unit}."),
        }
    }
}

/// As a line of a table: `28.41 < 30 ms`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match (self.is_met(), self.limit.or_equal) {
            (true, false) => "<",
            (true, true) => "≤",
            (false, false) => "≥",
            (false, true) => ">",
        };
        match self.measured {
            Some(measured) => write!(f, "{} {relation} ", short(measured))?,
            None => f.write_str("not measured, but to be below ")?,
        }
        write!(f, "{}{}", self.limit.bound, self.limit.metric.unit())
    }
}

/// A number with two decimals at most.
fn short(number: f64) -> String {
    ((number * 100.0).round() / 100.0).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::{Elements, Messages};

    use super::*;

    fn report(msgs_per_op: f64, median: Option<u64>) -> Report {
        let latencies = median.and_then(|median| Quantiles::of(&[Duration::from_millis(median)]));
        let messages = Messages { per_op: Some(msgs_per_op), ..Messages::default() };
        let mut report = Report::default();
        report.figures.messages = Some(messages);
        report.figures.elements = Some(Elements { latencies, ..Elements::default() });
        report
    }

    fn limits(text: &str) -> Vec<Limit> {
        text.split(',').map(|limit| limit.parse().unwrap()).collect()
    }

    #[test]
    fn a_limit_survives_the_way_to_text_and_back() {
        for text in ["msgs-per-op<30", "stable-median<=400", "stable-p99<0.5", "stable-max<600"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_limit_is_explained() {
        let error = |text: &str| text.parse::<Limit>().unwrap_err().to_string();
        assert!(error("msgs-per-op").contains("such as msgs-per-op<30"));
        assert!(error("messages<3").contains("msgs-per-op, stable-median"));
        assert!(error("stable-max<soon").contains("\"soon\" is no number"));
        assert!(error("stable-max<NaN").contains("no number"));
    }

    #[test]
    fn a_limit_is_kept_below_its_bound_and_at_it_only_if_it_says_so() {
        let report = report(30.0, Some(400));
        let is_met = |text: &str| Comparison::of(&limits(text), &report)[0].is_met();
        assert!(!is_met("msgs-per-op<30"));
        assert!(is_met("msgs-per-op<=30"));
        assert!(is_met("msgs-per-op<30.01"));
        assert!(is_met("stable-median<401"));
    }

    #[test]
    fn a_missed_limit_makes_the_report_invalid() {
        let mut report = report(28.0, Some(500));
        let comparisons = Comparison::of(&limits("msgs-per-op<30,stable-median<400"), &report);
        assert_eq!(comparisons[1].to_string(), "500 ≥ 400 ms");
        report.add("limits", Comparison::outcome(&comparisons));
        assert_eq!(report.valid(), Validity::Invalid);
        assert_eq!(report.parts["limits"].findings.len(), 1);
    }

    #[test]
    fn what_was_not_measured_is_not_within_its_limit() {
        let comparisons = Comparison::of(&limits("stable-max<600"), &report(1.0, None));
        assert!(!comparisons[0].is_met());
    }
}
