//! One node of the replicated store, as a state machine: transactions and
//! messages and ticks in, messages and records for the log out.
//!
//! # What is promised
//!
//! Every transaction commits at once on the node that got it, whatever the
//! network does: *total availability*. All nodes that can reach one another,
//! directly or by way of others, come to the same state. And what transactions
//! read is *read atomic* and *causally consistent*. That is as much as total
//! availability allows, real time aside ([Bailis et al., Highly Available
//! Transactions][hat], 2013; [Bailis et al., RAMP][ramp], 2014; [Mahajan et
//! al., Consistency, Availability, and Convergence][cac], 2011).
//!
//! # Why it holds
//!
//! Say that a node *has* a transaction from when it took effect there.
//!
//! 1. A transaction runs in one step on what its node has, and commits with a
//!    stamp (Lamport time, origin) greater than those of all that its node has.
//!    So stamps order transactions totally, and grow along happens-before.
//! 2. The set that a node has is closed under happens-before. A transaction
//!    carries what its node had, and takes effect elsewhere only where all of
//!    that is had. A snapshot stands for all that another node has, a closed
//!    set, and the union of closed sets is closed.
//! 3. A key reads as the write with the greatest stamp among those had. A
//!    transaction takes effect in one step, and so does a snapshot. So a
//!    transaction reads the state that a closed set of whole transactions comes
//!    to. This is read atomic (a transaction that saw one write of another sees
//!    all of its writes, or later ones) and causal (it sees all that those whom
//!    it read from saw).
//! 4. Sets only grow, and clients stay with their node: reads are monotonic and
//!    see the client's own writes.
//! 5. Write order on each key is stamp order, and a reader's stamp is greater
//!    than those it read from, by 1. So write-write and write-read edges lead
//!    from smaller stamps to greater ones: no cycle of them, no G0 and no G1c.
//!    G1a cannot be, for nothing aborts; G1b neither, for a transaction commits
//!    only its last write to each key.
//! 6. The state depends on the set alone, not on the order in which it came
//!    about. Equal sets, equal states.
//!
//! Lost updates and write skew are allowed: to forbid them, one side of a
//! partition would have to wait.
//!
//! # How transactions travel
//!
//! Every tick, a node sends each peer its own new transactions in one message,
//! which acknowledges the peer's as well; see `peer.rs` for when else it speaks.
//! A peer that was found to lack what others should have sent it gets those
//! transactions, too, until it gets them itself again: whatever path there is
//! is used. A transaction that comes before what it depends on waits. What all
//! nodes have is forgotten, except for each key's last version. Whoever lacks
//! something forgotten (its disk is lost, or it was away for too long) is sent
//! the versions instead; see `snapshot.rs`. Vectors keep one entry for each life
//! that ever committed something, some 30 bytes in memory, in a snapshot and where a
//! log begins anew; nothing else grows with history. Messages do not: they tell what is
//! new in a vector since what the receiver knows, and a transaction names as its past
//! the frontier of what its node had, which stands for the rest.
//!
//! This is Bayou's anti-entropy ([Petersen et al., 1997][bayou]), pushed ahead of
//! acknowledgements, with the dependencies of causal broadcast where Bayou needs
//! sessions.
//!
//! [hat]: https://www.vldb.org/pvldb/vol7/p181-bailis.pdf
//! [ramp]: https://doi.org/10.1145/2588555.2588562
//! [cac]: https://www.cs.utexas.edu/ftp/techreports/tr-2036.pdf
//! [bayou]: https://dl.acm.org/doi/10.1145/268998.266711

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::NodeId;

use crate::database::Database;
use crate::injected_bugs::{Bug, Bugs};
use crate::journal::{Batch, Commit};
use crate::message::{Any, Fetch, Page, Replicate};
use crate::peer::{Peer, View};
use crate::snapshot::{Incoming, Outgoing};
use crate::transaction::{MicroOp, Refusal, evaluate};
use crate::vector::{Origin, Vector};
use crate::waiting::Waiting;

