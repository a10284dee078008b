//! Answers that are wrong, or did not come.

use std::collections::BTreeSet;

use checkers::Finding;
use checkers::history::OpType;
use maelstrom::protocol::is_reply_to;
use serde_json::Value;

use super::Draft;
use super::run::{Operation, Run, Wanted, at, dropped, in_reply_to, member, msg_id, time, times};
use crate::net::{Address, Cause};
use crate::trace::{Fate, Sent, Spell};

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
        "{told}, which {} had asked for at {} (op {}): it answered the wrong request.",
        other.src,
        at(other.time),
        other.op.unwrap_or_default()
    );
    Some(Draft::new(text).messages([request, answer, other]).ops(other.op))
}

/// An operation that was not answered in time.
pub(super) fn missing(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let found = || finding.ops.iter().filter_map(|op| run.operation(*op));
    let any = || run.completed(OpType::Info).chain(run.completed(OpType::Fail));
    let Some(op) = found().find(timed_out).or_else(|| any().find(timed_out)) else {
        return found().chain(any()).find_map(|op| not_understood(run, &op));
    };
    let request = run.requests(op.invoked.index).last()?;
    let draft = stuck(run, &op, request);
    Some(draft.messages([request]).ops([op.invoked.index, op.end().index]))
}

fn timed_out(op: &Operation<'_>) -> bool {
    op.end().error.as_ref().is_some_and(|error| error.get().contains("timeout"))
}

/// An answer in time that is none to the client.
fn not_understood(run: &Run<'_>, op: &Operation<'_>) -> Option<Draft> {
    let request = run.requests(op.invoked.index).last()?;
    let answer = run.answer(request).filter(|answer| answer.time <= time(op.end()))?;
    if op.is(OpType::Ok) || answer.kind() == "error" {
        return None;
    }
    let text = format!(
        "{} answered op {} at {} with {}, which its client does not take for an answer to `{}`.",
        request.dest,
        op.invoked.index,
        at(answer.time),
        Value::from(brief(&answer.body)),
        request.kind()
    );
    Some(Draft::new(text).messages([request, answer]).ops([op.invoked.index, op.end().index]))
}

fn stuck(run: &Run<'_>, op: &Operation<'_>, request: &Sent) -> Draft {
    let (node, index, gave_up) = (request.dest, op.invoked.index, time(op.end()));
    let Fate::Received(got) = request.fate() else {
        let why = match request.fate() {
            Fate::Dropped(_, Cause::Kill) => "which was down".to_owned(),
            _ => "which never read it".to_owned(),
        };
        let text =
            format!("The request of op {index} was sent to {node} at {}, {why}.", at(request.time));
        return Draft::new(text);
    };
    let begin = format!("{node} got the request of op {index} at {}", at(got));
    if let Some(answer) = run.answer(request) {
        let text = format!(
            "{begin}, but answered only at {}, after the client had given up.",
            at(answer.time)
        );
        return Draft::new(text).messages([answer]);
    }
    if let Some(stray) = run.stray(request, gave_up) {
        let (named, asked) = (member(stray, "in_reply_to"), member(request, "msg_id"));
        let named = if named.is_empty() {
            "no `in_reply_to`".into()
        } else {
            format!("`in_reply_to` {named}")
        };
        let text = format!(
            "{begin} and answered at {} with {named}, not with the request's `msg_id`, which is {asked}.",
            at(stray.time)
        );
        return Draft::new(text).messages([stray]);
    }
    let Address::Node(number) = node else { return Draft::new(format!("{begin}.")) };
    if let Some(answer) = astray(run, request) {
        let (dest, src) = (answer.dest, request.src);
        let text = format!(
            "{begin}, and the answer to it went to {dest} (`{}`), and not to {src}, from whom the request was.",
            brief(&answer.body)
        );
        return Draft::new(text).messages([answer]);
    }
    match stopped(run, number, got, gave_up) {
        Some(how) => Draft::new(format!("{begin}{how}.")),
        None => waits(run, &begin, number, request, gave_up),
    }
}

