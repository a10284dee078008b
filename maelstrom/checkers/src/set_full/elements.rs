//! What is known about each element of a set: when it was known to exist, and
//! which reads saw it and which did not.
//!
//! A read costs two passes over plain arrays: one marks what the read holds
//! with the read's stamp, the other folds the marks into "last read that has
//! it" and "last read that lacks it". Reads are numbered by invocation, so that
//! the later one of two is the greater number.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

use super::scan;
use crate::element::Element;
use crate::witness::{Event, listed, shorten};

/// Stands for no element, or no read.
const NONE: u32 = u32::MAX;

/// How many values that nobody sent are told apart.
const PHANTOMS: usize = 1000;

/// A read's number: reads count from 1 in the order of their invocations; 0 is
/// no read.
pub(crate) type ReadNumber = u32;

#[derive(Default)]
pub(crate) struct Elements {
    ids: Ids,
    values: Vec<Element>,
    known: Vec<Option<Event>>,
    acknowledged: Vec<bool>,
    /// Elements without an entry in `known`.
    unknown: Vec<u32>,
    last_present: Vec<ReadNumber>,
    last_absent: Vec<ReadNumber>,
    /// The stamp of the last list that held this element.
    marks: Vec<u32>,
    stamp: u32,
    /// For an element that stood twice in one read: how often at most.
    multiplicities: FxHashMap<u32, Multiplicity>,
    phantoms: FxHashSet<Element>,
}

/// How often an element stood in one read at most, and in which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Multiplicity {
    stamp: u32,
    current: u32,
    pub(crate) most: u32,
    pub(crate) read: Event,
}

#[derive(Debug, Default)]
pub(crate) struct Oddities {
    /// Values that nobody had sent when the read completed, each told once.
    pub(crate) phantoms: Vec<Element>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    /// The completion of its add, or of the first read that has it.
    pub(crate) known: Option<Event>,
    /// The last read, by invocation, that has it.
    pub(crate) last_present: ReadNumber,
    /// The last read, by invocation, that lacks it.
    pub(crate) last_absent: ReadNumber,
}

impl Elements {
    /// An add of `value` was invoked: a new element, and a new timeline.
    pub(crate) fn add_invoked(&mut self, value: Element) {
        match self.ids.find(&value) {
            Some(id) => self.forget(id),
            None => self.insert(value),
        }
    }

    fn insert(&mut self, value: Element) {
        let id = self.values.len() as u32;
        self.ids.insert(&value, id);
        self.values.push(value);
        self.known.push(None);
        self.acknowledged.push(false);
        self.unknown.push(id);
        self.last_present.push(0);
        self.last_absent.push(0);
        self.marks.push(0);
    }

    /// The same value is added again: its timeline starts anew.
    fn forget(&mut self, id: u32) {
        let index = id as usize;
        self.last_present[index] = 0;
        self.last_absent[index] = 0;
        self.acknowledged[index] = false;
        if self.known[index].take().is_some() {
            self.unknown.push(id);
        }
    }

    pub(crate) fn add_completed(&mut self, value: &Element, completion: Event) {
        if let Some(id) = self.ids.find(value) {
            self.acknowledged[id as usize] = true;
            let known = &mut self.known[id as usize];
            if known.is_none() {
                *known = Some(completion);
                self.unknown.retain(|unknown| *unknown != id);
            }
        }
    }

    /// A read completed with the list `text`. `None` if it is no list.
    pub(crate) fn read(
        &mut self,
        text: &str,
        number: ReadNumber,
        completion: Event,
    ) -> Option<Oddities> {
        let mut oddities = Oddities::default();
        self.stamp += 1;
        if !self.mark_integers(text, completion, &mut oddities) {
            // Whatever was marked does not count: the list is gone through again.
            self.stamp += 1;
            self.mark_any(text, completion, &mut oddities)?;
        }
        self.fold(number);
        self.learn(completion);
        Some(oddities)
    }

    fn mark_integers(&mut self, text: &str, read: Event, oddities: &mut Oddities) -> bool {
        scan::integers(text, |value| match self.ids.find_integer(value) {
            Some(id) => self.mark(id, read),
            None => self.phantom(Element::Int(value), oddities),
        })
    }

