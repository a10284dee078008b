//! A run's history and its trace, side by side.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use checkers::Names;
use checkers::history::{Op, OpType, Process};
use maelstrom::protocol::LooseHeader;
use rustc_hash::FxHashMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::logs::Acknowledged;
use super::places::{self, OF_THE_PROTOCOL, Places};
use super::reach::Reach;
use super::services::{self, Writes};
use crate::net::{Address, Cause};
use crate::trace::{Sent, Spell, Trace};

/// What is known of a run that is over.
pub struct Run<'a> {
    /// What happened.
    pub(super) trace: &'a Trace,
    pub(super) ops: &'a [Op],
    names: Names,
    /// The nodes that processes asked something.
    asked: FxHashMap<Process, usize>,
    /// By operation, the places of its requests.
    requests: FxHashMap<u64, Vec<usize>>,
    /// By client, the places of what it was told.
    told: FxHashMap<Address, Vec<usize>>,
    /// Who asked whom, and under which number, among nodes and services, with the first
    /// answer.
    replies: OnceCell<FxHashMap<(Address, Address, String), &'a Sent>>,
    places: OnceCell<Places>,
    acknowledged: OnceCell<Vec<Acknowledged>>,
    reach: OnceCell<Reach<'a>>,
    writes: OnceCell<Writes<'a>>,
}

impl<'a> Run<'a> {
    /// The whole history, its trace, and which process talks to which node, if that is known.
    /// The trace shows it of those who asked something.
    pub fn new(ops: &'a [Op], trace: &'a Trace, names: Names) -> Self {
        let mut requests: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
        let mut told: FxHashMap<Address, Vec<usize>> = FxHashMap::default();
        let mut asked = FxHashMap::default();
        for (place, sent) in trace.messages.iter().enumerate() {
            if let Some(op) = sent.op {
                requests.entry(op).or_default().push(place);
                let invoked = usize::try_from(op).ok().and_then(|index| ops.get(index));
                if let (Some(invoked), Address::Node(node)) = (invoked, sent.dest) {
                    asked.insert(invoked.process, node);
                }
            } else if sent.dest.is_client() {
                told.entry(sent.dest).or_default().push(place);
            }
        }
        Self {
            trace,
            ops,
            names,
            asked,
            requests,
            told,
            replies: OnceCell::new(),
            places: OnceCell::new(),
            acknowledged: OnceCell::new(),
            reach: OnceCell::new(),
            writes: OnceCell::new(),
        }
    }

