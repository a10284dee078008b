//! The run loop: reads lines, starts handlers, polls them, writes what they
//! say.
//!
//! One future does it all, in turns, and always in this order: (1) when too much
//! output waits, write, and do nothing else until it is written; (2) poll handlers and
//! tasks; (3) handle the lines that have arrived; (4) when nothing is left to
//! do, or the turn has taken some milliseconds (`turn.rs`), flush and let the runtime
//! go on. So a burst costs few system calls, a lone message leaves at once, no answer
//! waits for long, and a reader that does not read slows the node down instead of
//! filling its memory.
//!
//! A handler is polled once as soon as it is made (that of a very long line as soon as
//! the line is gone from memory). Most end there; only those that wait for something
//! are kept (`jobs.rs`).
//!
//! The end of input, and a shutdown, give handlers and output [`GRACE`] to finish: no
//! handler and no reader keeps the node longer. What the input still holds is not read
//! while output waits, so its end shows only after that.
//!
//! What is for other nodes and for services leaves only when all of them are
//! surely there (see `outbox.rs`): when a message other than `init` has come after
//! it, since clients begin when every node is set up and other nodes hold back
//! likewise; or [`HOLD`] after `init`; or at the end of input.

mod init;
mod jobs;
mod lines;
mod turn;

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Wakeup, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

use self::jobs::Jobs;
use self::turn::Turn;
use crate::protocol::Error;
use crate::runtime::context::Running;
use crate::runtime::host::Host;
use crate::runtime::io::{Input, Output, Reader, Writer};
use crate::runtime::message::NodeId;
use crate::runtime::node::{Description, Hook, MakeState, Node, Periodic, Registered};
use crate::runtime::outbox::Outbox;
use crate::runtime::panics::{Inside, Place};
use crate::runtime::rpc::Calls;

/// How long after `init` others are not talked to, unless a message shows earlier
/// that they are there. Maelstrom was seen to take 266 ms to register 25 nodes.
const HOLD: Duration = Duration::from_secs(2);
/// Held output above which handlers and tasks are not polled: the bound of what a
/// node can say in that time.
const MAX_HELD: usize = 16 * 1024 * 1024;
/// How long handlers may go on, and output may be taken, after the end of input.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

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

impl<S: Send + Sync + 'static> Node<S> {
    /// Runs the node: messages come from `input`, one JSON object a line, and
    /// go to `output`. It ends when the input does; handlers that are still
    /// running then, and output that is not taken, have five seconds. (While output
    /// is not taken, no input is read, so what ends the node is the end of what was
    /// read before.)
    ///
    /// The whole node is this one future: nothing of it runs while it is not
    /// polled, and dropping it ends the node at once.
    ///
    /// # Errors
    ///
    /// When `input` cannot be read or `output` cannot be written.
    pub async fn run<R, W>(self, input: R, output: W, host: Host) -> Result<Stats, RunError>
    where
        R: AsyncBufRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.run_until(input, output, host, std::future::pending()).await
    }

    /// As [`Node::run`], but `shutdown` ends the node as the end of input does.
    ///
    /// # Errors
    ///
    /// As [`Node::run`].
    pub async fn run_until<R, W>(
        self,
        input: R,
        output: W,
        host: Host,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Stats, RunError>
    where
        R: AsyncBufRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut reader = Reader::new(input);
        let mut writer = Writer::new(output);
        let mut core = Core::new(self.description, host);
        let mut shutdown = pin!(shutdown.fuse());
        // Tokio lets a task do so many things and has it wait then. What runs here are many
        // tasks: each of them would find that out for itself, again and again.
        unconstrained(std::future::poll_fn(move |cx| {
            core.poll(&mut reader, &mut writer, shutdown.as_mut(), cx)
        }))
        .await
    }
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

/// A node that runs, whatever the type of its state and where its lines come from and go: so
/// all of this is compiled once, and not for every node.
struct Core {
    make_state: Option<MakeState>,
    handlers: BTreeMap<&'static str, Registered>,
    fallback: Option<Registered>,
    hooks: Arc<Vec<Hook>>,
    periodic: Vec<Periodic>,
    host: Host,
    rng: StdRng,
    outbox: Arc<Outbox>,
    calls: Arc<Calls>,
    phase: Phase,
    /// From the first `init` on.
    running: Option<Arc<Running>>,
    jobs: Jobs,
    turn: Turn,
    /// From `init` on, as long as others are not talked to: when that ends.
    hold: Option<Pin<Box<Sleep>>>,
    /// From the end of input on: when handlers and output are given up.
    grace: Option<Pin<Box<Sleep>>>,
    span: tracing::Span,
    /// Who sent the last message, who often sends the next one as well.
    source: NodeId,
    stats: Stats,
}

