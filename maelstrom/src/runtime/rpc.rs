//! Calls to other nodes: numbering, waiting, and what becomes of the replies.
//!
//! A call owns its slot in the table of pending calls. The slot goes when the
//! reply arrives, when the call times out, or when its future is dropped, so a
//! call that ended leaves nothing behind. A reply counts when its number is
//! pending and it comes from the node that was called; any other one (late, a
//! duplicate, to nobody) is dropped by the run loop, which counts them.
//!
//! Numbers start at a random place: a node that was killed and started again
//! must not take a reply to its former incarnation's call for one to its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time;

use crate::protocol::{
    ERROR, Envelope, Error, Malformed, Number, Outgoing, OwnedBody, is_reply_to,
};
use crate::runtime::error::CallError;
use crate::runtime::message::{NodeId, Request};
use crate::runtime::outbox::Outbox;

/// The table of pending calls.
pub(crate) struct Calls(Mutex<Table>);

struct Table {
    next_id: u64,
    pending: HashMap<u64, Pending>,
    /// The input has ended: no reply can come any more.
    closed: bool,
    /// Dropped then, which those who wait for it notice.
    watchers: Vec<oneshot::Sender<Infallible>>,
}

struct Pending {
    dest: NodeId,
    /// The type of the request.
    kind: &'static str,
    answer: oneshot::Sender<Answer>,
}

/// What came back.
#[derive(Debug)]
enum Answer {
    Reply(OwnedBody),
    Error(OwnedBody),
    /// The type of a reply to another kind of request.
    Other(String),
}

impl Answer {
    fn of(envelope: Envelope<'_>, line: &str, request: &str) -> Self {
        match &*envelope.header.kind {
            ERROR => Self::Error(OwnedBody::of(envelope, line)),
            kind if is_reply_to(kind, request) => Self::Reply(OwnedBody::of(envelope, line)),
            kind => Self::Other(kind.to_owned()),
        }
    }
}

impl Calls {
    /// A table whose numbers begin after `first_id`.
    pub(crate) fn new(first_id: u64) -> Self {
        let (next_id, pending, closed, watchers) = (first_id, HashMap::new(), false, Vec::new());
        Self(Mutex::new(Table { next_id, pending, closed, watchers }))
    }

    /// Hands a reply to its call; `false` when nobody waits for it.
    pub(crate) fn resolve(&self, id: u64, envelope: Envelope<'_>, line: &str) -> bool {
        let mut table = self.lock();
        if table.pending.get(&id).is_none_or(|pending| pending.dest != *envelope.src) {
            return false;
        }
        table.pending.remove(&id).is_some_and(|Pending { kind, answer, .. }| {
            answer.send(Answer::of(envelope, line, kind)).is_ok()
        })
    }

    /// Ends all calls, pending and future, with [`CallError::Closed`].
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        table.pending = HashMap::new();
        table.watchers.clear();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What ends, with an error, when all calls are closed; `None` when they are.
    pub(crate) fn until_closed(&self) -> Option<oneshot::Receiver<Infallible>> {
        let mut table = self.lock();
        if table.closed {
            return None;
        }
        let (sender, closed) = oneshot::channel();
        table.watchers.push(sender);
        Some(closed)
    }

    /// How many calls wait for their reply.
    #[cfg(test)]
    fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    fn open(&self, dest: &NodeId, kind: &'static str) -> Result<Slot<'_>, CallError> {
        let mut table = self.lock();
        if table.closed {
            return Err(CallError::Closed);
        }
        table.next_id += 1;
        let id = table.next_id;
        let (sender, answer) = oneshot::channel();
        table.pending.insert(id, Pending { dest: dest.clone(), kind, answer: sender });
        Ok(Slot { calls: self, id, answer })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pending call's place in the table, given back on drop.
struct Slot<'a> {
    calls: &'a Calls,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.calls.lock().pending.remove(&self.id);
    }
}

/// Sends a request and waits for its reply.
pub(crate) async fn call<R>(
    calls: &Calls,
    outbox: &Outbox,
    src: &str,
    dest: &NodeId,
    request: &R,
    timeout: Duration,
) -> Result<R::Reply, CallError>
where
    R: Request + Serialize,
    R::Reply: DeserializeOwned,
{
    let mut slot = calls.open(dest, R::TYPE)?;
    let message = Outgoing { kind: R::TYPE, number: Number::Request(slot.id), payload: request };
    let release = outbox
        .push_request(src, dest, &message)
        .unwrap_or_else(|error| panic!("a {} request has no JSON form: {error}", R::TYPE));
    if let Some(release) = release {
        // Nobody can answer before the request leaves. It ends with an error, always.
        let _ = release.await;
    }
    match time::timeout(timeout, &mut slot.answer).await {
        Ok(Ok(answer)) => decode_answer::<R>(dest, &answer),
        Ok(Err(_closed)) => Err(CallError::Closed),
        Err(_elapsed) => Err(CallError::Timeout { dest: dest.to_string(), after: timeout }),
    }
}

fn decode_answer<R>(dest: &NodeId, answer: &Answer) -> Result<R::Reply, CallError>
where
    R: Request,
    R::Reply: DeserializeOwned,
{
    let undecodable = |problem: String| CallError::Undecodable { dest: dest.to_string(), problem };
    let malformed = |error: Malformed| undecodable(error.to_string());
    match answer {
        Answer::Reply(body) => body.decode().map_err(malformed),
        Answer::Error(body) => {
            let error: Error = body.decode().map_err(malformed)?;
            Err(CallError::Remote { dest: dest.to_string(), error })
        }
        Answer::Other(kind) => {
            Err(undecodable(format!("a reply of type `{kind}` to a `{}`", R::TYPE)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_called_node_can_answer_and_only_once() {
        let calls = Calls::new(0);
        let slot = calls.open(&"n1".into(), "x").unwrap();
        let resolve = |id, src: &str| {
            let line = format!(r#"{{"src":"{src}","dest":"n0","body":{{"type":"x_ok"}}}}"#);
            calls.resolve(id, Envelope::read(&line).unwrap(), &line)
        };
        assert!(!resolve(slot.id, "n2"), "from another node");
        assert!(!resolve(slot.id + 1, "n1"), "of another number");
        assert!(resolve(slot.id, "n1"));
        assert!(!resolve(slot.id, "n1"), "a duplicate");
    }

    #[test]
    fn a_dropped_call_leaves_nothing_behind() {
        let calls = Calls::new(0);
        drop(calls.open(&"n1".into(), "x").unwrap());
        assert_eq!(calls.pending(), 0);
    }
}
