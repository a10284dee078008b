//! What was measured, as types: for whoever computes with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::history::OpType;
use crate::quantiles::nearest_rank;

/// What the checks of a test measured. The same stands under [`Outcome::results`] as
/// JSON, by the original's names.
///
/// [`Outcome::results`]: crate::Outcome::results
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By function, how operations ended.
    pub ended: BTreeMap<String, Ended>,
    /// By function, how long operations that succeeded took.
    pub latencies: BTreeMap<String, Latencies>,
    /// Why operations did not succeed, the most frequent reason first.
    pub reasons: Vec<Reason>,
    /// The fraction of operations that succeeded; none where nothing was asked for.
    pub ok_fraction: Option<f64>,
    /// What became of the elements of a set.
    pub elements: Option<Elements>,
    /// How many probes after the last fault did not find what is promised by then.
    pub late_probes: Option<usize>,
    /// Messages on the network.
    pub messages: Option<Messages>,
    /// What the workload cannot show, whatever the verdict.
    pub not_visible: Option<&'static str>,
}

impl Figures {
    /// Adds what another check measured.
    pub(crate) fn add(&mut self, other: Self) {
        self.ended.extend(other.ended);
        self.latencies.extend(other.latencies);
        self.reasons.extend(other.reasons);
        self.ok_fraction = other.ok_fraction.or(self.ok_fraction);
        self.elements = other.elements.or(self.elements.take());
        self.late_probes = other.late_probes.or(self.late_probes);
        self.messages = other.messages.or(self.messages.take());
        self.not_visible = other.not_visible.or(self.not_visible);
    }
}

/// How many operations of a function succeeded, failed and stayed in doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Succeeded.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// How long operations took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many there were.
    pub count: u64,
    /// Their mean.
    pub mean: Duration,
    /// Their distribution, to a percent.
    pub quantiles: Quantiles,
}

/// A distribution at the points that are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// One half is no longer.
    pub median: Duration,
    /// 95 of 100 are no longer.
    pub p95: Duration,
    /// 99 of 100 are no longer.
    pub p99: Duration,
    /// None is longer.
    pub max: Duration,
}

impl Quantiles {
    /// Those of an ascending list; none of an empty one.
    pub fn of(sorted: &[Duration]) -> Option<Self> {
        Self::at(|point| nearest_rank(sorted, point))
    }

    /// What a function says of each point.
    pub(crate) fn at(quantile: impl Fn(f64) -> Option<Duration>) -> Option<Self> {
        Some(Self {
            median: quantile(0.5)?,
            p95: quantile(0.95)?,
            p99: quantile(0.99)?,
            max: quantile(1.0)?,
        })
    }
}

/// Why operations of one function did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The function.
    pub f: String,
    /// What became of them: they failed, or are in doubt.
    pub kind: OpType,
    /// Why.
    pub reason: String,
    /// How many operations.
    pub count: u64,
    /// What a node answered, once; may be empty.
    pub example: String,
    /// The index of the completion that has the example.
    pub op: u64,
}

/// What became of the elements of a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elements {
    /// How many were added.
    pub attempts: u64,
    /// How many are in every read from some time on.
    pub stable: usize,
    /// Those that were known and are gone, as JSON.
    pub lost: Vec<Value>,
    /// How many nobody read.
    pub never_read: usize,
    /// How long after it was known an element was in every read.
    pub latencies: Option<Quantiles>,
}

/// How many messages there were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Messages {
    /// Those of clients included.
    pub all: u64,
    /// Between nodes and services.
    pub servers: u64,
    /// Between nodes and services, for each operation of a client; none without one.
    pub per_op: Option<f64>,
}
