//! One node of the replicated store, as a [`Machine`].
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
//!    stamp (Lamport time, incarnation) greater than those of all that its node has.
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
//! With a disk, all of this holds across restarts: what a node says after a write, be it a
//! reply or a message, is held back until the record is safe. So nobody has seen what a
//! restart does not find again.
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
//! the versions instead; see `snapshot.rs`. Vectors keep one entry for each incarnation
//! that ever committed something, some 30 bytes in memory and in a snapshot; nothing else grows with history. Messages do not: they tell what is
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

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::Error;
use maelstrom::machine::{Client, Held, Input, Machine, Members, Output, Outputs, Rank, Time};

use crate::Options;
use crate::database::Database;
use crate::effects::Effects;
use crate::injected_bugs::Bug;
use crate::journal::Commit;
use crate::message::{Fetch, Message, Page, Replicate};
use crate::peer::{Peer, View};
use crate::record::{Record, pieces};
use crate::snapshot::{Incoming, Outgoing};
use crate::transaction::{MicroOp, evaluate};
use crate::vector::{Incarnation, Vector};
use crate::waiting::Waiting;

/// See the [module's documentation](self).
pub struct Replica {
    incarnation: Incarnation,
    database: Database,
    peers: BTreeMap<Rank, Peer>,
    waiting: Waiting,
    incoming: Option<Incoming>,
    /// By the node that asked for it.
    outgoing: BTreeMap<Rank, Outgoing>,
    aged: Aged,
    /// What took effect and is to be written. `None` without a disk: it is as safe as it
    /// will be.
    effects: Option<Effects>,
    held: Held<Self>,
    /// Why this node does not serve: its journal is not written. What is in memory and not
    /// on the disk must not be seen by anybody.
    unwritten: Option<String>,
    /// It never will be.
    is_over: bool,
    next_tick: Time,
    /// The next number to ask with, or to name a snapshot by.
    number: u64,
    options: Options,
}

impl Replica {
    /// A node that begins, or continues, this incarnation with what is in `database`, and
    /// writes what took effect if it `is_durable`.
    ///
    /// `number` is random: the numbers that questions are asked with count up
    /// from it, and must not be those of the node's incarnation before a restart.
    pub fn new(
        members: &Members,
        incarnation: Incarnation,
        (database, is_durable): (Database, bool),
        number: u64,
        options: Options,
    ) -> Self {
        Self {
            incarnation,
            database,
            peers: members.others().map(|rank| (rank, Peer::new(options.bugs))).collect(),
            waiting: Waiting::default(),
            incoming: None,
            outgoing: BTreeMap::new(),
            aged: Aged::default(),
            effects: is_durable.then(Effects::default),
            held: Held::default(),
            unwritten: None,
            is_over: false,
            next_tick: options.interval,
            number,
            options,
        }
    }

    /// Its data.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Which incarnation this is.
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// Runs a transaction and commits it. One that is refused has had no effect.
    fn execute(&mut self, client: Client, txn: Vec<MicroOp>, out: &mut Outputs<Self>) {
        if let Some(problem) = &self.unwritten {
            return out.fail(client, Error::unavailable(problem));
        }
        let outcome = match evaluate(txn, |key| self.database.read(key)) {
            Ok(outcome) => outcome,
            // It may tell how much was read, and that may not be safe yet.
            Err(refusal) => return self.held.say(Output::Reply(client, Err(refusal)), out),
        };
        if !outcome.writes.is_empty() {
            let commit = self.database.commit(&self.incarnation, outcome.writes);
            if let Some(effects) = &mut self.effects {
                effects.commit(&self.incarnation, commit);
            }
        }
        self.record(out);
        let reply = Output::Reply(client, Ok(outcome.answer));
        match self.options.bugs.has(Bug::EarlyAnswer) {
            true => out.push(reply),
            // A read may have seen a write that is not safe yet, and waits like one.
            false => self.held.say(reply, out),
        }
    }

    /// Takes a message. Malformed ones are ignored.
    fn receive(&mut self, from: Rank, message: Message, now: Time, out: &mut Outputs<Self>) {
        match message {
            Message::Replicate(message) => self.replicate(from, message, now),
            Message::Fetch(fetch) => self.fetch(from, &fetch, now, out),
            Message::Page(page) => self.page(from, page, now),
        }
        self.record(out);
    }

