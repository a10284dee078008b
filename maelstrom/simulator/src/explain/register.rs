//! A read of a register that contradicts what came before it.

use std::iter;

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::Draft;
use super::counter::{Repeat, repeats};
use super::lost::{Missing, overtook};
use super::run::{Operation, Run, Wanted, at, dropped, msg_id, time};
use super::services::{self, OldRead};
use crate::net::Address;
use crate::trace::{Fate, Sent};

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let key: Value = serde_json::from_str(finding.subject.key.as_deref()?).ok()?;
    let expected =
        finding.subject.value.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let odd = run.operation(*finding.ops.first()?)?;
    let before = newest_before(run, &key, expected.as_ref(), &odd)?;
    let source = source(run, &key, &before).unwrap_or(before);
    let (writer, reader) = (run.node(before.invoked.process)?, run.node(odd.invoked.process)?);
    let draft = apart(run, &key, &before, &odd, [writer, reader])
        .or_else(|| unconfirmed(run, &key, [&odd, &before, &source]))
        .or_else(|| done_twice(run, &key, &before, &odd))
        .or_else(|| services::clash(run, &around(run, &key, &before, &odd), iter::empty()))
        .or_else(|| stale(run, &key, &before, &source, &odd))?;
    let ops = [before, source].into_iter().flat_map(|op| [op.invoked.index, op.end().index]);
    Some(draft.ops(ops))
}

/// The last operation that had put the value there which it should have been, or shown it,
/// when this one began; if it is not known which one, any other value.
fn newest_before<'a>(
    run: &Run<'a>,
    key: &Value,
    expected: Option<&Value>,
    odd: &Operation<'_>,
) -> Option<Operation<'a>> {
    let seen = seen(odd);
    let before = || {
        run.completed(OpType::Ok)
            .filter(|op| op.end().index < odd.invoked.index && of_key(op.invoked, key))
    };
    let right = before().filter(|op| expected.is_some() && left(op).as_ref() == expected).last();
    right.or_else(|| before().filter(|op| left(op) != seen).last())
}

/// The last write of the value that an operation left there or showed.
fn source<'a>(run: &Run<'a>, key: &Value, shown: &Operation<'_>) -> Option<Operation<'a>> {
    let value = left(shown)?;
    let kinds = [OpType::Ok, OpType::Info].into_iter();
    let writes = kinds.flat_map(|kind| run.completed(kind)).filter(|op| {
        op.invoked.f != "read" && op.invoked.index < shown.end().index && of_key(op.invoked, key)
    });
    writes.filter(|op| left(op).as_ref() == Some(&value)).max_by_key(|op| op.invoked.index)
}

/// What was done to the key from one operation to another.
fn around<'a>(
    run: &Run<'a>,
    key: &Value,
    before: &Operation<'_>,
    odd: &Operation<'_>,
) -> Vec<Operation<'a>> {
    let kinds = [OpType::Ok, OpType::Info].into_iter().flat_map(|kind| run.completed(kind));
    let is_near = |op: &Operation<'_>| {
        op.end().index > before.invoked.index && op.invoked.index < odd.end().index
    };
    kinds.filter(|op| of_key(op.invoked, key) && is_near(op)).collect()
}

/// The value that was found is that of a change which a node had refused, and not one from
/// before that, since the reader had got a newer one.
fn refused(
    run: &Run<'_>,
    key: &Value,
    before: &Operation<'_>,
    odd: &Operation<'_>,
) -> Option<Draft> {
    let found = seen(odd)?;
    let left_it = |op: &Operation<'_>| {
        op.invoked.f != "read" && of_key(op.invoked, key) && left(op).as_ref() == Some(&found)
    };
    let since = before.invoked.index;
    let is_done = |op: &Operation<'_>| {
        left_it(op) && op.end().index > since && op.invoked.index < odd.end().index
    };
    if [OpType::Ok, OpType::Info].iter().any(|kind| run.completed(*kind).any(|op| is_done(&op))) {
        return None;
    }
    // That a value is not the expected one says that nothing was done; other errors may be wrong.
    let is_answer_of_a_store = |op: &Operation<'_>| {
        let error = op.end().error.as_ref().map_or("", |error| error.get());
        ["precondition-failed", "key-does-not-exist"].iter().any(|name| error.contains(name))
    };
    let is_over = |op: &Operation<'_>| {
        is_done(op) && (op.end().index < odd.invoked.index || !is_answer_of_a_store(op))
    };
    let refusal = run.completed(OpType::Fail).filter(is_over).last()?;
    let (refuser, reader) = (run.node(refusal.invoked.process)?, run.node(odd.invoked.process)?);
    let text = format!(
        "n{refuser} refused to change key {key} to {found} at {} (op {}), but did it all the same: n{reader} \
         answered op {} at {} with {found}.",
        at(time(refusal.end())),
        refusal.end().index,
        odd.end().index,
        at(time(odd.end()))
    );
    let requests = run.requests(refusal.invoked.index).chain(run.requests(odd.invoked.index));
    Some(Draft::new(text).messages(requests).ops([refusal.invoked.index, refusal.end().index]))
}

