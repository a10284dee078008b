//! Challenge 6: a replicated key-value store with transactions that never wait.
//!
//! Any node takes a transaction of reads and writes, on any JSON as keys and
//! values, and commits it at once on what it has, whatever the network does.
//! Nodes pass transactions on in batches. What is read is read atomic and
//! causally consistent, and all nodes come to the same state; the argument is in
//! [`replica`].
//!
//! # After a fault
//!
//! <!-- figures: promise-txn-kv -->
//! With the defaults, and all nodes linked to each other, every node whose disk is not
//! full serves its clients again 2 s and 20 mean latencies after the last fault. When
//! clients ask for nothing, N nodes send at most 4 N + N²/10 messages a second then,
//! those to and from services included. The swarm checks both.
//! <!-- /figures -->
//!
//! # Map
//!
//! - This file: the node: handlers, and what joins the state machine to its
//!   clock, its log and the network.
//! - [`replica`]: the state machine. `peer`, what it believes about each other
//!   node; `waiting`, what came too early; `snapshot`, how it fills one that
//!   lacks too much.
//! - [`database`]: one copy of the data. [`journal`], the transactions that
//!   others may lack; [`vector`], logical time.
//! - [`transaction`], [`json`]: what clients ask for.
//! - [`message`]: what nodes say to one another. `log`: what is on the disk.
//!
//! # What survives
//!
//! With a disk of its own ([`Setup::disk`](maelstrom::Setup::disk)), a node
//! answers a transaction after it has written it to its log: killing the process
//! loses nothing that was answered. The disk is locked, so a second process on the
//! same one fails its `init`. The machine's death, or a power failure, may
//! lose what was answered in the last seconds (30 by Linux's defaults) on this
//! node and not passed on yet, unless [`Options::fsync`] is set. Directories must
//! not be copied, or set back to an earlier state. A bit that flips is noticed by a
//! checksum, but what stands behind it is dropped like the end of a write that was cut
//! short: what was answered and not passed on is lost. A full disk ends a node's
//! service until it is restarted.
//!
//! Without a directory, as under Maelstrom, which never restarts a node, all is
//! in memory: killing the process loses the transactions that no other node
//! has got yet, which are those of the last [`Options::interval`], and of the
//! time that it was cut off. It comes back empty, and is filled by the others;
//! until then its clients may read less than they have read before. Killing all
//! nodes loses all.
//!
//! In neither case does a node that lost something disturb the others: they go
//! on with what they got of it.
//!
//! <!-- figures: txn-kills -->
//! After 100 kills without a disk, the largest message that a write of one key costs
//! among 5 nodes has 293 bytes.
//! <!-- /figures -->
//!
//! # Networks that are not complete
//!
//! Whatever way there is, transactions take it: a node passes on what its peers are
//! found to lack. Everything above holds as long as some way leads from each node to
//! each other one; what is read is older, the more so the less there is to pass on.
//!
//! <!-- figures: txn-sparse -->
//! At 100 ms a hop reads are up to 0.3 s behind among 20 nodes in a complete network,
//! 4.6 s in a chain of 5, 23.1 s in a chain of 20 and 9.4 s in a tree of 20.
//! <!-- /figures -->

pub mod database;
pub mod injected_bugs;
pub mod journal;
pub mod json;
mod log;
pub mod message;
mod peer;
pub mod replica;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod vector;
mod waiting;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maelstrom::disk::Lock;
use maelstrom::{Context, Error, Node, NodeId, Request, Setup};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::task;
use tokio::time::Instant;

use crate::database::{Database, MAX_JOURNAL_BYTES, Record};
use crate::injected_bugs::Bugs;
use crate::log::Log;
use crate::message::{Any, Fetch, Page, Replicate};
use crate::replica::Replica;
use crate::transaction::MicroOp;
use crate::vector::Origin;