/// What changed since the log was last told.
#[derive(Debug, Default)]
pub struct Changes {
    /// Transactions that took effect.
    pub commits: Batch,
    /// A snapshot took effect: the log is to be written anew.
    pub snapshot: bool,
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Replica {
    origin: Origin,
    database: Database,
    peers: Vec<Peer>,
    waiting: Waiting,
    incoming: Option<Incoming>,
    /// By the peer that asked for it.
    outgoing: Vec<(NodeId, Outgoing)>,
    aged: Aged,
    changes: Changes,
    /// The next number to ask with, or to name a snapshot by.
    number: u64,
    bugs: Bugs,
}

impl Replica {
    /// A node that begins, or continues, this life with what is in `database`.
    ///
    /// `number` is random: the numbers that questions are asked with count up
    /// from it, and must not be those of the node's life before a restart.
    pub fn new(
        origin: Origin,
        database: Database,
        peers: impl IntoIterator<Item = NodeId>,
        number: u64,
        bugs: Bugs,
    ) -> Self {
        Self {
            origin,
            database,
            peers: peers.into_iter().map(|id| Peer::new(id, bugs)).collect(),
            waiting: Waiting::default(),
            incoming: None,
            outgoing: Vec::new(),
            aged: Aged::default(),
            changes: Changes::default(),
            // JSON integers beyond this are not exact everywhere.
            number: number >> 12,
            bugs,
        }
    }

    /// Its data.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Which life this is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Runs a transaction and commits it.
    ///
    /// # Errors
    ///
    /// When it is malformed, or exceeds a limit; then nothing has happened.
    pub fn execute(&mut self, txn: Vec<MicroOp>) -> Result<Vec<MicroOp>, Refusal> {
        let outcome = evaluate(txn, |key| self.database.read(key))?;
        if !outcome.writes.is_empty() {
            let commit = self.database.commit(&self.origin, outcome.writes);
            self.changes.commits.push(&self.origin, commit);
        }
        Ok(outcome.answer)
    }

    /// Takes a message; returns what to answer at once. Messages from anybody
    /// who is not a peer, and malformed ones, are ignored.
    pub fn receive(&mut self, from: &NodeId, message: Any, now: Duration) -> Vec<Any> {
        let Some(index) = self.peers.iter().position(|peer| peer.id == *from) else {
            tracing::debug!(%from, "a message of nodes from somebody else");
            return Vec::new();
        };
        match message {
            Any::Replicate(message) => {
                self.replicate(index, message, now);
                Vec::new()
            }
            Any::Fetch(fetch) => self.fetch(from, &fetch, now),
            Any::Page(page) => {
                self.page(from, page, now);
                Vec::new()
            }
        }
    }

    fn replicate(&mut self, index: usize, message: Replicate, now: Duration) {
        if !message.commits.is_well_formed() {
            tracing::warn!(from = %self.peers[index].id, "a malformed batch");
            return;
        }
        let (origin, database, aged) = (&self.origin, &self.database, &self.aged.vector);
        self.peers[index].hear(&message, &View { now, own: origin, database, aged });
        if message.pruned && self.incoming.is_none() && !database.have().covers(&message.have) {
            let from = self.peers[index].id.clone();
            self.incoming = Some(Incoming::begin(from, database.have().clone(), now));
        }
        for (origin, commits) in message.commits.0 {
            for commit in commits {
                self.take(&origin, commit, now);
            }
        }
        self.settle(now);
    }

    /// Lets a transaction take effect, or has it wait.
    fn take(&mut self, origin: &Origin, commit: Arc<Commit>, now: Duration) {
        if self.database.has(origin, &commit) {
            return;
        }
        match self.database.is_ready(origin, &commit) {
            true => self.apply(origin, commit),
            false => self.waiting.insert(origin, commit, now),
        }
    }

