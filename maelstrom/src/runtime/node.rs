//! A node as its author describes it: state, handlers, hooks, periodic tasks.
//!
//! This file only collects; the run loop (`run.rs`) is what makes it live.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::{self, MissedTickBehavior};

use crate::protocol::{ERROR, Envelope, Error, INIT, Malformed, Number, Outgoing, reply_type};
use crate::runtime::context::{Context, Running, Setup};
use crate::runtime::job::Task;
use crate::runtime::message::{Empty, Message, NodeId, Request};
use crate::runtime::outbox::Outbox;
use crate::runtime::panics::Place;

pub(crate) type MakeState = Box<dyn FnOnce(&Setup) -> Box<dyn Any + Send + Sync> + Send>;
/// A handler, its types erased: decodes the body of a line from somebody, starts on it,
/// and returns what is left to do, the answer included.
pub(crate) type Handler =
    Box<dyn Fn(&Arc<Running>, NodeId, &Envelope<'_>, &str) -> Result<Started, Malformed> + Send>;
/// What is left to do, and for panics, in what.
pub(crate) type Started = (Place<'static>, Task);
/// A handler, and whose messages it gets.
pub(crate) struct Registered {
    pub(crate) senders: Senders,
    pub(crate) handler: Handler,
}

/// Whose messages of a type a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Senders {
    /// Everybody's: the type is a part of what clients may ask for.
    Anyone,
    /// Only those of the cluster's nodes.
    Nodes,
}

/// A message of a type that a node has no handler for; see [`Node::fallback`].
#[derive(Clone, Debug)]
pub struct Other {
    /// The body's `type`.
    pub kind: String,
    /// The whole body as the text that came, header included.
    pub body: Box<RawValue>,
}

pub(crate) type Hook =
    Box<dyn Fn(&Arc<Running>) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;
pub(crate) type Periodic = Box<dyn FnOnce(&Arc<Running>) -> Task + Send>;

/// A node: state of type `S`, and handlers that share it.
///
/// Handlers start in the order in which their messages arrive. A handler that
/// awaits lets others go on; all of them run on one thread, one at a time, so a
/// [`std::sync::Mutex`] in the state is never contended, but must not be held
/// across an `await`.
///
/// See the [crate's front page](crate) for a complete example.
pub struct Node<S> {
    pub(crate) description: Description,
    state: PhantomData<fn() -> S>,
}

/// What a node is, the type of its state erased. All its handlers, hooks and tasks are those
/// of nodes with the state that `make_state` makes.
pub(crate) struct Description {
    pub(crate) make_state: MakeState,
    pub(crate) handlers: BTreeMap<&'static str, Registered>,
    pub(crate) fallback: Option<Registered>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) periodic: Vec<Periodic>,
}

