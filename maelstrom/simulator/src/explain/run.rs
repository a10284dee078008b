//! A run's history and its trace, side by side.

use std::cell::OnceCell;

use checkers::Names;
use checkers::history::{Op, OpType, Process};
use maelstrom::protocol::LooseHeader;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::net::{Address, Cause};
use crate::trace::{Fate, Sent, Spell, Trace};

/// What is known of a run that is over.
pub struct Run<'a> {
    /// What happened.
    pub(super) trace: &'a Trace,
    ops: &'a [Op],
    names: Names,
    /// By operation, the places of its requests.
    requests: FxHashMap<u64, Vec<usize>>,
    /// By client, the places of what it was told.
    told: FxHashMap<Address, Vec<usize>>,
    /// Who asked whom, and under which number, among nodes and services, and got an answer.
    answered: OnceCell<FxHashSet<(Address, Address, String)>>,
}

impl<'a> Run<'a> {
    /// The whole history, its trace, and which process talks to which node.
    pub fn new(ops: &'a [Op], trace: &'a Trace, names: Names) -> Self {
        let mut requests: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
        let mut told: FxHashMap<Address, Vec<usize>> = FxHashMap::default();
        for (place, sent) in trace.messages.iter().enumerate() {
            if let Some(op) = sent.op {
                requests.entry(op).or_default().push(place);
            } else if sent.dest.is_client() {
                told.entry(sent.dest).or_default().push(place);
            }
        }
        Self { trace, ops, names, requests, told, answered: OnceCell::new() }
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
        usize::try_from(self.names.node(process)?).ok()
    }

    /// What a client asked for an operation.
    pub(super) fn requests(&self, invocation: u64) -> impl Iterator<Item = &'a Sent> + '_ {
        let places = self.requests.get(&invocation).into_iter().flatten();
        places.map(|place| &self.trace.messages[*place])
    }

    /// What a client was told in answer to a request, in time or not.
    pub(super) fn answer(&self, request: &Sent) -> Option<&'a Sent> {
        let msg_id = msg_id(request)?;
        let is_answer = |sent: &&Sent| in_reply_to(sent).as_ref() == Some(&msg_id);
        let places = self.told.get(&request.src).into_iter().flatten();
        let in_time = places.map(|place| &self.trace.messages[*place]).find(is_answer);
        let late = || self.trace.late.iter().filter(|sent| sent.dest == request.src);
        in_time.or_else(|| late().find(is_answer))
    }

    /// When a node was killed, in this time.
    pub(super) fn killed(&self, node: usize, from: i64, to: i64) -> Option<i64> {
        let is_such = |event: &&crate::trace::NodeEvent| {
            event.node == node && event.event == "kill" && (from..to).contains(&event.time)
        };
        self.trace.nodes.iter().find(is_such).map(|event| event.time)
    }

    /// The partition that kept a node from hearing another at this time.
    pub(super) fn cut(&self, src: usize, dest: usize, time: i64) -> Option<&'a Spell> {
        let link = (Address::Node(src), Address::Node(dest));
        let is_cut = |fault: &&Spell| {
            let is_partition = matches!(fault.fault.as_str(), "partition" | "one-way");
            let links = fault.links.as_deref().unwrap_or_default();
            is_partition && fault.covers(time) && links.contains(&link)
        };
        self.trace.faults.iter().find(is_cut)
    }

    /// Messages among nodes and services, by when they were sent.
    pub(super) fn inner(&self) -> impl DoubleEndedIterator<Item = &'a Sent> {
        self.trace.messages.iter().filter(|sent| !sent.src.is_client() && !sent.dest.is_client())
    }

    /// Whether a node got an answer to what it asked another or a service.
    pub(super) fn is_answered(&self, request: &Sent) -> bool {
        let answered = self.answered.get_or_init(|| {
            let arrived = self.inner().filter(|sent| matches!(sent.fate(), Fate::Received(_)));
            arrived.filter_map(|sent| Some((sent.dest, sent.src, in_reply_to(sent)?))).collect()
        });
        let Some(msg_id) = msg_id(request) else { return true };
        answered.contains(&(request.src, request.dest, msg_id))
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

/// Members of a body that are the protocol's, not the node's.
const OF_THE_PROTOCOL: [&str; 3] = ["type", "msg_id", "in_reply_to"];

/// A value that is looked for in messages, perhaps together with a key.
pub(super) struct Wanted {
    text: String,
    value: Value,
    key: Option<String>,
}

impl Wanted {
    /// A value as JSON.
    pub(super) fn new(value: &str, key: Option<&str>) -> Option<Self> {
        let key = key.map(|key| key.trim_matches('"').to_owned());
        Some(Self { text: value.to_owned(), value: serde_json::from_str(value).ok()?, key })
    }

    /// Whether it stands in a body.
    pub(super) fn is_in(&self, body: &str) -> bool {
        // Most bodies do not even have its text.
        if !body.contains(&self.text) {
            return false;
        }
        let Ok(Value::Object(members)) = serde_json::from_str(body) else { return false };
        let own = || members.iter().filter(|(name, _)| !OF_THE_PROTOCOL.contains(&name.as_str()));
        own().any(|(_, value)| self.is_within(value))
            && self.key.as_ref().is_none_or(|key| own().any(|(_, value)| has_key(value, key)))
    }

    fn is_within(&self, value: &Value) -> bool {
        *value == self.value
            || match value {
                Value::Array(items) => items.iter().any(|item| self.is_within(item)),
                Value::Object(members) => {
                    members.iter().any(|(name, value)| self.is_within(value) || *name == self.text)
                }
                _ => false,
            }
    }
}

fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::String(text) => text == key,
        Value::Number(number) => number.to_string() == key,
        Value::Array(items) => items.iter().any(|item| has_key(item, key)),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name == key || has_key(value, key))
        }
        _ => false,
    }
}

/// What a cause did, before "dropped".
pub(super) fn culprit(cause: Cause) -> &'static str {
    match cause {
        Cause::Partition => "the partition",
        Cause::OneWay => "the one-way partition",
        Cause::Links => "the network, which has no such link,",
        _ => "the lossy network",
    }
}

/// How often, in words.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}