/// One of these was acknowledged although a service had refused it, or the odd one, which comes
/// first, although it was asked for in vain.
fn unconfirmed(run: &Run<'_>, key: &Value, ops: [&Operation<'_>; 3]) -> Option<Draft> {
    let wanted = |op: &Operation<'_>| {
        let value = left(op).filter(|_| op.invoked.f != "read" && op.is(OpType::Ok))?;
        Wanted::new(&value.to_string(), Some(&key.to_string()))
    };
    let refusal = |op: &&Operation<'_>| services::acknowledged_refusal(run, op, &wanted(op)?);
    let [odd, ..] = ops;
    ops.iter().find_map(refusal).or_else(|| unanswered(run, odd, &wanted(odd)?))
}

/// A compare-and-swap that was acknowledged before anybody had answered what its node asked for.
fn unanswered(run: &Run<'_>, op: &Operation<'_>, wanted: &Wanted) -> Option<Draft> {
    let node = Address::Node(run.node(op.invoked.process).filter(|_| op.invoked.f == "cas")?);
    let (got, answered) = run.asked(op)?;
    let is_its = |sent: &&Sent| {
        sent.src == node
            && (got.line..answered.line).contains(&sent.line)
            && msg_id(sent).is_some()
            && wanted.is_in(&sent.body)
    };
    let asked: Vec<&Sent> = run.inner().filter(is_its).collect();
    let is_open =
        |sent: &&Sent| run.answered(sent).is_none_or(|answer| answer.line > answered.line);
    let request = *asked.last().filter(|_| asked.iter().all(is_open))?;
    let fate = match request.fate() {
        Fate::Dropped(_, cause) => format!("; {}", dropped(cause, request.dest, "that")),
        _ => String::new(),
    };
    let text = format!(
        "{node} acknowledged op {} at {}, although {} had not answered the `{}` that it had sent for it at {}{fate}: \
         whether the change was made it could not know.",
        op.end().index,
        at(time(op.end())),
        request.dest,
        request.kind(),
        at(request.time)
    );
    Some(Draft::new(text).messages([request]).ops([op.invoked.index, op.end().index]))
}

/// A change that was asked for again, since the answer was late, and made twice: the second time
/// after the newer one.
fn done_twice(
    run: &Run<'_>,
    key: &Value,
    before: &Operation<'_>,
    odd: &Operation<'_>,
) -> Option<Draft> {
    let found = seen(odd)?;
    let wanted = Wanted::new(&found.to_string(), Some(&key.to_string()))?;
    let since = time(before.invoked);
    let repeats = repeats(run, time(odd.end()));
    let repeat = repeats.iter().find(|repeat| {
        let Repeat { first, last, .. } = repeat;
        let Some(arrived) = last.receipts.last().filter(|at| **at > since) else { return false };
        // Another client may have asked for the same.
        let mut others = run.trace.messages.iter().filter(|sent| {
            sent.op.is_some()
                && sent.dest == last.src
                && (first.line..last.line).contains(&sent.line)
        });
        let is_first_before = first.receipts.first().is_some_and(|at| at < arrived);
        is_first_before
            && last.kind() != "read"
            && wanted.is_in(&last.body)
            && !others.any(|sent| sent.kind() != "read" && wanted.is_in(&sent.body))
    })?;
    let (text, node) = (repeat.text(), repeat.last.dest);
    let arrived = at(repeat.last.receipts.last().copied().unwrap_or_default());
    let value = left(before)?;
    let text = format!(
        "{text}; {node} did it each time, and at {arrived} that took the place of {value}."
    );
    Some(Draft::new(text).messages([repeat.first, repeat.last]))
}

/// Both nodes took writes while a partition kept them apart.
fn apart(
    run: &Run<'_>,
    key: &Value,
    before: &Operation<'_>,
    odd: &Operation<'_>,
    nodes: [usize; 2],
) -> Option<Draft> {
    let [writer, reader] = nodes;
    let spell = run.cut(writer, reader, time(before.end()))?;
    let until = spell.until.unwrap_or(i64::MAX);
    let is_other = |op: &Operation<'_>| {
        let ended = time(op.end());
        op.invoked.f != "read" && of_key(op.invoked, key) && (spell.from..until).contains(&ended)
    };
    let mut writes = run.completed(OpType::Ok).filter(is_other);
    let found = seen(odd);
    let is_it = |op: &Operation<'_>| {
        run.node(op.invoked.process) == Some(reader) && (found.is_none() || left(op) == found)
    };
    let other = writes.find(is_it)?;
    let end = spell.until.map_or("the end".to_owned(), at);
    let told = |node: usize, op: &Operation<'_>| {
        format!("n{node} {} at {} (op {})", left_text(op), at(time(op.end())), op.end().index)
    };
    let text = format!(
        "Both n{writer} and n{reader} took writes to key {key} while the {} from {} to {end} kept them \
         apart: {}, {}.",
        spell.fault,
        at(spell.from),
        told(writer, before),
        told(reader, &other),
    );
    Some(Draft::new(text).ops([other.invoked.index, other.end().index]))
}

