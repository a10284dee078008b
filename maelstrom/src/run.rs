//! The run loop: reads lines, starts handlers, polls them, writes what they
//! say.
//!
//! One future does it all, and always in this order: (1) when too much output
//! waits, write, and do nothing else until it is written; (2) poll handlers and
//! tasks; (3) handle the lines that have arrived; (4) when nothing is left to
//! do, flush and sleep. So a burst costs few system calls, a lone message
//! leaves at once, and a reader that does not read slows the node down instead
//! of filling its memory.
//!
//! A handler is polled once as soon as it is made. Most end there; only those
//! that wait for something are kept.
//!
//! Always: no input ends the loop except its end; every request that has a
//! `msg_id` and a sender is answered exactly once, by its handler or here.
//!
//! What is for other nodes and for services leaves only when all of them are
//! surely there (see `outbox.rs`): when a message other than `init` has come after
//! it, since clients begin when every node is set up and other nodes hold back
//! likewise; or [`HOLD`] after `init`; or at the end of input.

mod init;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Wakeup, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

use crate::context::Running;
use crate::error::{Definite, Error};
use crate::io::{Reader, Writer};
use crate::message::{Envelope, Header, Number, Salvaged, salvage};
use crate::node::{Hook, Host, MakeState, Node, Periodic, Registered, Senders, refuse};
use crate::outbox::{Outbox, Task};
use crate::panics::{Inside, Place};
use crate::rpc::Calls;

/// Output waiting to be written above which nothing else is done.
const HIGH_WATER: usize = 64 * 1024;
/// Handlers waiting for something above which requests are turned away, and
/// the bytes of their messages above which they are.
const MAX_WAITING: usize = 16 * 1024;
const MAX_WAITING_BYTES: usize = 256 * 1024 * 1024;
/// How long after `init` others are not talked to, unless a message shows earlier
/// that they are there. Maelstrom was seen to take 266 ms to register 25 nodes.
const HOLD: Duration = Duration::from_secs(2);
/// Held output above which handlers and tasks are not polled: the bound of what a
/// node can say in that time.
const MAX_HELD: usize = 16 * 1024 * 1024;
/// How long handlers may go on after the end of input.
const GRACE: Duration = Duration::from_secs(5);

/// Some programs begin their output with it. It means nothing in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What ended a node other than the end of its input.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The input could not be read.
    #[error("cannot read messages: {0}")]
    Input(#[source] io::Error),
    /// The output could not be written.
    #[error("cannot write messages: {0}")]
    Output(#[source] io::Error),
}

/// What passed through a node, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lines that arrived, empty ones excepted.
    pub received: u64,
    /// Lines that are no messages of the protocol.
    pub malformed: u64,
    /// Messages for another node, and requests that nobody here handles, that are
    /// between nodes and came from elsewhere, came before `init`, or found too many
    /// others waiting.
    pub refused: u64,
    /// Replies that no call waited for: late, duplicate, or to nobody.
    pub stray_replies: u64,
    /// Panics of handlers, hooks, tasks and the rest of the node's own code.
    pub panics: u64,
}

pub(crate) async fn run<S, R, W>(
    node: Node<S>,
    input: R,
    output: W,
    host: Host,
    shutdown: impl Future<Output = ()>,
) -> Result<Stats, RunError>
where
    S: Send + Sync + 'static,
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = Reader::new(input);
    let mut writer = Writer::new(output);
    let mut core = Core::new(node, host);
    let mut shutdown = pin!(shutdown.fuse());
    // Tokio lets a task do so many things and has it wait then. What runs here are many
    // tasks: each of them would find that out for itself, again and again.
    unconstrained(std::future::poll_fn(move |cx| {
        let span = core.span.clone();
        let _entered = span.enter();
        core.outbox.awake();
        if !reader.ended() && shutdown.as_mut().poll(cx).is_ready() {
            tracing::debug!("shutting down");
            reader.end();
        }
        let _inside = Inside::enter();
        let polled = catch_unwind(AssertUnwindSafe(|| core.poll(&mut reader, &mut writer, cx)));
        polled.unwrap_or_else(|panic| {
            core.host.panics.note(Place::RunLoop, &*panic);
            resume_unwind(panic)
        })
    }))
    .await
}

