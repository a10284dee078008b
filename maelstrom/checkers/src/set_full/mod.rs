//! A set into which clients add elements and which they read as a whole:
//! nothing that is known to be in it may get lost.
//!
//! The check of the workloads broadcast and g-set, with the verdicts of
//! Jepsen's `set-full`. The life of an element:
//!
//! ```text
//!  add        known                 last absent    last present
//!   |-----------|----------------------|--------------|------------> stable
//!   invoked   its add completed,     a read that     a read that
//!             or a read had it       lacks it began  has it began
//! ```
//!
//! - *stable*: the last read that has it began after the last read that lacks it;
//! - *lost*: it is known, and the last read that lacks it began after that and
//!   after every read that has it;
//! - *never read*: neither.
//!
//! Lost elements make a history invalid; without a stable one it is unknown.
//! Jepsen means to object to an element that stands twice in one read too, but
//! compares the wrong way round, and does not look at values that nobody sent.
//! Both are warnings here, and wrong when the settings are strict. So are final reads
//! of which one lacks what another has.

mod elements;
mod finals;
mod scan;

use std::time::Duration;

use maelstrom::protocol::json::type_of;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use self::elements::{Elements, ReadNumber};
use self::finals::FinalReads;
use super::element::Element;
use super::quantiles::nearest_rank;
use super::witness::{Event, Findings, Names, finding, shorten};
use super::{Checker, Figures, Finding, Outcome, Quantiles, Subject, Validity, fields, figures};
use crate::history::{Op, OpType, Process};

/// How many of the elements that took longest to become stable are shown.
const WORST: usize = 8;

#[derive(Default)]
pub(crate) struct SetFull {
    add: &'static str,
    strict: bool,
    names: Names,
    elements: Elements,
    /// Reads by number, less one: their invocations.
    reads: Vec<Event>,
    open_reads: FxHashMap<Process, ReadNumber>,
    completed_reads: u64,
    finals: FinalReads,
    phantoms: Findings,
    malformed: Findings,
}

impl SetFull {
    /// A check in which `add` is the name of the operation that adds an
    /// element. With `strict`, duplicates, phantoms and final reads that differ
    /// count as wrong.
    pub(crate) fn new(add: &'static str, strict: bool, names: Names) -> Self {
        let finals = FinalReads::new(add == "broadcast");
        Self { add, strict, names, finals, ..Self::default() }
    }

    fn observe_add(&mut self, op: &Op) {
        let value = || Element::parse(op.value.get());
        self.finals.add();
        match op.kind {
            OpType::Invoke => self.elements.add_invoked(value()),
            OpType::Ok => self.elements.add_completed(&value(), Event::of(op)),
            OpType::Fail | OpType::Info => {}
        }
    }

    fn observe_read(&mut self, op: &Op) {
        self.finals.observe(op);
        if op.is_invocation() {
            self.reads.push(Event::of(op));
            self.open_reads.insert(op.process, self.reads.len() as ReadNumber);
            return;
        }
        let number = self.open_reads.remove(&op.process);
        if let (OpType::Ok, Some(number)) = (op.kind, number) {
            self.completed_reads += 1;
            self.read(op, number);
        }
    }

    fn read(&mut self, op: &Op, number: ReadNumber) {
        let completion = Event::of(op);
        let invoked = self.reads[number as usize - 1].index;
        let who = self.names.who(op.process);
        let Some(oddities) = self.elements.read(op.value.get(), number, completion) else {
            self.malformed.push(&[invoked, op.index], || {
                let value = shorten(op.value.get());
                format!("{who} read {value} ({}), which is no list.", completion.at())
            });
            return;
        };
        for value in oddities.phantoms {
            let subject = || Subject::value(&value);
            let meant = self.elements.lookalike(&value).map(|element| meant(element, &value));
            self.phantoms.push_about(&[invoked, op.index], subject, || {
                let meant = meant.unwrap_or_default();
                let when = completion.at();
                format!("{who} read {value} ({when}), which nobody had sent by then.{meant}")
            });
        }
    }

    /// The invocation of a read; `None` for number 0.
    fn read_event(&self, number: ReadNumber) -> Option<Event> {
        (number as usize).checked_sub(1).map(|index| self.reads[index])
    }