    pub(super) fn op(&self, index: u64) -> Option<&'a Op> {
        self.ops.get(usize::try_from(index).ok()?)
    }

    /// The operation that an invocation or a completion is of.
    pub(super) fn operation(&self, index: u64) -> Option<Operation<'a>> {
        let op = self.op(index)?;
        let at = usize::try_from(index).ok()?;
        let is_its = |other: &&Op| other.process == op.process;
        let (invoked, completed) = if op.is_invocation() {
            (op, self.ops[at + 1..].iter().find(is_its))
        } else {
            (self.ops[..at].iter().rev().find(is_its)?, Some(op))
        };
        Some(Operation { invoked, completed })
    }

    /// Every operation of a client that was completed so.
    pub(super) fn completed(&self, kind: OpType) -> impl Iterator<Item = Operation<'a>> + '_ {
        let such = self.ops.iter().filter(move |op| op.kind == kind && op.process.is_client());
        such.filter_map(|op| self.operation(op.index))
    }

    /// The node that a process talks to.
    pub(super) fn node(&self, process: Process) -> Option<usize> {
        let named = self.names.node(process).and_then(|node| usize::try_from(node).ok());
        named.or_else(|| self.asked.get(&process).copied())
    }

    /// What a client asked for an operation.
    pub(super) fn requests(&self, invocation: u64) -> impl Iterator<Item = &'a Sent> + '_ {
        let places = self.requests.get(&invocation).into_iter().flatten();
        places.map(|place| &self.trace.messages[*place])
    }

    /// What a client was told while it listened.
    pub(super) fn told(&self, client: Address) -> impl Iterator<Item = &'a Sent> + '_ {
        let places = self.told.get(&client).into_iter().flatten();
        places.map(|place| &self.trace.messages[*place])
    }

    /// What a client was told in answer to a request, in time or not.
    pub(super) fn answer(&self, request: &Sent) -> Option<&'a Sent> {
        let msg_id = msg_id(request)?;
        let is_answer = |sent: &&Sent| in_reply_to(sent).as_ref() == Some(&msg_id);
        let in_time = self.told(request.src).find(is_answer);
        let late = || self.trace.late.iter().filter(|sent| sent.dest == request.src);
        in_time.or_else(|| late().find(is_answer))
    }

    /// What came before this time instead of the answer: a message that answers no request of
    /// this client.
    pub(super) fn stray(&self, request: &Sent, until: i64) -> Option<&'a Sent> {
        let of_client = self.trace.messages.iter().filter(|sent| sent.src == request.src);
        let ids: Vec<String> = of_client.filter_map(msg_id).collect();
        let mut since =
            self.told(request.src).filter(|sent| (request.time..until).contains(&sent.time));
        since.find(|sent| in_reply_to(sent).is_none_or(|id| !ids.contains(&id)))
    }

    /// When an operation's last request that arrived did so, and when it was answered.
    pub(super) fn asked(&self, op: &Operation<'_>) -> Option<(Moment, Moment)> {
        let request =
            self.requests(op.invoked.index).filter(|sent| sent.arrived.is_some()).last()?;
        let never = Moment { line: u64::MAX, time: time(op.end()) };
        let answered = self.answer(request).map_or(never, Moment::sending);
        Some((Moment::arrival(request)?, answered))
    }

    /// Where in messages values stand.
    pub(super) fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::of(self))
    }

    /// The messages of logs that were acknowledged.
    pub(super) fn acknowledged(&self) -> &[Acknowledged] {
        self.acknowledged.get_or_init(|| Acknowledged::all(self))
    }

    /// How far adds can have got.
    pub(super) fn reach(&self) -> &Reach<'a> {
        self.reach.get_or_init(|| Reach::of(self))
    }

    /// What was written to services.
    pub(super) fn writes(&self) -> &Writes<'a> {
        self.writes.get_or_init(|| services::writes(self))
    }

    /// Why it is not known what nodes said in this time, if it is not.
    pub(super) fn unknown(&self, from: Moment, to: Moment) -> Option<String> {
        let gap = self.trace.gaps_of_messages().find(|gap| (from.time..=to.time).contains(gap));
        let is_long =
            |sent: &&Sent| sent.left_out.is_some() && (from.line..to.line).contains(&sent.line);
        let long = || Some(("long bodies", self.inner().find(is_long)?.time));
        let (what, time) = gap.map(|gap| ("messages", gap)).or_else(long)?;
        Some(format!("from {} on, {what} are left out of the trace", at(time)))
    }

    /// When a node was killed, in this time.
    pub(super) fn killed(&self, node: usize, from: i64, to: i64) -> Option<i64> {
        let is_such = |event: &&crate::trace::NodeEvent| {
            event.node == node && event.event == "kill" && (from..to).contains(&event.time)
        };
        self.trace.nodes.iter().find(is_such).map(|event| event.time)
    }

    /// The partition that kept a node from hearing another at this time: it dropped something.
    pub(super) fn cut(&self, src: usize, dest: usize, time: i64) -> Option<&'a Spell> {
        let link = (Address::Node(src), Address::Node(dest));
        let is_used = |fault: &Spell| {
            let mut lost = self.inner().filter_map(|sent| Some((sent, sent.dropped?)));
            lost.any(|(sent, (at, cause))| {
                (sent.src, sent.dest) == link
                    && matches!(cause, Cause::Partition | Cause::OneWay)
                    && (fault.from..=time).contains(&at)
            })
        };
        let is_cut = |fault: &&Spell| {
            let is_partition = matches!(fault.fault.as_str(), "partition" | "one-way");
            let links = fault.links.as_deref().unwrap_or_default();
            is_partition && fault.covers(time) && links.contains(&link) && is_used(fault)
        };
        self.trace.faults.iter().find(is_cut)
    }

    /// Messages among nodes and services, by when they were sent.
    pub(super) fn inner(&self) -> impl DoubleEndedIterator<Item = &'a Sent> {
        self.trace.messages.iter().filter(|sent| !sent.src.is_client() && !sent.dest.is_client())
    }

    /// What an answer among nodes and services answers.
    pub(super) fn request(&self, answer: &Sent) -> Option<&'a Sent> {
        let asked = in_reply_to(answer)?;
        let mut before = self.inner().rev().skip_while(|sent| sent.line >= answer.line);
        before.find(|sent| {
            (sent.src, sent.dest) == (answer.dest, answer.src)
                && msg_id(sent).as_ref() == Some(&asked)
        })
    }

    /// When a node got an answer to what it asked another or a service.
    pub(super) fn answered(&self, request: &Sent) -> Option<Moment> {
        self.reply(request).and_then(Moment::arrival)
    }

    /// The first answer to what a node asked another or a service: the first that arrived, if
    /// one did.
    pub(super) fn reply(&self, request: &Sent) -> Option<&'a Sent> {
        let replies = self.replies.get_or_init(|| {
            let mut first: FxHashMap<_, &Sent> = FxHashMap::default();
            for sent in self.inner() {
                let Some(id) = in_reply_to(sent) else { continue };
                let known = first.entry((sent.dest, sent.src, id)).or_insert(sent);
                if known.arrived.is_none() && sent.arrived.is_some() {
                    *known = sent;
                }
            }
            first
        });
        replies.get(&(request.src, request.dest, msg_id(request)?)).copied()
    }
}