/// `{"type":"txn","txn":[["r",1,null],["w",1,6]]}`, answered
/// `{"type":"txn_ok","txn":[["r",1,8],["w",1,6]]}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Txn {
    /// The micro-operations, in order.
    pub txn: Vec<MicroOp>,
}

impl Request for Txn {
    const TYPE: &'static str = "txn";
    type Reply = Txn;
}

/// How a node runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The pause between two batches to the same node: a write is visible on
    /// other nodes after at most this and one latency.
    pub interval: Duration,
    /// Whether a transaction is answered only when the disk has it.
    pub fsync: bool,
    /// What was put in on purpose.
    pub bugs: Bugs,
}

impl Default for Options {
    fn default() -> Self {
        Self { interval: Duration::from_millis(50), fsync: false, bugs: Bugs::default() }
    }
}

/// The node.
pub fn node() -> Node<Store> {
    node_with(Options::default())
}

/// The node, run in another way.
///
/// # Panics
///
/// When the interval is zero.
pub fn node_with(options: Options) -> Node<Store> {
    Node::new(move |setup| Store::new(setup, options))
        .on_init(open)
        .handle(txn)
        .receive_from_nodes(|context, message: Replicate| receive(context, Any::Replicate(message)))
        .receive_from_nodes(|context, message: Fetch| receive(context, Any::Fetch(message)))
        .receive_from_nodes(|context, message: Page| receive(context, Any::Page(message)))
        .every(options.interval, tick)
}

/// A node's state.
pub struct Store(Mutex<Inner>);

struct Inner {
    options: Options,
    started: Instant,
    replica: Replica,
    log: Option<Log>,
    /// Keeps other processes away from the log; held as long as this node lives.
    lock: Option<Lock>,
    /// Why this node does not serve any more: its log cannot be written. What
    /// is in memory and not in the log must not be seen by anybody.
    failed: Option<String>,
}

/// Opens the log, if there is a place for it.
async fn open(context: Context<Store>) -> Result<(), Error> {
    let Some(disk) = context.disk() else { return Ok(()) };
    let lock = disk.lock().map_err(Error::crash)?;
    let mut inner = context.state().lock();
    let (fresh, options) = (inner.replica.origin().clone(), inner.options);
    let (log, database) = Log::open(disk, context.id(), fresh, options.fsync, options.bugs)
        .map_err(|error| Error::crash(format_args!("{error:#}")))?;
    let (peers, number) = (context.peers().cloned(), context.new_rng().random());
    inner.replica = Replica::new(log.origin().clone(), database, peers, number, options.bugs);
    inner.log = Some(log);
    inner.lock = Some(lock);
    Ok(())
}

async fn txn(context: Context<Store>, request: Txn) -> Result<Txn, Error> {
    let (txn, is_behind) = {
        let mut inner = context.state().lock();
        (inner.execute(request.txn)?, inner.is_behind())
    };
    if is_behind {
        // All transactions that have arrived by now are flushed as one. Until
        // then not even a read is answered, for it may have seen a write that
        // is not safe yet.
        task::yield_now().await;
        context.state().lock().flush().map_err(Error::crash)?;
    }
    Ok(Txn { txn })
}

async fn receive(context: Context<Store>, message: Any) {
    let messages = context.state().lock().receive(context.source(), message);
    for answer in messages {
        send(&context, context.source(), &answer);
    }
}

async fn tick(context: Context<Store>) {
    let messages = context.state().lock().tick();
    for (peer, message) in messages {
        send(&context, &peer, &message);
    }
}

fn send(context: &Context<Store>, dest: &NodeId, message: &Any) {
    match message {
        Any::Replicate(message) => context.send(dest, message),
        Any::Fetch(message) => context.send(dest, message),
        Any::Page(message) => context.send(dest, message),
    }
}

