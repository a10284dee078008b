//! A counter's final reads must be a sum of all adds that succeeded and some of
//! those in doubt.
//!
//! The check of g-counter and pn-counter. Adds without any completion count as
//! not done, and reads during the run count for nothing, as in the original.
//!
//! The original holds each final read against the sums alone. That two of them
//! differ, by adds in doubt that one node has counted and another has not, although
//! all had time to tell each other, is a warning here, and wrong when the settings
//! are strict.

use num_bigint::BigInt;
use serde_json::{Value, json};

use super::element::Element;
use super::witness::{Event, Findings, Names, finding, shorten};
use super::{Checker, Outcome, Validity, fields};
use crate::history::{Op, OpType};

/// More ranges than this are not told apart. The workloads' deltas lie so close
/// together that their sums fill a handful of ranges; only a history made for
/// it gets here.
const MOST_RANGES: usize = 100_000;

#[derive(Default)]
pub(crate) struct Counter {
    strict: bool,
    names: Names,
    definite: BigInt,
    /// Deltas that may have been added or not.
    possible: Vec<BigInt>,
    reads: Vec<FinalRead>,
}

struct FinalRead {
    event: Event,
    value: Element,
}

impl Counter {
    /// With `strict`, final reads have to agree.
    pub(crate) fn new(strict: bool, names: Names) -> Self {
        Self { strict, names, ..Self::default() }
    }

    fn observe_add(&mut self, op: &Op) {
        // Nobody can have asked for anything else.
        let Some(delta) = Element::parse(op.value.get()).integer() else { return };
        match op.kind {
            OpType::Ok => self.definite += delta,
            OpType::Info => self.possible.push(delta),
            OpType::Invoke | OpType::Fail => {}
        }
    }

    fn wrong_reads(&self, acceptable: &Ranges) -> (Findings, Vec<Value>) {
        let mut findings = Findings::default();
        let mut errors = Vec::new();
        for read in &self.reads {
            if !acceptable.contains(&read.value) {
                errors.push(json!({ "op-index": read.event.index }));
                findings.push(&[read.event.index], || self.describe(read, acceptable));
            }
        }
        (findings, errors)
    }

    fn differing_reads(&self) -> Findings {
        let mut findings = Findings::default();
        let Some((first, others)) = self.reads.split_first() else { return findings };
        for other in others.iter().filter(|other| other.value != first.value) {
            findings.push(&[first.event.index, other.event.index], || {
                format!("{}, but {}.", self.told(first), self.told(other))
            });
        }
        findings
    }

    fn describe(&self, read: &FinalRead, acceptable: &Ranges) -> String {
        let doubt = match self.possible.len() {
            0 => String::new(),
            count => format!(" and {count} in doubt allow {acceptable}"),
        };
        let (told, sum) = (self.told(read), &self.definite);
        format!("{told}; the adds that succeeded come to {sum}{doubt}.")
    }

    fn told(&self, read: &FinalRead) -> String {
        let (who, at) = (self.names.who(read.event.process), read.event.at());
        format!("{who} read {} at the end ({at})", shorten(&read.value.to_string()))
    }
}

impl Checker for Counter {
    fn observe(&mut self, op: &Op) {
        if !op.process.is_client() {
            return;
        }
        if op.f == "add" {
            self.observe_add(op);
        } else if op.is_final && op.kind == OpType::Ok {
            let value = Element::parse(op.value.get());
            self.reads.push(FinalRead { event: Event::of(op), value });
        }
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        // In order of size, so that sums fill up from the middle and ranges
        // stay few.
        self.possible.sort_unstable_by(|a, b| a.magnitude().cmp(b.magnitude()));
        let acceptable = Ranges::sums(&self.definite, &self.possible);
        let (wrong, errors) = match &acceptable {
            Some(acceptable) => self.wrong_reads(acceptable),
            None => (Findings::default(), Vec::new()),
        };
        let differing = self.differing_reads();
        let is_agreed = !self.strict || differing.is_empty();
        let valid = match acceptable {
            None => Validity::Unknown,
            Some(_) => Validity::of(wrong.is_empty() && is_agreed),
        };
        let mut findings = wrong.into_vec("wrong-sum");
        if acceptable.is_none() {
            let text = format!(
                "{} adds in doubt allow more than {MOST_RANGES} separate ranges of sums, which is \
                 more than this check tells apart.",
                self.possible.len()
            );
            findings.extend(finding("too-many-sums", text));
        }
        let text = "No final read succeeded, so there was nothing to hold against the counter.";
        let no_reads = self.reads.is_empty().then(|| finding("no-final-reads", text));
        let mut warnings = no_reads.unwrap_or_default();
        let final_reads: Value = self.reads.iter().map(|read| read.value.to_value()).collect();
        let results = fields(json!({
            "errors": (!errors.is_empty()).then_some(errors),
            "final-reads": final_reads,
            "acceptable": acceptable.map(|ranges| ranges.to_value()),
        }));
        let told = if self.strict { &mut findings } else { &mut warnings };
        told.extend(differing.into_vec("reads-differ"));
        Outcome { valid, results, findings, warnings, ..Outcome::default() }
    }
}

