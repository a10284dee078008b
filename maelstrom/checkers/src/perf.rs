//! How long operations took.
//!
//! Not a judgement: it is always valid. Latencies are those of successful
//! operations, from invocation to completion, to a precision of one percent.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::quantiles::Histogram;
use super::{Checker, Outcome, Validity};
use crate::history::{Op, OpType, Process};

/// The quantiles that are reported.
const POINTS: [f64; 4] = [0.5, 0.95, 0.99, 1.0];

/// Measures latencies.
#[derive(Debug, Default)]
pub(crate) struct Perf {
    open: FxHashMap<Process, u64>,
    by_f: BTreeMap<String, Histogram>,
}

impl Checker for Perf {
    fn observe(&mut self, op: &Op) {
        if !op.process.is_client() {
            return;
        }
        if op.is_invocation() {
            self.open.insert(op.process, op.time);
        } else if let Some(start) = self.open.remove(&op.process)
            && op.kind == OpType::Ok
        {
            let latency = op.time.saturating_sub(start);
            match self.by_f.get_mut(&*op.f) {
                Some(histogram) => histogram.record(latency),
                None => self.by_f.entry(op.f.to_string()).or_default().record(latency),
            }
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let latencies: Map<_, _> =
            self.by_f.iter().map(|(f, histogram)| (f.clone(), summary(histogram))).collect();
        Outcome {
            valid: Validity::Valid,
            results: Map::from_iter([("latencies".to_owned(), Value::Object(latencies))]),
            findings: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// The number of operations, and mean and quantiles of their latencies in milliseconds.
fn summary(histogram: &Histogram) -> Value {
    let mut summary = Map::from_iter([("count".to_owned(), json!(histogram.count()))]);
    let millis = |nanos: Option<u64>| json!(nanos.map(|nanos| (nanos as f64 / 1e3).round() / 1e3));
    summary.insert("mean".to_owned(), millis(histogram.mean()));
    for point in POINTS {
        summary.insert(point.to_string(), millis(histogram.quantile(point)));
    }
    Value::Object(summary)
}