    fn mark_any(&mut self, text: &str, read: Event, oddities: &mut Oddities) -> Option<()> {
        // `null` is what a read without the list comes to: an empty set.
        let items: Option<Vec<&RawValue>> = serde_json::from_str(text).ok()?;
        for item in items.unwrap_or_default() {
            let value = Element::parse(item.get());
            match self.ids.find(&value) {
                Some(id) => self.mark(id, read),
                None => self.phantom(value, oddities),
            }
        }
        Some(())
    }

    fn mark(&mut self, id: u32, read: Event) {
        let mark = &mut self.marks[id as usize];
        if *mark == self.stamp {
            self.count_again(id, read);
        } else {
            *mark = self.stamp;
        }
    }

    /// The element stands in this read once more.
    fn count_again(&mut self, id: u32, read: Event) {
        let stamp = self.stamp;
        let first = Multiplicity { stamp, current: 1, most: 1, read };
        let seen = self.multiplicities.entry(id).or_insert(first);
        if seen.stamp != stamp {
            (seen.stamp, seen.current) = (stamp, 1);
        }
        seen.current += 1;
        if seen.current > seen.most {
            (seen.most, seen.read) = (seen.current, read);
        }
    }

    fn phantom(&mut self, value: Element, oddities: &mut Oddities) {
        if self.phantoms.len() < PHANTOMS && self.phantoms.insert(value.clone()) {
            oddities.phantoms.push(value);
        }
    }

    /// Every element was either in this read or not.
    fn fold(&mut self, number: ReadNumber) {
        let stamp = self.stamp;
        let timelines = self.last_present.iter_mut().zip(&mut self.last_absent);
        for (mark, (present, absent)) in self.marks.iter().zip(timelines) {
            // Without branches, so that several elements go at a time.
            let is_in = *mark == stamp;
            *present = (*present).max(if is_in { number } else { 0 });
            *absent = (*absent).max(if is_in { 0 } else { number });
        }
    }

    /// What was in this read exists.
    fn learn(&mut self, read: Event) {
        let Self { unknown, known, marks, stamp, .. } = self;
        unknown.retain(|id| {
            let is_in = marks[*id as usize] == *stamp;
            if is_in {
                known[*id as usize] = Some(read);
            }
            !is_in
        });
    }

    /// An element that differs from a value in its type alone.
    pub(crate) fn lookalike(&self, value: &Element) -> Option<&Element> {
        let found = value.lookalikes().into_iter().find_map(|element| self.ids.find(&element))?;
        Some(&self.values[found as usize])
    }

    /// The numbers of all elements, in the order in which they were added.
    pub(crate) fn ids(&self) -> std::ops::Range<u32> {
        0..self.values.len() as u32
    }

    pub(crate) fn is_acknowledged(&self, id: u32) -> bool {
        self.acknowledged[id as usize]
    }

    /// By number, whether an element is in this list. `None` if it is no list.
    pub(crate) fn members(&self, text: &str) -> Option<Vec<bool>> {
        let mut members = vec![false; self.values.len()];
        let items: Option<Vec<&RawValue>> = serde_json::from_str(text).ok()?;
        for item in items.unwrap_or_default() {
            if let Some(id) = self.ids.find(&Element::parse(item.get())) {
                members[id as usize] = true;
            }
        }
        Some(members)
    }

    /// Some elements in words: `3, 7 and 12 more`.
    pub(crate) fn some(&self, ids: &[u32], most: usize) -> String {
        let mut values: Vec<&Element> = ids.iter().map(|id| &self.values[*id as usize]).collect();
        values.sort();
        listed(values.into_iter().map(|value| shorten(&value.to_string())), most)
    }

    /// Every element with its timeline, by element.
    pub(crate) fn sorted(&self) -> Vec<(&Element, Timeline)> {
        let mut all: Vec<_> = (0..self.values.len())
            .map(|id| {
                let timeline = Timeline {
                    known: self.known[id],
                    last_present: self.last_present[id],
                    last_absent: self.last_absent[id],
                };
                (&self.values[id], timeline)
            })
            .collect();
        all.sort_by_key(|(value, _)| *value);
        all
    }

    /// Elements that stood twice or more in one read, by element.
    pub(crate) fn duplicated(&self) -> Vec<(&Element, Multiplicity)> {
        let with_value = |(id, seen): (&u32, &Multiplicity)| (&self.values[*id as usize], *seen);
        let mut all: Vec<_> = self.multiplicities.iter().map(with_value).collect();
        all.sort_by_key(|(value, _)| *value);
        all
    }

