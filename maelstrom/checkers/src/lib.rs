//! Checkers: a history goes in, one operation at a time; a verdict comes out,
//! with the operations that prove it.
//!
//! A checker is fed while the test runs and keeps only what it needs, so that
//! memory does not grow with what passed by. What it reports under
//! [`Outcome::results`] has the names that the original's `results.edn` uses.

mod analysis;
mod availability;
mod cases;
mod changes;
mod checks;
mod clojure;
mod counter;
mod echo;
pub mod edn;
mod element;
mod figures;
pub mod form;
mod graph;
pub mod history;
mod interner;
mod kafka;
mod linearizable;
mod panics;
mod perf;
mod quantiles;
mod reasons;
mod set_full;
mod settling;
mod stats;
pub mod txn;
mod unique_ids;
mod visibility;
mod witness;

pub use self::analysis::{Analysis, Report};
pub use self::checks::{Availability, CheckBudget, Checks, Promise, Workload};
pub use self::element::{differs_in_type_alone, text_in_results};
pub use self::figures::{Elements, Ended, Figures, Latencies, Messages, Quantiles, Reason};
pub use self::quantiles::nearest_rank;
pub use self::witness::Names;

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::history::Op;

/// Whether a history is what it should be.
///
/// Ordered from best to worst, so that the verdict of several parts is their
/// maximum: one invalid part makes the whole invalid, else one unknown part
/// makes it unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// Nothing wrong was seen.
    #[default]
    Valid,
    /// Too little was seen to say anything.
    Unknown,
    /// A witness proves it wrong.
    Invalid,
}

impl Validity {
    /// `Valid` if `condition` holds, else `Invalid`.
    pub fn of(condition: bool) -> Self {
        if condition { Self::Valid } else { Self::Invalid }
    }
}

/// As in the original: `true`, `false` or `"unknown"`.
impl Serialize for Validity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Validity::Valid => serializer.serialize_bool(true),
            Validity::Unknown => serializer.serialize_str("unknown"),
            Validity::Invalid => serializer.serialize_bool(false),
        }
    }
}

/// Something that a person should know about, with the operations that show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The class of anomaly, in the original's words where it has one: `lost`,
    /// `duplicated`, `G1a`, …
    pub kind: String,
    /// One or more sentences that say what happened, where and when.
    pub text: String,
    /// Indices of the operations concerned, in order.
    pub ops: Vec<u64>,
    /// For how many findings of its kind this one stands, which are not told.
    #[serde(skip)]
    pub omitted: Option<u64>,
    /// What it is about, for whoever looks into the run.
    #[serde(skip)]
    pub subject: Subject,
    /// What is behind it, in a sentence or two, where somebody looked into the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// A self-contained SVG image of it, where one says more than words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Finding {
    /// A finding without a picture.
    pub fn new(kind: impl Into<String>, text: impl Into<String>, ops: Vec<u64>) -> Self {
        let (kind, text, subject) = (kind.into(), text.into(), Subject::default());
        Self { kind, text, ops, omitted: None, subject, why: None, picture: None }
    }

    /// Stands for so many further findings of a kind, which are not told.
    pub fn omission(kind: impl Into<String>, count: u64) -> Self {
        let text = format!("… and {count} more.");
        Self { omitted: Some(count), ..Self::new(kind, text, Vec::new()) }
    }
}

/// What a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// A key, where the workload has keys, as the history spells it.
    pub key: Option<String>,
    /// A value, as JSON.
    pub value: Option<String>,
    /// An offset of the key's log.
    pub offset: Option<i64>,
    /// What transactions read or wrote without the writes that came after.
    pub missed: Vec<Missed>,
}

/// That one transaction read or wrote what another was yet to write over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Whether it wrote it.
    pub is_written: bool,
    /// The index of the operation that read or wrote it.
    pub reader: u64,
    /// The index of the one that wrote.
    pub writer: u64,
    /// The key, as JSON.
    pub key: String,
    /// What the one read or wrote of it, or the end of what it read; `null` if there was nothing.
    pub read: String,
    /// What the other wrote.
    pub value: String,
}

impl Subject {
    /// A key.
    pub(crate) fn key(key: &dyn Display) -> Self {
        Self { key: Some(key.to_string()), ..Self::default() }
    }

    /// A value.
    pub(crate) fn value(value: &dyn Display) -> Self {
        Self { value: Some(value.to_string()), ..Self::default() }
    }

    /// A value of a key.
    pub(crate) fn both(key: &dyn Display, value: &dyn Display) -> Self {
        Self { value: Some(value.to_string()), ..Self::key(key) }
    }

    /// An offset of a key.
    pub(crate) fn offset(key: &dyn Display, offset: i64) -> Self {
        Self { offset: Some(offset), ..Self::key(key) }
    }

    /// What transactions did not see of each other.
    pub(crate) fn missed(missed: Vec<Missed>) -> Self {
        Self { missed, ..Self::default() }
    }
}

/// What a checker concludes.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The verdict.
    pub valid: Validity,
    /// The result map, by the original's names, without `valid?`.
    pub results: Map<String, Value>,
    /// What was measured.
    pub figures: Figures,
    /// Why the verdict is not `Valid`; empty when it is.
    pub findings: Vec<Finding>,
    /// What is odd but changes no verdict.
    pub warnings: Vec<Finding>,
}

impl Outcome {
    /// The result map with the verdict under `valid?`, as reports show it.
    pub fn to_json(&self) -> Value {
        let mut json = Value::Object(self.results.clone());
        json["valid?"] = json!(self.valid);
        json
    }
}

/// The fields of an object in JSON.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    if let Value::Object(fields) = object { fields } else { Map::new() }
}

/// Checks a history, operation by operation.
pub trait Checker {
    /// Takes the next operation, the nemesis's included.
    fn observe(&mut self, op: &Op);

    /// Ends the history: operations still open stay indeterminate.
    fn finish(self: Box<Self>) -> Outcome;
}

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
