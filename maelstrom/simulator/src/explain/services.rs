//! What nodes wrote to services, and what was in the way.

use std::collections::BTreeMap;

use checkers::history::OpType;
use rustc_hash::FxHashMap;

use super::Draft;
use super::counter::{counts, delta};
use super::lost::listed;
use super::run::{Moment, Operation, Run, at, in_reply_to, member, msg_id, time, times};
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

/// A write to a service that was based on what it had before another's write.
pub(super) fn overwritten(run: &Run<'_>, by: i64) -> Option<Draft> {
    let mut pairs = run.writes().values().flat_map(|of_key| of_key.windows(2));
    let is_clash = |pair: &&[Write<'_>]| {
        pair[0].sent.src != pair[1].sent.src
            && pair[1].is_based_before(&pair[0])
            && pair[1].arrived.time < by
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

/// All writes to services that arrived.
pub(super) fn writes<'a>(run: &Run<'a>) -> Writes<'a> {
    let mut keys: FxHashMap<(Address, Address, String), String> = FxHashMap::default();
    let mut reads: FxHashMap<(Address, Address, String), &Sent> = FxHashMap::default();
    let mut writes = Writes::new();
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
                let Some(arrived) = Moment::arrival(sent) else { continue };
                writes.entry((dest, key)).or_default().push(Write { sent, arrived, read });
            }
            _ => {}
        }
    }
    writes.values_mut().for_each(|of_key| of_key.sort_by_key(|write| write.arrived));
    writes
}