/// A point in a run. At equal times the order of the trace decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// The line of the trace.
    pub(super) line: u64,
    pub(super) time: i64,
}

impl Moment {
    /// After all.
    pub(super) const END: Self = Self { line: u64::MAX, time: i64::MAX };

    pub(super) fn sending(sent: &Sent) -> Self {
        Self { line: sent.line, time: sent.time }
    }

    pub(super) fn arrival(sent: &Sent) -> Option<Self> {
        Some(Self { line: sent.arrived?, time: *sent.receipts.first()? })
    }
}

/// What is going to arrive, soonest first.
#[derive(Debug)]
pub(super) struct Arrivals<T>(BinaryHeap<Reverse<(Moment, T)>>);

impl<T: Ord> Default for Arrivals<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord> Arrivals<T> {
    /// Adds what arrives then, if it does.
    pub(super) fn add(&mut self, arrival: Option<Moment>, value: T) {
        self.0.extend(arrival.map(|moment| Reverse((moment, value))));
    }

    /// Takes out the next that arrived before this line of the trace.
    pub(super) fn before(&mut self, line: u64) -> Option<(Moment, T)> {
        self.0.peek().filter(|Reverse((moment, _))| moment.line < line)?;
        self.0.pop().map(|Reverse(next)| next)
    }
}

/// An operation of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    pub(super) invoked: &'a Op,
    pub(super) completed: Option<&'a Op>,
}

impl<'a> Operation<'a> {
    /// The last that is known of it.
    pub(super) fn end(&self) -> &'a Op {
        self.completed.unwrap_or(self.invoked)
    }

    pub(super) fn is(&self, kind: OpType) -> bool {
        self.end().kind == kind
    }
}

/// When an operation began or ended, on the trace's clock.
pub(super) fn time(op: &Op) -> i64 {
    i64::try_from(op.time).unwrap_or(i64::MAX)
}

/// A time in words.
pub(super) fn at(time: i64) -> String {
    format!("{:.3} s", time as f64 / 1e9)
}

