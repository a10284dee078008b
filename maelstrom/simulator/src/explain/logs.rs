//! Messages of a log that polls skip, that stand in it twice, or share an offset.

use std::iter;

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::counter::repeats;
use super::lost::Missing;
use super::run::{Operation, Run, Wanted, at, time};
use super::{Draft, services, spelling};
use crate::trace::{Sent, Spell};

/// An acknowledged message that polls leave out.
pub(super) fn missing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let message: Value = serde_json::from_str(value).ok()?;
    let mut all = run.acknowledged().iter();
    let ack = all.find(|ack| ack.key == key && ack.value == message)?;
    let (send, offset) = (run.operation(ack.op)?, ack.offset);
    let keeper = run.node(send.invoked.process)?;
    let is_poll = |op: &Operation<'_>| polled(op.end(), key).next().is_some();
    let found = finding.ops.iter().rev().filter_map(|op| run.operation(*op)).find(is_poll);
    let passes = |op: &Operation<'_>| polled(op.end(), key).any(|at| at > offset);
    let poll = found.or_else(|| run.completed(OpType::Ok).filter(passes).last());
    let refusal = Wanted::new(value, Some(key))
        .and_then(|wanted| services::acknowledged_refusal(run, &send, &wanted));
    if let Some(refusal) = refusal {
        return Some(refusal.messages(run.requests(send.invoked.index)));
    }
    let first = format!(
        "n{keeper} acknowledged message {value} of key {key} with offset {offset} at {} (op {})",
        at(time(send.end())),
        send.end().index
    );
    let Some(poll) = poll else {
        let killed = run.killed(keeper, time(send.end()), i64::MAX);
        let why = killed.map_or_else(String::new, |killed| {
            format!("; n{keeper} was killed at {} after that", at(killed))
        });
        let text = format!("{first}, and no poll was answered with it or anything after it{why}.");
        return Some(Draft::new(text).ops([send.invoked.index, send.end().index]));
    };
    if let Some(spelt) = spelling::of(run, value, &poll) {
        return Some(spelt);
    }
    let shower = run.node(poll.invoked.process)?;
    let text = format!(
        "{first}, and n{shower} left it out of its answer at {} (op {})",
        at(time(poll.end())),
        poll.end().index
    );
    let requests = run.requests(send.invoked.index).chain(run.requests(poll.invoked.index));
    let ops = [send.invoked.index, send.end().index, poll.invoked.index, poll.end().index];
    let missing = Missing::of(run, &send, (key, value), &poll);
    if shower == keeper {
        let passed = missing.as_ref().and_then(|missing| passed_on(missing, &send));
        let killed = run.killed(keeper, time(send.end()), time(poll.end()));
        let text = format!("{text}: {}.", kept(keeper, killed, passed));
        return Some(Draft::new(text).messages(requests).messages(passed).ops(ops));
    }
    let draft = missing?.at(shower)?;
    Some(draft.after(&text).messages(requests).ops(ops))
}

/// The message that sent it on before it was acknowledged: who passes it on need not keep it.
fn passed_on<'a>(missing: &Missing<'_, 'a>, send: &Operation<'_>) -> Option<&'a Sent> {
    missing.carriers().find(|sent| sent.time <= time(send.end()))
}

/// Why a node does not have what it acknowledged itself.
fn kept(node: usize, killed: Option<i64>, passed: Option<&Sent>) -> String {
    match (killed, passed) {
        (Some(killed), _) => format!("n{node} was killed at {} and had forgotten it", at(killed)),
        (None, Some(sent)) => {
            format!("n{node} had passed it on to {} at {}", sent.dest, at(sent.time))
        }
        (None, None) => format!("n{node} had it, so n{node} itself skips the offset"),
    }
}