impl<S: Send + Sync + 'static> Node<S> {
    /// A node whose state `make_state` makes when the `init` message comes.
    pub fn new(make_state: impl FnOnce(&Setup) -> S + Send + 'static) -> Self {
        let description = Description {
            make_state: Box::new(|setup| Box::new(make_state(setup))),
            handlers: BTreeMap::new(),
            fallback: None,
            hooks: Vec::new(),
            periodic: Vec::new(),
        };
        Self { description, state: PhantomData }
    }

    /// Answers requests of type `R` with what `handler` returns.
    ///
    /// A body that does not decode as `R` is answered `malformed-request`
    /// without asking the handler; a handler that panics is answered `crash`.
    /// A request that came without a `msg_id` is handled, but not answered.
    ///
    /// # Panics
    ///
    /// When there is a handler for `R::TYPE` already, or it is `init`; when
    /// `R::Reply` is `()`, which is no JSON object: [`Empty`] is.
    #[must_use]
    pub fn handle<R, F, Fut>(self, handler: F) -> Self
    where
        R: Request + DeserializeOwned + Send + 'static,
        R::Reply: Serialize + Send + 'static,
        F: Fn(Context<S>, R) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Reply, Error>> + Send + 'static,
    {
        self.register(R::TYPE, Senders::Anyone, erase_request::<S, R, F, Fut>(handler))
    }

    /// As [`Node::handle`], for requests of the cluster's nodes alone, this one
    /// included.
    ///
    /// Whatever else sends a request of this type, a client or a service, is refused
    /// `not-supported`, and the handler never learns of it. Everything that only
    /// nodes say to one another belongs here: clients share the network with nodes,
    /// and a client that can send what a peer sends can plant what nobody wrote. A
    /// sender is who its message says it is, as everywhere in Maelstrom.
    ///
    /// # Panics
    ///
    /// As [`Node::handle`].
    #[must_use]
    pub fn handle_from_nodes<R, F, Fut>(self, handler: F) -> Self
    where
        R: Request + DeserializeOwned + Send + 'static,
        R::Reply: Serialize + Send + 'static,
        F: Fn(Context<S>, R) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Reply, Error>> + Send + 'static,
    {
        self.register(R::TYPE, Senders::Nodes, erase_request::<S, R, F, Fut>(handler))
    }

    /// Takes messages of type `M`, which want no answer. One that has a
    /// `msg_id` all the same is answered with a bare `<TYPE>_ok`.
    ///
    /// # Panics
    ///
    /// When there is a handler for `M::TYPE` already, or it is `init`.
    #[must_use]
    pub fn receive<M, F, Fut>(self, handler: F) -> Self
    where
        M: Message + DeserializeOwned + Send + 'static,
        F: Fn(Context<S>, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.register(M::TYPE, Senders::Anyone, erase_message::<S, M, F, Fut>(handler))
    }

    /// As [`Node::receive`], for messages of the cluster's nodes alone; see
    /// [`Node::handle_from_nodes`].
    ///
    /// # Panics
    ///
    /// As [`Node::receive`].
    #[must_use]
    pub fn receive_from_nodes<M, F, Fut>(self, handler: F) -> Self
    where
        M: Message + DeserializeOwned + Send + 'static,
        F: Fn(Context<S>, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.register(M::TYPE, Senders::Nodes, erase_message::<S, M, F, Fut>(handler))
    }

    /// Gives messages of all other types to `handler`. What it returns is answered as
    /// `<kind>_ok` if the message has a `msg_id`; its JSON form is a struct or map.
    ///
    /// Without a fallback such messages are answered `not-supported`. With one, that is
    /// the answer only if `handler` returns it as its error, or if a client sends a type
    /// that is [between nodes](Node::handle_from_nodes): the fallback does not get that.
    /// A panic of `handler` is told as one in `` handler `fallback` ``.
    ///
    /// ```
    /// use maelstrom::{Context, Definite, Empty, Error, Node, Other};
    ///
    /// async fn other(_: Context<()>, other: Other) -> Result<Empty, Error> {
    ///     match other.kind.strip_prefix("test_") {
    ///         Some(_) => Ok(Empty {}),
    ///         None => Err(Error::new(Definite::NotSupported, other.body)),
    ///     }
    /// }
    ///
    /// let node = Node::new(|_| ()).fallback(other);
    /// # drop(node);
    /// ```
    ///
    /// # Panics
    ///
    /// When there is a fallback already.
    #[must_use]
    pub fn fallback<Reply, F, Fut>(mut self, handler: F) -> Self
    where
        Reply: Serialize + Send + 'static,
        F: Fn(Context<S>, Other) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
    {
        assert!(self.description.fallback.is_none(), "two fallbacks");
        let reply = |kind: &str| reply_type(kind).into();
        let decode = |envelope: &Envelope<'_>, line: &str| {
            Ok(Other { kind: envelope.header.kind.to_string(), body: envelope.decode_body(line)? })
        };
        let handler = erase(Place::Handler("fallback"), reply, decode, handler);
        self.description.fallback = Some(Registered { senders: Senders::Anyone, handler });
        self
    }

    /// The types of the messages that this node has handlers for, in order, each with
    /// whose messages it takes; `init` apart, which every node takes.
    pub fn message_types(&self) -> impl Iterator<Item = (&'static str, Senders)> {
        self.description.handlers.iter().map(|(&kind, registered)| (kind, registered.senders))
    }

    /// Runs `hook` after the state was made and before `init` is answered.
    /// Hooks run in the order in which they were added. Requests that come
    /// meanwhile are answered `temporarily-unavailable`. What a hook fails with is
    /// the answer to `init`.
    ///
    /// A hook may call services and other nodes, but what it sends them is held
    /// back (see [`Context::send`]), normally for two seconds, since the clients
    /// whose requests would end the hold wait for `init_ok`. A hook that awaits
    /// such a call makes the start that much longer; let it
    /// [`spawn`](Context::spawn) a task for the call, which goes out when the
    /// clients come. Above all a hook must not await another node's answer: requests of
    /// nodes are turned away as well until the hooks are done, so nodes that wait for
    /// each other there would wait for ever.
    #[must_use]
    pub fn on_init<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let hook = move |running: &Arc<Running>| hook(Context::new(Arc::clone(running))).boxed();
        self.description.hooks.push(Box::new(hook));
        self
    }

    /// Runs `task` every `period`, beginning one period after `init` was
    /// answered; never twice at a time. A run that panics is logged, and the
    /// next one comes all the same.
    ///
    /// A run that takes longer than `period` delays the next one, which begins as soon
    /// as the long one ends; the one after that comes a period later. Runs that were
    /// missed are not made up for. So a heartbeat must not wait for answers here:
    /// [`Context::call_each`] does not, and [`Context::spawn`] takes whatever waits.
    ///
    /// # Panics
    ///
    /// When `period` is zero.
    #[must_use]
    pub fn every<F, Fut>(mut self, period: Duration, task: F) -> Self
    where
        F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        assert!(!period.is_zero(), "a periodic task needs a period above zero");
        let repeat = move |running: &Arc<Running>| -> Task {
            let context = Context::new(Arc::clone(running));
            Box::pin(async move {
                let mut ticks = time::interval(period);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks.tick().await;
                loop {
                    ticks.tick().await;
                    let run = AssertUnwindSafe(async { task(context.clone()).await });
                    if let Err(panic) = run.catch_unwind().await {
                        context.panics().caught(Place::Periodic, panic);
                    }
                }
            })
        };
        self.description.periodic.push(Box::new(repeat));
        self
    }

    fn register(mut self, kind: &'static str, senders: Senders, handler: Handler) -> Self {
        assert!(kind != INIT, "`init` is the run loop's own; see Node::new and Node::on_init");
        let former = self.description.handlers.insert(kind, Registered { senders, handler });
        assert!(former.is_none(), "two handlers for messages of type `{kind}`");
        self
    }
}

