//! A broker that keeps its logs in memory, and may be broken.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Node, Request};
use serde_json::value::RawValue;

use super::Chances;

/// What is wrong with a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It acknowledges messages that it forgets.
    Loses,
    /// It stores a message twice.
    StoresTwice,
    /// It gives two messages one offset.
    ReusesOffsets,
    /// It stores messages that it refused.
    RefusesButStores,
    /// A poll lacks a message between others.
    LeavesOut,
    /// A poll begins with the message after the one that it was to begin with.
    StartsLate,
    /// A poll begins with the message before the one that it was to begin with.
    Repeats,
    /// A poll has two messages the wrong way round.
    Disorders,
    /// A poll has null for keys without messages, as Go writes a nil slice.
    AnswersNull,
    /// It answers late at times, and always when asked for committed offsets.
    Dawdles(Duration),
    /// It acknowledges every message late.
    AcknowledgesLate(Duration),
}

maelstrom::message_types! {
    "send": struct Send { key: String, msg: Box<RawValue> } -> struct Sent { offset: i64 };
    "poll": struct Poll { offsets: BTreeMap<String, i64> }
        -> struct Polled { msgs: BTreeMap<String, Option<Batch>> };
    "commit_offsets": struct CommitOffsets { offsets: BTreeMap<String, i64> } -> Empty;
    "list_committed_offsets": struct ListCommittedOffsets { keys: Vec<String> }
        -> struct CommittedOffsets { offsets: BTreeMap<String, i64> };
}

type Batch = Vec<(i64, Box<RawValue>)>;

/// The node's state.
pub(super) struct Broker {
    fault: Fault,
    chances: Chances,
    logs: Mutex<BTreeMap<String, Log>>,
}

#[derive(Default)]
struct Log {
    next: i64,
    messages: Batch,
    committed: Option<i64>,
}

impl Log {
    fn append(&mut self, message: Box<RawValue>) -> i64 {
        self.messages.push((self.next, message));
        self.next += 1;
        self.next - 1
    }
}

impl Broker {
    fn odd(&self, fault: Fault) -> bool {
        self.fault == fault && self.chances.take()
    }

    fn with_log<T>(&self, key: &str, access: impl FnOnce(&mut Log) -> T) -> T {
        access(self.logs.lock().unwrap().entry(key.to_owned()).or_default())
    }

    fn send(&self, Send { key, msg }: Send) -> Result<Sent, Error> {
        self.with_log(&key, |log| {
            if log.next > 0 && self.odd(Fault::ReusesOffsets) {
                log.next -= 1;
            }
            let offset = log.append(msg.clone());
            if self.odd(Fault::Loses) {
                log.messages.pop();
            }
            if self.odd(Fault::StoresTwice) {
                log.append(msg);
            }
            if self.odd(Fault::RefusesButStores) {
                return Err(Error::abort("no"));
            }
            Ok(Sent { offset })
        })
    }

    fn poll_log(&self, log: &Log, from: i64) -> Batch {
        let begins = log.messages.iter().position(|(offset, _)| *offset >= from);
        let Some(mut begins) = begins else { return Vec::new() };
        if begins > 0 && self.odd(Fault::Repeats) {
            begins -= 1;
        }
        let mut batch = log.messages[begins..].to_vec();
        if batch.len() > 2 && self.odd(Fault::LeavesOut) {
            batch.remove(1);
        }
        if batch.len() > 1 && self.odd(Fault::StartsLate) {
            batch.remove(0);
        }
        if batch.len() > 1 && self.odd(Fault::Disorders) {
            batch.swap(0, 1);
        }
        batch
    }

    fn poll(&self, Poll { offsets }: Poll) -> Polled {
        let batch = |(key, from): (String, i64)| {
            let batch = self.with_log(&key, |log| self.poll_log(log, from));
            let batch = (!batch.is_empty()).then_some(batch);
            (batch.is_some() || self.fault == Fault::AnswersNull).then_some((key, batch))
        };
        Polled { msgs: offsets.into_iter().filter_map(batch).collect() }
    }

    fn commit(&self, CommitOffsets { offsets }: CommitOffsets) -> Empty {
        for (key, offset) in offsets {
            self.with_log(&key, |log| log.committed = log.committed.max(Some(offset)));
        }
        Empty {}
    }

    fn committed(&self, ListCommittedOffsets { keys }: ListCommittedOffsets) -> CommittedOffsets {
        let known = |key: String| Some((self.with_log(&key, |log| log.committed)?, key));
        let offsets = keys.into_iter().filter_map(known).map(|(offset, key)| (key, offset));
        CommittedOffsets { offsets: offsets.collect() }
    }

    /// Sleeps before the answer to a request of this type.
    async fn dawdle(&self, request: &str) {
        let delay = match (self.fault, request) {
            (Fault::Dawdles(delay), ListCommittedOffsets::TYPE)
            | (Fault::AcknowledgesLate(delay), Send::TYPE) => delay,
            (Fault::Dawdles(delay), _) if self.chances.take() => delay,
            _ => return,
        };
        tokio::time::sleep(delay).await;
    }
}

/// A broker.
pub(super) fn node(fault: Fault) -> Node<Broker> {
    Node::new(move |_| Broker { fault, chances: Chances::default(), logs: Mutex::default() })
        .handle(|context: Context<Broker>, request: Send| async move {
            context.state().dawdle(Send::TYPE).await;
            context.state().send(request)
        })
        .handle(|context: Context<Broker>, request: Poll| async move {
            context.state().dawdle(Poll::TYPE).await;
            Ok(context.state().poll(request))
        })
        .handle(|context: Context<Broker>, request: CommitOffsets| async move {
            Ok(context.state().commit(request))
        })
        .handle(|context: Context<Broker>, request: ListCommittedOffsets| async move {
            context.state().dawdle(ListCommittedOffsets::TYPE).await;
            Ok(context.state().committed(request))
        })
}