    fn verdicts(&self) -> Verdicts<'_> {
        let mut verdicts = Verdicts::default();
        for (value, timeline) in self.elements.sorted() {
            verdicts.attempts += 1;
            let absent = self.read_event(timeline.last_absent);
            let present = self.read_event(timeline.last_present);
            let fate = |known, latency| Fate { value, known, present, absent, latency };
            match (timeline.known, present, absent) {
                (Some(_), Some(_), None) => verdicts.stable_latencies.push(0),
                (Some(known), Some(present), Some(absent)) if absent.index < present.index => {
                    let latency = latency_ms(known, absent);
                    verdicts.stable_latencies.push(latency);
                    verdicts.stale.extend((latency > 0).then(|| fate(known, latency)));
                }
                (Some(known), present, Some(absent)) if known.index < absent.index => {
                    let latency = present.map_or(0, |present| latency_ms(known, present));
                    verdicts.lost.push(fate(known, latency));
                }
                _ => verdicts.never_read.push(value),
            }
        }
        // The worst first; among equals the greater element, as the original
        // sorts ascending and then reverses.
        verdicts.stale.sort_by_key(|stale| stale.latency);
        verdicts.stale.reverse();
        verdicts
    }

    fn describe_lost(&self, Fate { value, known, present, absent, .. }: &Fate<'_>) -> String {
        let begun =
            |read: &Event| format!("{} began with {}", self.names.who(read.process), read.at());
        let seen = present.as_ref().map_or_else(
            || "never seen".to_owned(),
            |read| format!("last seen in the read that {}", begun(read)),
        );
        format!(
            "{value} is lost: known since {} by {}, {seen}, missing from the last read of all, which \
             {}.",
            known.at(),
            self.names.who(known.process),
            absent.as_ref().map(begun).unwrap_or_default(),
        )
    }

    fn lost_findings(&self, verdicts: &Verdicts<'_>) -> Vec<Finding> {
        let mut findings = Findings::default();
        for lost in &verdicts.lost {
            let reads = [Some(lost.known), lost.present, lost.absent].into_iter().flatten();
            let mut ops: Vec<u64> = reads.map(|read| read.index).collect();
            ops.sort_unstable();
            findings.push_about(&ops, || Subject::value(lost.value), || self.describe_lost(lost));
        }
        findings.into_vec("lost")
    }

    fn duplicate_findings(&self) -> Findings {
        let mut findings = Findings::default();
        for (value, seen) in self.elements.duplicated() {
            let subject = || Subject::value(value);
            findings.push_about(&[seen.read.index], subject, || {
                format!(
                    "{value} stands {} times in what {} read ({}).",
                    seen.most,
                    self.names.who(seen.read.process),
                    seen.read.at()
                )
            });
        }
        findings
    }

    fn duplicated(&self) -> Map<String, Value> {
        if !self.strict {
            return Map::new();
        }
        let duplicated = self.elements.duplicated();
        duplicated.into_iter().map(|(value, seen)| (value.to_string(), json!(seen.most))).collect()
    }

    fn results(&self, verdicts: &Verdicts<'_>) -> Map<String, Value> {
        let duplicated = self.duplicated();
        let mut results = verdicts.results();
        results.insert("duplicated-count".to_owned(), json!(duplicated.len()));
        results.insert("duplicated".to_owned(), Value::Object(duplicated));
        if self.strict {
            let phantoms = self.elements.phantoms();
            results.insert("phantom-count".to_owned(), json!(phantoms.len()));
            results.insert("phantom".to_owned(), to_values(phantoms));
        }
        results
    }

    fn unknown_finding(&self, verdicts: &Verdicts<'_>) -> Vec<Finding> {
        let text = format!(
            "No element can be called stable: {} {} invoked, {} reads completed, and no element \
             was in the last of them that could have had it.",
            verdicts.attempts, self.add, self.completed_reads
        );
        finding("nothing-stable", text)
    }
}

