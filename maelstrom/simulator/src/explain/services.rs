//! What nodes wrote to services, and what was in the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use checkers::history::OpType;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::Draft;
use super::counter::{counts, delta};
use super::lost::listed;
use super::run::{Moment, Operation, Run, Wanted, at, in_reply_to, member, msg_id, time, times};
use crate::net::Address;
use crate::trace::Sent;

/// Adds that were acknowledged although a service had refused to store them, if most of what
/// lacks is theirs.
pub(super) fn refused(run: &Run<'_>, lacking: i64) -> Option<Draft> {
    let all: Vec<Refused<'_>> =
        run.completed(OpType::Ok).filter_map(|op| Refused::of(run, op)).collect();
    let (first, sum) = (all.first()?, all.iter().map(|refused| refused.delta).sum::<i64>());
    if sum.signum() != lacking.signum() || 2 * sum.abs_diff(lacking) > lacking.unsigned_abs() {
        return None;
    }
    let Refused { op, delta, request, answer } = first;
    let text = format!(
        "{} acknowledged the add of {delta} at {} (op {}), although {} had refused its `{}` at {} ({}), and it \
         did not try again.",
        request.src,
        at(time(op.end())),
        op.end().index,
        request.dest,
        request.kind(),
        at(answer.time),
        error(answer)
    );
    let so = (all.len() > 1).then(|| {
        let of =
            if sum == lacking { String::new() } else { format!(" of the {lacking} that lack") };
        format!("{} adds were lost in this way, {sum} in sum{of}.", all.len())
    });
    let ops = all.iter().flat_map(|refused| [refused.op.invoked.index, refused.op.end().index]);
    Some(Draft { so, ..Draft::new(text) }.messages([*request, *answer]).ops(ops))
}

/// Sums of a node that it wrote over with smaller ones after it was killed, if they make up most
/// of what lacks.
pub(super) fn began_again(run: &Run<'_>, lacking: i64) -> Option<Draft> {
    let number = |write: &Write<'_>| member(write.sent, "value").parse().ok().and_then(counts);
    let falls = run.writes().iter().flat_map(|((_, key), of_key)| {
        of_key.windows(2).filter_map(move |pair| {
            let [before, after] = pair else { return None };
            let (had, put) = (number(before)?, number(after)?);
            let Address::Node(node) = after.sent.src else { return None };
            let killed = run.killed(node, before.sent.time, after.sent.time)?;
            (before.sent.src == after.sent.src && put < had)
                .then_some((key, before, after, had, put, killed))
        })
    });
    let falls: Vec<_> = falls.collect();
    let sum: i64 = falls.iter().map(|(.., had, _, _)| had).sum();
    if lacking <= 0 || 2 * sum.abs_diff(lacking) > lacking.unsigned_abs() {
        return None;
    }
    let (key, before, after, had, put, killed) = falls.first()?;
    let text = format!(
        "{} was killed at {}, began again from nothing, and wrote {put} to key {key} of {} at {} in place of \
         its {had}.",
        after.sent.src,
        at(*killed),
        after.sent.dest,
        at(after.sent.time)
    );
    let so = (falls.len() > 1)
        .then(|| format!("{sum} of the {lacking} that lack were lost in this way."));
    Some(Draft { so, ..Draft::new(text) }.messages([before.sent, after.sent]))
}

/// Adds for which a service did more than one change, since the node did not wait for its
/// answer long enough.
pub(super) fn repeated(run: &Run<'_>, excess: i64) -> Option<Draft> {
    let (mut all, mut sum) = (Vec::new(), 0);
    for op in [OpType::Ok, OpType::Info].into_iter().flat_map(|kind| run.completed(kind)) {
        let Some((delta, changes)) = delta(&op).zip(changes(run, &op)) else { continue };
        let done = changes.into_iter().filter(|(_, answer)| is_done(*answer));
        let done: Vec<&Sent> = done.map(|(sent, _)| sent).collect();
        if done.len() > 1 {
            sum += delta * i64::try_from(done.len() - 1).unwrap_or_default();
            all.push((op, done));
        }
    }
    let ((op, done), all) = (all.first()?, all.len());
    if sum.signum() != excess.signum() || 2 * sum.abs_diff(excess) > excess.unsigned_abs() {
        return None;
    }
    let (node, service, kind) = (done[0].src, done[0].dest, done[0].kind());
    let sent: Vec<String> = done.iter().map(|sent| at(sent.time)).collect();
    let text = format!(
        "{service} did {node}'s `{kind}` for the add of {} (op {}) {}, sent at {}: {node} took a missing answer \
         for a refusal and tried again.",
        delta(op)?,
        op.end().index,
        times(done.len()),
        listed(&sent)
    );
    let so = (all > 1).then(|| format!("{all} adds were counted more than once like that."));
    Some(Draft { so, ..Draft::new(text) }.messages(done.iter().copied()).ops([op.invoked.index]))
}

