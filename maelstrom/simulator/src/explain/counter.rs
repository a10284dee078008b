//! Sums that are too low or too high.

use std::ops::Range;

use checkers::Finding;
use checkers::history::OpType;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::run::{Moment, Operation, Run, Wanted, at, in_reply_to, msg_id, time};
use super::services::{self, OldRead};
use super::{Draft, lacking, tried};
use crate::net::Address;
use crate::trace::{Fate, Sent};

/// Greater numbers are no counts. Millions of lesser ones have a sum of 64 bits.
const GREATEST: u64 = 1 << 40;

/// A number, if it may be a count.
pub(super) fn counts(number: i64) -> Option<i64> {
    (number.unsigned_abs() <= GREATEST).then_some(number)
}

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let read = run.operation(*finding.ops.first()?)?;
    let (value, by) = (counts(read.end().decode().ok()?)?, time(read.end()));
    // Without such an add nothing can be said of a sum.
    if run.ops.iter().any(|op| op.f == "add" && op.decode().ok().and_then(counts).is_none()) {
        return None;
    }
    let sum: i64 = run.completed(OpType::Ok).filter_map(|op| delta(&op)).sum();
    let high = (value > sum).then(|| too_high(run, value - sum, by)).flatten();
    if value == sum {
        return None;
    }
    high.or_else(|| services::repeated(run, value - sum))
        .or_else(|| services::refused(run, sum - value))
        .or_else(|| services::began_again(run, sum - value))
        .or_else(|| tried::explain(run, &read, value, sum))
        .or_else(|| lacking::explain(run, &read, sum - value))
        .or_else(|| out_of_date(run, &read, value, sum))
        .or_else(|| services::overwritten(run, by))
        .or_else(|| undelivered(run, sum - value, by).filter(|_| value < sum))
}

pub(super) fn delta(op: &Operation<'_>) -> Option<i64> {
    (op.invoked.f == "add").then(|| op.invoked.decode().ok().and_then(counts))?
}

fn too_high(run: &Run<'_>, excess: i64, by: i64) -> Option<Draft> {
    // Only what accounts for the whole of it is told: one message, or all that reached one
    // node. A message that has sums in it does no harm when it comes twice.
    let is_told = |repeat: &Repeat<'_>, number: i64| {
        let wanted = Wanted::new(&number.to_string(), None);
        wanted.is_some_and(|wanted| wanted.is_carried(run, repeat.last))
    };
    let repeats: Vec<(Repeat<'_>, Vec<i64>)> = repeats(run, by)
        .into_iter()
        .filter(|repeat| !repeat.is_answered)
        .map(|repeat| {
            let mut numbers = numbers(&repeat.last.body);
            numbers.retain(|number| is_told(&repeat, *number));
            (repeat, numbers)
        })
        .collect();
    let sum = |dest: Address| -> i64 {
        let same = repeats.iter().filter(|(repeat, _)| repeat.last.dest == dest);
        same.filter_map(|(_, numbers)| numbers.first()).sum()
    };
    let accounts = |(repeat, numbers): &&(Repeat<'_>, Vec<i64>)| {
        numbers.contains(&excess) || numbers.len() == 1 && sum(repeat.last.dest) == excess
    };
    // If clients asked for the same number again, it may be another add's.
    let asked: Vec<(Address, u64, i64)> = run
        .completed(OpType::Ok)
        .filter_map(|op| {
            let request = run.requests(op.invoked.index).next()?;
            Some((request.dest, request.line, delta(&op)?))
        })
        .collect();
    let others = |(repeat, numbers): &&(Repeat<'_>, Vec<i64>)| {
        let Repeat { first, last, .. } = repeat;
        let same = || {
            asked.iter().filter(|(node, _, delta)| *node == first.src && numbers.contains(delta))
        };
        let count = |lines: Range<u64>| same().filter(|(_, line, _)| lines.contains(line)).count();
        (count(first.line..last.line), count(0..last.line))
    };
    let (repeat, _) = repeats.iter().filter(accounts).min_by_key(others)?;
    let text = format!("{}; {} counted it each time.", repeat.text(), repeat.last.dest);
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

/// A final read that was answered with what a service said, which was out of date. What was
/// lost before is not the fault of that.
fn out_of_date(run: &Run<'_>, read: &Operation<'_>, value: i64, sum: i64) -> Option<Draft> {
    let node = Address::Node(run.node(read.invoked.process)?);
    let old = OldRead::of(run, node, run.asked(read)?, &value.to_string())?;
    let newest: i64 = old.written().parse().ok()?;
    (newest.abs_diff(sum) <= newest.abs_diff(value)).then(|| old.why())
}

/// Messages that carry what lacks and did not arrive.
fn undelivered(run: &Run<'_>, lacking: i64, by: i64) -> Option<Draft> {
    let dropped = run.inner().filter(|sent| sent.time < by && in_reply_to(sent).is_none());
    let mut dropped = dropped.filter(|sent| matches!(sent.fate(), Fate::Dropped(..)));
    let sent = dropped.rfind(|sent| numbers(&sent.body).contains(&lacking))?;
    let Fate::Dropped(_, cause) = sent.fate() else { return None };
    // A later message may have told it in another form.
    let mut later =
        run.inner().filter(|other| other.line > sent.line && other.kind() == sent.kind());
    let is_told = later
        .any(|other| (other.src, other.dest) == (sent.src, sent.dest) && other.arrived.is_some());
    if is_told || run.unknown(Moment::sending(sent), Moment::END).is_some() {
        return None;
    }
    let text = format!(
        "{} sent {lacking} to {} at {}; {}; nobody sent it again.",
        sent.src,
        sent.dest,
        at(sent.time),
        super::run::dropped(cause, sent.dest, "that")
    );
    Some(Draft::new(text).messages([sent]))
}

/// A message that reached its receiver again: one message twice, or two that say the same
/// because the first was not answered.
pub(super) struct Repeat<'a> {
    pub(super) first: &'a Sent,
    pub(super) last: &'a Sent,
    /// Whether the first was answered after all. If messages have nothing but a number, it may
    /// then be another one.
    pub(super) is_answered: bool,
}

