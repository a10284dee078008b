//! Wrong ways to count, tried out on what a node received.
//!
//! What a node does with a number that it gets is not in the trace. But there are few ways to
//! get a counter wrong: a node may add up numbers that tell of the same adds, or keep the larger
//! of two sums. Each is tried on what the node was told, in that order; one that gives exactly
//! what was read is how the node counts.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::OpType;
use serde_json::Value;

use super::Draft;
use super::counter::{counts, delta, repeats};
use super::lost::lost;
use super::places::OF_THE_PROTOCOL;
use super::run::{Moment, Operation, Run, at};
use crate::net::Address;
use crate::trace::Sent;

/// Of fewer numbers, a way to count may give what was read by chance.
const ENOUGH: usize = 3;

/// How a node came to what it answered a final read with, if that is not the sum.
pub(super) fn explain(run: &Run<'_>, read: &Operation<'_>, value: i64, sum: i64) -> Option<Draft> {
    let node = Address::Node(run.node(read.invoked.process)?);
    let (by, _) = run.asked(read)?;
    let tried = Tried { run, node, by, value, sum, told: told(run, node, by) };
    if run.unknown(Moment { line: 0, time: i64::MIN }, by).is_some() {
        return None;
    }
    let places = tried.places();
    let rules = [Tried::added, Tried::replaced, Tried::larger];
    let by_rule = || rules.iter().find_map(|rule| places.iter().find_map(|at| rule(&tried, at)));
    let of_each = || tried.larger_of_each().or_else(|| tried.newest_of_each());
    tried.increments().or_else(of_each).or_else(by_rule)
}

/// What a node was told.
enum Told<'a> {
    /// A client's add.
    Add(i64, &'a Sent),
    /// Another node's message with these numbers.
    Message(&'a Sent, BTreeMap<Place, i64>),
    /// It was killed.
    Killed,
}

/// A type of messages, and the names on the way to a number in it.
type Place = (String, String);

/// All that a node was told by then, in order.
fn told<'a>(run: &Run<'a>, node: Address, by: Moment) -> Vec<(u64, Told<'a>)> {
    let to_it = run.trace.messages.iter().filter(|sent| sent.dest == node);
    let mut told: Vec<(u64, Told<'a>)> = Vec::new();
    for sent in to_it {
        let Some(arrived) = Moment::arrival(sent).filter(|arrived| *arrived < by) else { continue };
        let op = sent.op.and_then(|op| run.operation(op)).filter(|op| !op.is(OpType::Fail));
        if let Some(delta) = op.and_then(|op| delta(&op)) {
            told.push((arrived.line, Told::Add(delta, sent)));
        } else if matches!(sent.src, Address::Node(_)) {
            let numbers = numbers(sent);
            for _ in &sent.receipts {
                told.push((arrived.line, Told::Message(sent, numbers.clone())));
            }
        }
    }
    let kills = run.trace.nodes.iter().filter(|event| Address::Node(event.node) == node);
    let kills = kills.filter(|event| event.event == "kill" && event.line < by.line);
    told.extend(kills.map(|event| (event.line, Told::Killed)));
    told.sort_by_key(|(line, _)| *line);
    told
}

/// The numbers in a message by their places; those of a list come to one.
fn numbers(sent: &Sent) -> BTreeMap<Place, i64> {
    fn collect(value: &Value, place: &Place, all: &mut BTreeMap<Place, i64>) {
        match value {
            Value::Number(number) => {
                let number = number.as_i64().and_then(counts);
                *all.entry(place.clone()).or_default() += number.unwrap_or_default();
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, place, all)),
            Value::Object(members) => {
                let (kind, names) = place;
                for (name, value) in members {
                    let dot = if names.is_empty() { "" } else { "." };
                    collect(value, &(kind.clone(), format!("{names}{dot}{name}")), all);
                }
            }
            _ => {}
        }
    }
    let mut all = BTreeMap::new();
    if let Ok(Value::Object(mut members)) = serde_json::from_str(&sent.body) {
        OF_THE_PROTOCOL.iter().for_each(|name| drop(members.remove(*name)));
        collect(&Value::Object(members), &(sent.kind(), String::new()), &mut all);
    }
    all
}