    /// Values that nobody sent, in order; at most a thousand.
    pub(crate) fn phantoms(&self) -> Vec<&Element> {
        let mut all: Vec<_> = self.phantoms.iter().collect();
        all.sort();
        all
    }
}

/// From values to the numbers of elements. The integers that the workloads
/// send, which count from 0, cost one look into an array.
#[derive(Default)]
struct Ids {
    dense: Vec<u32>,
    sparse: FxHashMap<Element, u32>,
    count: usize,
}

impl Ids {
    fn find(&self, value: &Element) -> Option<u32> {
        match value {
            Element::Int(value) => self.find_integer(*value),
            other => self.sparse.get(other).copied(),
        }
    }

    fn find_integer(&self, value: i64) -> Option<u32> {
        let dense = usize::try_from(value).ok().and_then(|value| self.dense.get(value));
        match dense {
            Some(&id) if id != NONE => Some(id),
            _ if self.sparse.is_empty() => None,
            _ => self.sparse.get(&Element::Int(value)).copied(),
        }
    }

    fn insert(&mut self, value: &Element, id: u32) {
        self.count += 1;
        // At least every second slot gets used, but for a constant.
        let limit = 2 * self.count + 1024;
        match value {
            Element::Int(int) if (0..limit as i64).contains(int) => {
                let slot = *int as usize;
                if slot >= self.dense.len() {
                    self.dense.resize(slot + 1, NONE);
                }
                self.dense[slot] = id;
            }
            other => {
                self.sparse.insert(other.clone(), id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Process;

    fn event(index: u64) -> Event {
        Event { index, time: index, process: Process::Client(0) }
    }

    fn with(values: &[&str]) -> Elements {
        let mut elements = Elements::default();
        for value in values {
            elements.add_invoked(Element::parse(value));
        }
        elements
    }

    fn timeline(elements: &Elements, value: &str) -> Timeline {
        let all = elements.sorted();
        all.iter().find(|(element, _)| **element == Element::parse(value)).unwrap().1
    }

    #[test]
    fn integers_and_other_values_are_found_alike() {
        let mut elements = with(&["0", "5000000", "-3", "1.0", "\"a\""]);
        for text in ["[0,5000000,-3]", r#"[0,5000000,-3,1.0,"a"]"#] {
            let oddities = elements.read(text, 1, event(1)).unwrap();
            assert!(oddities.phantoms.is_empty(), "{text}: {oddities:?}");
        }
        assert_eq!(timeline(&elements, "\"a\"").last_present, 1);
        assert_eq!(timeline(&elements, "1.0").last_absent, 1);
        assert!(elements.duplicated().is_empty());
    }

    #[test]
    fn the_read_invoked_last_counts_not_the_one_completed_last() {
        let mut elements = with(&["7"]);
        elements.read("[7]", 2, event(1)).unwrap();
        elements.read("[]", 1, event(2)).unwrap();
        elements.read("[7]", 1, event(3)).unwrap();
        let timeline = timeline(&elements, "7");
        assert_eq!((timeline.last_present, timeline.last_absent), (2, 1));
        assert_eq!(timeline.known, Some(event(1)));
    }

    #[test]
    fn a_duplicate_is_counted_within_one_read_only() {
        let mut elements = with(&["1", "2"]);
        elements.read("[1,1,2]", 1, event(1)).unwrap();
        elements.read("[1,2,1,1]", 2, event(2)).unwrap();
        elements.read("[1,1]", 3, event(3)).unwrap();
        let duplicated = elements.duplicated();
        assert_eq!(duplicated.len(), 1);
        assert_eq!((duplicated[0].1.most, duplicated[0].1.read), (3, event(2)));
    }

    #[test]
    fn a_value_is_a_phantom_until_somebody_sends_it_and_is_told_once() {
        let mut elements = with(&["1"]);
        assert_eq!(elements.read("[1,2]", 1, event(1)).unwrap().phantoms, [Element::Int(2)]);
        assert!(elements.read("[2,1.0]", 2, event(2)).unwrap().phantoms == [Element::parse("1.0")]);
        assert_eq!(elements.phantoms(), [&Element::parse("1.0"), &Element::Int(2)]);
    }

    #[test]
    fn what_is_no_list_is_no_read() {
        let mut elements = with(&["1"]);
        assert!(elements.read(r#"{"1":1}"#, 1, event(1)).is_none());
        assert!(elements.read("null", 1, event(1)).is_some());
        assert_eq!(timeline(&elements, "1").last_absent, 1);
    }
}