impl Checker for SetFull {
    fn observe(&mut self, op: &Op) {
        if !op.process.is_client() {
        } else if op.f == self.add {
            self.observe_add(op);
        } else if op.f == "read" {
            self.observe_read(op);
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let verdicts = self.verdicts();
        let duplicates = self.duplicate_findings();
        let divergence = self.finals.divergence(&self.elements, self.names);
        let is_odd =
            !duplicates.is_empty() || !self.phantoms.is_empty() || !divergence.findings.is_empty();
        let is_wrong =
            !verdicts.lost.is_empty() || !self.malformed.is_empty() || (self.strict && is_odd);
        let is_unknown = !is_wrong && verdicts.stable_latencies.is_empty();
        let (lost, unknown) = (self.lost_findings(&verdicts), self.unknown_finding(&verdicts));
        let results = self.results(&verdicts);
        let figures = Figures { elements: Some(verdicts.figures()), ..Figures::default() };
        // What could not be read is lost for that.
        let mut findings = self.malformed.into_vec("malformed-read");
        findings.extend(lost);
        findings.extend(if is_unknown { unknown } else { Vec::new() });
        let mut warnings = duplicates.into_vec("duplicated");
        warnings.extend(self.phantoms.into_vec("phantom"));
        warnings.extend(divergence.findings);
        if self.strict {
            findings.append(&mut warnings);
        }
        warnings.extend(divergence.unanswered);
        let valid = if is_unknown { Validity::Unknown } else { Validity::of(!is_wrong) };
        Outcome { valid, results, findings, warnings, figures }
    }
}

/// That a value was sent as one of another type.
fn meant(sent: &Element, read: &Element) -> String {
    let [of_sent, of_read] = [sent, read].map(|element| type_of(&element.to_string()));
    format!(" {sent} was sent, {of_sent}, and not {of_read}.")
}

/// Whole milliseconds from `known` until just after `read` began; never
/// negative.
fn latency_ms(known: Event, read: Event) -> u64 {
    (read.time + 1).saturating_sub(known.time) / 1_000_000
}

/// When an element was known, and the last reads that have it and that lack it.
struct Fate<'a> {
    value: &'a Element,
    known: Event,
    present: Option<Event>,
    absent: Option<Event>,
    latency: u64,
}

/// Every element's fate; lists are in the elements' order.
#[derive(Default)]
struct Verdicts<'a> {
    attempts: u64,
    stable_latencies: Vec<u64>,
    stale: Vec<Fate<'a>>,
    lost: Vec<Fate<'a>>,
    never_read: Vec<&'a Element>,
}

impl Verdicts<'_> {
    fn results(&self) -> Map<String, Value> {
        let mut results = fields(json!({
            "attempt-count": self.attempts,
            "stable-count": self.stable_latencies.len(),
            "lost-count": self.lost.len(),
            "lost": to_values(self.lost.iter().map(|lost| lost.value)),
            "never-read-count": self.never_read.len(),
            "never-read": to_values(self.never_read.iter().copied()),
            "stale-count": self.stale.len(),
            "stale": self.stale_values(),
            "worst-stale": self.stale.iter().take(WORST).map(Fate::to_value).collect::<Value>(),
        }));
        let lost_latencies = self.lost.iter().map(|lost| lost.latency).collect();
        insert_quantiles(&mut results, "stable-latencies", self.stable_latencies.clone());
        insert_quantiles(&mut results, "lost-latencies", lost_latencies);
        results
    }

    fn figures(&self) -> figures::Elements {
        let mut latencies: Vec<Duration> =
            self.stable_latencies.iter().copied().map(Duration::from_millis).collect();
        latencies.sort_unstable();
        figures::Elements {
            attempts: self.attempts,
            stable: latencies.len(),
            lost: self.lost.iter().map(|lost| lost.value.to_value()).collect(),
            never_read: self.never_read.len(),
            latencies: Quantiles::of(&latencies),
        }
    }

    fn stale_values(&self) -> Value {
        let mut values: Vec<_> = self.stale.iter().map(|stale| stale.value).collect();
        values.sort();
        to_values(values)
    }
}

impl Fate<'_> {
    fn to_value(&self) -> Value {
        json!({
            "element": self.value.to_value(),
            "outcome": "stable",
            "stable-latency": self.latency,
            "lost-latency": null,
            "known": { "op-index": self.known.index },
            "last-absent": self.absent.map(|absent| json!({ "op-index": absent.index })),
        })
    }
}

fn insert_quantiles(results: &mut Map<String, Value>, name: &str, mut latencies: Vec<u64>) {
    latencies.sort_unstable();
    let quantile =
        |point: &f64| Some((point.to_string(), json!(nearest_rank(&latencies, *point)?)));
    if !latencies.is_empty() {
        let quantiles = [0.0, 0.5, 0.95, 0.99, 1.0].iter().filter_map(quantile).collect();
        results.insert(name.to_owned(), Value::Object(quantiles));
    }
}

fn to_values<'a>(elements: impl IntoIterator<Item = &'a Element>) -> Value {
    elements.into_iter().map(Element::to_value).collect()
}