    fn apply(&mut self, origin: &Origin, commit: Arc<Commit>) {
        self.database.apply(origin, &commit);
        self.changes.commits.push(origin, commit);
    }

    /// Lets transactions take effect until all that are left wait for others.
    fn settle(&mut self, now: Duration) {
        while let Some((origin, commit)) = self.waiting.pop(&self.database, now) {
            if !self.database.has(&origin, &commit) {
                self.apply(&origin, commit);
            }
        }
    }

    fn fetch(&mut self, from: &NodeId, fetch: &Fetch, now: Duration) -> Vec<Any> {
        let serves = |(peer, snapshot): &(NodeId, Outgoing)| peer == from && snapshot.serves(fetch);
        if !self.outgoing.iter().any(serves) && fetch.snapshot.is_none() {
            self.outgoing.retain(|(peer, _)| peer != from);
            let id = self.draw();
            let snapshot = Outgoing::take(id, &self.database, &fetch.have, now);
            self.outgoing.push((from.clone(), snapshot));
        }
        let snapshot = self.outgoing.iter_mut().find(|entry| serves(entry));
        let pages = snapshot.map(|(_, snapshot)| snapshot.pages(&fetch.pages, now));
        pages.unwrap_or_default().into_iter().map(Any::Page).collect()
    }

    fn page(&mut self, from: &NodeId, page: Page, now: Duration) {
        if !page.is_well_formed() {
            tracing::warn!(%from, "a malformed page");
            return;
        }
        let Some(incoming) = &mut self.incoming else { return };
        incoming.take(from, page, now);
        if let Some((versions, upto, frontier)) = incoming.complete() {
            self.incoming = None;
            self.database.install(&versions, &upto, &frontier);
            self.changes.snapshot = true;
            self.settle(now);
        }
    }

    /// Says what is due to be said. To be called about every 50 ms.
    pub fn tick(&mut self, now: Duration) -> Vec<(NodeId, Any)> {
        if self.bugs.has(Bug::TwoSteps) {
            self.database.second_step();
        }
        self.forget();
        self.waiting.expire(now);
        let patience = self.peers.iter().map(Peer::patience).max().unwrap_or_default();
        let others = || self.database.have().clone().without(&self.origin);
        self.aged.turn(others, patience, now);
        self.outgoing.retain(|(_, snapshot)| !snapshot.is_over(now));
        self.incoming.take_if(|incoming| incoming.is_over(now));

        let mut messages = Vec::new();
        if let Some(incoming) = &mut self.incoming
            && let Some(fetch) = incoming.request(now)
        {
            messages.push((incoming.from().clone(), Any::Fetch(fetch)));
        }
        let Self { origin, database, peers, aged, number, .. } = self;
        let view = View { now, own: origin, database, aged: &aged.vector };
        for peer in peers {
            if let Some(message) = peer.turn(&view, || next(number)) {
                messages.push((peer.id.clone(), Any::Replicate(message)));
            }
        }
        messages
    }

    /// Forgets the transactions that everybody has.
    fn forget(&mut self) {
        let mut everywhere = self.database.have().clone();
        for peer in &self.peers {
            everywhere.meet(peer.has());
        }
        self.database.forget(&everywhere);
    }

    /// What is to be written to the log; each change is returned once.
    pub fn take_changes(&mut self) -> Changes {
        mem::take(&mut self.changes)
    }

    fn draw(&mut self) -> u64 {
        next(&mut self.number)
    }
}

fn next(number: &mut u64) -> u64 {
    *number += 1;
    *number
}

/// What a node has had of others for at least so long, and at most twice that.
#[derive(Debug, Default)]
struct Aged {
    vector: Vector,
    younger: Vector,
    turned: Duration,
}

impl Aged {
    fn turn(&mut self, others: impl FnOnce() -> Vector, period: Duration, now: Duration) {
        if now >= self.turned + period {
            self.turned = now;
            self.vector = mem::replace(&mut self.younger, others());
        }
    }
}