/// The answer to a request, sent to somebody else, who had asked nothing like it.
fn astray<'a>(run: &Run<'a>, request: &Sent) -> Option<&'a Sent> {
    let (id, kind) = (msg_id(request)?, request.kind());
    let is_answer = |sent: &&Sent| {
        [request.dest, request.src].contains(&sent.src)
            && sent.dest != request.src
            && is_reply_to(&sent.kind(), &kind)
            && in_reply_to(sent).as_ref() == Some(&id)
    };
    let later = run.trace.messages.iter().filter(|sent| sent.line > request.line);
    let has_asked = |dest: Address| {
        let all = run.trace.messages.iter();
        let mut requests = all.filter(|sent| sent.src == dest && sent.kind() == kind);
        requests.any(|sent| msg_id(sent).as_ref() == Some(&id))
    };
    later.filter(is_answer).find(|sent| !has_asked(sent.dest))
}

/// The beginning of a body.
fn brief(body: &str) -> String {
    body.chars().take(LONGEST_LINE).collect()
}

/// What stopped a node in this time: it was killed, panicked or was paused.
fn stopped(run: &Run<'_>, node: usize, got: i64, gave_up: i64) -> Option<String> {
    if let Some(killed) = run.killed(node, got, gave_up) {
        return Some(format!(" and was killed at {} before it answered", at(killed)));
    }
    let is_near = |time: i64| (got..gave_up).contains(&time);
    let mut logs = run.trace.logs.iter();
    let panic = logs.find_map(|log| {
        let line = panic(&log.line).filter(|_| log.node == node && is_near(log.time))?;
        Some((log.time, line.chars().take(LONGEST_LINE).collect::<String>()))
    });
    if let Some((time, line)) = panic {
        return Some(format!(" and panicked at {}: {}", at(time), Value::from(line)));
    }
    let is_pause = |fault: &&Spell| {
        fault.fault == "pause"
            && fault.nodes.as_ref().is_some_and(|nodes| nodes.contains(&node))
            && (fault.covers(got) || is_near(fault.from))
    };
    let pause = run.trace.faults.iter().find(is_pause)?;
    Some(format!(", but was paused from {} on", at(pause.from)))
}

/// So much of a line of a log is told.
const LONGEST_LINE: usize = 120;

/// What a node logs of a panic: the library's line, or the standard library's.
fn panic(line: &str) -> Option<&str> {
    if line.starts_with("thread '") && line.contains(" panicked at ") {
        return Some(line);
    }
    let place = line.find("panic in ")?;
    let is_begin = line[..place].is_empty() || line.starts_with("ERROR ");
    is_begin.then(|| &line[place..])
}

/// What it waits for: a request of its own that is not answered.
fn waits(run: &Run<'_>, begin: &str, node: usize, request: &Sent, gave_up: i64) -> Draft {
    let me = Address::Node(node);
    let since = request.arrived.unwrap_or_default();
    let is_own = |sent: &&Sent| sent.src == me && sent.time < gave_up && msg_id(sent).is_some();
    let own: Vec<&Sent> = run.inner().filter(is_own).collect();
    let (before, own) = own.split_at(own.partition_point(|sent| sent.line < since));
    let is_open = |sent: &Sent| run.answered(sent).is_none_or(|answer| answer.time >= gave_up);
    let Some(last) = own.last() else {
        return silent(run, begin, request, before.iter().copied().rfind(|sent| is_open(sent)));
    };
    match step(run, me, own, since).filter(|asked| is_open(asked)) {
        Some(asked) => {
            let text = format!("{begin} and sent {}.", asked_in_vain(run, asked));
            Draft::new(text).messages(ring(run, asked, gave_up))
        }
        None => busy(begin, own, last, &deaf(run, me, since, gave_up)),
    }
}