fn is_done(answer: Option<&Sent>) -> bool {
    answer.is_some_and(|answer| answer.kind() == "cas_ok")
}

/// What a node asked services to change while it was asked to add, by so much, with their
/// answers.
fn changes<'a>(run: &Run<'a>, op: &Operation<'a>) -> Option<Vec<(&'a Sent, Option<&'a Sent>)>> {
    let delta = delta(op).filter(|delta| *delta != 0)?;
    let node = Address::Node(run.node(op.invoked.process)?);
    let (got, answered) = run.asked(op)?;
    let is_its = |sent: &&Sent| {
        let number = |name: &str| member(sent, name).parse().ok().and_then(counts);
        sent.src == node
            && (got.line..answered.line).contains(&sent.line)
            && matches!(sent.dest, Address::Service(_))
            && sent.kind() == "cas"
            && number("to").zip(number("from")).is_some_and(|(to, from)| to - from == delta)
    };
    Some(run.inner().filter(is_its).map(|sent| (sent, run.reply(sent))).collect())
}

/// An add that a service refused.
struct Refused<'a> {
    op: Operation<'a>,
    delta: i64,
    /// The last that the service was asked for it.
    request: &'a Sent,
    answer: &'a Sent,
}

impl<'a> Refused<'a> {
    fn of(run: &Run<'a>, op: Operation<'a>) -> Option<Self> {
        let asked = changes(run, &op)?;
        let is_refused = |(_, answer): &(&Sent, Option<&Sent>)| {
            answer.is_some_and(|answer| answer.kind() == "error" && answer.arrived.is_some())
        };
        let (request, answer) = *asked.last().filter(|_| asked.iter().all(is_refused))?;
        Some(Self { op, delta: delta(&op)?, request, answer: answer? })
    }
}

/// An error in words.
pub(super) fn error(answer: &Sent) -> String {
    format!("error {}, {}", member(answer, "code"), member(answer, "text"))
}

/// What a service answered while a node was asked for something, and a write that the service
/// had acknowledged before that.
pub(super) struct OldRead<'a> {
    question: &'a Sent,
    told: &'a Sent,
    newer: &'a Sent,
}

/// The same of a value that stands among others under a service's key: what the service answered
/// lacks it.
pub(super) fn old_read_without<'a>(
    run: &Run<'a>,
    node: Address,
    (asked, answered): (Moment, Moment),
    wanted: &Wanted,
    (name, stored): (&str, &'a Sent),
) -> Option<Draft> {
    let (service, key) = (stored.dest, member(stored, "key"));
    let done = run.reply(stored).filter(|answer| answer.kind() != "error")?;
    let is_told = |sent: &&Sent| {
        (sent.src, sent.dest) == (service, node)
            && sent.kind() == "read_ok"
            && Moment::arrival(sent).is_some_and(|got| asked < got && got < answered)
    };
    let told = run.inner().filter(is_told).filter_map(|told| Some((run.request(told)?, told)));
    let (question, told) = told.filter(|(question, _)| member(question, "key") == key).last()?;
    if question.line < done.line || wanted.is_in(&told.body) {
        return None;
    }
    let text = format!(
        "{service} answered {node} at {} without {name} for key {key}, although {} had written it there at {}: \
         reads of {service} may be old, and {node} passed that on.",
        at(told.time),
        stored.src,
        at(stored.time)
    );
    Some(Draft::new(text).messages([stored, question, told]))
}

