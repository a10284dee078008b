//! How long operations took.
//!
//! It is always valid. Latencies are those of successful
//! operations, from invocation to completion, to a precision of one percent.

use std::collections::BTreeMap;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::quantiles::Histogram;
use super::{Checker, Figures, Latencies, Outcome, Quantiles, fields};
use crate::history::{Op, OpType, Process};

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
        let latencies: BTreeMap<String, Latencies> =
            self.by_f.into_iter().filter_map(|(f, of)| Some((f, latencies(&of)?))).collect();
        let shown: Map<_, _> = latencies.iter().map(|(f, of)| (f.clone(), to_json(of))).collect();
        Outcome {
            results: fields(json!({ "latencies": shown })),
            figures: Figures { latencies, ..Figures::default() },
            ..Outcome::default()
        }
    }
}

fn latencies(histogram: &Histogram) -> Option<Latencies> {
    let quantile = |point| histogram.quantile(point).map(Duration::from_nanos);
    Some(Latencies {
        count: histogram.count(),
        mean: Duration::from_nanos(histogram.mean()?),
        quantiles: Quantiles::at(quantile)?,
    })
}

/// The number of operations, and mean and quantiles of their latencies in milliseconds.
fn to_json(latencies: &Latencies) -> Value {
    let millis = |of: Duration| json!((of.as_nanos() as f64 / 1e3).round() / 1e3);
    let Quantiles { median, p95, p99, max } = latencies.quantiles;
    json!({
        "count": latencies.count, "mean": millis(latencies.mean),
        "0.5": millis(median), "0.95": millis(p95), "0.99": millis(p99), "1": millis(max),
    })
}