/// Whether the node can serve requests.
enum Phase {
    /// No `init` has come, or its hooks failed.
    Waiting,
    /// The hooks are running.
    Starting(BoxFuture<'static, Started>),
    /// `init` is answered.
    Serving,
}

/// How starting up ended, and who wants to know.
struct Started {
    client: String,
    msg_id: Option<u64>,
    result: Result<(), Error>,
}

struct Core<S> {
    make_state: Option<MakeState<S>>,
    handlers: BTreeMap<&'static str, Registered<S>>,
    hooks: Arc<Vec<Hook<S>>>,
    periodic: Vec<Periodic<S>>,
    host: Host,
    rng: StdRng,
    outbox: Arc<Outbox>,
    calls: Arc<Calls>,
    phase: Phase,
    /// From the first `init` on.
    running: Option<Arc<Running<S>>>,
    /// Handlers that wait for something; each ends with its message's size.
    waiting: FuturesUnordered<BoxFuture<'static, usize>>,
    waiting_bytes: usize,
    background: FuturesUnordered<Task>,
    /// From `init` on, as long as others are not talked to: when that ends.
    hold: Option<Pin<Box<Sleep>>>,
    /// When handlers still waiting after the end of input are given up.
    deadline: Option<Pin<Box<Sleep>>>,
    span: tracing::Span,
    stats: Stats,
}

impl<S: Send + Sync + 'static> Core<S> {
    fn new(node: Node<S>, host: Host) -> Self {
        let mut rng = host.rng();
        let first_id = rng.random_range(0..1 << 48);
        Self {
            make_state: Some(node.make_state),
            handlers: node.handlers,
            hooks: Arc::new(node.hooks),
            periodic: node.periodic,
            host,
            rng,
            outbox: Arc::new(Outbox::holding()),
            calls: Arc::new(Calls::new(first_id)),
            phase: Phase::Waiting,
            running: None,
            waiting: FuturesUnordered::new(),
            waiting_bytes: 0,
            background: FuturesUnordered::new(),
            hold: None,
            deadline: None,
            span: tracing::Span::none(),
            stats: Stats::default(),
        }
    }

    fn poll<R, W>(
        &mut self,
        reader: &mut Reader<R>,
        writer: &mut Writer<W>,
        cx: &mut Wakeup<'_>,
    ) -> Poll<Result<Stats, RunError>>
    where
        R: AsyncBufRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if self.outbox.len() >= HIGH_WATER {
                ready!(writer.poll_write(&self.outbox, cx)).map_err(RunError::Output)?;
            }
            self.poll_hold(cx);
            self.poll_tasks(cx);
            if !reader.ended() {
                let lines = reader.poll_lines(cx, |line, cx| self.line(line, cx));
                if let Poll::Ready(result) = lines {
                    result.map_err(RunError::Input)?;
                    continue;
                }
            }
            ready!(writer.poll_flush(&self.outbox, cx)).map_err(RunError::Output)?;
            if reader.ended() && self.poll_end(cx).is_ready() {
                self.stats.panics = self.host.panics.count();
                tracing::debug!(stats = ?self.stats, "end of input");
                return Poll::Ready(Ok(self.stats));
            }
            if self.outbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    fn poll_hold(&mut self, cx: &mut Wakeup<'_>) {
        if let Some(hold) = &mut self.hold
            && hold.as_mut().poll(cx).is_ready()
        {
            self.release();
        }
    }

    fn holds_too_much(&self) -> bool {
        self.hold.is_some() && self.outbox.held() >= MAX_HELD
    }

    fn release(&mut self) {
        self.hold = None;
        self.outbox.release();
    }