/// A message that was refused and polled all the same.
pub(super) fn refused(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let all: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let send = all.iter().find(|op| op.is(OpType::Fail))?;
    let poll = all.iter().find(|op| op.is(OpType::Ok))?;
    let [refuser, shower] = [send, poll].map(|op| run.node(op.invoked.process));
    let text = format!(
        "n{} refused message {value} of key {key} at {} (op {}), but had appended it all the same: n{} \
         answered op {} with it.",
        refuser?,
        at(time(send.end())),
        send.end().index,
        shower?,
        poll.end().index
    );
    Some(Draft::new(text).messages(run.requests(send.invoked.index)))
}

/// A message at two offsets.
pub(super) fn twice(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let wanted = Wanted::new(value, Some(key))?;
    let repeat = repeats(run, i64::MAX).into_iter().find(|repeat| wanted.is_in(&repeat.last.body));
    let Some(repeat) = repeat else { return at_two_places(run, key, value) };
    let text = format!(
        "{}; {} appended message {value} of key {key} both times.",
        repeat.text(),
        repeat.last.dest
    );
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

/// A message that has another offset where it was sent than where it was polled, or with each of
/// two nodes.
fn at_two_places(run: &Run<'_>, key: &str, value: &str) -> Option<Draft> {
    let value: Value = serde_json::from_str(value).ok()?;
    let ack = run.acknowledged().iter().find(|ack| ack.key == key && ack.value == value)?;
    let send = run.operation(ack.op)?;
    let mut polls = run.completed(OpType::Ok).filter_map(|op| {
        let at = offsets(op.end(), key).find(|(_, message)| *message == value)?.0;
        Some((op, at))
    });
    let (poll, offset) = polls.find(|(_, at)| *at != ack.offset)?;
    let [keeper, shower] = [&send, &poll].map(|op| run.node(op.invoked.process));
    let text = format!(
        "n{} acknowledged message {value} of key {key} at {} (op {}) with offset {}, but n{} answered op {} at \
         {} with it at offset {offset}: the offset that a send is told is not the one at which polls find it.",
        keeper?,
        at(time(send.end())),
        send.end().index,
        ack.offset,
        shower?,
        poll.end().index,
        at(time(poll.end()))
    );
    let requests = run.requests(send.invoked.index).chain(run.requests(poll.invoked.index));
    Some(Draft::new(text).messages(requests).ops([send.invoked.index, poll.invoked.index]))
}

/// An offset with two messages.
pub(super) fn disagreeing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, offset) = (finding.subject.key.as_deref()?, finding.subject.offset?);
    let mut taken =
        run.acknowledged().iter().filter(|ack| (&*ack.key, ack.offset) == (key, offset));
    let first = taken.next()?;
    let other = taken.find(|ack| ack.value != first.value)?;
    let (earlier, later) = (run.operation(first.op)?, run.operation(other.op)?);
    let nodes = [&earlier, &later].map(|op| run.node(op.invoked.process));
    let [Some(one), Some(two)] = nodes else { return None };
    let requests = run.requests(earlier.invoked.index).chain(run.requests(later.invoked.index));
    let ops = [earlier.invoked.index, later.invoked.index];
    let told = |op: &Operation<'_>| format!("at {} (op {})", at(time(op.end())), op.end().index);
    let (before, after) = (told(&earlier), told(&later));
    let both = format!("Offset {offset} of key {key} was given out {before} and once more {after}");
    let refusal = [(&earlier, first), (&later, other)].into_iter().find_map(|(op, ack)| {
        let wanted = Wanted::new(&ack.value.to_string(), Some(key))?;
        services::acknowledged_refusal(run, op, &wanted)
    });
    if let Some(refusal) = refusal {
        return Some(refusal.messages(requests).ops(ops));
    }
    if let Some(clash) = services::clash(run, &[earlier, later], iter::empty()) {
        return Some(clash.after(&both).messages(requests).ops(ops));
    }
    let text = if one == two {
        let killed = run.killed(one, time(earlier.end()), time(later.end()));
        let how = killed.map_or_else(String::new, |killed| {
            format!(": it was killed at {} in between", at(killed))
        });
        format!("n{one} gave out offset {offset} of key {key} twice, {before} and {after}{how}.")
    } else {
        let cut = run.cut(one, two, time(later.end()));
        let text = format!(
            "n{one} gave out offset {offset} of key {key} {before}, and n{two} once more {after}"
        );
        let message = first.value.to_string();
        let unheard = || Missing::of(run, &earlier, (key, &message), &later)?.at(two);
        match cut {
            Some(Spell { fault, from, .. }) => {
                format!("{text}, while the {fault} from {} kept them apart.", at(*from))
            }
            None => match unheard() {
                Some(draft) => return Some(draft.after(&text).messages(requests).ops(ops)),
                None => format!("{text}."),
            },
        }
    };
    Some(Draft::new(text).messages(requests).ops(ops))
}

