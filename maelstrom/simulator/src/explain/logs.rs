//! Messages of a log that polls skip, that stand in it twice, or share an offset.

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::Draft;
use super::counter::repeats;
use super::lost::Missing;
use super::run::{Operation, Run, Wanted, at, time};

/// An acknowledged message that polls leave out.
pub(super) fn missing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let send = run.completed(OpType::Ok).find(|op| offset(op.end(), key, value).is_some())?;
    let offset = offset(send.end(), key, value)?;
    let keeper = run.node(send.invoked.process)?;
    let is_poll = |op: &Operation<'_>| polled(op.end(), key).next().is_some();
    let found = finding.ops.iter().rev().filter_map(|op| run.operation(*op)).find(is_poll);
    let passes = |op: &Operation<'_>| polled(op.end(), key).any(|at| at > offset);
    let poll = found.or_else(|| run.completed(OpType::Ok).filter(passes).last());
    let first = format!(
        "n{keeper} acknowledged message {value} of key {key} with offset {offset} at {} (op {})",
        at(time(send.end())),
        send.end().index
    );
    let Some(poll) = poll else {
        let text =
            format!("{first}, and no poll of the key was answered with anything after that.");
        return Some(Draft::new(text).ops([send.invoked.index, send.end().index]));
    };
    let shower = run.node(poll.invoked.process)?;
    let text = format!(
        "{first}, and n{shower} left it out of its answer at {} (op {})",
        at(time(poll.end())),
        poll.end().index
    );
    let requests = run.requests(send.invoked.index).chain(run.requests(poll.invoked.index));
    let ops = [send.invoked.index, send.end().index, poll.invoked.index, poll.end().index];
    if shower == keeper {
        let killed = run.killed(keeper, time(send.end()), time(poll.end()));
        let how = killed.map_or("had it, so it skips the offset itself".to_owned(), |killed| {
            format!("was killed at {} and had forgotten it", at(killed))
        });
        return Some(Draft::new(format!("{text}: n{keeper} {how}.")).messages(requests).ops(ops));
    }
    let draft = Missing::of(run, &send, (key, value), &poll)?.at(shower)?;
    Some(Draft { text: format!("{text}. {}", draft.text), ..draft }.messages(requests).ops(ops))
}

/// A message that was refused and polled all the same.
pub(super) fn refused(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let all: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let send = all.iter().find(|op| op.is(OpType::Fail))?;
    let poll = all.iter().find(|op| op.is(OpType::Ok))?;
    let [refuser, shower] = [send, poll].map(|op| run.node(op.invoked.process));
    let text = format!(
        "n{} refused to take message {value} of key {key} at {} (op {}), but had appended it: n{} \
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
    let repeat =
        repeats(run, i64::MAX).into_iter().find(|repeat| wanted.is_in(&repeat.last.body))?;
    let text = format!(
        "{}; {} appended message {value} of key {key} both times.",
        repeat.text(),
        repeat.last.dest
    );
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

/// An offset with two messages.
pub(super) fn disagreeing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let taken = |op: &Operation<'_>| acknowledged(op.end());
    let mut first: Vec<(String, i64, Value, u64)> = Vec::new();
    let mut clash = None;
    for op in run.completed(OpType::Ok) {
        for (key, offset, value) in taken(&op) {
            let same = first.iter().find(|of| of.0 == key && of.1 == offset && of.2 != value);
            if let Some(other) = same.filter(|_| finding.text.starts_with(&format!("Key {key}:"))) {
                clash = clash.or(Some((other.3, op, key.clone(), offset)));
            }
            first.push((key, offset, value, op.invoked.index));
        }
    }
    let (earlier, later, key, offset) = clash?;
    let earlier = run.operation(earlier)?;
    let nodes = [&earlier, &later].map(|op| run.node(op.invoked.process));
    let [Some(one), Some(other)] = nodes else { return None };
    let told = |op: &Operation<'_>| format!("at {} (op {})", at(time(op.end())), op.end().index);
    let (before, after) = (told(&earlier), told(&later));
    let how = match run.cut(one, other, time(later.end())) {
        _ if one == other => match run.killed(one, time(earlier.end()), time(later.end())) {
            Some(killed) => format!(": it was killed at {} in between", at(killed)),
            None => String::new(),
        },
        Some(spell) => {
            format!(", while the {} from {} kept them apart", spell.fault, at(spell.from))
        }
        None => String::new(),
    };
    let text = if one == other {
        format!("n{one} gave out offset {offset} of key {key} twice, {before} and {after}{how}.")
    } else {
        format!(
            "n{one} gave out offset {offset} of key {key} {before}, and n{other} once more {after}{how}."
        )
    };
    let requests = run.requests(earlier.invoked.index).chain(run.requests(later.invoked.index));
    let ops = [earlier.invoked.index, later.invoked.index];
    Some(Draft::new(text).messages(requests).ops(ops))
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

fn offset(op: &Op, key: &str, value: &str) -> Option<i64> {
    let value: Value = serde_json::from_str(value).ok()?;
    let all = acknowledged(op);
    let found = all.iter().find(|(of, _, sent)| *of == key && *sent == value);
    found.map(|(_, offset, _)| *offset)
}

/// The offsets of what was polled of a key.
fn polled(op: &Op, key: &str) -> impl Iterator<Item = i64> {
    let mut offsets = Vec::new();
    for step in steps(op) {
        if let [Value::String(f), Value::Object(keys)] = &step[..]
            && f == "poll"
        {
            let of_key = keys.iter().filter(|(of, _)| of.as_str() == key);
            let pairs = of_key.flat_map(|(_, pairs)| pairs.as_array().into_iter().flatten());
            offsets.extend(pairs.filter_map(|pair| pair.get(0)?.as_i64()));
        }
    }
    offsets.into_iter()
}