    /// Polls what waits until all of it waits for something else.
    fn poll_tasks(&mut self, cx: &mut Wakeup<'_>) {
        if self.holds_too_much() {
            self.background.extend(self.outbox.take_tasks());
            return;
        }
        self.poll_start(cx);
        while let Poll::Ready(Some(bytes)) = self.waiting.poll_next_unpin(cx) {
            self.waiting_bytes -= bytes;
        }
        loop {
            self.background.extend(self.outbox.take_tasks());
            match self.background.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                _ if self.outbox.has_tasks() => {}
                _ => break,
            }
        }
    }

    fn poll_start(&mut self, cx: &mut Wakeup<'_>) {
        if let Phase::Starting(starting) = &mut self.phase
            && let Poll::Ready(started) = starting.as_mut().poll(cx)
        {
            self.started(started);
        }
    }

    /// After the end of input: ready when no handler is left, or their time is
    /// over. Replies cannot come any more, so calls end at once.
    fn poll_end(&mut self, cx: &mut Wakeup<'_>) -> Poll<()> {
        if self.deadline.is_none() {
            self.calls.close();
            self.release();
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        if self.waiting.is_empty() && self.outbox.len() == 0 {
            return Poll::Ready(());
        }
        ready!(deadline.as_mut().poll(cx));
        tracing::warn!(handlers = self.waiting.len(), "gave up handlers at the end of input");
        Poll::Ready(())
    }

    /// Handles one line; `false` when enough output waits for now.
    fn line(&mut self, line: &[u8], cx: &mut Wakeup<'_>) -> bool {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            self.stats.received += 1;
            match str::from_utf8(line) {
                Ok(text) => self.text(text, cx),
                Err(error) => self.malformed(&String::from_utf8_lossy(line), &error),
            }
        }
        self.outbox.len() < HIGH_WATER
    }

    fn text(&mut self, line: &str, cx: &mut Wakeup<'_>) {
        let envelope = match Envelope::read(line) {
            Ok(envelope) => envelope,
            Err(error) => return self.malformed(line, &error),
        };
        if self.hold.is_some() && envelope.body.kind != "init" {
            self.release();
        }
        if let Some(id) = envelope.body.in_reply_to {
            if !self.calls.resolve(id, &envelope.src, line) {
                self.stats.stray_replies += 1;
                tracing::debug!(src = %envelope.src, id, "a reply that no call waits for");
            }
        } else if let Err(error) = self.message(&envelope, line, cx) {
            self.refuse(&envelope, &error);
        }
    }

    /// Starts what the message asks for; an error is to be answered.
    fn message(
        &mut self,
        envelope: &Envelope<'_>,
        line: &str,
        cx: &mut Wakeup<'_>,
    ) -> Result<(), Error> {
        if envelope.body.kind == "init" {
            return self.init(envelope, line, cx);
        }
        let (Some(running), Phase::Serving) = (&self.running, &self.phase) else {
            return Err(Error::unavailable("this node has not been initialised yet"));
        };
        check_dest(running, envelope)?;
        let kind = &*envelope.body.kind;
        let Registered { senders, handler } = self.handlers.get(kind).ok_or_else(|| {
            Error::new(Definite::NotSupported, format_args!("no handler for `{kind}`"))
        })?;
        check_sender(running, *senders, envelope)?;
        let full = self.waiting.len() >= MAX_WAITING || self.waiting_bytes >= MAX_WAITING_BYTES;
        if full {
            return Err(Error::unavailable("too many requests are waiting here"));
        }
        let mut task = handler(running, envelope, line)
            .map_err(|error| Error::malformed(format_args!("`{kind}`: {error}")))?;
        if task.as_mut().poll(cx).is_pending() {
            let bytes = line.len();
            self.waiting_bytes += bytes;
            self.waiting.push(task.map(move |()| bytes).boxed());
        }
        Ok(())
    }

    /// Answers a message with an error, or logs it when no answer is wanted.
    fn refuse(&mut self, envelope: &Envelope<'_>, error: &Error) {
        self.stats.refused += 1;
        let Envelope { src, body: Header { kind, msg_id, .. }, .. } = envelope;
        tracing::warn!(%src, %kind, %error, "refused");
        if let Some(msg_id) = msg_id {
            let own = self.running.as_ref().map_or(&*envelope.dest, |running| running.setup.id());
            refuse(&self.outbox, own, src, Number::Reply(*msg_id), error);
        }
    }

    /// Answers a line that is no message of the protocol if it can be made out
    /// who wants an answer, and logs it.
    fn malformed(&mut self, line: &str, problem: &dyn Display) {
        self.stats.malformed += 1;
        let beginning: String = line.chars().take(200).collect();
        tracing::warn!(%problem, line = %beginning, "no message");
        let Some(Salvaged { src, dest, msg_id }) = salvage(line) else { return };
        let running = self.running.as_ref().map(|running| running.setup.id().as_str());
        let Some(own) = running.or(dest.as_deref()) else { return };
        if !src.contains(char::REPLACEMENT_CHARACTER) {
            let error = Error::malformed(problem);
            refuse(&self.outbox, own, &src, Number::ReplyAsIs(&msg_id), &error);
        }
    }
}

/// A message must be for this node.
fn check_dest<S>(running: &Running<S>, envelope: &Envelope<'_>) -> Result<(), Error> {
    let id = running.setup.id();
    if *id == *envelope.dest {
        return Ok(());
    }
    let text = format_args!("this is {id}, not {}", envelope.dest);
    Err(Error::new(Definite::NodeNotFound, text))
}

/// What is between nodes must come from one of them.
fn check_sender<S>(
    running: &Running<S>,
    senders: Senders,
    envelope: &Envelope<'_>,
) -> Result<(), Error> {
    let is_node = || running.setup.node_ids().iter().any(|id| *id == *envelope.src);
    if senders == Senders::Anyone || is_node() {
        return Ok(());
    }
    let Envelope { src, body: Header { kind, .. }, .. } = envelope;
    let text = format_args!("`{kind}` is between nodes, and {src} is none of the cluster's");
    Err(Error::new(Definite::NotSupported, text))
}