impl Core {
    fn new(node: Description, host: Host) -> Self {
        let mut rng = host.rng();
        let first_id = rng.random_range(0..1 << 48);
        Self {
            make_state: Some(node.make_state),
            handlers: node.handlers,
            fallback: node.fallback,
            hooks: Arc::new(node.hooks),
            periodic: node.periodic,
            host,
            rng,
            outbox: Arc::new(Outbox::holding()),
            calls: Arc::new(Calls::new(first_id)),
            phase: Phase::Waiting,
            running: None,
            jobs: Jobs::default(),
            turn: Turn::default(),
            hold: None,
            grace: None,
            span: tracing::Span::none(),
            source: NodeId::from(""),
            stats: Stats::default(),
        }
    }

    /// One turn, in the node's span.
    fn poll(
        &mut self,
        reader: &mut Reader<dyn Input + '_>,
        writer: &mut Writer<dyn Output + '_>,
        shutdown: Pin<&mut dyn Future<Output = ()>>,
        cx: &mut Wakeup<'_>,
    ) -> Poll<Result<Stats, RunError>> {
        // Taken out instead of cloned, which a registry of spans would have to count.
        let span = mem::replace(&mut self.span, tracing::Span::none());
        let polled = span.in_scope(|| {
            self.outbox.awake();
            if !reader.ended() && shutdown.poll(cx).is_ready() {
                tracing::debug!("shutting down");
                reader.end();
            }
            let _inside = Inside::enter();
            let turn = AssertUnwindSafe(|| self.turn(reader, writer, cx));
            catch_unwind(turn).unwrap_or_else(|panic| {
                self.host.panics.note(Place::RunLoop, &*panic);
                resume_unwind(panic)
            })
        });
        // Unless `init` has made the node's.
        if self.span.is_none() {
            self.span = span;
        }
        polled
    }

    fn turn(
        &mut self,
        reader: &mut Reader<dyn Input + '_>,
        writer: &mut Writer<dyn Output + '_>,
        cx: &mut Wakeup<'_>,
    ) -> Poll<Result<Stats, RunError>> {
        self.turn = Turn::default();
        let mut yields = false;
        loop {
            if reader.ended() && self.poll_grace(cx).is_ready() {
                return Poll::Ready(Ok(self.end()));
            }
            if self.outbox.is_high() {
                ready!(writer.poll_write(&self.outbox, cx)).map_err(RunError::Output)?;
            }
            self.poll_hold(cx);
            self.poll_jobs(cx);
            if self.turn.is_over() {
                // What has arrived gets as much time, and no more in this turn.
                yields = true;
                self.turn = Turn::default();
            }
            if !reader.ended() {
                let lines = reader.poll_lines(cx, |line, cx| self.line(line, cx));
                yields |= self.turn.is_over();
                if let Poll::Ready(result) = lines {
                    result.map_err(RunError::Input)?;
                    if !yields {
                        continue;
                    }
                }
            }
            let flushed = writer.poll_flush(&self.outbox, cx).map_err(RunError::Output)?;
            if self.grace.is_some() && flushed.is_ready() && self.jobs.handlers() == 0 {
                return Poll::Ready(Ok(self.end()));
            }
            if yields {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(flushed);
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

    /// Polls what waits until all of it waits for something else, or the turn is over.
    fn poll_jobs(&mut self, cx: &mut Wakeup<'_>) {
        if self.holds_too_much() {
            self.jobs.take_tasks(&self.outbox);
            return;
        }
        self.poll_start(cx);
        self.jobs.poll(&self.outbox, &mut self.turn, cx);
    }

    fn poll_start(&mut self, cx: &mut Wakeup<'_>) {
        if let Phase::Starting(starting) = &mut self.phase
            && let Poll::Ready(started) = starting.as_mut().poll(cx)
        {
            self.started(started);
        }
    }

    /// After the end of input: ready when the time of handlers and of output is over.
    /// Replies cannot come any more, so calls end at once.
    fn poll_grace(&mut self, cx: &mut Wakeup<'_>) -> Poll<()> {
        if self.grace.is_none() {
            self.calls.close();
            self.release();
        }
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        ready!(grace.as_mut().poll(cx));
        let handlers = self.jobs.handlers();
        tracing::warn!(handlers, "gave up handlers and output at the end of input");
        Poll::Ready(())
    }

    /// Drops all that is the author's. A panic of its own ends nothing else, and counts.
    fn end(&mut self) -> Stats {
        drop((mem::take(&mut self.jobs), self.outbox.take_tasks()));
        let phase = mem::replace(&mut self.phase, Phase::Waiting);
        let panics = &self.host.panics;
        let _ = panics.catch(Place::Hook, || drop(phase));
        let node = (self.make_state.take(), mem::take(&mut self.handlers), self.running.take());
        let _ = panics.catch(Place::State, || drop(node));
        let hooks = (mem::take(&mut self.hooks), mem::take(&mut self.periodic));
        let _ = panics.catch(Place::Hook, || drop(hooks));
        self.stats.panics = panics.count();
        self.stats
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _inside = Inside::enter();
        self.end();
    }
}