/// The reader did not know of it, or did not heed it.
fn stale(
    run: &Run<'_>,
    key: &Value,
    before: &Operation<'_>,
    source: &Operation<'_>,
    odd: &Operation<'_>,
) -> Option<Draft> {
    let (writer, reader) = (run.node(before.invoked.process)?, run.node(odd.invoked.process)?);
    let (value, read) = (left(before)?, seen(odd).unwrap_or(Value::Null));
    let first = contradiction([writer, reader], key, before, odd)?;
    let request = run.requests(source.invoked.index).next()?;
    let missing = Missing::of(run, source, (&key.to_string(), &value.to_string()), odd)?;
    // Whoever asks a service answers with what that has.
    if let Some(stored) = missing.carriers().find(|sent| matches!(sent.dest, Address::Service(_))) {
        if stored.time > time(before.end()) {
            let text = format!(
                "{first}: n{writer} acknowledged before it stored, as its message to {} left only at {}.",
                stored.dest,
                at(stored.time)
            );
            return Some(Draft::new(text).messages([stored, request]));
        }
        if let Some(draft) = unread(run, stored, (&value, &read), odd, &first) {
            return Some(draft.messages([request]));
        }
    }
    let draft = missing.at(reader)?.messages([request]);
    let Some((got, _, killed)) = missing.held(reader) else { return Some(draft.after(&first)) };
    if killed.is_none()
        && let Some(refused) = refused(run, key, before, odd)
    {
        return Some(refused);
    }
    let older = Wanted::new(&read.to_string(), Some(&key.to_string()));
    let old = older.and_then(|older| missing.overtaken(reader, &older));
    let what = match (killed, old) {
        (Some(killed), _) => format!("was killed at {} and had forgotten it", at(killed)),
        (None, Some(old)) => {
            let overtook = overtook(old, Address::Node(reader));
            format!("had got {value} at {}; {overtook}", at(got.time))
        }
        (None, None) => {
            format!("had got {value} at {}, and answered with an older value", at(got.time))
        }
    };
    let text = format!("n{reader} {what}.");
    Some(Draft { text, ..draft }.messages(old).after(&first))
}

/// What the one node said, and the other.
fn contradiction(
    [writer, reader]: [usize; 2],
    key: &Value,
    before: &Operation<'_>,
    odd: &Operation<'_>,
) -> Option<String> {
    let (value, read) = (left(before)?, seen(odd).unwrap_or(Value::Null));
    let verb = if before.invoked.f == "read" { "returned" } else { "acknowledged" };
    let [then, later] = [before, odd].map(|op| at(time(op.end())));
    let answer = match (odd.end().kind, &*odd.invoked.f) {
        (OpType::Fail, _) => format!("answered at {later} that there is no such key"),
        (_, "cas") => format!("changed {read} there at {later}"),
        _ => format!("answered {read} at {later}"),
    };
    Some(format!("n{writer} {verb} {value} for key {key} at {then}, but n{reader} {answer}"))
}

/// A service had the value, and the reader did not ask it, or had asked it before.
fn unread(
    run: &Run<'_>,
    stored: &Sent,
    (value, read): (&Value, &Value),
    odd: &Operation<'_>,
    first: &str,
) -> Option<Draft> {
    let (node, asked, service) = (run.node(odd.invoked.process)?, run.asked(odd)?, stored.dest);
    let reader = Address::Node(node);
    if let Some(old) = OldRead::of(run, reader, asked, &read.to_string()) {
        return Some(old.why());
    }
    if services::has_asked(run, reader, service, asked) {
        return None;
    }
    let text =
        format!("{service} had {value} by then, but {reader} did not ask it before it answered.");
    Some(Draft::new(text).messages([stored]).after(first))
}

fn parts(op: &Op) -> Option<(Value, Value)> {
    op.decode().ok()
}

fn of_key(op: &Op, key: &Value) -> bool {
    op.process.is_client() && parts(op).is_some_and(|(of, _)| of == *key)
}

/// The value that an operation left in the key, or found there.
fn left(op: &Operation<'_>) -> Option<Value> {
    match (&*op.invoked.f, parts(op.invoked)?.1) {
        ("cas", Value::Array(mut both)) => both.pop(),
        ("read", _) => seen(op),
        (_, value) => Some(value),
    }
}

/// The value that an operation found in the key.
fn seen(op: &Operation<'_>) -> Option<Value> {
    if op.is(OpType::Fail) {
        return None;
    }
    match (&*op.invoked.f, parts(op.invoked)?.1) {
        ("cas", Value::Array(both)) => both.first().cloned(),
        ("read", _) => parts(op.end()).map(|(_, value)| value),
        _ => None,
    }
}

fn left_text(op: &Operation<'_>) -> String {
    left(op).map_or("took a write".to_owned(), |value| format!("acknowledged {value}"))
}
