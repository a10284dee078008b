//! The shell around the [`Log`]: handlers, the service, the clock.
//!
//! Every event goes through [`act`]: it tells the log, and carries out what the
//! log wants done. The log is locked for no longer than that.
//!
//! `init` is answered at once, for reading what there is takes as long as the
//! service does. Requests that come before that is done wait for it.
//!
//! A request is refused with a definite error only if it had no effect and will have
//! none. A commit never is; the [crate's front page](crate) says why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Node, NodeId, Setup};
use rand::RngExt;
use tokio::sync::{Notify, oneshot};
use tokio::time::{self, Instant};

use crate::announce::Segments;
use crate::injected_bugs::Bug;
use crate::log::{Answer, Command, Log, Refused, Register, Ticket, Time};
use crate::options::Options;
use crate::register;
use crate::wire::{
    CommitOffsets, CommittedOffsets, ListCommittedOffsets, Poll, Polled, Send, Sent,
};

/// How long a request waits for what it needs. Clients wait for five seconds.
const WAIT: Duration = Duration::from_millis(4500);

/// The node.
pub fn node(options: Options) -> Node<Server> {
    Node::new(move |setup| Server::new(setup, options))
        .on_init(begin)
        .handle(send)
        .handle(poll)
        .handle(commit_offsets)
        .handle(list_committed_offsets)
        .receive_from_nodes(segments)
}

/// A node's state.
pub struct Server {
    desk: Mutex<Desk>,
    begun: Instant,
    /// All nodes, in the order of their lanes.
    nodes: Vec<NodeId>,
    /// The log wants to be woken earlier than it did, or has begun to serve.
    changed: Notify,
    options: Options,
}

/// What is done under one lock.
struct Desk {
    log: Log,
    /// Handlers that wait for an answer.
    waiting: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    /// What is wrong with the log in the service.
    alarm: Option<String>,
}

