//! What a handler sees: who asks, the node's state, and ways to send and call.

use std::any::Any;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::Disk;
use crate::protocol::{Number, Outgoing};
use crate::runtime::error::CallError;
use crate::runtime::host::Host;
use crate::runtime::job::Job;
use crate::runtime::message::{Message, NodeId, Request};
use crate::runtime::outbox::Outbox;
use crate::runtime::panics::{Panics, Place};
use crate::runtime::rpc::{self, Calls};

/// What is known when a node's state is made: its place in the cluster.
pub struct Setup {
    id: NodeId,
    node_ids: Vec<NodeId>,
    host: Host,
    rng: Mutex<StdRng>,
}

impl Setup {
    pub(crate) fn new(id: NodeId, node_ids: Vec<NodeId>, host: Host, rng: StdRng) -> Self {
        Self { id, node_ids, host, rng: Mutex::new(rng) }
    }

    /// This node's id.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// The ids of all nodes of the cluster, this one's included, in the order
    /// in which the `init` message had them.
    pub fn node_ids(&self) -> &[NodeId] {
        &self.node_ids
    }

    /// The ids of all other nodes.
    pub fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.node_ids.iter().filter(|&id| *id != self.id)
    }

    /// Makes a new generator of random numbers, seeded from the node's: from the
    /// operating system's entropy in a process, from the run's seed in a
    /// simulation. Each call makes another one, with numbers of its own.
    pub fn new_rng(&self) -> StdRng {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        StdRng::from_rng(&mut *rng)
    }

    /// A directory of the node's own, which survives its restarts; `None` where
    /// nobody gave it one, as under Maelstrom, whose release 0.2.4 never restarts a
    /// node.
    pub fn directory(&self) -> Option<&Path> {
        self.host.directory.as_deref()
    }

    /// Files of the node's own, which survive its restarts: in its
    /// [`directory`](Self::directory), or in what a simulator gives it instead.
    /// `None` where it has neither.
    pub fn disk(&self) -> Option<Disk> {
        let real = || self.host.directory.as_deref().map(Disk::in_directory);
        self.host.disk.clone().or_else(real)
    }
}

/// A node at work: what all its contexts share.
pub(crate) struct Running {
    pub(crate) setup: Setup,
    pub(crate) state: Box<dyn Any + Send + Sync>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) calls: Arc<Calls>,
}

impl Running {
    pub(crate) fn panics(&self) -> &Panics {
        &self.setup.host.panics
    }
}

/// What a handler gets beside its request, and a task beside nothing: the
/// node's identity, its state, and the ways to talk to others.
///
/// Clones are cheap and refer to the same node.
pub struct Context<S> {
    running: Arc<Running>,
    source: Option<NodeId>,
    /// Of the message that is being handled.
    bytes: usize,
    /// The type of the node's state.
    state: PhantomData<fn() -> S>,
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        let Self { running, source, bytes, state } = self;
        Self { running: Arc::clone(running), source: source.clone(), bytes: *bytes, state: *state }
    }
}

impl<S> Context<S> {
    /// For what handles no message.
    pub(crate) fn new(running: Arc<Running>) -> Self {
        Self { running, source: None, bytes: 0, state: PhantomData }
    }

    /// For the handler of a message of so many bytes.
    pub(crate) fn of(running: Arc<Running>, source: NodeId, bytes: usize) -> Self {
        Self { running, source: Some(source), bytes, state: PhantomData }
    }

    pub(crate) fn panics(&self) -> &Panics {
        self.running.panics()
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.running.setup
    }

    /// This node's id.
    pub fn id(&self) -> &NodeId {
        self.running.setup.id()
    }

    /// The ids of all nodes of the cluster, this one's included.
    pub fn node_ids(&self) -> &[NodeId] {
        self.running.setup.node_ids()
    }

