//! No id is given out twice.
//!
//! Any JSON value is an id. Where the original cannot compare two ids, and so
//! has no verdict, this check still has one.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::element::Element;
use super::witness::{Event, Findings, Names};
use super::{Checker, Outcome, Subject, Validity, fields};
use crate::history::{Op, OpType};

/// How many duplicated ids the results list.
const SHOWN: usize = 48;

#[derive(Default)]
pub(crate) struct UniqueIds {
    names: Names,
    attempted: u64,
    acknowledged: u64,
    /// Every id with the operation that first had it.
    first: FxHashMap<Element, Event>,
    duplicated: FxHashMap<Element, u64>,
    range: Option<(Element, Element)>,
    findings: Findings,
}

impl UniqueIds {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    fn acknowledge(&mut self, op: &Op) {
        self.acknowledged += 1;
        let id = Element::parse(op.value.get());
        self.widen_range(&id);
        let now = Event::of(op);
        match self.first.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(now);
            }
            Entry::Occupied(entry) => {
                let (id, first) = (entry.key(), *entry.get());
                *self.duplicated.entry(id.clone()).or_insert(1) += 1;
                let names = self.names;
                self.findings.push_about(
                    &[first.index, now.index],
                    || Subject::value(id),
                    || describe(id, first, now, names),
                );
            }
        }
    }

    /// Of ids that count for equally great, such as 1 and 1.0, the range shows
    /// the later one, as in the original.
    fn widen_range(&mut self, id: &Element) {
        match &mut self.range {
            None => self.range = Some((id.clone(), id.clone())),
            Some((least, greatest)) => {
                if id <= least || id.equals_in_number(least) {
                    least.clone_from(id);
                }
                if id >= greatest || id.equals_in_number(greatest) {
                    greatest.clone_from(id);
                }
            }
        }
    }

    /// The ids that came most often; of equally frequent ones the greatest.
    fn most_duplicated(&self) -> Map<String, Value> {
        let mut duplicated: Vec<_> = self.duplicated.iter().collect();
        duplicated.sort_by_key(|(id, count)| Reverse((**count, *id)));
        let mut shown = Map::new();
        for (id, count) in duplicated.into_iter().take(SHOWN) {
            let plain = match id {
                Element::Text(text) if !shown.contains_key(&**text) => text.to_string(),
                other => other.to_string(),
            };
            shown.insert(plain, json!(count));
        }
        shown
    }
}

fn describe(id: &Element, first: Event, again: Event, names: Names) -> String {
    format!(
        "{id} was given to {} ({}) and again to {} ({}).",
        names.who(first.process),
        first.at(),
        names.who(again.process),
        again.at(),
    )
}

impl Checker for UniqueIds {
    fn observe(&mut self, op: &Op) {
        match op.kind {
            _ if op.f != "generate" || !op.process.is_client() => {}
            OpType::Invoke => self.attempted += 1,
            OpType::Ok => self.acknowledge(op),
            OpType::Fail | OpType::Info => {}
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let range = self.range.as_ref();
        let range = range.map(|(least, greatest)| [least.to_value(), greatest.to_value()]);
        let results = fields(json!({
            "attempted-count": self.attempted,
            "acknowledged-count": self.acknowledged,
            "duplicated-count": self.duplicated.len(),
            "duplicated": self.most_duplicated(),
            "range": range.unwrap_or_default(),
        }));
        Outcome {
            valid: Validity::of(self.duplicated.is_empty()),
            results,
            findings: self.findings.into_vec("duplicated"),
            ..Outcome::default()
        }
    }
}
