//! Whether everything is as promised soon after the last fault.
//!
//! When the settings state a promise, each client probes its node once, so long
//! after the last fault ended. The probe has to succeed; in a set or a counter it
//! has to show everything that was acknowledged. Reads that come later tell *late*
//! from *never*: what no later read shows either is lost, which is the workload's
//! checker to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maelstrom::protocol::Definite;
use maelstrom::protocol::json::{Fractions, canonical};
use num_bigint::BigInt;
use serde_json::json;
use serde_json::value::RawValue;

use super::element::Element;
use super::witness::{Event, Names, listed, shorten};
use super::{Checker, Figures, Finding, Outcome, Validity, fields};
use crate::Workload;
use crate::history::{Op, OpType, Process};

/// How many findings and values are told.
const TOLD: usize = 5;

pub(super) struct Settling {
    names: Names,
    within: Duration,
    known: Known,
    probes: Vec<Probe>,
    /// What the last read after the probes showed, by client thread.
    later: BTreeMap<u64, Seen>,
}

enum Known {
    /// Elements of a set, by their JSON.
    Set(BTreeMap<String, Event>),
    /// The least and the most that a counter may show.
    Counter(BigInt, BigInt),
    /// Nothing that a probe could show: it is enough that it succeeds.
    Nothing,
}

struct Probe {
    event: Event,
    thread: u64,
    f: String,
    seen: Seen,
}

enum Seen {
    Set(BTreeSet<String>),
    Counter(BigInt),
    Success,
    /// It failed, with this error.
    Failure(String),
}

impl Settling {
    pub(super) fn new(workload: Workload, within: Duration, names: Names) -> Self {
        let known = match workload {
            Workload::Broadcast | Workload::GSet => Known::Set(BTreeMap::new()),
            Workload::GCounter | Workload::PnCounter => Known::Counter(BigInt::ZERO, BigInt::ZERO),
            _ => Known::Nothing,
        };
        Self { names, within, known, probes: Vec::new(), later: BTreeMap::new() }
    }

    /// Takes a change, or what may have been one.
    fn learn(&mut self, op: &Op) {
        match &mut self.known {
            Known::Set(elements) if op.kind == OpType::Ok => {
                elements.entry(form(&op.value)).or_insert_with(|| Event::of(op));
            }
            Known::Counter(least, most) => {
                let delta = Element::parse(op.value.get()).integer().unwrap_or_default();
                let is_sure = op.kind == OpType::Ok;
                if is_sure || (op.kind == OpType::Info && delta < BigInt::ZERO) {
                    *least += &delta;
                }
                if is_sure || (op.kind == OpType::Info && delta > BigInt::ZERO) {
                    *most += &delta;
                }
            }
            Known::Set(_) | Known::Nothing => {}
        }
    }

    fn seen(&self, op: &Op) -> Seen {
        let error = op.error.as_ref().map_or("no answer", |error| error.get());
        // An answer about the key, not about the node.
        let about_keys =
            [Definite::KeyDoesNotExist, Definite::PreconditionFailed, Definite::TxnConflict];
        let is_answer = about_keys.into_iter().any(|code| op.is_refused_with(code));
        match (op.kind, &self.known) {
            (OpType::Ok, Known::Set(_)) => {
                let values: Vec<&RawValue> = op.decode().unwrap_or_default();
                Seen::Set(values.into_iter().map(form).collect())
            }
            (OpType::Ok, Known::Counter(..)) => {
                let value = Element::parse(op.value.get()).integer();
                value.map_or_else(|| Seen::Failure("no number".to_owned()), Seen::Counter)
            }
            (OpType::Ok, Known::Nothing) => Seen::Success,
            (OpType::Fail, Known::Nothing) if is_answer => Seen::Success,
            _ => Seen::Failure(shorten(error)),
        }
    }

    /// What is lacking in what was seen, in words.
    fn lacking(&self, seen: &Seen, later: Option<&Seen>) -> Option<String> {
        match (seen, &self.known) {
            (Seen::Failure(error), _) => Some(format!("failed: {error}")),
            (Seen::Set(shown), Known::Set(known)) => {
                let missing = known.iter().filter(|(value, _)| !shown.contains(*value));
                let missing: Vec<String> = missing
                    .filter(|(value, _)| self.is_kept(value))
                    .map(|(value, by)| format!("{} ({})", shorten(value), self.acknowledged(by)))
                    .collect();
                let count = missing.len();
                (count > 0).then(|| format!("lacked {}", listed(missing.into_iter(), TOLD)))
            }
            (Seen::Counter(value), Known::Counter(least, most)) => {
                let is_right = (least..=most).contains(&value);
                // What was lost for good is the workload's checker to say.
                let is_kept = !matches!(later, Some(Seen::Counter(later)) if later == value);
                (!is_right && is_kept)
                    .then(|| format!("was {value}, and should have been {}", range(least, most)))
            }
            _ => None,
        }
    }

    /// Whether a value is in any later read; if there is none, it should have been.
    fn is_kept(&self, value: &str) -> bool {
        let shows_it = |seen: &Seen| matches!(seen, Seen::Set(shown) if shown.contains(value));
        self.later.is_empty() || self.later.values().any(shows_it)
    }

    fn acknowledged(&self, by: &Event) -> String {
        format!("acknowledged by {} in {}", self.names.who(by.process), by.at())
    }

    fn finding(&self, probe: &Probe) -> Option<Finding> {
        let later = self.later.get(&probe.thread);
        let lacking = self.lacking(&probe.seen, later)?;
        let still = later.and_then(|later| self.lacking(later, None));
        let (kind, end) = match (&still, later) {
            (Some(still), _) => ("never-settles", format!("; after the recovery it {still}")),
            (None, Some(_)) => ("settles-late", "; after the recovery all was well".to_owned()),
            (None, None) => ("settles-late", String::new()),
        };
        let text = format!(
            "{} s after the last fault the {} of {} ({}) {lacking}{end}.",
            self.within.as_secs_f64(),
            probe.f,
            self.names.who(probe.event.process),
            probe.event.at(),
        );
        Some(Finding::new(kind, text, vec![probe.event.index]))
    }

    fn thread(&self, process: Process) -> u64 {
        self.names.thread(process).unwrap_or(u64::MAX)
    }
}

impl Checker for Settling {
    fn observe(&mut self, op: &Op) {
        if op.is_invocation() || !op.process.is_client() {
            return;
        }
        let (event, thread) = (Event::of(op), self.thread(op.process));
        if op.is_probe {
            self.probes.push(Probe { event, thread, f: op.f.to_string(), seen: self.seen(op) });
        } else if !self.probes.is_empty() {
            self.later.insert(thread, self.seen(op));
        } else if op.f != "read" {
            self.learn(op);
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let mut findings: Vec<Finding> =
            self.probes.iter().filter_map(|probe| self.finding(probe)).collect();
        let count = findings.len();
        if count > TOLD {
            findings.truncate(TOLD);
            findings.push(Finding::omission("settles-late", (count - TOLD) as u64));
        }
        let results = fields(json!({ "probe-count": self.probes.len(), "late-count": count }));
        let valid = Validity::of(findings.is_empty());
        let figures = Figures { late_probes: Some(count), ..Figures::default() };
        Outcome { valid, results, findings, figures, ..Outcome::default() }
    }
}

fn form(json: &RawValue) -> String {
    canonical(json.get(), Fractions::Doubles).into_owned()
}

fn range(least: &BigInt, most: &BigInt) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}