/// Erases the types of a handler of requests.
fn erase_request<S, R, F, Fut>(handler: F) -> Handler
where
    S: Send + Sync + 'static,
    R: Request + DeserializeOwned + 'static,
    R::Reply: Serialize + Send + 'static,
    F: Fn(Context<S>, R) -> Fut + Send + 'static,
    Fut: Future<Output = Result<R::Reply, Error>> + Send + 'static,
{
    let is_unit = TypeId::of::<R::Reply>() == TypeId::of::<()>();
    assert!(!is_unit, "a reply without fields is `Empty`, not `()`: see `{}`", R::TYPE);
    erase_named(R::TYPE, handler)
}

/// Erases the types of a handler of messages that want no answer.
fn erase_message<S, M, F, Fut>(handler: F) -> Handler
where
    S: Send + Sync + 'static,
    M: Message + DeserializeOwned + 'static,
    F: Fn(Context<S>, M) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    erase_named(M::TYPE, move |context, message| handler(context, message).map(|()| Ok(Empty {})))
}

/// Erases the types of a handler of one type of message.
fn erase_named<S, R, Reply, F, Fut>(kind: &'static str, handler: F) -> Handler
where
    S: Send + Sync + 'static,
    R: DeserializeOwned + 'static,
    Reply: Serialize + Send + 'static,
    F: Fn(Context<S>, R) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    let reply: Arc<str> = reply_type(kind).into();
    let decode = |envelope: &Envelope<'_>, line: &str| envelope.decode_body::<R>(line);
    erase(Place::Handler(kind), move |_| Arc::clone(&reply), decode, handler)
}

/// Erases a handler's types. `reply` makes the type of the answer from the request's.
fn erase<S, R, Reply, F, Fut>(
    place: Place<'static>,
    reply: impl Fn(&str) -> Arc<str> + Send + 'static,
    decode: impl Fn(&Envelope<'_>, &str) -> Result<R, Malformed> + Send + 'static,
    handler: F,
) -> Handler
where
    S: Send + Sync + 'static,
    Reply: Serialize + Send,
    F: Fn(Context<S>, R) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    Box::new(move |running, source, envelope, line| {
        let msg_id = envelope.header.msg_id;
        let context = Context::of(Arc::clone(running), source.clone(), line.len());
        let start = || Ok(handler(context, decode(envelope, line)?));
        let started = running.panics().catch(place, start).map_or_else(
            |error| Ok(Err(error)),
            |started: Result<Fut, Malformed>| started.map(Ok),
        )?;
        let (running, reply) = (Arc::clone(running), reply(&envelope.header.kind));
        let task: Task = Box::pin(async move {
            let answer = |result| answer(&running, place, &source, msg_id, &reply, result);
            match started {
                // It is dropped after the answer: that is its code, and may panic.
                Ok(future) => {
                    let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
                    let ended = future.as_mut().await;
                    let caught = |panic| Err(running.panics().caught(place, panic));
                    answer(ended.unwrap_or_else(caught));
                }
                Err(error) => answer(Err(error)),
            }
        });
        Ok((place, task))
    })
}

/// Sends a handler's result to the one who asked, if an answer is wanted, and
/// logs errors that are this node's own fault.
fn answer<Reply: Serialize>(
    running: &Running,
    place: Place<'_>,
    source: &NodeId,
    msg_id: Option<u64>,
    kind: &str,
    result: Result<Reply, Error>,
) {
    let src = running.setup.id();
    let error = match (result, msg_id) {
        (Ok(_), None) => return,
        (Ok(reply), Some(msg_id)) => {
            let number = Number::Reply(msg_id);
            let message = Outgoing { kind, number, payload: reply };
            match running.panics().catch(place, || running.outbox.push(src, source, &message)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => Error::crash(format_args!("the reply has no JSON form: {error}")),
                Err(error) => error,
            }
        }
        (Err(error), _) => error,
    };
    if error.code().is_definite() {
        tracing::debug!(%source, %error, "refused");
    } else {
        tracing::error!(%source, %error, "failed");
    }
    if let Some(msg_id) = msg_id {
        refuse(&running.outbox, src, source, Number::Reply(msg_id), &error);
    }
}

/// Sends an error. (An error has a JSON form, so this cannot fail.)
pub(crate) fn refuse(outbox: &Outbox, src: &str, dest: &str, number: Number<'_>, error: &Error) {
    let message = Outgoing { kind: ERROR, number, payload: error };
    if let Err(error) = outbox.push(src, dest, &message) {
        tracing::error!(%error, "an error could not be written");
    }
}