    /// The ids of all other nodes.
    pub fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.running.setup.peers()
    }

    /// Who sent the message that is being handled; the node itself in a task
    /// that handles none.
    pub fn source(&self) -> &NodeId {
        self.source.as_ref().unwrap_or_else(|| self.id())
    }

    /// The node's state, as [`Node::new`](crate::Node::new) made it.
    pub fn state(&self) -> &S
    where
        S: 'static,
    {
        let state = self.running.state.downcast_ref();
        state.unwrap_or_else(|| unreachable!("a node's contexts have the type of its state"))
    }

    /// A new generator of random numbers, seeded from the node's; see
    /// [`Setup::new_rng`].
    pub fn new_rng(&self) -> StdRng {
        self.running.setup.new_rng()
    }

    /// Files of the node's own; see [`Setup::disk`].
    pub fn disk(&self) -> Option<Disk> {
        self.running.setup.disk()
    }

    /// Sends a message that wants no answer. It may get lost.
    ///
    /// What is for other nodes or for services is held back at first: until a
    /// message other than `init` has come after `init`, or two seconds after it.
    /// Maelstrom sets nodes up in parallel; a message to one that it does not know
    /// yet ends the sender's output for good. Clients begin when all nodes are
    /// set up, so their first request shows that everybody is there. Replies, and
    /// messages to clients, go out at once; the order of messages to one
    /// destination is kept.
    ///
    /// # Panics
    ///
    /// When the message has no JSON form, or is neither struct nor map.
    pub fn send<M: Message + Serialize>(&self, dest: &NodeId, message: &M) {
        let message = Outgoing { kind: M::TYPE, number: Number::None, payload: message };
        self.running
            .outbox
            .push(self.id(), dest, &message)
            .unwrap_or_else(|error| panic!("a {} message has no JSON form: {error}", M::TYPE));
    }

    /// Waits until all nodes of the cluster were set up, as far as this one can know:
    /// until what is for others is no longer held back, see [`Context::send`]. For
    /// tasks that measure how long others take, or that send again and again.
    pub async fn cluster_started(&self) {
        if let Some(release) = self.running.outbox.until_released() {
            // It ends with an error, always.
            let _ = release.await;
        }
    }

    /// Waits until the node's input has ended, after which no message and no reply comes.
    pub(crate) async fn input_ended(&self) {
        if let Some(closed) = self.running.calls.until_closed() {
            // It ends with an error, always.
            let _ = closed.await;
        }
    }

    pub(crate) fn has_input_ended(&self) -> bool {
        self.running.calls.is_closed()
    }

    /// Sends a request and waits up to `timeout` for the answer.
    ///
    /// Dropping the future gives the call up; its reply is ignored then, as is
    /// one that comes too late. Time for which the request is held back (see
    /// [`Context::send`]) does not count.
    ///
    /// # Errors
    ///
    /// [`CallError::Remote`] when the other side answers an error,
    /// [`CallError::Timeout`] when nothing came in time (the request may have
    /// happened all the same, or may happen yet), [`CallError::Closed`] when
    /// the node's input has ended, [`CallError::Undecodable`] when the answer
    /// is not what `R::Reply` describes.
    ///
    /// # Panics
    ///
    /// When the request has no JSON form, or is neither struct nor map.
    pub async fn call<R>(
        &self,
        dest: &NodeId,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Reply, CallError>
    where
        R: Request + Serialize,
        R::Reply: DeserializeOwned,
    {
        let Running { calls, outbox, .. } = &*self.running;
        rpc::call(calls, outbox, self.id(), dest, request, timeout).await
    }

    /// Runs a task as a part of this node: it lives until it ends or the node
    /// does. Unlike a task of the runtime's it is dropped with the node, shares
    /// its one thread of control, and stands still with it in a simulation.
    ///
    /// Tasks count as waiting handlers do, those of a handler with the bytes of its
    /// message: above 16,384 of both, or 256 MiB, requests are answered
    /// `temporarily-unavailable`. Nothing bounds tasks that other tasks start.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let panics = self.panics().clone();
        let job = Job::new(Box::pin(task), self.bytes, Place::Task, panics);
        self.running.outbox.spawn(job);
    }
}