    fn replicate(&mut self, from: Rank, message: Replicate, now: Time) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if !message.commits.is_well_formed() {
            tracing::warn!(from, "a malformed batch");
            return;
        }
        let (own, database, aged) = (&self.incarnation, &self.database, &self.aged.vector);
        peer.hear(&message, &View { now, own, database, aged });
        if message.pruned && self.incoming.is_none() && !database.have().covers(&message.have) {
            self.incoming = Some(Incoming::begin(from, database.have().clone(), now));
        }
        for (incarnation, commits) in message.commits.0 {
            for commit in commits {
                self.take(&incarnation, commit, now);
            }
        }
        self.apply_ready(now);
    }

    /// Lets a transaction take effect, or has it wait.
    fn take(&mut self, incarnation: &Incarnation, commit: Arc<Commit>, now: Time) {
        if self.database.has(incarnation, &commit) {
            return;
        }
        match self.database.is_ready(incarnation, &commit) {
            true => self.apply(incarnation, commit),
            false => self.waiting.insert(incarnation, commit, now),
        }
    }

    fn apply(&mut self, incarnation: &Incarnation, commit: Arc<Commit>) {
        self.database.apply(incarnation, &commit);
        if let Some(effects) = &mut self.effects {
            effects.commit(incarnation, commit);
        }
    }

    /// Lets transactions take effect until all that are left wait for others.
    fn apply_ready(&mut self, now: Time) {
        while let Some((incarnation, commit)) = self.waiting.pop(&self.database, now) {
            if !self.database.has(&incarnation, &commit) {
                self.apply(&incarnation, commit);
            }
        }
    }

    fn fetch(&mut self, from: Rank, fetch: &Fetch, now: Time, out: &mut Outputs<Self>) {
        let is_served = self.outgoing.get(&from).is_some_and(|snapshot| snapshot.serves(fetch));
        if !is_served && fetch.snapshot.is_none() {
            let id = next(&mut self.number);
            self.outgoing.insert(from, Outgoing::take(id, &self.database, &fetch.have, now));
        }
        let snapshot = self.outgoing.get_mut(&from).filter(|snapshot| snapshot.serves(fetch));
        for page in snapshot.into_iter().flat_map(|snapshot| snapshot.pages(&fetch.pages, now)) {
            self.held.say(Output::Send(from, page.into()), out);
        }
    }

    fn page(&mut self, from: Rank, page: Page, now: Time) {
        if !page.is_well_formed() {
            tracing::warn!(from, "a malformed page");
            return;
        }
        let Some(incoming) = &mut self.incoming else { return };
        incoming.take(from, page, now);
        if let Some((versions, upto, frontier)) = incoming.complete() {
            self.incoming = None;
            self.database.install(&versions, &upto, &frontier);
            if let Some(effects) = &mut self.effects {
                effects.install(versions, upto, frontier);
            }
            self.apply_ready(now);
        }
    }

    /// Says what is due to be said.
    fn tick(&mut self, now: Time, out: &mut Outputs<Self>) {
        if self.options.bugs.has(Bug::TwoSteps) {
            self.database.second_step();
        }
        self.forget();
        self.waiting.expire(now);
        let patience = self.peers.values().map(Peer::patience).max().unwrap_or_default();
        let others = || self.database.have().clone().without(&self.incarnation);
        self.aged.turn(others, patience, now);
        self.outgoing.retain(|_, snapshot| !snapshot.is_over(now));
        self.incoming.take_if(|incoming| incoming.is_over(now));

        self.record(out);
        if let Some(incoming) = &mut self.incoming
            && let Some(fetch) = incoming.request(now)
        {
            self.held.say(Output::Send(incoming.from(), fetch.into()), out);
        }
        let view =
            View { now, own: &self.incarnation, database: &self.database, aged: &self.aged.vector };
        for (&rank, peer) in &mut self.peers {
            if let Some(message) = peer.turn(&view, || next(&mut self.number)) {
                self.held.say(Output::Send(rank, message.into()), out);
            }
        }
    }

    /// Forgets the transactions that everybody has.
    fn forget(&mut self) {
        let mut everywhere = self.database.have().clone();
        for peer in self.peers.values() {
            everywhere.meet(peer.has());
        }
        self.database.forget(&everywhere);
    }

    /// Writes what took effect.
    fn record(&mut self, out: &mut Outputs<Self>) {
        let effects = self.effects.as_mut().map(Effects::take);
        for record in effects.into_iter().flatten() {
            self.held.write(record, out);
        }
    }
}

impl Machine for Replica {
    type Request = Vec<MicroOp>;
    type Reply = Vec<MicroOp>;
    type Message = Message;
    type Call = std::convert::Infallible;
    type Record = Record;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Request(client, txn) => self.execute(client, txn, out),
            Input::Message(from, message) if self.unwritten.is_none() => {
                self.receive(from, message, now, out);
            }
            Input::Written(records) => {
                self.unwritten.take_if(|_| !self.is_over);
                self.held.written(records, out);
            }
            Input::Stalled(error) => {
                self.unwritten = Some(format!("the journal cannot be written now: {error}"));
            }
            Input::WriteFailed(error) => {
                self.is_over = true;
                self.held.fail(&Error::crash(unwritable(&error)), out);
                self.unwritten = Some(unwritable(&error));
            }
            Input::Compact => out.snapshot(pieces(&self.database)),
            Input::GiveUp(client) => self.held.give_up(client, out),
            Input::Start | Input::Message(..) | Input::Returned(..) | Input::Wake => {}
        }
        if self.deadline().is_some_and(|due| due <= now) {
            self.next_tick = now + self.options.interval;
            self.tick(now, out);
        }
    }

    /// Ticks never end: what others lack is found out by looking.
    fn deadline(&self) -> Option<Time> {
        self.unwritten.is_none().then_some(self.next_tick)
    }
}

fn unwritable(error: &std::io::Error) -> String {
    format!("the journal cannot be written until this node is restarted: {error}")
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
