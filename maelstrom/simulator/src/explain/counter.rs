//! Sums that are too low or too high.

use std::collections::BTreeMap;

use checkers::Finding;
use checkers::history::OpType;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::run::{Moment, Operation, Run, Wanted, at, in_reply_to, member, msg_id, time};
use super::{Draft, lacking};
use crate::net::Address;
use crate::trace::{Fate, Sent};

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let read = run.operation(*finding.ops.first()?)?;
    let (value, by): (i64, i64) = (read.end().decode().ok()?, time(read.end()));
    let sum: i64 = run.completed(OpType::Ok).filter_map(|op| delta(&op)).sum();
    let high = (value > sum).then(|| too_high(run, value - sum, by)).flatten();
    let beyond = || lacking::explain(run, &read, sum - value);
    let low = || (value < sum).then(|| too_low(run, sum - value, by)).flatten();
    let old = || (value != sum).then(|| out_of_date(run, &read, value)).flatten();
    high.or_else(beyond).or_else(old).or_else(low)
}

pub(super) fn delta(op: &Operation<'_>) -> Option<i64> {
    (op.invoked.f == "add").then(|| op.invoked.decode().ok())?
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
    let (repeat, _) = repeats.iter().find(accounts)?;
    let text = format!("{}; {} counted it each time.", repeat.text(), repeat.last.dest);
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

fn too_low(run: &Run<'_>, lacking: i64, by: i64) -> Option<Draft> {
    overwritten(run, by).or_else(|| undelivered(run, lacking, by))
}

/// A final read that was answered with what a service said, which was older than a write that
/// the service had acknowledged.
fn out_of_date(run: &Run<'_>, read: &Operation<'_>, value: i64) -> Option<Draft> {
    let node = Address::Node(run.node(read.invoked.process)?);
    let (asked, answered) = run.asked(read)?;
    let is_told = |sent: &&Sent| {
        sent.dest == node
            && matches!(sent.src, Address::Service(_))
            && sent.kind() == "read_ok"
            && Moment::arrival(sent).is_some_and(|got| asked < got && got < answered)
            && member(sent, "value") == value.to_string()
    };
    let told = run.inner().rfind(is_told)?;
    let question = run.request(told)?;
    let newer = acknowledged_write(run, question)?;
    let written = if newer.kind() == "cas" { member(newer, "to") } else { member(newer, "value") };
    if written == value.to_string() {
        return None;
    }
    let (service, key) = (told.src, member(question, "key"));
    let text = format!(
        "{service} answered {node} at {} with {value} for key {key}, although {} had written {written} there \
         at {}: reads of {service} may be old, and {node} passed that on.",
        at(told.time),
        newer.src,
        at(newer.time)
    );
    Some(Draft::new(text).messages([newer, question, told]))
}

/// The last write to the key of this question that was acknowledged before it was asked.
fn acknowledged_write<'a>(run: &Run<'a>, question: &Sent) -> Option<&'a Sent> {
    let key = member(question, "key");
    let before = run.inner().rev().filter(|sent| sent.line < question.line);
    let oks = before
        .filter(|sent| sent.src == question.dest && matches!(&*sent.kind(), "write_ok" | "cas_ok"));
    oks.filter_map(|ok| run.request(ok)).find(|write| member(write, "key") == key)
}

/// What a node wrote to a key of a service, and what it had read there before.
struct Write<'a> {
    sent: &'a Sent,
    arrived: Moment,
    read: Option<&'a Sent>,
}

/// A write to a service that was based on what it had before another's write.
fn overwritten(run: &Run<'_>, by: i64) -> Option<Draft> {
    let is_clash = |first: &Write<'_>, second: &Write<'_>| {
        let is_old = second.read.is_some_and(|read| read.line < first.arrived.line);
        first.sent.src != second.sent.src && is_old
    };
    let writes = writes(run, by);
    let mut pairs = writes.values().flat_map(|of_key| of_key.windows(2));
    let [first, second] = pairs.find(|pair| is_clash(&pair[0], &pair[1]))? else { return None };
    let read = second.read?;
    let text = format!(
        "{} wrote to {} at {} on the basis of what it had read at {}, and so overwrote what {} had \
         written in between, at {}.",
        second.sent.src,
        second.sent.dest,
        at(second.sent.time),
        at(read.time),
        first.sent.src,
        at(first.sent.time)
    );
    Some(Draft::new(text).messages([read, first.sent, second.sent]))
}

/// The writes to each key of a service that arrived by then, in that order.
fn writes<'a>(run: &Run<'a>, by: i64) -> BTreeMap<(Address, String), Vec<Write<'a>>> {
    let mut keys: FxHashMap<(Address, Address, String), String> = FxHashMap::default();
    let mut reads: FxHashMap<(Address, Address, String), &Sent> = FxHashMap::default();
    let mut writes: BTreeMap<(Address, String), Vec<Write<'_>>> = BTreeMap::new();
    for sent in run.inner() {
        match (sent.src, sent.dest, sent.kind().as_str()) {
            (src, dest @ Address::Service(_), "read") => {
                keys.extend(msg_id(sent).map(|id| ((src, dest, id), member(sent, "key"))));
            }
            (src @ Address::Service(_), dest, "read_ok") => {
                let key = in_reply_to(sent).and_then(|id| keys.remove(&(dest, src, id)));
                reads.extend(key.map(|key| ((dest, src, key), sent)));
            }
            (src, dest @ Address::Service(_), "write") => {
                let key = member(sent, "key");
                let read = reads.get(&(src, dest, key.clone())).copied();
                let Some(arrived) = Moment::arrival(sent).filter(|got| got.time < by) else {
                    continue;
                };
                writes.entry((dest, key)).or_default().push(Write { sent, arrived, read });
            }
            _ => {}
        }
    }
    writes.values_mut().for_each(|of_key| of_key.sort_by_key(|write| write.arrived));
    writes
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
}

impl Repeat<'_> {
    pub(super) fn text(&self) -> String {
        let Self { first, last } = self;
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
            "{} sent {} the same message twice, at {} and at {}, because the first was not answered, and \
             both arrived",
            first.src,
            first.dest,
            at(first.time),
            at(last.time)
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
            repeats.push(Repeat { first: sent, last: sent });
        } else if let Some(first) = seen.insert((sent.src, sent.dest, content(sent)), sent)
            && run.answered(first).is_none()
        {
            repeats.push(Repeat { first, last: sent });
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
            Value::Number(number) => all.extend(number.as_i64()),
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
