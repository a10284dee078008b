//! Whether enough operations succeeded.
//!
//! The fraction is a 32-bit float, as in the original, so that a bound is met
//! or missed in the same runs.

use serde_json::json;

use super::witness::{Event, Findings, Names, finding, shorten};
use super::{Checker, Figures, Outcome, Validity, fields};
use crate::checks::Availability as Bound;
use crate::history::{Op, OpType};

/// Compares the fraction of invocations that succeeded with a bound.
#[derive(Default)]
pub(crate) struct Availability {
    bound: Option<Bound>,
    names: Names,
    invoked: u64,
    ok: u64,
    unsuccessful: Findings,
}

impl Availability {
    /// Without a bound it only measures.
    pub(crate) fn new(bound: Option<Bound>, names: Names) -> Self {
        Self { bound, names, ..Self::default() }
    }

    /// Successes per invocation; 1 where nothing was asked for.
    fn fraction(&self) -> f32 {
        if self.invoked == 0 { 1.0 } else { (self.ok as f64 / self.invoked as f64) as f32 }
    }

    fn is_met(&self) -> bool {
        match self.bound {
            None => true,
            // Compared as the original does, after rounding.
            Some(Bound::Total) => self.fraction() == 1.0,
            Some(Bound::Fraction(least)) => least <= f64::from(self.fraction()),
        }
    }

    fn describe_bound(&self) -> String {
        let bound = match self.bound {
            Some(Bound::Fraction(least)) => format!("at least {least}"),
            _ => "all".to_owned(),
        };
        format!(
            "{} of {} operations succeeded, {}; {bound} were asked for.",
            self.ok,
            self.invoked,
            self.fraction()
        )
    }
}

impl Checker for Availability {
    fn observe(&mut self, op: &Op) {
        match op.kind {
            OpType::Invoke => self.invoked += 1,
            OpType::Ok => self.ok += 1,
            OpType::Fail | OpType::Info if op.process.is_client() => {
                let names = self.names;
                self.unsuccessful.push(&[op.index], || describe(op, names));
            }
            OpType::Fail | OpType::Info => {}
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let is_met = self.is_met();
        let results = fields(json!({ "ok-fraction": short_float(self.fraction()) }));
        let ok_fraction = (self.invoked > 0).then(|| short_float(self.fraction()));
        let mut findings = Vec::new();
        if !is_met {
            findings = finding("unavailable", self.describe_bound());
            findings.extend(self.unsuccessful.into_vec("unavailable"));
        }
        let figures = Figures { ok_fraction, ..Figures::default() };
        Outcome { valid: Validity::of(is_met), results, findings, figures, ..Outcome::default() }
    }
}

fn describe(op: &Op, names: Names) -> String {
    let error = op.error.as_ref().map_or("no reason given", |error| error.get());
    let outcome = if op.kind == OpType::Fail { "failed" } else { "stayed in doubt" };
    let who = names.who(op.process);
    format!("A {} of {who} {outcome}: {} ({}).", op.f, shorten(error), Event::of(op).at())
}

/// A 32-bit float with no more digits than it has.
fn short_float(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