impl Server {
    fn new(setup: &Setup, options: Options) -> Self {
        let mut nodes = setup.node_ids().to_vec();
        nodes.sort();
        let me = nodes.iter().position(|id| id == setup.id()).unwrap_or_default();
        let life = format!("{}-{:016x}", setup.id(), setup.new_rng().random::<u64>());
        let log = Log::new(me, nodes.len(), life, options);
        Self {
            desk: Mutex::new(Desk { log, waiting: BTreeMap::new(), alarm: None }),
            begun: Instant::now(),
            nodes,
            changed: Notify::new(),
            options,
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to read what there is.
async fn begin(context: Context<Server>) -> Result<(), Error> {
    act(&context, |_, _| ());
    context.spawn(keep_time(context.clone()));
    Ok(())
}

/// Waits until the node has read what there was when its life began, so that it
/// never shows less than in a former life.
async fn recovered(server: &Server, deadline: Instant) -> Result<(), Error> {
    loop {
        let changed = server.changed.notified();
        {
            let desk = server.desk();
            if let Some(alarm) = &desk.alarm {
                return Err(Error::unavailable(alarm));
            }
            if desk.log.is_serving() {
                return Ok(());
            }
        }
        let reading = |_| Error::unavailable("this node has yet to read what lin-kv has");
        time::timeout_at(deadline, changed).await.map_err(reading)?;
    }
}

async fn send(context: Context<Server>, request: Send) -> Result<Sent, Error> {
    let client = context.source().clone();
    let answer = append(&context, |log, now| {
        log.heard_from(now, &client);
        log.send(now, client, request.key, request.msg).map(Some)
    });
    match answer.await? {
        Some(Answer::Sent(offset)) => Ok(Sent { offset }),
        other => Err(Error::crash(format_args!("a send was answered {other:?}"))),
    }
}

async fn commit_offsets(context: Context<Server>, request: CommitOffsets) -> Result<Empty, Error> {
    let client = context.source().clone();
    let answer = append(&context, |log, now| {
        log.heard_from(now, &client);
        log.commit(now, client, request.offsets)
    });
    answer.await.map_err(|error| in_doubt(context.state().options, error))?;
    Ok(Empty {})
}

/// The same error, without the certainty that nothing happened: a poll did.
fn in_doubt(options: Options, error: Error) -> Error {
    if !error.code().is_definite() || options.bugs.has(Bug::RefuseCommits) {
        return error;
    }
    Error::timeout(format_args!("not committed, but what was polled is with you: {}", error.text()))
}

async fn poll(context: Context<Server>, request: Poll) -> Result<Polled, Error> {
    let server = context.state();
    let deadline = Instant::now() + WAIT;
    recovered(server, deadline).await?;
    loop {
        let changed = server.changed.notified();
        let page = {
            let mut desk = server.desk();
            desk.log.heard_from(server.begun.elapsed(), context.source());
            desk.log.poll(&request.offsets).map_err(Error::crash)?
        };
        if let Some(msgs) = page {
            return Ok(Polled { msgs });
        }
        act(&context, |_, _| ());
        let reading = |_| Error::unavailable("these messages are yet to be read from lin-kv");
        time::timeout_at(deadline, changed).await.map_err(reading)?;
    }
}

async fn list_committed_offsets(
    context: Context<Server>,
    request: ListCommittedOffsets,
) -> Result<CommittedOffsets, Error> {
    let server = context.state();
    recovered(server, Instant::now() + WAIT).await?;
    let desk = server.desk();
    let committed = |key: String| desk.log.replica().committed(&key).map(|offset| (key, offset));
    Ok(CommittedOffsets { offsets: request.keys.into_iter().filter_map(committed).collect() })
}

async fn segments(context: Context<Server>, message: Segments) {
    // In the order of lanes, which is no node's own.
    if let Ok(from) = context.state().nodes.binary_search(context.source()) {
        act(&context, |log, now| log.receive(now, from, message));
    }
}

/// Has something appended and waits until it is; `None` when there was nothing
/// to append.
async fn append(
    context: &Context<Server>,
    request: impl FnOnce(&mut Log, Time) -> Result<Option<Ticket>, Refused>,
) -> Result<Option<Answer>, Error> {
    let server = context.state();
    let deadline = Instant::now() + WAIT;
    recovered(server, deadline).await?;
    let waiting = {
        let mut desk = server.desk();
        let ticket = request(&mut desk.log, server.begun.elapsed()).map_err(Error::unavailable)?;
        ticket.map(|ticket| {
            let (sender, answer) = oneshot::channel();
            desk.waiting.insert(ticket, sender);
            (ticket, answer)
        })
    };
    let Some((ticket, answer)) = waiting else { return Ok(None) };
    act(context, |_, _| ());
    if let Ok(Ok(answer)) = time::timeout_at(deadline, answer).await {
        return Ok(Some(answer));
    }
    let mut desk = server.desk();
    desk.waiting.remove(&ticket);
    if desk.log.withdraw(ticket) {
        Err(Error::unavailable("lin-kv does not answer; nothing was written, and nothing will be"))
    } else {
        Err(Error::timeout("lin-kv does not answer; this may have been written, or may be yet"))
    }
}

/// Tells the log of an event and does what it wants done.
fn act<R>(context: &Context<Server>, event: impl FnOnce(&mut Log, Time) -> R) -> R {
    let server = context.state();
    let mut desk = server.desk();
    let now = server.begun.elapsed();
    let (wake, serving) = (desk.log.wake(), desk.log.is_serving());
    let loaded = desk.log.loaded();
    let result = event(&mut desk.log, now);
    for command in desk.log.pump(now) {
        carry_out(context, &mut desk, command);
    }
    let earlier = desk.log.wake().is_some_and(|at| wake.is_none_or(|wake| at < wake));
    let is_news = serving != desk.log.is_serving() || loaded != desk.log.loaded();
    if earlier || is_news || desk.alarm.is_some() {
        server.changed.notify_waiters();
    }
    result
}

fn carry_out(context: &Context<Server>, desk: &mut Desk, command: Command) {
    match command {
        Command::Read(register) => context.spawn(read(context.clone(), register)),
        Command::Settle(register, text) => {
            context.spawn(settle(context.clone(), register, text));
        }
        Command::Announce(node, message) => {
            context.send(&context.state().nodes[node], &message);
        }
        Command::Answer(ticket, answer) => {
            if let Some(waiting) = desk.waiting.remove(&ticket) {
                // The handler may have given up; then nobody is to be told.
                let _ = waiting.send(answer);
            }
        }
        Command::Alarm(alarm) => {
            tracing::error!("{alarm}");
            desk.alarm = Some(alarm);
        }
        Command::Warn(warning) => tracing::error!("{warning}"),
    }
}

async fn read(context: Context<Server>, register: Register) {
    if let Ok(text) = register::read(&context, &register.to_string()).await {
        act(&context, |log, _| log.found(register, text));
    }
}

async fn settle(context: Context<Server>, register: Register, proposal: Arc<str>) {
    let key = register.to_string();
    let options = context.state().options;
    let settled = if options.bugs.has(Bug::Overwrite) || options.bugs.has(Bug::ReuseIndexes) {
        register::overwrite(&context, &key, &proposal).await
    } else {
        register::settle(&context, &key, &proposal).await
    };
    if let Ok(text) = settled {
        act(&context, |log, now| log.settled(now, register, &text));
    }
}

/// Wakes the log when it wants to be woken.
async fn keep_time(context: Context<Server>) {
    let server = context.state();
    loop {
        let changed = server.changed.notified();
        let wake = server.desk().log.wake();
        match wake {
            None => changed.await,
            Some(at) => {
                if time::timeout_at(server.begun + at, changed).await.is_err() {
                    act(&context, |_, _| ());
                }
            }
        }
    }
}