/// It asked nobody; perhaps it was waiting already.
fn silent(run: &Run<'_>, begin: &str, request: &Sent, waiting: Option<&Sent>) -> Draft {
    let stuck = waiting.map_or_else(String::new, |sent| {
        format!("; it still waited, as it had sent {}", asked_in_vain(run, sent))
    });
    let mut draft = Draft::new(format!("{begin} and neither answered nor asked anybody{stuck}."));
    let all = run.trace.messages.iter().chain(&run.trace.late);
    if waiting.is_none()
        && !all.into_iter().any(|sent| sent.src == request.dest && sent.line > request.line)
    {
        let how = match has_answered(run, request) {
            true => "it hangs.",
            false => {
                "it hangs, or its answers stay in a buffer until it flushes its output after each line \
                 (`print(…, flush=True)` in Python, `fflush(stdout)` in C, `$stdout.sync = true` in Ruby)."
            }
        };
        draft.so = Some(format!("It printed nothing from then on: {how}"));
    }
    draft.messages(waiting)
}

/// Whether the node had answered a client's operation before.
fn has_answered(run: &Run<'_>, request: &Sent) -> bool {
    let before = run.trace.messages.iter().filter(|sent| sent.line < request.line);
    before
        .filter(|sent| sent.op.is_some() && sent.dest == request.dest)
        .any(|earlier| run.answer(earlier).is_some_and(|answer| answer.line < request.line))
}

/// It asked, but nothing shows that it asked because of the request.
fn busy(begin: &str, own: &[&Sent], last: &Sent, deaf: &str) -> Draft {
    let kind = last.kind();
    let same = own.iter().filter(|sent| sent.dest == last.dest && sent.kind() == kind);
    let (dest, count, time) = (last.dest, times(same.count()), at(last.time));
    let text = format!(
        "{begin} and did not answer it; meanwhile it sent {dest} `{kind}` {count}, last at {time}.{deaf}"
    );
    Draft::new(text).messages([last])
}

/// What is to be said of a node that has answered nobody since this line.
fn deaf(run: &Run<'_>, me: Address, since: u64, gave_up: i64) -> String {
    let all = || run.trace.messages.iter().filter(|sent| sent.time < gave_up);
    let answers = |sent: &Sent| sent.src == me && sent.line > since && in_reply_to(sent).is_some();
    let asks = |sent: &Sent| {
        sent.dest == me && sent.arrived.is_some_and(|line| line > since) && msg_id(sent).is_some()
    };
    let none = match all().filter(|sent| asks(sent)).count() {
        _ if all().any(answers) => return String::new(),
        0 => return String::new(),
        1 => "did not answer the other request".to_owned(),
        others => format!("answered none of the {others} other requests"),
    };
    format!(
        " It {none} of that time either: perhaps a handler waits for an answer, which the node does \
         not read meanwhile."
    )
}

/// Whom it asked for what, and what came of that.
fn asked_in_vain(run: &Run<'_>, asked: &Sent) -> String {
    let (me, dest, kind, time) = (asked.src, asked.dest, asked.kind(), at(asked.time));
    if dest == me {
        return format!("itself `{kind}` at {time}; it never answered that");
    }
    let what = match (asked.fate(), dropped_answer(run, asked), run.answered(asked)) {
        (Fate::Dropped(_, cause), ..) => {
            format!("{}, and {me} still waits for the answer", dropped(cause, dest, "that"))
        }
        (_, Some(cause), _) => dropped(cause, me, "the answer"),
        (_, None, Some(answer)) => format!("{dest} answered only at {}", at(answer.time)),
        (_, None, None) => match open(run, dest, asked) {
            Some(own) if own.dest == me => format!(
                "{dest} never answered, since it waited for {me} to answer the `{}` that it had sent at {}: \
                 neither handles requests while it waits",
                own.kind(),
                at(own.time)
            ),
            Some(own) => format!(
                "{dest} never answered, and itself waited for {} to answer the `{}` that it had sent at {}",
                own.dest,
                own.kind(),
                at(own.time)
            ),
            None => format!("{dest} never answered{}", mute(run, dest, asked)),
        },
    };
    format!("{dest} `{kind}` at {time}; {what}")
}