impl Store {
    fn new(setup: &Setup, options: Options) -> Self {
        let mut rng = setup.new_rng();
        let (origin, number) = (Origin::new(setup.id(), rng.random()), rng.random());
        let database = Database::new(MAX_JOURNAL_BYTES, options.bugs);
        let replica = Replica::new(origin, database, setup.peers().cloned(), number, options.bugs);
        let started = Instant::now();
        Self(Mutex::new(Inner { options, started, replica, log: None, lock: None, failed: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn execute(&mut self, txn: Vec<MicroOp>) -> Result<Vec<MicroOp>, Error> {
        if let Some(problem) = &self.failed {
            return Err(Error::unavailable(problem));
        }
        let answer = self.replica.execute(txn).map_err(Error::malformed)?;
        self.record();
        Ok(answer)
    }

    /// Takes a message; returns what may be answered now.
    fn receive(&mut self, from: &NodeId, message: Any) -> Vec<Any> {
        if self.failed.is_some() {
            return Vec::new();
        }
        let answers = self.replica.receive(from, message, self.started.elapsed());
        self.record();
        match answers.is_empty() || self.flush().is_ok() {
            true => answers,
            false => Vec::new(),
        }
    }

    /// Returns what is to be sent; all that it tells of is safe.
    fn tick(&mut self) -> Vec<(NodeId, Any)> {
        if let Some(log) = self.log.as_mut().filter(|log| log.is_bloated()) {
            let result = log.rewrite(self.replica.database());
            self.note(result);
        }
        if self.flush().is_err() {
            return Vec::new();
        }
        self.replica.tick(self.started.elapsed())
    }

    /// Has what changed go into the log.
    fn record(&mut self) {
        let changes = self.replica.take_changes();
        let Some(log) = &mut self.log else { return };
        let result = match changes {
            _ if changes.snapshot => log.rewrite(self.replica.database()),
            _ if changes.commits.is_empty() => Ok(()),
            _ => log.append(Record::Commits(changes.commits)),
        };
        self.note(result);
    }

    fn is_behind(&self) -> bool {
        self.log.as_ref().is_some_and(Log::is_behind)
    }

    /// Makes everything safe that took effect here.
    fn flush(&mut self) -> Result<(), String> {
        if self.failed.is_none() {
            let result = self.log.as_mut().map_or(Ok(()), Log::flush);
            self.note(result);
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn note(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            let problem = format!("the log cannot be written: {error}");
            tracing::error!("{problem}; this node serves no more, restart it");
            self.failed = Some(problem);
        }
    }
}

#[cfg(test)]
mod node_tests {
    use maelstrom::{Definite, ErrorCode};

    use super::*;
    use crate::log::tests::Directory;

    fn txn(text: &str) -> Vec<MicroOp> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_node_whose_log_cannot_be_written_answers_nothing_and_tells_nobody() {
        let directory = Directory::new();
        let (log, database) = directory.open();
        let peer = NodeId::from("n1");
        let bugs = Bugs::default();
        let replica = Replica::new(log.origin().clone(), database, [peer], 1, bugs);
        let (options, started) = (Options::default(), Instant::now());
        let (log, lock, failed) = (Some(log), None, None);
        let mut inner = Inner { options, started, replica, log, lock, failed };
        inner.execute(txn(r#"[["w",1,1]]"#)).unwrap();
        inner.flush().unwrap();
        assert!(!inner.tick().is_empty(), "it asks its peer who it is");

        inner.log.as_mut().unwrap().fill_disk();
        inner.execute(txn(r#"[["w",1,2]]"#)).unwrap();
        assert!(inner.is_behind(), "so it is not answered yet");
        let problem = inner.flush().unwrap_err();
        assert!(problem.starts_with("the log cannot be written: "), "{problem}");
        let refused = inner.execute(txn(r#"[["r",1,null]]"#)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::from(Definite::TemporarilyUnavailable));
        assert!(inner.flush().is_err() && inner.tick().is_empty());

        let found = directory.open().1;
        let values: Vec<&str> = found.contents().map(|(_, value, _)| value.text()).collect();
        assert_eq!(values, ["1"]);
    }
}