/// An operation that was acknowledged although all that its node asked a service to do for it was
/// refused.
pub(super) fn acknowledged_refusal(
    run: &Run<'_>,
    op: &Operation<'_>,
    wanted: &Wanted,
) -> Option<Draft> {
    let node = Address::Node(run.node(op.invoked.process).filter(|_| op.is(OpType::Ok))?);
    let (got, answered) = run.asked(op)?;
    let is_its = |sent: &&Sent| {
        sent.src == node
            && (got.line..answered.line).contains(&sent.line)
            && matches!(sent.dest, Address::Service(_))
            && matches!(&*sent.kind(), "cas" | "write")
            && wanted.is_in(&sent.body)
    };
    let asked: Vec<(&Sent, Option<&Sent>)> =
        run.inner().filter(is_its).map(|sent| (sent, run.reply(sent))).collect();
    let is_refused = |answer: Option<&Sent>| answer.is_some_and(|answer| answer.kind() == "error");
    let (request, answer) = *asked.last()?;
    if !asked.iter().all(|(_, answer)| is_refused(*answer)) {
        return None;
    }
    let answer = answer?;
    let text = format!(
        "{node} acknowledged op {} at {}, although {} had refused its `{}` at {} ({}), and it did not try again.",
        op.end().index,
        at(time(op.end())),
        request.dest,
        request.kind(),
        at(answer.time),
        error(answer)
    );
    Some(Draft::new(text).messages([request, answer]).ops([op.invoked.index, op.end().index]))
}

impl<'a> OldRead<'a> {
    /// The last answer with this value, if a newer one had been written.
    pub(super) fn of(
        run: &Run<'a>,
        node: Address,
        (asked, answered): (Moment, Moment),
        value: &str,
    ) -> Option<Self> {
        let is_told = |sent: &&Sent| {
            sent.dest == node
                && matches!(sent.src, Address::Service(_))
                && sent.kind() == "read_ok"
                && Moment::arrival(sent).is_some_and(|got| asked < got && got < answered)
                && member(sent, "value") == value
        };
        let told = run.inner().rfind(is_told)?;
        let question = run.request(told)?;
        let newer = acknowledged_write(run, question)?;
        let read = Self { question, told, newer };
        (read.written() != value).then_some(read)
    }

    /// What had been written.
    pub(super) fn written(&self) -> String {
        let name = if self.newer.kind() == "cas" { "to" } else { "value" };
        member(self.newer, name)
    }

    pub(super) fn why(&self) -> Draft {
        let Self { question, told, newer } = self;
        let (service, node) = (told.src, told.dest);
        let text = format!(
            "{service} answered {node} at {} with {} for key {}, although {} had written {} there at {}: reads \
             of {service} may be old, and {node} passed that on.",
            at(told.time),
            member(told, "value"),
            member(question, "key"),
            newer.src,
            self.written(),
            at(newer.time)
        );
        Draft::new(text).messages([*newer, *question, *told])
    }
}

/// The last write to the key of this question that was acknowledged before it was asked.
fn acknowledged_write<'a>(run: &Run<'a>, question: &Sent) -> Option<&'a Sent> {
    let key = member(question, "key");
    let before = run.inner().rev().filter(|sent| sent.line < question.line);
    let oks = before
        .filter(|sent| sent.src == question.dest && matches!(&*sent.kind(), "write_ok" | "cas_ok"));
    oks.filter_map(|ok| run.request(ok)).find(|write| member(write, "key") == key)
}

/// Whether a node asked a service for anything between these.
pub(super) fn has_asked(
    run: &Run<'_>,
    node: Address,
    service: Address,
    (asked, answered): (Moment, Moment),
) -> bool {
    let mut own = run.inner().filter(|sent| (sent.src, sent.dest) == (node, service));
    own.any(|sent| (asked.line..answered.line).contains(&sent.line))
}

/// What a node wrote to a key of a service, and what it had read there before.
pub(super) struct Write<'a> {
    sent: &'a Sent,
    arrived: Moment,
    read: Option<&'a Sent>,
}