/// What is to be said of somebody whose last word was a question, which was answered.
fn mute(run: &Run<'_>, who: Address, asked: &Sent) -> String {
    let all = || run.trace.messages.iter().filter(|sent| sent.src == who);
    let told = || {
        let last = all().max_by_key(|sent| sent.line).filter(|last| last.line < asked.line)?;
        Some((last, run.answered(last)?))
    };
    told().map_or_else(String::new, |(last, answered)| {
        format!(
            ", and said nothing after its own `{}` at {}, whose answer came at {}: it does not read while it \
             waits",
            last.kind(),
            at(last.time),
            at(answered.time)
        )
    })
}

/// What whoever was asked this had asked itself, in vain, if it has answered nobody since.
fn open<'a>(run: &Run<'a>, who: Address, asked: &Sent) -> Option<&'a Sent> {
    let since = asked.arrived?;
    let all = || run.trace.messages.iter().filter(|sent| sent.src == who);
    if all().any(|sent| sent.line > since && in_reply_to(sent).is_some()) {
        return None;
    }
    all().filter(|sent| msg_id(sent).is_some()).find(|sent| run.answered(sent).is_none())
}

/// A node that ended before the run did, or did what ended the run.
pub(super) fn ended(run: &Run<'_>) -> Option<Draft> {
    let exit = run.trace.nodes.iter().find(|event| event.event == "exit")?;
    let (node, before) = (Address::Node(exit.node), |line: u64| line < exit.line);
    let to_it = run.trace.messages.iter().filter(|sent| sent.dest == node);
    let last =
        to_it.filter(|sent| sent.arrived.is_some_and(before)).max_by_key(|sent| sent.arrived)?;
    let mut own =
        run.trace.nodes.iter().filter(|event| event.node == exit.node && before(event.line));
    let killed = own.rfind(|event| event.event == "kill").map_or_else(String::new, |event| {
        format!(". It had been killed at {}, and what it had in memory was gone", at(event.time))
    });
    let text = format!(
        "What {node} got last before that was `{}` from {}, at {}; it ended at {}{killed}.",
        last.kind(),
        last.src,
        at(*last.receipts.last()?),
        at(exit.time)
    );
    Some(Draft::new(text).messages([last]))
}

/// The last request of a chain that begins after this line: each was sent before the node
/// had received anything else, and the next one after the answer. So they belong together.
fn step<'a>(run: &Run<'a>, node: Address, own: &[&'a Sent], since: u64) -> Option<&'a Sent> {
    let arrivals = run.trace.messages.iter().filter(|sent| sent.dest == node);
    let mut arrivals: Vec<u64> = arrivals.filter_map(|sent| sent.arrived).collect();
    arrivals.sort_unstable();
    let (mut since, mut last) = (since, None);
    loop {
        let next = arrivals.get(arrivals.partition_point(|line| *line <= since));
        let asked = own.get(own.partition_point(|sent| sent.line <= since));
        let Some(asked) = asked.filter(|asked| next.is_none_or(|next| asked.line < *next)) else {
            return last;
        };
        last = Some(*asked);
        match run.answered(asked) {
            Some(answer) => since = answer.line,
            None => return last,
        }
    }
}

fn dropped_answer(run: &Run<'_>, asked: &Sent) -> Option<Cause> {
    let msg_id = msg_id(asked)?;
    let mut answers = run.inner().filter(|sent| {
        (sent.src, sent.dest) == (asked.dest, asked.src)
            && in_reply_to(sent).as_ref() == Some(&msg_id)
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
                && run.answered(sent).is_none()
        })
    {
        ring.push(next);
    }
    ring
}
