//! Clients: one request at a time, and a record of each.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// The keys that clients use.
pub(crate) const KEYS: [&str; 3] = ["a", "b", "c"];

/// What a client asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Send { key: String, message: u64 },
    Poll(BTreeMap<String, u64>),
    Commit(BTreeMap<String, u64>),
    List,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answered {
    Sent(u64),
    Polled(BTreeMap<String, Vec<(u64, u64)>>),
    Committed,
    Listed(BTreeMap<String, u64>),
    /// A definite error: it did not and will not happen.
    Refused,
    /// An indefinite error, or no answer: it may have happened, or may yet.
    Unknown,
}

/// One request, from when to when, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) node: usize,
    pub(crate) asked: Asked,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) answered: Answered,
}

/// A client, which talks to one node.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) node: usize,
    /// Where it goes on polling.
    positions: BTreeMap<String, u64>,
    /// What it polled and has not committed.
    processed: BTreeMap<String, u64>,
    /// The request under way, with its number.
    pub(crate) waiting: Option<(u64, Request)>,
}

impl Client {
    pub(crate) fn new(node: usize) -> Self {
        let positions = KEYS.iter().map(|&key| (key.to_owned(), 0)).collect();
        Self { node, positions, processed: BTreeMap::new(), waiting: None }
    }

    /// What it asks next.
    pub(crate) fn next(&mut self, rng: &mut StdRng, message: u64) -> Asked {
        if !self.processed.is_empty() && rng.random_bool(0.8) {
            return Asked::Commit(std::mem::take(&mut self.processed));
        }
        match rng.random_range(0..20) {
            0 => Asked::List,
            1 => Asked::Poll(KEYS.iter().map(|&key| (key.to_owned(), 0)).collect()),
            2..=9 => Asked::Poll(self.positions.clone()),
            _ => {
                let key = KEYS[rng.random_range(0..KEYS.len())].to_owned();
                Asked::Send { key, message }
            }
        }
    }

    /// Goes on from what it polled.
    pub(crate) fn learn(&mut self, answered: &Answered) {
        let Answered::Polled(messages) = answered else { return };
        for (key, messages) in messages {
            if let Some((last, _)) = messages.last() {
                let position = self.positions.entry(key.clone()).or_default();
                *position = (*position).max(last + 1);
                self.processed.insert(key.clone(), *last);
            }
        }
    }
}

/// The body of a request.
pub(crate) fn body(asked: &Asked) -> Value {
    match asked {
        Asked::Send { key, message } => json!({"type": "send", "key": key, "msg": message}),
        Asked::Poll(offsets) => json!({"type": "poll", "offsets": offsets}),
        Asked::Commit(offsets) => json!({"type": "commit_offsets", "offsets": offsets}),
        Asked::List => json!({"type": "list_committed_offsets", "keys": KEYS}),
    }
}

/// What a reply's body says.
pub(crate) fn answered(body: &Value) -> Answered {
    let decoded = |field: &str| body[field].clone();
    match body["type"].as_str() {
        Some("send_ok") => Answered::Sent(body["offset"].as_u64().expect("an offset")),
        Some("poll_ok") => {
            Answered::Polled(serde_json::from_value(decoded("msgs")).expect("messages by key"))
        }
        Some("commit_offsets_ok") => Answered::Committed,
        Some("list_committed_offsets_ok") => {
            Answered::Listed(serde_json::from_value(decoded("offsets")).expect("offsets by key"))
        }
        Some("error") if matches!(body["code"].as_u64(), Some(11 | 14)) => Answered::Refused,
        Some("error") if matches!(body["code"].as_u64(), Some(0 | 13)) => Answered::Unknown,
        _ => panic!("not a reply that a client expects: {body}"),
    }
}