/// A set of integers as closed ranges: ascending, and with a gap between any
/// two.
#[derive(Debug, PartialEq, Eq)]
struct Ranges(Vec<(BigInt, BigInt)>);

impl Ranges {
    /// `base` plus every sum of some of the deltas. `None` if these are too
    /// many ranges.
    fn sums(base: &BigInt, deltas: &[BigInt]) -> Option<Self> {
        let mut ranges = Self(vec![(base.clone(), base.clone())]);
        for delta in deltas {
            ranges = ranges.with_shifted(delta);
            if ranges.0.len() > MOST_RANGES {
                return None;
            }
        }
        Some(ranges)
    }

    /// These integers, and each of them plus `delta`.
    fn with_shifted(&self, delta: &BigInt) -> Self {
        let shifted = self.0.iter().map(|(low, high)| (low + delta, high + delta));
        let mut all: Vec<_> = self.0.iter().cloned().chain(shifted).collect();
        all.sort_unstable();
        let mut merged: Vec<(BigInt, BigInt)> = Vec::with_capacity(all.len());
        for (low, high) in all {
            match merged.last_mut() {
                Some((_, last)) if low <= &*last + 1 => {
                    if high > *last {
                        *last = high;
                    }
                }
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    fn contains(&self, value: &Element) -> bool {
        let Some(value) = value.integer() else { return false };
        let after = self.0.partition_point(|(low, _)| *low <= value);
        after > 0 && value <= self.0[after - 1].1
    }

    fn to_value(&self) -> Value {
        let number =
            |value: &BigInt| i64::try_from(value).map_or(json!(value.to_string()), Value::from);
        self.0.iter().map(|(low, high)| json!([number(low), number(high)])).collect()
    }
}

/// `3`, `3 to 7`, `3 to 7 or 9`, and so on, up to a few ranges.
impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MOST: usize = 5;
        for (number, (low, high)) in self.0.iter().take(MOST).enumerate() {
            let or = if number == 0 { "" } else { " or " };
            match low == high {
                true => write!(f, "{or}{low}")?,
                false => write!(f, "{or}{low} to {high}")?,
            }
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " or one of {more} further ranges"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(deltas: &[i64]) -> Vec<BigInt> {
        deltas.iter().copied().map(BigInt::from).collect()
    }

    #[test]
    fn sums_beyond_every_machine_word_are_exact() {
        let wide = BigInt::from(i128::MAX);
        let ranges = Ranges::sums(&wide, &[wide.clone(), BigInt::from(1)]).unwrap();
        for (value, is_sum) in [
            ("170141183460469231731687303715884105727", true),
            ("170141183460469231731687303715884105728", true),
            ("170141183460469231731687303715884105726", false),
            ("340282366920938463463374607431768211454", true),
            ("340282366920938463463374607431768211455", true),
            ("340282366920938463463374607431768211456", false),
            ("3.4028236692093846e38", false),
        ] {
            assert_eq!(ranges.contains(&Element::parse(value)), is_sum, "{value}");
        }
    }

    #[test]
    fn neighbouring_sums_make_one_range_and_gaps_stay() {
        let sums = |deltas: &[i64]| Ranges::sums(&2.into(), &big(deltas)).unwrap();
        assert_eq!(sums(&[]).to_value(), json!([[2, 2]]));
        assert_eq!(sums(&[1, 1, -1]).to_value(), json!([[1, 4]]));
        assert_eq!(sums(&[4, -3]).to_value(), json!([[-1, -1], [2, 3], [6, 6]]));
    }

    #[test]
    fn ranges_contain_exactly_the_subset_sums() {
        let deltas = [4_i64, -3, 7, 7, 20, -50];
        let ranges = Ranges::sums(&1.into(), &big(&deltas)).unwrap();
        let mut sums: Vec<i64> = (0..1_u32 << deltas.len())
            .map(|subset| {
                let chosen = deltas.iter().enumerate().filter(|(i, _)| subset >> i & 1 == 1);
                1 + chosen.map(|(_, delta)| delta).sum::<i64>()
            })
            .collect();
        sums.sort_unstable();
        for value in -100..100_i64 {
            let is_sum = sums.binary_search(&value).is_ok();
            assert_eq!(ranges.contains(&Element::Int(value)), is_sum, "{value}");
        }
    }

    #[test]
    fn sums_that_cannot_be_listed_are_given_up() {
        let powers: Vec<BigInt> = (0..60).map(|bit| BigInt::from(3).pow(bit)).collect();
        assert_eq!(Ranges::sums(&BigInt::ZERO, &powers), None);
    }

    #[test]
    fn a_fraction_is_no_sum() {
        let ranges = Ranges::sums(&BigInt::ZERO, &big(&[5])).unwrap();
        assert!(ranges.contains(&Element::parse("5")));
        assert!(!ranges.contains(&Element::parse("5.0")));
        assert!(!ranges.contains(&Element::parse("2.5")));
    }
}