impl Repeat<'_> {
    pub(super) fn text(&self) -> String {
        let Self { first, last, .. } = self;
        if first.id == last.id {
            let times: Vec<String> = first.receipts.iter().take(2).map(|time| at(*time)).collect();
            return format!(
                "{} got one message from {} twice, at {}, because the duplicate fault doubled it",
                first.dest,
                first.src,
                times.join(" and ")
            );
        }
        format!(
            "{} sent {} the same message twice, at {} and at {}, because the first was not answered{}, and \
             both arrived",
            first.src,
            first.dest,
            at(first.time),
            at(last.time),
            if self.is_answered { " by then" } else { "" }
        )
    }
}

/// What arrived again among nodes until this time.
pub(super) fn repeats<'a>(run: &Run<'a>, by: i64) -> Vec<Repeat<'a>> {
    let mut seen: FxHashMap<(Address, Address, String), &Sent> = FxHashMap::default();
    let mut repeats = Vec::new();
    let is_node = |address: Address| matches!(address, Address::Node(_));
    for sent in run.inner().filter(|sent| is_node(sent.src) && is_node(sent.dest)) {
        let arrived = matches!(sent.fate(), Fate::Received(time) if time < by);
        if !arrived || in_reply_to(sent).is_some() {
            continue;
        }
        if sent.receipts.len() > 1 {
            repeats.push(Repeat { first: sent, last: sent, is_answered: false });
        } else if let Some(first) = seen.insert((sent.src, sent.dest, content(sent)), sent)
            && msg_id(first).is_some()
        {
            let answered = run.answered(first);
            if answered.is_none_or(|answered| answered.line > sent.line) {
                repeats.push(Repeat { first, last: sent, is_answered: answered.is_some() });
            }
        }
    }
    repeats
}

/// A body without what tells a message from its repetition.
fn content(sent: &Sent) -> String {
    match serde_json::from_str(&sent.body) {
        Ok(Value::Object(mut members)) => {
            members.remove("msg_id");
            Value::Object(members).to_string()
        }
        _ => sent.body.to_string(),
    }
}

/// The integers in a body, but for those that number messages.
fn numbers(body: &str) -> Vec<i64> {
    fn collect(value: &Value, all: &mut Vec<i64>) {
        match value {
            Value::Number(number) => all.extend(number.as_i64().and_then(counts)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
            Value::Object(members) => {
                let own = members
                    .iter()
                    .filter(|(name, _)| !["msg_id", "in_reply_to"].contains(&name.as_str()));
                own.for_each(|(_, value)| collect(value, all));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    collect(&serde_json::from_str(body).unwrap_or_default(), &mut all);
    all
}