struct Tried<'r, 'a> {
    run: &'r Run<'a>,
    node: Address,
    /// When the final read was asked for.
    by: Moment,
    /// What it was answered with.
    value: i64,
    /// What it should have been.
    sum: i64,
    /// With the line of the trace.
    told: Vec<(u64, Told<'a>)>,
}

/// Sums of different nodes that became one: the larger, or the newer.
struct Merged<'a> {
    /// What the node had.
    had: i64,
    /// Its last add, which nobody else knew of.
    add: (i64, &'a Sent),
    /// What it got.
    got: i64,
    message: &'a Sent,
}

impl<'a> Tried<'_, 'a> {
    fn places(&self) -> BTreeSet<Place> {
        let messages = self.messages();
        messages.flat_map(|(_, numbers)| numbers.keys().cloned()).collect()
    }

    fn messages(&self) -> impl Iterator<Item = (&'a Sent, &BTreeMap<Place, i64>)> {
        self.told.iter().filter_map(|(_, told)| match told {
            Told::Message(sent, numbers) => Some((*sent, numbers)),
            _ => None,
        })
    }

    /// The numbers at a place, with their messages.
    fn at_place(&self, place: &Place) -> Vec<(&'a Sent, i64)> {
        let numbers = self.messages();
        numbers.filter_map(|(sent, all)| Some((sent, *all.get(place)?))).collect()
    }

    /// How many adds other nodes took.
    fn of_others(&self) -> usize {
        let adds = self.run.completed(OpType::Ok).filter(|op| delta(op).is_some());
        adds.filter(|op| self.run.node(op.invoked.process).map(Address::Node) != Some(self.node))
            .count()
    }

    /// Only what is added is counted, not what is taken away.
    fn increments(&self) -> Option<Draft> {
        let adds = || self.run.completed(OpType::Ok).filter_map(|op| delta(&op));
        let (more, less): (Vec<i64>, Vec<i64>) = adds().partition(|delta| *delta > 0);
        let (gains, losses): (i64, i64) = (more.iter().sum(), less.iter().sum());
        let Self { node, value, .. } = self;
        (*value == gains && losses < 0 && more.len() >= ENOUGH).then(|| {
            Draft::new(format!(
                "{node} answered with {value}, which is exactly what the adds above zero come to: those below \
                 zero, {losses} in sum, were acknowledged and do not count."
            ))
        })
    }

    /// What the node comes to when each number at this place changes its count so.
    fn count(&self, place: &Place, merge: fn(i64, i64) -> i64) -> i64 {
        self.counts(place, merge).last().map_or(0, |(_, count)| *count)
    }