fn id(read: impl Fn(LooseHeader<'_>) -> Option<&RawValue>, sent: &Sent) -> Option<String> {
    LooseHeader::read(&sent.body).ok().and_then(read).map(|id| id.get().to_owned())
}

pub(super) fn msg_id(sent: &Sent) -> Option<String> {
    id(|header| header.msg_id, sent)
}

pub(super) fn in_reply_to(sent: &Sent) -> Option<String> {
    id(|header| header.in_reply_to, sent)
}

/// A member of a body, as JSON.
pub(super) fn member(sent: &Sent, name: &str) -> String {
    let body: Value = serde_json::from_str(&sent.body).unwrap_or_default();
    body.get(name).map(Value::to_string).unwrap_or_default()
}

/// A value that is looked for in messages, perhaps together with a key.
pub(super) struct Wanted {
    text: String,
    scalar: u64,
    key: Option<String>,
}

impl Wanted {
    /// A number or a text, as JSON.
    pub(super) fn new(value: &str, key: Option<&str>) -> Option<Self> {
        let key = key.map(|key| key.trim_matches('"').to_owned());
        let scalar = places::scalar(&serde_json::from_str(value).ok()?)?;
        Some(Self { text: value.to_owned(), scalar, key })
    }

    /// Whether it is looked for together with a key.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether it stands in a body.
    pub(super) fn is_in(&self, body: &str) -> bool {
        self.is_at(body, |_| true)
    }

    /// Whether it stands in a message where values stand.
    pub(super) fn is_carried(&self, run: &Run<'_>, sent: &Sent) -> bool {
        self.is_at(&sent.body, |place| run.places().holds_values(place))
    }

    fn is_at(&self, body: &str, is_place: impl Fn(u64) -> bool) -> bool {
        // Most bodies do not even have its text, which has but one spelling mostly.
        let is_plain = self.text.is_ascii() && !self.text.contains('\\');
        if is_plain && !body.contains(&self.text) {
            return false;
        }
        let mut is_there = false;
        places::of_body(body, &mut |place, scalar| {
            is_there |= scalar == self.scalar && is_place(place);
        });
        is_there && self.key.as_ref().is_none_or(|key| body_has(body, key, self.scalar))
    }
}

/// Whether a body has this scalar together with a key: under the key's name, or if nothing has
/// that name in the object or the list in which the key stands.
fn body_has(body: &str, key: &str, scalar: u64) -> bool {
    let Ok(Value::Object(mut members)) = serde_json::from_str(body) else { return false };
    OF_THE_PROTOCOL.iter().for_each(|name| drop(members.remove(*name)));
    let body = Value::Object(members);
    has_named(&body, key, scalar).unwrap_or_else(|| {
        has_both(&body, key, scalar) || has_key(&body, key) && contains(&body, scalar)
    })
}

/// Whether it stands under a member of this name. None if there is no such member.
fn has_named(value: &Value, key: &str, scalar: u64) -> Option<bool> {
    let of = |items: &mut dyn Iterator<Item = &Value>| {
        let found: Vec<bool> = items.filter_map(|item| has_named(item, key, scalar)).collect();
        (!found.is_empty()).then(|| found.contains(&true))
    };
    match value {
        Value::Array(items) => of(&mut items.iter()),
        Value::Object(members) => match members.get(key) {
            Some(value) => Some(contains(value, scalar)),
            None => of(&mut members.values()),
        },
        _ => None,
    }
}

fn is_key(value: &Value, key: &str) -> bool {
    match value {
        Value::String(text) => text == key,
        Value::Number(number) => number.to_string() == key,
        _ => false,
    }
}

/// Whether a key stands somewhere in an object that has no value: what belongs to it may then
/// stand elsewhere.
fn has_key(value: &Value, key: &str) -> bool {
    let Value::Object(members) = value else { return false };
    let is_alone = members.len() == 1 && members.values().any(|value| is_key(value, key));
    is_alone || members.values().any(|value| has_key(value, key))
}

fn has_both(value: &Value, key: &str, scalar: u64) -> bool {
    let under = |items: &mut dyn Iterator<Item = &Value>| {
        let items: Vec<&Value> = items.collect();
        let of_key = items.iter().position(|item| is_key(item, key));
        let is_beside = of_key.is_some_and(|at| {
            let others = items.iter().enumerate().filter(|(other, _)| *other != at);
            others.into_iter().any(|(_, item)| contains(item, scalar))
        });
        is_beside || items.iter().any(|item| has_both(item, key, scalar))
    };
    match value {
        Value::Array(items) => under(&mut items.iter()),
        Value::Object(members) => under(&mut members.values()),
        _ => false,
    }
}

fn contains(value: &Value, scalar: u64) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| contains(item, scalar)),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| places::name(name) == scalar || contains(value, scalar)),
        value => places::scalar(value) == Some(scalar),
    }
}

/// How messages to this receiver were lost.
pub(super) fn dropped(cause: Cause, dest: Address, that: &str) -> String {
    let culprit = match cause {
        Cause::Kill => return format!("{dest} was down and did not get {that}"),
        Cause::Partition => "the partition",
        Cause::OneWay => "the one-way partition",
        Cause::Links => "the network, which has no such link,",
        Cause::Loss | Cause::Slow | Cause::Reorder => "the lossy network",
    };
    format!("{culprit} dropped {that}")
}

/// How often, in words.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}