/// A write to a service that was based on what it had before another's write. A node that reads
/// once and has the sum itself from then on overwrites nothing of its own.
pub(super) fn overwritten(run: &Run<'_>, by: i64) -> Option<Draft> {
    let adds: Vec<Operation<'_>> =
        run.completed(OpType::Ok).filter(|op| delta(op).is_some()).collect();
    let is_of_an_add = |write: &Write<'_>| {
        let number = |sent: &Sent| member(sent, "value").parse().ok().and_then(counts);
        let step = number(write.sent).zip(write.read.and_then(number)).map(|(to, from)| to - from);
        step.is_some_and(|step| {
            adds.iter().filter(|op| delta(op) == Some(step)).any(|op| {
                run.node(op.invoked.process).map(Address::Node) == Some(write.sent.src)
                    && run.asked(op).is_some_and(|(got, answered)| {
                        (got.line..answered.line).contains(&write.sent.line)
                    })
            })
        })
    };
    let mut pairs = run.writes().values().flat_map(|of_key| of_key.windows(2));
    let is_clash = |pair: &&[Write<'_>]| {
        pair[1].is_based_before(&pair[0])
            && pair[1].arrived.time < by
            && (pair[0].sent.src != pair[1].sent.src || pair.iter().all(is_of_an_add))
    };
    let [first, second] = pairs.find(is_clash)? else { return None };
    second.why(first)
}

/// The same of what was written for one of these operations, after what was written for another
/// of these or those.
pub(super) fn clash<'a>(
    run: &Run<'a>,
    ops: &[Operation<'a>],
    others: impl Iterator<Item = Operation<'a>>,
) -> Option<Draft> {
    let of = |op: &Operation<'_>| {
        let (got, answered) = run.asked(op)?;
        Some((Address::Node(run.node(op.invoked.process)?), got.line..answered.line))
    };
    let own: Vec<_> = ops.iter().filter_map(of).collect();
    let times: Vec<_> = own.iter().cloned().chain(others.filter_map(|op| of(&op))).collect();
    let whose = |write: &Write<'_>| {
        times
            .iter()
            .position(|(node, lines)| write.sent.src == *node && lines.contains(&write.sent.line))
    };
    run.writes().values().find_map(|of_key| {
        let known: Vec<(usize, &Write<'_>)> =
            of_key.iter().filter_map(|write| Some((whose(write)?, write))).collect();
        known.iter().enumerate().filter(|(_, (op, _))| *op < own.len()).find_map(|(at, second)| {
            let mut since = known[..at].iter().rev();
            let mut since = since.by_ref().take_while(|first| second.1.is_based_before(first.1));
            second.1.why(since.find(|first| first.0 != second.0)?.1)
        })
    })
}

/// A value that was written to a service, and is not in what somebody wrote there next.
pub(super) fn erased<'a>(
    run: &Run<'a>,
    carriers: impl Iterator<Item = &'a Sent>,
    wanted: &Wanted,
) -> Option<Draft> {
    let is_write = |sent: &&Sent| {
        matches!(sent.dest, Address::Service(_)) && matches!(&*sent.kind(), "write" | "cas")
    };
    carriers.filter(is_write).find_map(|stored| {
        let of_key = run.writes().get(&(stored.dest, member(stored, "key")))?;
        let mut of_key = of_key.iter().skip_while(|write| write.sent.id != stored.id);
        let first = of_key.next()?;
        let second = of_key.find(|write| !wanted.is_in(&write.sent.body))?;
        second.why(first).filter(|_| second.is_based_before(first))
    })
}

impl Write<'_> {
    /// Whether its writer had last read the key before another write came there.
    fn is_based_before(&self, other: &Write<'_>) -> bool {
        self.read.is_some_and(|read| read.line < other.arrived.line)
    }

    /// What another wrote is gone.
    fn why(&self, other: &Write<'_>) -> Option<Draft> {
        let (read, node) = (self.read?, self.sent.src);
        let who = if other.sent.src == node { "it".into() } else { other.sent.src.to_string() };
        let text = format!(
            "{node} wrote to key {} of {} at {} on the basis of what it had read there at {}, and so overwrote \
             what {who} had written in between, at {}.",
            member(self.sent, "key"),
            self.sent.dest,
            at(self.sent.time),
            at(read.time),
            at(other.sent.time)
        );
        Some(Draft::new(text).messages([read, other.sent, self.sent]))
    }
}