/// A poll whose messages are not in the order of their offsets.
pub(super) fn unsorted(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let op = finding.ops.iter().filter_map(|op| run.operation(*op)).next()?;
    let node = run.node(op.invoked.process)?;
    let key = finding.subject.key.as_deref()?;
    let offsets: Vec<i64> = polled(op.end(), key).collect();
    let pair = offsets.windows(2).find(|pair| pair[1] <= pair[0])?;
    let text = format!(
        "n{node} answered op {} at {} with the messages of key {key} in another order than that of their \
         offsets: {} stands before {}.",
        op.end().index,
        at(time(op.end())),
        pair[0],
        pair[1]
    );
    Some(Draft::new(text).messages(run.requests(op.invoked.index)))
}

/// That a message was acknowledged.
pub(super) struct Acknowledged {
    key: String,
    offset: i64,
    value: Value,
    /// The index of the completion.
    op: u64,
}

impl Acknowledged {
    /// All in a run, in order.
    pub(super) fn all(run: &Run<'_>) -> Vec<Self> {
        let of = |op: &Op| {
            let op_index = op.index;
            let send = move |(key, offset, value)| Self { key, offset, value, op: op_index };
            acknowledged(op).into_iter().map(send)
        };
        run.ops
            .iter()
            .filter(|op| op.kind == OpType::Ok && op.process.is_client())
            .flat_map(of)
            .collect()
    }
}

/// Whether a finding is about messages of a log.
pub(super) fn is_of_a_log(run: &Run<'_>, finding: &Finding) -> bool {
    let mut ops = finding.ops.iter().filter_map(|op| run.op(*op));
    ops.any(|op| {
        steps(op).iter().any(|step| step.first().is_some_and(|f| f == "send" || f == "poll"))
    })
}

/// What an operation says of the logs: `["send", key, …]` and `["poll", {key: …}]`.
fn steps(op: &Op) -> Vec<Vec<Value>> {
    op.decode().unwrap_or_default()
}

fn name(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

/// Keys, offsets and messages of what was sent.
fn acknowledged(op: &Op) -> Vec<(String, i64, Value)> {
    let send = |step: Vec<Value>| match &step[..] {
        [Value::String(f), key, Value::Array(pair)] if f == "send" => {
            Some((name(key), pair.first()?.as_i64()?, pair.get(1)?.clone()))
        }
        _ => None,
    };
    steps(op).into_iter().filter_map(send).collect()
}

/// The offsets of what was polled of a key.
fn polled(op: &Op, key: &str) -> impl Iterator<Item = i64> {
    offsets(op, key).map(|(offset, _)| offset)
}

/// The same with the messages.
fn offsets(op: &Op, key: &str) -> impl Iterator<Item = (i64, Value)> {
    let mut offsets = Vec::new();
    for step in steps(op) {
        if let [Value::String(f), Value::Object(keys)] = &step[..]
            && f == "poll"
        {
            let of_key = keys.iter().filter(|(of, _)| of.as_str() == key);
            let pairs = of_key.flat_map(|(_, pairs)| pairs.as_array().into_iter().flatten());
            offsets.extend(
                pairs.filter_map(|pair| Some((pair.get(0)?.as_i64()?, pair.get(1)?.clone()))),
            );
        }
    }
    offsets.into_iter()
}
