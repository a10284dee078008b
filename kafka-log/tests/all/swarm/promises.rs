//! What the node promises beyond what the bench checks.
//!
//! The journal has every message that clients sent and got, in order. At every node,
//! through all of its incarnations: what a poll has shown, each poll that is asked for
//! later shows; a commit that was acknowledged or listed, each list that is asked for
//! later has. Nothing is listed that nobody committed, and no commit is refused with a
//! definite error. In the end every node has shown everything that was acknowledged
//! anywhere.
//!
//! Where nodes drop what is committed, all of that holds for the rest, and a poll leaves
//! nothing out but what a client has committed before.

use std::collections::{BTreeMap, BTreeSet};

use maelstrom::ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A page with so many bytes may leave out messages; those of this test are small.
const PAGE: usize = 1024 * 1024 - 1024;

type Offsets = BTreeMap<String, u64>;
type Messages = BTreeMap<String, Vec<(u64, Value)>>;

/// A line of the journal, after time and event.
#[derive(Deserialize)]
struct Message<'a> {
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
enum Body {
    Send {
        key: String,
    },
    Poll {
        offsets: Offsets,
    },
    CommitOffsets {
        offsets: Offsets,
    },
    ListCommittedOffsets {
        keys: Vec<String>,
    },
    SendOk {
        offset: u64,
    },
    PollOk {
        msgs: Messages,
    },
    CommitOffsetsOk {},
    ListCommittedOffsetsOk {
        offsets: Offsets,
    },
    Error {
        code: i64,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Number {
    msg_id: Option<u64>,
    in_reply_to: Option<u64>,
}

/// What a node has shown so far.
#[derive(Clone, Default)]
struct Shown {
    /// By key, the first offset above all that polls returned.
    ends: Offsets,
    committed: Offsets,
}

/// A request, and what its node had shown when it was asked.
struct Request {
    body: Body,
    before: Shown,
}

#[derive(Default)]
struct Timeline {
    /// What is committed may be dropped.
    drops: bool,
    sent: BTreeMap<String, BTreeSet<u64>>,
    nodes: BTreeMap<String, Shown>,
    /// Requests by client and number.
    open: BTreeMap<(String, u64), Request>,
    acknowledged: Offsets,
    /// Commits that somebody asked for.
    attempted: BTreeSet<(String, u64)>,
    problems: Vec<String>,
}

/// All promises that were broken, in words.
pub(crate) fn broken(journal: &str, drops: bool) -> Vec<String> {
    let mut timeline = Timeline { drops, ..Timeline::default() };
    for line in journal.lines() {
        let mut words = line.splitn(3, ' ').skip(1);
        let (Some(event), Some(message)) = (words.next(), words.next()) else { continue };
        let message: Message<'_> = serde_json::from_str(message).expect("a message");
        match (event, message.src.as_bytes()[0], message.dest.as_bytes()[0]) {
            ("Send", b'c', b'n') => timeline.asked(&message),
            ("Recv", b'n', b'c') => timeline.answered(&message),
            _ => {}
        }
    }
    timeline.end();
    timeline.problems
}

fn raise(offsets: &mut Offsets, key: &str, offset: u64) {
    let known = offsets.entry(key.to_owned()).or_default();
    *known = offset.max(*known);
}

impl Timeline {
    fn asked(&mut self, message: &Message<'_>) {
        let (number, body) = read(message);
        if let Body::CommitOffsets { offsets } = &body {
            self.attempted.extend(offsets.iter().map(|(key, at)| (key.clone(), *at)));
        }
        let before = self.shown(message.dest).clone();
        let id = (message.src.to_owned(), number.msg_id.expect("requests are numbered"));
        self.open.insert(id, Request { body, before });
    }

    fn answered(&mut self, message: &Message<'_>) {
        let (number, reply) = read(message);
        let id = (message.dest.to_owned(), number.in_reply_to.expect("replies are numbered"));
        let Some(Request { body, before }) = self.open.remove(&id) else { return };
        let node = message.src;
        match (body, reply) {
            (Body::Send { key }, Body::SendOk { offset }) => {
                raise(&mut self.acknowledged, &key, offset);
                self.sent.entry(key).or_default().insert(offset);
            }
            (Body::Poll { offsets }, Body::PollOk { msgs }) => {
                let is_full = message.body.get().len() >= PAGE;
                self.polled(node, &before, &offsets, &msgs, is_full);
            }
            (Body::CommitOffsets { offsets }, Body::CommitOffsetsOk {}) => {
                self.committed(node, &offsets);
            }
            (Body::ListCommittedOffsets { keys }, Body::ListCommittedOffsetsOk { offsets }) => {
                self.listed(node, &before, &keys, &offsets);
            }
            (Body::CommitOffsets { .. }, Body::Error { code })
                if ErrorCode::from(code).is_definite() =>
            {
                self.problems.push(format!("{node} refused a commit with {code}"));
            }
            _ => {}
        }
    }

    fn polled(
        &mut self,
        node: &str,
        before: &Shown,
        offsets: &Offsets,
        messages: &Messages,
        is_full: bool,
    ) {
        for (key, &from) in offsets {
            let last = messages.get(key).and_then(|messages| messages.last());
            let end = last.map_or(from, |(offset, _)| offset + 1);
            let former = before.ends.get(key).copied().unwrap_or(0);
            let first = messages.get(key).and_then(|messages| messages.first());
            if let (true, Some(&(first, _))) = (self.drops, first) {
                self.left_out(node, key, from, first);
            }
            if !is_full && end < former && self.may_be_gone(key) < former {
                let problem = format!("{node} showed key {key} up to {end}, but {former} before");
                self.problems.push(problem);
            }
            if last.is_some() {
                raise(&mut self.shown(node).ends, key, end);
            }
        }
    }

    /// Whether it is in order that a poll from this offset began at that one.
    fn left_out(&mut self, node: &str, key: &str, from: u64, first: u64) {
        let gone = self.may_be_gone(key);
        let sent =
            self.sent.get(key).into_iter().flat_map(|sent| sent.range(from..first.max(from)));
        for offset in sent.filter(|offset| **offset >= gone) {
            self.problems.push(format!(
                "{node} left out offset {offset} of key {key}, which nobody had committed"
            ));
        }
    }

    /// Messages of this key below this offset may have been dropped.
    fn may_be_gone(&self, key: &str) -> u64 {
        let all = (key.to_owned(), 0)..=(key.to_owned(), u64::MAX);
        let last = self.attempted.range(all).next_back();
        last.filter(|_| self.drops).map_or(0, |(_, offset)| offset.saturating_add(1))
    }

    fn committed(&mut self, node: &str, offsets: &Offsets) {
        let committed = &mut self.shown(node).committed;
        offsets.iter().for_each(|(key, &offset)| raise(committed, key, offset));
    }

    fn listed(&mut self, node: &str, before: &Shown, keys: &[String], offsets: &Offsets) {
        for key in keys {
            let (listed, former) = (offsets.get(key), before.committed.get(key));
            if listed < former {
                let problem = format!("{node} listed {listed:?} of key {key}, {former:?} before");
                self.problems.push(problem);
            }
        }
        for (key, &offset) in offsets {
            if !self.attempted.contains(&(key.clone(), offset)) {
                self.problems.push(format!("nobody committed offset {offset} of key {key}"));
            }
        }
        self.committed(node, offsets);
    }

    fn shown(&mut self, node: &str) -> &mut Shown {
        self.nodes.entry(node.to_owned()).or_default()
    }

    fn end(&mut self) {
        for (name, node) in &self.nodes {
            for (key, offset) in &self.acknowledged {
                let end = node.ends.get(key).copied().unwrap_or(0);
                if end <= *offset && self.may_be_gone(key) <= *offset {
                    self.problems.push(format!(
                        "{name} showed key {key} up to {end}, but {offset} was acknowledged"
                    ));
                }
            }
        }
    }
}

fn read(message: &Message<'_>) -> (Number, Body) {
    let text = message.body.get();
    let number = serde_json::from_str(text).expect("a numbered body");
    (number, serde_json::from_str(text).expect("a body"))
}