/// By key of a service, what was written there, in the order in which it arrived.
pub(super) type Writes<'a> = BTreeMap<(Address, String), Vec<Write<'a>>>;

/// So many of the last reads of a key may be what a write of it is based on.
const READS: usize = 8;

/// What a node was last told of a key, the newest first.
type Recent<'a> = VecDeque<(&'a Sent, Value)>;

/// All writes to services that arrived. Of what a node had read it is the last that is most like
/// what it wrote: its handlers may run at the same time.
pub(super) fn writes<'a>(run: &Run<'a>) -> Writes<'a> {
    let mut keys: FxHashMap<(Address, Address, String), String> = FxHashMap::default();
    let mut reads: FxHashMap<(Address, Address, String), Recent<'_>> = FxHashMap::default();
    let swaps = swaps(run);
    let mut writes = Writes::new();
    for sent in run.inner() {
        match (sent.src, sent.dest, sent.kind().as_str()) {
            (src, dest @ Address::Service(_), "read") => {
                keys.extend(msg_id(sent).map(|id| ((src, dest, id), member(sent, "key"))));
            }
            (src @ Address::Service(_), dest, "read_ok") => {
                let key = in_reply_to(sent).and_then(|id| keys.remove(&(dest, src, id)));
                if let Some(key) = key {
                    let of_key = reads.entry((dest, src, key)).or_default();
                    of_key.truncate(READS - 1);
                    of_key.push_front((sent, value(sent)));
                }
            }
            (src, dest @ Address::Service(_), "write") => {
                let key = member(sent, "key");
                let Some(arrived) = Moment::arrival(sent) else { continue };
                let from = swaps.iter().find(|swap| swap.is_done_by(sent, &key));
                let written = from.map_or_else(|| value(sent), |swap| swap.from.clone());
                let of_key = reads.get(&(src, dest, key.clone())).into_iter().flatten();
                let read = of_key.min_by_key(|(_, read)| distance(read, &written));
                let read = read.map(|(sent, _)| *sent);
                writes.entry((dest, key)).or_default().push(Write { sent, arrived, read });
            }
            _ => {}
        }
    }
    writes.values_mut().for_each(|of_key| of_key.sort_by_key(|write| write.arrived));
    writes
}

/// A client's compare-and-swap that its node did.
struct Swap {
    node: Address,
    /// The lines of the trace on which the node worked at it.
    lines: Range<u64>,
    key: String,
    from: Value,
    to: Value,
}

impl Swap {
    /// Whether a node may have written this for it.
    fn is_done_by(&self, write: &Sent, key: &str) -> bool {
        self.node == write.src
            && self.lines.contains(&write.line)
            && self.key == key
            && self.to == value(write)
    }
}

/// Those of all clients.
fn swaps(run: &Run<'_>) -> Vec<Swap> {
    let all = run.completed(OpType::Ok).filter(|op| op.invoked.f == "cas");
    all.filter_map(|op| {
        let (key, [from, to]): (Value, [Value; 2]) = op.invoked.decode().ok()?;
        let (got, answered) = run.asked(&op)?;
        let node = Address::Node(run.node(op.invoked.process)?);
        Some(Swap { node, lines: got.line..answered.line, key: key.to_string(), from, to })
    })
    .collect()
}

/// What a message has under `value`.
fn value(sent: &Sent) -> Value {
    let mut body: Value = serde_json::from_str(&sent.body).unwrap_or_default();
    body.get_mut("value").map(Value::take).unwrap_or_default()
}

/// How many parts differ.
fn distance(one: &Value, other: &Value) -> usize {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            one.len() + other.len() - 2 * same
        }
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |name| [one, other].map(|members| members.get(name).unwrap_or(&Value::Null));
            names.into_iter().map(of).map(|[one, other]| distance(one, other)).sum()
        }
        _ => usize::from(one != other),
    }
}
