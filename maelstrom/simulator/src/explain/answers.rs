//! Answers that are wrong, or did not come.

use std::collections::BTreeSet;

use checkers::Finding;
use checkers::history::OpType;
use serde_json::Value;

use super::Draft;
use super::run::{Operation, Run, Wanted, at, msg_id, time};
use crate::net::{Address, Cause};
use crate::trace::{Fate, Sent};

/// An echo that is another one's.
pub(super) fn wrong(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let op = run.operation(*finding.ops.first()?)?;
    let request = run.requests(op.invoked.index).next()?;
    let answer = run.answer(request)?;
    let echo = serde_json::from_str::<Value>(&answer.body).ok()?.get("echo")?.clone();
    let wanted = Wanted::new(&echo.to_string(), None)?;
    let others =
        run.trace.messages.iter().filter(|sent| sent.op.is_some() && sent.id != request.id);
    let mut earlier = others.filter(|sent| {
        (sent.dest, sent.time < answer.time) == (request.dest, true) && wanted.is_in(&sent.body)
    });
    let (node, index) = (request.dest, op.invoked.index);
    let told = format!("{node} answered op {index} at {} with {echo}", at(answer.time));
    let Some(other) = earlier.next_back() else {
        let text = format!("{told}, which nobody had asked it to echo: it made that up.");
        return Some(Draft::new(text).messages([request, answer]));
    };
    let text = format!(
        "{told}, which {} had asked for at {} (op {}): the answer is that to another request.",
        other.src,
        at(other.time),
        other.op.unwrap_or_default()
    );
    Some(Draft::new(text).messages([request, answer, other]).ops(other.op))
}

/// An operation that was not answered in time.
pub(super) fn missing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let found = finding.ops.iter().filter_map(|op| run.operation(*op)).find(timed_out);
    let any = || run.completed(OpType::Info).chain(run.completed(OpType::Fail)).find(timed_out);
    let op = found.or_else(any)?;
    let request = run.requests(op.invoked.index).last()?;
    let draft = stuck(run, &op, request);
    Some(draft.messages([request]).ops([op.invoked.index, op.end().index]))
}

fn timed_out(op: &Operation<'_>) -> bool {
    op.end().error.as_ref().is_some_and(|error| error.get().contains("timeout"))
}

fn stuck(run: &Run<'_>, op: &Operation<'_>, request: &Sent) -> Draft {
    let (node, index, gave_up) = (request.dest, op.invoked.index, time(op.end()));
    let Fate::Received(got) = request.fate() else {
        let why = match request.fate() {
            Fate::Dropped(_, Cause::Kill) => "which was down".to_owned(),
            _ => "which did not read it".to_owned(),
        };
        let text =
            format!("The request of op {index} went to {node} at {}, {why}.", at(request.time));
        return Draft::new(text);
    };
    let begin = format!("{node} got the request of op {index} at {}", at(got));
    if let Some(answer) = run.answer(request) {
        let text =
            format!("{begin} and answered at {}, when the client had given up.", at(answer.time));
        return Draft::new(text).messages([answer]);
    }
    let Address::Node(number) = node else { return Draft::new(format!("{begin}.")) };
    if let Some(killed) = run.killed(number, got, gave_up) {
        return Draft::new(format!("{begin} and was killed at {} before it answered.", at(killed)));
    }
    let is_near = |time: i64| (got..gave_up).contains(&time);
    let panics = run
        .trace
        .logs
        .iter()
        .find(|log| log.node == number && is_near(log.time) && log.line.contains("panic"));
    if let Some(log) = panics {
        return Draft::new(format!("{begin} and panicked at {}: {}.", at(log.time), log.line));
    }
    let paused = |fault: &&crate::trace::Spell| {
        fault.fault == "pause"
            && fault.nodes.as_ref().is_some_and(|nodes| nodes.contains(&number))
            && (fault.covers(got) || is_near(fault.from))
    };
    if let Some(pause) = run.trace.faults.iter().find(paused) {
        return Draft::new(format!("{begin}, but stood still from {} on.", at(pause.from)));
    }
    waits(run, &begin, number, got, gave_up)
}

/// What it waits for: a request of its own that is not answered.
fn waits(run: &Run<'_>, begin: &str, node: usize, got: i64, gave_up: i64) -> Draft {
    let own = run.inner().filter(|sent| sent.src == Address::Node(node) && msg_id(sent).is_some());
    let open = own.filter(|sent| (got..gave_up).contains(&sent.time) && !run.is_answered(sent));
    let Some(asked) = open.into_iter().next() else {
        let before =
            run.inner().filter(|sent| sent.src == Address::Node(node) && sent.time < gave_up);
        let waiting = before.filter(|sent| msg_id(sent).is_some() && !run.is_answered(sent)).last();
        let stuck = waiting.map_or_else(String::new, |sent| {
            format!(
                ": it still waits for {} to answer its {} of {}",
                sent.dest,
                sent.kind(),
                at(sent.time)
            )
        });
        let text = format!("{begin} and neither answered nor asked anybody{stuck}.");
        return Draft::new(text).messages(waiting);
    };
    let kind = asked.kind();
    let text = match asked.fate() {
        _ if asked.dest == Address::Node(node) => {
            format!(
                "{begin} and asked itself for `{kind}` at {}; it never answered itself.",
                at(asked.time)
            )
        }
        Fate::Dropped(_, cause) => format!(
            "{begin} and asked {} for `{kind}` at {}; {} dropped that, and n{node} waits for the answer.",
            asked.dest,
            at(asked.time),
            super::run::culprit(cause)
        ),
        _ => {
            let dropped = dropped_answer(run, asked);
            let what = dropped.map_or("which never answered".to_owned(), |cause| {
                format!("whose answer {} dropped", super::run::culprit(cause))
            });
            format!("{begin} and asked {} for `{kind}` at {}, {what}.", asked.dest, at(asked.time))
        }
    };
    Draft::new(text).messages(ring(run, asked, gave_up))
}

fn dropped_answer(run: &Run<'_>, asked: &Sent) -> Option<Cause> {
    let msg_id = msg_id(asked)?;
    let mut answers = run.inner().filter(|sent| {
        (sent.src, sent.dest) == (asked.dest, asked.src)
            && super::run::in_reply_to(sent).as_ref() == Some(&msg_id)
    });
    match answers.next()?.fate() {
        Fate::Dropped(_, cause) => Some(cause),
        _ => None,
    }
}

/// What whoever was asked waits for in turn.
fn ring<'a>(run: &Run<'a>, asked: &'a Sent, until: i64) -> Vec<&'a Sent> {
    let (mut ring, mut visited) = (vec![asked], BTreeSet::from([asked.src]));
    while let Some(last) = ring.last().copied()
        && visited.insert(last.dest)
        && let Some(next) = run.inner().find(|sent| {
            sent.src == last.dest
                && (last.time..until).contains(&sent.time)
                && msg_id(sent).is_some()
                && !run.is_answered(sent)
        })
    {
        ring.push(next);
    }
    ring
}
