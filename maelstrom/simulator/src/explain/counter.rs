//! Sums that are too low or too high.

use checkers::Finding;
use checkers::history::OpType;
use serde_json::Value;

use super::Draft;
use super::run::{Moment, Operation, Run, at, in_reply_to, time};
use crate::net::Address;
use crate::trace::{Fate, Sent};

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let read = run.operation(*finding.ops.first()?)?;
    let (value, by): (i64, i64) = (read.end().decode().ok()?, time(read.end()));
    let sum: i64 = run.completed(OpType::Ok).filter_map(|op| delta(&op)).sum();
    if value > sum { too_high(run, value - sum, by) } else { too_low(run, sum - value, by) }
}

fn delta(op: &Operation<'_>) -> Option<i64> {
    (op.invoked.f == "add").then(|| op.invoked.decode().ok())?
}

fn too_high(run: &Run<'_>, excess: i64, by: i64) -> Option<Draft> {
    // Only what accounts for the whole of it is told: one message, or all that reached one node.
    let repeats = repeats(run, by);
    let numbers = |repeat: &Repeat<'_>| numbers(&repeat.last.body);
    let sum = |dest: Address| -> i64 {
        let same = repeats.iter().filter(|repeat| repeat.last.dest == dest);
        same.filter_map(|repeat| numbers(repeat).first().copied()).sum()
    };
    let accounts = |repeat: &&Repeat<'_>| {
        numbers(repeat).contains(&excess)
            || numbers(repeat).len() == 1 && sum(repeat.last.dest) == excess
    };
    let repeat = repeats.iter().find(accounts)?;
    let text = format!("{}; {} counted it each time.", repeat.text(), repeat.last.dest);
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

fn too_low(run: &Run<'_>, lacking: i64, by: i64) -> Option<Draft> {
    forgotten(run, lacking, by)
        .or_else(|| overwritten(run, by))
        .or_else(|| undelivered(run, lacking, by))
}

/// Adds that a node acknowledged and told nobody before it was killed.
fn forgotten(run: &Run<'_>, lacking: i64, by: i64) -> Option<Draft> {
    let mut lost: Vec<(Operation<'_>, usize, i64)> = Vec::new();
    for op in run.completed(OpType::Ok).filter(|op| delta(op).is_some_and(|delta| delta != 0)) {
        let (Some(node), ended) = (run.node(op.invoked.process), time(op.end())) else { continue };
        let Some(killed) = run.killed(node, ended, by) else { continue };
        let begun = time(op.invoked);
        let mut sent =
            run.inner().filter(|sent| sent.src == Address::Node(node) && sent.kind() != "read");
        if !sent.any(|sent| (begun..killed).contains(&sent.time)) {
            lost.push((op, node, killed));
        }
    }
    let (first, node, killed) = *lost.first()?;
    let sum: i64 = lost.iter().filter_map(|(op, ..)| delta(op)).sum();
    let more = match lost.len() {
        1 => String::new(),
        count => format!(" {count} adds were lost like that, {sum} of the {lacking} that lack."),
    };
    let text = format!(
        "n{node} acknowledged the add of {} at {} (op {}) before it had told anybody, and was killed at \
         {} with it.{more}",
        delta(&first)?,
        at(time(first.end())),
        first.end().index,
        at(killed)
    );
    let requests = lost.iter().flat_map(|(op, ..)| run.requests(op.invoked.index));
    let ops = lost.iter().flat_map(|(op, ..)| [op.invoked.index, op.end().index]);
    Some(Draft::new(text).messages(requests).ops(ops))
}

/// A write to a service that was based on what it had before another's write.
fn overwritten(run: &Run<'_>, by: i64) -> Option<Draft> {
    let writes: Vec<(&Sent, i64)> = run
        .inner()
        .filter(|sent| matches!(sent.dest, Address::Service(_)) && sent.kind() == "write")
        .filter_map(|sent| Some((sent, *sent.receipts.first()?)))
        .filter(|(_, time)| *time < by)
        .collect();
    let clash = writes.windows(2).find_map(|pair| {
        let [(first, arrived), (second, _)] = pair else { return None };
        let is_same = first.dest == second.dest && key(first) == key(second);
        if !is_same || first.src == second.src {
            return None;
        }
        let mut read =
            run.inner().filter(|sent| (sent.src, sent.dest) == (second.dest, second.src));
        let read = read.rfind(|sent| sent.time <= second.time && sent.kind() == "read_ok")?;
        (read.time < *arrived).then_some((*first, *second, read))
    });
    let (first, second, read) = clash?;
    let text = format!(
        "{} wrote to {} at {} on the basis of what it had read at {}, and so overwrote what {} had \
         written in between, at {}.",
        second.src,
        second.dest,
        at(second.time),
        at(read.time),
        first.src,
        at(first.time)
    );
    Some(Draft::new(text).messages([read, first, second]))
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
                "{} got one message of {} twice, at {}, because the network doubled it",
                first.dest,
                first.src,
                times.join(" and ")
            );
        }
        format!(
            "{} sent {} the same twice, at {} and at {}, because no answer to the first had come, and both \
             arrived",
            first.src,
            first.dest,
            at(first.time),
            at(last.time)
        )
    }
}

/// What arrived again among nodes until this time.
pub(super) fn repeats<'a>(run: &Run<'a>, by: i64) -> Vec<Repeat<'a>> {
    let mut seen: rustc_hash::FxHashMap<(Address, Address, String), &Sent> = Default::default();
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

fn key(sent: &Sent) -> Option<Value> {
    serde_json::from_str::<Value>(&sent.body).ok()?.get("key").cloned()
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
