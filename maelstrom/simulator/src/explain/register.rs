//! A read of a register that contradicts what came before it.

use std::iter;

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::Draft;
use super::lost::{Missing, overtook};
use super::run::{Operation, Run, Wanted, at, time};
use super::services::{self, OldRead};
use crate::net::Address;
use crate::trace::Sent;

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let key: Value = serde_json::from_str(finding.subject.key.as_deref()?).ok()?;
    let expected =
        finding.subject.value.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let odd = run.operation(*finding.ops.first()?)?;
    let before = newest_before(run, &key, expected.as_ref(), &odd)?;
    let source = source(run, &key, &before).unwrap_or(before);
    let (writer, reader) = (run.node(before.invoked.process)?, run.node(odd.invoked.process)?);
    let draft = apart(run, &key, &before, &odd, [writer, reader])
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
    let is_over = |op: &Operation<'_>| is_done(op) && op.end().index < odd.invoked.index;
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
    let verb = if before.invoked.f == "read" { "returned" } else { "acknowledged" };
    let [then, later] = [before, odd].map(|op| at(time(op.end())));
    let first = format!(
        "n{writer} {verb} {value} for key {key} at {then}, but n{reader} answered {read} at {later}"
    );
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
    let older = Wanted::new(&read.to_string(), Some(&key.to_string()));
    let old = older.and_then(|older| missing.overtaken(reader, &older));
    let what = match (killed, old) {
        (Some(killed), _) => format!("was killed at {} and had forgotten it", at(killed)),
        (None, Some(old)) => {
            let overtook = overtook(old, Address::Node(reader));
            format!("had got {value} at {}; {overtook}", at(got.time))
        }
        (None, None) => match refused(run, key, before, odd) {
            Some(refused) => return Some(refused),
            None => {
                format!("had got {value} at {}, and answered with an older value", at(got.time))
            }
        },
    };
    let text = format!("n{reader} {what}.");
    Some(Draft { text, ..draft }.messages(old).after(&first))
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
    match (&*op.invoked.f, parts(op.invoked)?.1) {
        ("cas", Value::Array(both)) => both.first().cloned(),
        ("read", _) => parts(op.end()).map(|(_, value)| value),
        _ => None,
    }
}

fn left_text(op: &Operation<'_>) -> String {
    left(op).map_or("took a write".to_owned(), |value| format!("acknowledged {value}"))
}
