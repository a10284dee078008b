//! Calls to all other nodes at once.
//!
//! Three ways to go on: when everybody has answered, when a majority has, or at once,
//! with each answer handled when it comes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::FutureExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::Error;
use crate::runtime::context::Context;
use crate::runtime::error::CallError;
use crate::runtime::message::{NodeId, Request};

/// Why [`Context::call_quorum`] did not get its majority. The request may have happened
/// at any of the other nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{answered} of {needed} answers that make a majority; {}", last(.failed))]
pub struct NoQuorum {
    /// How many other nodes answered.
    pub answered: usize,
    /// How many had to.
    pub needed: usize,
    /// Who did not, and why, in the order in which it was known. Nodes whose answers
    /// could no longer make a majority are missing.
    pub failed: Vec<(NodeId, CallError)>,
}

fn last(failed: &[(NodeId, CallError)]) -> String {
    failed.last().map(|(_, error)| error.to_string()).unwrap_or_default()
}

/// Always indefinite, as the error of a call is.
impl From<NoQuorum> for Error {
    fn from(error: NoQuorum) -> Self {
        let timed_out =
            |(_, error): &(NodeId, CallError)| matches!(error, CallError::Timeout { .. });
        if error.failed.last().is_some_and(timed_out) {
            Error::timeout(error)
        } else {
            Error::crash(error)
        }
    }
}

impl<S> Context<S> {
    /// Sends a request to all other nodes at once, and waits until each has answered, or
    /// `timeout` has passed. Answers are in the order in which they came.
    ///
    /// This waits for the slowest: with one node that is down, `timeout` each time.
    /// [`Context::call_quorum`] goes on at a majority, [`Context::call_each`] at once.
    ///
    /// # Panics
    ///
    /// As [`Context::call`].
    pub async fn call_all<R>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Vec<(NodeId, Result<R::Reply, CallError>)>
    where
        R: Request + Serialize,
        R::Reply: DeserializeOwned,
    {
        let calls: FuturesUnordered<_> = self.call_peers(request, timeout).collect();
        calls.collect().await
    }

    /// Sends a request to all other nodes at once, and waits until a majority of the
    /// cluster, this node counted, has it: of three nodes one other one has answered
    /// then, of five nodes two, of a cluster of one node none.
    ///
    /// The other calls are given up then: their requests were sent, and what they are
    /// answered is ignored. An error that is answered does not count.
    ///
    /// ```
    /// # use maelstrom::{Context, Empty, Error};
    /// # use std::time::Duration;
    /// maelstrom::message_types! {
    ///     "store": struct Store { value: u64 } -> Empty;
    ///     "write": struct Write { value: u64 } -> Empty;
    /// }
    ///
    /// async fn write(context: Context<()>, Write { value }: Write) -> Result<Empty, Error> {
    ///     context.call_quorum(&Store { value }, Duration::from_secs(1)).await?;
    ///     Ok(Empty {})
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoQuorum`] as soon as too many calls have failed.
    ///
    /// # Panics
    ///
    /// As [`Context::call`].
    pub async fn call_quorum<R>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<Vec<(NodeId, R::Reply)>, NoQuorum>
    where
        R: Request + Serialize,
        R::Reply: DeserializeOwned,
    {
        let needed = self.node_ids().len() / 2;
        let mut calls: FuturesUnordered<_> = self.call_peers(request, timeout).collect();
        let (mut answers, mut failed) = (Vec::new(), Vec::new());
        while answers.len() < needed {
            match calls.next().await {
                Some((peer, Ok(answer))) => answers.push((peer, answer)),
                Some((peer, Err(error))) => failed.push((peer, error)),
                None => break,
            }
            if answers.len() + calls.len() < needed {
                break;
            }
        }
        if answers.len() < needed {
            return Err(NoQuorum { answered: answers.len(), needed, failed });
        }
        Ok(answers)
    }

    /// Sends a request to all other nodes at once and does not wait: each answer is
    /// given to `on_answer` when it comes, and so is each call that failed.
    ///
    /// This is for heartbeats: a node that is down or slow delays nobody else's.
    ///
    /// ```
    /// use maelstrom::{CallError, Context, Empty, Node, NodeId};
    /// use std::{collections::BTreeSet, sync::Mutex, time::Duration};
    ///
    /// maelstrom::message_types! { "heartbeat": struct Heartbeat {} -> Empty; }
    ///
    /// type Alive = Mutex<BTreeSet<NodeId>>;
    ///
    /// async fn beat(context: Context<Alive>) {
    ///     context.call_each(Heartbeat {}, Duration::from_secs(1), |context, peer, answer| {
    ///         let mut alive = context.state().lock().unwrap();
    ///         if answer.is_ok() { alive.insert(peer) } else { alive.remove(&peer) };
    ///     });
    /// }
    ///
    /// # fn main() {
    /// let node = Node::new(|_| Alive::default())
    ///     .handle_from_nodes(async |_: Context<Alive>, _: Heartbeat| Ok(Empty {}))
    ///     .every(Duration::from_millis(200), beat);
    /// # drop(node);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Context::call`], in a task of its own.
    pub fn call_each<R, F>(&self, request: R, timeout: Duration, on_answer: F)
    where
        S: Send + Sync + 'static,
        R: Request + Serialize + Send + Sync + 'static,
        R::Reply: DeserializeOwned + Send,
        F: Fn(&Self, NodeId, Result<R::Reply, CallError>) + Send + Sync + 'static,
    {
        let shared = Arc::new((request, on_answer));
        for peer in self.peers().cloned() {
            let (context, shared) = (self.clone(), Arc::clone(&shared));
            self.spawn(async move {
                let (request, on_answer) = &*shared;
                let answer = context.call(&peer, request, timeout).await;
                on_answer(&context, peer, answer);
            });
        }
    }

    fn call_peers<'a, R>(
        &'a self,
        request: &'a R,
        timeout: Duration,
    ) -> impl Iterator<Item = impl Future<Output = (NodeId, Result<R::Reply, CallError>)>>
    where
        R: Request + Serialize,
        R::Reply: DeserializeOwned,
    {
        let call = move |peer: &'a NodeId| {
            self.call(peer, request, timeout).map(|answer| (peer.clone(), answer))
        };
        self.peers().map(call)
    }
}