    /// Its count after each thing that it was told, with the line of the trace.
    fn counts(&self, place: &Place, merge: fn(i64, i64) -> i64) -> Vec<(u64, i64)> {
        let mut count = 0_i64;
        let mut after = |told: &Told<'_>| {
            count = match told {
                Told::Add(delta, _) => count + delta,
                Told::Message(_, numbers) => {
                    numbers.get(place).map_or(count, |got| merge(count, *got))
                }
                Told::Killed => 0,
            };
            count
        };
        self.told.iter().map(|(line, told)| (*line, after(told))).collect()
    }

    /// How often the node itself told others at this place what it comes to in this way.
    fn agreeing(&self, place: &Place, merge: fn(i64, i64) -> i64) -> usize {
        let counts = self.counts(place, merge);
        let own = self.run.inner().filter(|sent| sent.src == self.node && sent.line < self.by.line);
        let agrees = |sent: &&Sent| {
            let before = counts.partition_point(|(line, _)| *line < sent.line).checked_sub(1);
            let count = before.map_or(0, |at| counts[at].1);
            numbers(sent).get(place) == Some(&count)
        };
        own.filter(agrees).count()
    }

    /// Each number is added, although some tell of the same adds, or do not come.
    fn added(&self, place: &Place) -> Option<Draft> {
        let all = self.at_place(place);
        if all.len() < ENOUGH || self.count(place, |count, got| count + got) != self.value {
            return None;
        }
        let (node, (kind, name)) = (self.node, place);
        let begin = format!("{node} adds the `{name}` of each `{kind}` that it gets to its count");
        let repeats = repeats(self.run, self.by.time);
        let mut to_it =
            repeats.iter().filter(|repeat| repeat.last.dest == node && !repeat.is_answered);
        if let Some(repeat) = to_it.find(|repeat| numbers(repeat.last).contains_key(place)) {
            let text = format!("{}; {node} counted it each time.", repeat.text());
            return Some(Draft::new(text).messages([repeat.first, repeat.last]));
        }
        let is_lost = |sent: &&Sent| {
            let is_late = Moment::arrival(sent).is_none_or(|arrived| arrived >= self.by);
            sent.dest == node && is_late && sent.line < self.by.line
        };
        let such = self.run.inner().filter(is_lost);
        let such: Vec<(&Sent, i64)> =
            such.filter_map(|sent| Some((sent, *numbers(sent).get(place)?))).collect();
        let lacking: i64 = such.iter().map(|(_, number)| number).sum();
        if such.is_empty() || lacking != self.sum - self.value {
            return self.too_many(&begin, &all);
        }
        let such: Vec<&Sent> = such.into_iter().map(|(sent, _)| sent).collect();
        let (fate, is_late) = lost(node, &such);
        let again = if is_late {
            ""
        } else {
            match such.len() {
                1 => ", and nobody sent it again",
                _ => ", and nobody sent them again",
            }
        };
        let text = format!(
            "{begin}, and {} of these messages to it, {lacking} in sum, did not arrive: {fate}{again}.",
            such.len()
        );
        Some(Draft::new(text).messages(such))
    }

    /// More numbers came than there are adds that others took.
    fn too_many(&self, begin: &str, all: &[(&'a Sent, i64)]) -> Option<Draft> {
        let (got, others) = (all.len(), self.of_others());
        let text = format!(
            "{begin}, which comes to exactly {}. It got {got} of them, but others took only {others} add{}: it \
             counts the same ones more than once.",
            self.value,
            if others == 1 { "" } else { "s" }
        );
        let sample = all.iter().take(ENOUGH).map(|(sent, _)| *sent);
        (got > others).then(|| Draft::new(text).messages(sample))
    }

    /// A sum is replaced by another's.
    fn replaced(&self, place: &Place) -> Option<Draft> {
        let newer: fn(i64, i64) -> i64 = |_, got| got;
        let is_so = self.agreeing(place, newer) > self.agreeing(place, i64::max);
        self.merged(place, "replaces its own sum by", "that", newer).filter(|_| is_so)
    }

    /// The larger of two sums is kept, although each may have adds that the other lacks.
    fn larger(&self, place: &Place) -> Option<Draft> {
        let how = "keeps the larger of its own sum and";
        self.merged(place, how, "the larger one", i64::max)
    }

    fn merged(
        &self,
        place: &Place,
        how: &str,
        rest: &str,
        merge: fn(i64, i64) -> i64,
    ) -> Option<Draft> {
        let is_enough = self.at_place(place).len() >= ENOUGH;
        if !is_enough || self.count(place, merge) != self.value {
            return None;
        }
        let (node, value, (kind, name)) = (self.node, self.value, place);
        let draft = Draft::new(format!(
            "{node} {how} the `{name}` of each `{kind}` that it gets, which comes to exactly {value}: such sums \
             lack each other's adds."
        ));
        let Some(Merged { had, add: (delta, add), got, message }) = self.example(place, merge)
        else {
            return Some(draft);
        };
        let so = format!(
            "At {} it had {had}, with the add of {delta} (op {}) that only it knew of, got {got} from {}, and \
             went on with {rest}.",
            at(message.receipts[0]),
            add.op.unwrap_or_default(),
            message.src
        );
        Some(Draft { so: Some(so), ..draft }.messages([add, message]).ops(add.op))
    }

    /// A message that cannot tell of the node's last add, and took its place.
    fn example(&self, place: &Place, merge: fn(i64, i64) -> i64) -> Option<Merged<'a>> {
        let (mut count, mut last) = (0_i64, None);
        for (_, told) in &self.told {
            match told {
                Told::Killed => (count, last) = (0, None),
                Told::Add(0, _) => {}
                Told::Add(delta, request) => {
                    count += delta;
                    last = Some((*delta, *request));
                }
                Told::Message(message, numbers) => {
                    let Some(&got) = numbers.get(place) else { continue };
                    let had = count;
                    count = merge(had, got);
                    let Some(add) = last.filter(|_| count == got && had != got && got != 0) else {
                        continue;
                    };
                    if !self.has_spoken(add.1, message) {
                        return Some(Merged { had, add, got, message });
                    }
                }
            }
        }
        None
    }

    /// Whether the node had sent others something between these, or the message was sent later.
    fn has_spoken(&self, add: &Sent, message: &Sent) -> bool {
        let since = add.arrived.unwrap_or(add.line);
        let until = message.line;
        let mut own = self.run.inner().filter(|sent| sent.src == self.node);
        own.any(|sent| (since..until).contains(&sent.line))
    }

    /// Tables by node that messages have: a type of messages, and the names on the way.
    fn tables(&self) -> BTreeSet<Place> {
        let tables = self.places().into_iter().filter_map(|(kind, name)| {
            let (table, _) = name.rsplit_once('.').filter(|(_, node)| node.starts_with('n'))?;
            Some((kind, table.to_owned()))
        });
        tables.collect()
    }

    /// What the node comes to if of each node's entry in a table it keeps what the merge says, and
    /// the entries that were less than what it had.
    fn table(&self, (kind, table): &Place, merge: fn(i64, i64) -> i64, total: bool) -> Table<'a> {
        let prefix = format!("{table}.");
        let own: Place = (kind.clone(), format!("{prefix}{}", self.node));
        let mut counts: BTreeMap<Place, i64> = BTreeMap::new();
        let (mut falls, mut sum): (Vec<Fall<'a>>, i64) = (Vec::new(), 0);
        for (_, told) in &self.told {
            match told {
                Told::Killed => (counts, sum) = (BTreeMap::new(), 0),
                Told::Add(delta, _) => {
                    sum += delta;
                    let count = counts.entry(own.clone()).or_default();
                    *count = if total { sum } else { *count + delta };
                }
                Told::Message(sent, numbers) => {
                    let of_table = numbers
                        .iter()
                        .filter(|((of, name), _)| of == kind && name.starts_with(&prefix));
                    for (place, got) in of_table {
                        let count = counts.entry(place.clone()).or_insert(*got);
                        if *got < *count {
                            let whose = place.1[prefix.len()..].to_owned();
                            falls.push(Fall { sent, whose, had: *count, got: *got });
                        }
                        *count = merge(*count, *got);
                    }
                }
            }
        }
        Table { sum: counts.values().sum(), falls }
    }

    /// Of what is heard of each node the larger is kept, although it may fall.
    fn larger_of_each(&self) -> Option<Draft> {
        self.tables().iter().find_map(|place| {
            let Table { sum, falls } = self.table(place, i64::max, false);
            let mut falls = falls.into_iter();
            let Fall { sent, whose, had, got } =
                falls.find(|fall| fall.whose == fall.sent.src.to_string())?;
            let (node, value, (kind, table)) = (self.node, self.value, place);
            (sum == value).then(|| {
                let text = format!(
                    "{node} keeps the larger of what it has and what it gets of each node in `{table}` of `{kind}`, \
                     which comes to exactly {value}, but these sums fall as well. At {} {whose}{} told it that \
                     its own was {got} by then, and {node} kept {had}.",
                    at(sent.receipts[0]),
                    self.reborn(sent)
                );
                Draft::new(text).messages([sent])
            })
        })
    }

    /// That the sender of a message had been killed.
    fn reborn(&self, sent: &Sent) -> String {
        let Address::Node(node) = sent.src else { return String::new() };
        let killed = self.run.killed(node, 0, sent.time);
        killed.map_or_else(String::new, |killed| {
            format!(", which was killed at {} and began again from nothing,", at(killed))
        })
    }

    /// What is heard of each node is taken over, although it may be older than what is there.
    fn newest_of_each(&self) -> Option<Draft> {
        let newer: fn(i64, i64) -> i64 = |_, got| got;
        self.tables().iter().find_map(|place| {
            let mut ways = [true, false].into_iter().map(|total| self.table(place, newer, total));
            let table = ways.find(|table| table.sum == self.value)?;
            let Fall { sent, whose, had, got } = table.falls.into_iter().next()?;
            let (node, value, (kind, table)) = (self.node, self.value, place);
            let text = format!(
                "{node} takes over all that it gets in `{table}` of `{kind}`, which comes to exactly {value}, \
                 although it may be older than what it has. At {} {} told it that {whose} had {got}, and {node}, \
                 which had {had} of that, went on with {got}.",
                at(sent.receipts[0]),
                sent.src
            );
            Some(Draft::new(text).messages([sent]))
        })
    }
}

/// What a table of numbers by node comes to.
struct Table<'a> {
    sum: i64,
    falls: Vec<Fall<'a>>,
}

/// A number of a node in a message that is less than what its receiver had of that node.
struct Fall<'a> {
    sent: &'a Sent,
    whose: String,
    had: i64,
    got: i64,
}
