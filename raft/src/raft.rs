//! The node: what happens to it, in which order it is dealt with, and what it shows.
//!
//! Whatever comes in, the same steps follow ([`Raft::proceed`]): timers that are due,
//! what clients wait for, votes, commit, apply, and then what there is to say. A step
//! that finds nothing to do does nothing, so no input has to know what follows from it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use maelstrom::Error;
use maelstrom::machine::{
    self, Client, Input, Machine, Members, Outputs, Rank, RoundTrip, Time, draw_incarnation,
};
use rand::rngs::StdRng;

use crate::changes::Changes;
use crate::commands::Commands;
use crate::founding::Founding;
use crate::outbox::Outbox;
use crate::persistent::Persistent;
use crate::reads::Queries;
use crate::replica::{Incoming, Replica};
use crate::role::{Follower, Role};
use crate::storage;
use crate::{
    Bug, Change, Index, Kept, Log, LogTime, Options, Packet, Part, Reads, Record, Server,
    StateMachine, Term,
};

const CANNOT_WRITE: &str = "this node cannot write";

/// What clients ask.
#[derive(Clone, Debug)]
pub enum Request<C, Q> {
    /// Have all replicas carry this out, once.
    Command(C),
    /// Answer this by a state that is not older than the request.
    Query(Q),
    /// Have this be so of the cluster itself.
    Change(Change),
}

/// What clients are answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<R> {
    /// To a command or a query.
    Response(R),
    /// To a change of the members, or of the leader.
    Changed,
}

/// A node of a cluster that replicates a [`StateMachine`].
///
/// Any node takes any request. See the [crate's documentation](crate).
pub struct Raft<S: StateMachine> {
    pub(crate) me: Rank,
    pub(crate) incarnation: u64,
    /// How many nodes there are, members or not.
    pub(crate) nodes: usize,
    pub(crate) founding: Founding,
    pub(crate) options: Options,
    pub(crate) rng: StdRng,
    pub(crate) now: Time,
    /// Figure 2: persistent state on all servers.
    pub(crate) persistent: Persistent<S::Command>,
    /// Figure 2: volatile state on all servers: `commitIndex`.
    pub(crate) commit: Index,
    /// `lastApplied`, and what was applied.
    pub(crate) replica: Replica<S>,
    /// What has come of a snapshot from the leader.
    pub(crate) incoming: Option<Incoming<S>>,
    pub(crate) role: Role,
    /// The last that was logged of it.
    pub(crate) logged: Option<(Term, &'static str)>,
    pub(crate) commands: Commands<S::Command>,
    pub(crate) queries: Queries<S::Query>,
    pub(crate) changes: Changes,
    /// Whether what it writes is not safe before the disk has room again.
    pub(crate) is_stalled: bool,
    /// How long a follower waits for its leader at least: as the options say, or longer.
    pub(crate) election: Duration,
    /// How long followers take to answer.
    pub(crate) round_trip: RoundTrip,
    /// When a leader was heard last; where leases are given, perhaps by a former incarnation.
    pub(crate) heard: Option<Time>,
    /// When a leader said what the log's time is, and what it said.
    pub(crate) log_time: (Time, LogTime),
    pub(crate) outbox: Outbox<S::Command>,
    pub(crate) out: Outputs<Self>,
}

impl<S: StateMachine> Raft<S> {
    /// A node of a cluster that begins with `members` as its voters and with `machine`, and
    /// what it has kept since then.
    ///
    /// # Errors
    ///
    /// When the last snapshot among the records is none of such a state machine, and when
    /// the options are of no use.
    pub fn new(
        members: &Members,
        mut rng: StdRng,
        machine: S,
        kept: &Kept<S::Command>,
        options: Options,
    ) -> Result<Self, Error> {
        let nodes = members.count();
        options.check(nodes)?;
        let ids = (0..nodes).map(|rank| members.id(rank).clone()).collect();
        let (persistent, snapshot) = Persistent::replay(ids, kept)?;
        let unreadable = |error| Error::crash(format_args!("unreadable snapshot: {error}"));
        let replica = Replica::new(machine, snapshot).map_err(unreadable)?;
        let may_have_heard = options.reads == Reads::Lease && !kept.records.is_empty();
        let bugs = options.bugs;
        let incarnation = if bugs.has(Bug::VoteWithAmnesia) { 1 } else { kept.incarnation };
        let first = if bugs.has(Bug::ReuseReadNumbers) { 0 } else { draw_incarnation(&mut rng) };
        let mut raft = Self {
            me: members.me(),
            incarnation,
            nodes,
            founding: Founding::default(),
            rng,
            now: Time::ZERO,
            persistent,
            commit: replica.applied,
            replica,
            incoming: None,
            role: Role::Follower(Follower::of(None, Index::ZERO, Time::MAX)),
            logged: None,
            commands: Commands::new(),
            queries: Queries::new(first),
            changes: Changes::default(),
            is_stalled: false,
            election: options.election,
            round_trip: RoundTrip::default(),
            heard: may_have_heard.then_some(Time::ZERO),
            log_time: (Time::ZERO, LogTime::default()),
            outbox: Outbox::new(options.pace),
            out: Outputs::default(),
            options,
        };
        if kept.records.is_empty() {
            raft.persistent.begin();
        }
        Ok(raft)
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.persistent.term()
    }

    /// As which server it votes, and is counted where it is a voter.
    pub fn server(&self) -> Server {
        Server { rank: self.me, incarnation: self.incarnation }
    }

    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Who leads in the current term, if this node knows.
    pub fn leader(&self) -> Option<Rank> {
        match &self.role {
            Role::Leader(_) => Some(self.me),
            Role::Follower(follower) => follower.leader.map(|leader| leader.rank),
            Role::Candidate(_) | Role::Halted => None,
        }
    }

    /// Whether it takes part in nothing any more, because a record could not be written.
    pub fn is_halted(&self) -> bool {
        matches!(self.role, Role::Halted)
    }

    /// The log.
    pub fn log(&self) -> &Log<S::Command> {
        self.persistent.log()
    }

    /// Up to where this node knows that all is committed.
    pub fn commit_index(&self) -> Index {
        self.commit
    }

    /// Up to where the state machine has got.
    pub fn applied_index(&self) -> Index {
        self.replica.applied
    }

    /// The state machine.
    pub fn machine(&self) -> &S {
        &self.replica.machine
    }

    /// The sessions of clients and the state machine, as text. Nodes that have applied as
    /// much have the same.
    ///
    /// # Errors
    ///
    /// When the state machine has no JSON form.
    pub fn image(&self) -> serde_json::Result<String> {
        let parts = self.replica.image(self.options.chunk_bytes);
        parts.map(|part| Ok(part?.text.to_string())).collect()
    }

    fn take(&mut self, input: Input<Self>) {
        match input {
            Input::Start => {
                self.become_follower(None);
                self.start_founding();
            }
            Input::Request(client, Request::Command(command)) => match storage::check(&command) {
                Ok(()) => self.commands.add(client, command),
                Err(error) => self.out.fail(client, error),
            },
            Input::Request(client, Request::Query(query)) => self.queries.add(client, query),
            Input::Request(client, Request::Change(change)) => self.want(client, change),
            Input::GiveUp(client) => self.give_up(client),
            // What it seems to have said to itself somebody else has.
            Input::Message(from, _) if from == self.me => {}
            Input::Message(from, packet) => self.receive(from, packet),
            Input::Written(records) => self.written(records),
            Input::Returned(tag, _) => match tag {},
            Input::Stalled(_) => self.is_stalled = true,
            Input::Compact | Input::WriteFailed(_) | Input::Wake => {}
        }
    }

    fn proceed(&mut self) {
        match self.role.election_at() {
            Some(at) if at <= self.now => self.stand_for_election(),
            _ => self.lead(),
        }
        self.advance_founding();
        self.count_votes();
        self.ask_for_votes();
        self.send_requests();
        self.send_changes();
        self.advance_commit();
        self.advance_change();
        self.advance_handover();
        self.compact();
        self.apply();
        self.confirm_reads();
        self.tell_who_waits();
        self.answer_queries();
        self.flush();
    }

    /// Figure 2, all servers: who hears of a later term goes over to it as a follower; what
    /// comes from a former term is refused.
    fn receive(&mut self, from: Rank, packet: Packet<S::Command>) {
        let server = Server { rank: from, incarnation: packet.incarnation };
        if packet.term > self.term() {
            if self.is_disruptive(&packet) {
                return;
            }
            self.persistent.set_vote(packet.term, None);
            self.become_follower(None);
        }
        if packet.term < self.term() {
            let wants_answer = |part: &Part<_>| {
                !matches!(part, Part::Vote(..) | Part::Appended(_) | Part::Received(_))
            };
            if packet.parts.iter().any(wants_answer) {
                self.outbox.outgoing(from, self.now);
                self.tell_beginning(from);
            }
            return;
        }
        self.take_in(server);
        if let Role::Leader(leader) = &mut self.role
            && let Some(peer) = leader.peer_mut(server)
        {
            peer.heard = self.now;
        }
        for part in packet.parts {
            // One of them may have begun another term, in which the rest says nothing.
            if packet.term == self.term() {
                self.hear(server, part);
            }
        }
    }

    fn hear(&mut self, from: Server, part: Part<S::Command>) {
        if matches!(part, Part::Propose(_) | Part::Change(..) | Part::Read(_) | Part::Seek) {
            self.host(from);
        }
        match part {
            Part::Hello(hello) => self.take_hello(from, hello),
            Part::Begun => self.take_begun(),
            Part::Found(founders) => self.take_founders(founders),
            Part::RequestVote(request) => self.consider_vote(from, request),
            Part::Vote(ballot, candidate) => self.take_vote(from, ballot, candidate),
            Part::Append(append) => self.take_append(from, append),
            Part::Appended(appended) => self.take_acknowledgement(from, &appended),
            Part::Chunk(chunk) => self.take_chunk(from.rank, chunk),
            Part::Received(received) => self.take_received(from, &received),
            Part::Propose(proposals) => self.propose(from.rank, proposals),
            Part::Change(before, change) => self.begin_change(before, &change),
            Part::Seek => {}
            Part::LeadNow => self.lead_now(),
            Part::Read(number) => self.begin_read(from, number),
            Part::ReadAt(number, index) => self.queries.may_read_at(number, index),
        }
    }

    fn written(&mut self, records: u64) {
        self.is_stalled = false;
        let before = self.persistent.safe();
        self.persistent.written(records);
        let safe = self.persistent.safe();
        if let Role::Follower(Follower { leader: Some(leader), owes, .. }) = &mut self.role
            && owes.is_some()
            && before < safe
        {
            *owes = owes.filter(|&owed| safe < owed);
            self.outbox.acknowledge(leader.rank, self.now);
        }
    }

    pub(crate) fn become_follower(&mut self, leader: Option<Server>) {
        let election_at = self.now + self.election_timeout();
        self.set_role(Role::Follower(Follower::of(leader, self.commit, election_at)));
    }

    /// What could not be written may be lost, and was perhaps promised: this node says
    /// nothing any more, and nobody who waits will hear more from it.
    pub(crate) fn halt(&mut self, error: &io::Error) {
        tracing::error!(%error, "this node takes part no more");
        self.set_role(Role::Halted);
        let waiting: Vec<Client> = self.clients().collect();
        waiting.into_iter().for_each(|client| self.give_up(client));
    }

    /// All clients of this node that wait.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> {
        let waiting = self.commands.clients().chain(self.queries.clients());
        waiting.chain(self.changes.clients())
    }

    fn give_up(&mut self, client: Client) {
        let error = match (self.commands.give_up(client), self.queries.give_up(client)) {
            _ if self.changes.give_up(client) => Error::timeout("it may become so yet"),
            (Some(true), _) => Error::timeout("it may have been carried out, or may yet be"),
            _ if matches!(self.role, Role::Halted) => Error::unavailable(CANNOT_WRITE),
            _ if self.leader().is_none() => Error::unavailable(self.why_not_begun()),
            _ => Error::unavailable("the leader did not answer in time"),
        };
        self.out.fail(client, error);
    }
}

impl<S: StateMachine> Machine for Raft<S> {
    type Request = Request<S::Command, S::Query>;
    type Reply = Reply<S::Response>;
    type Message = Packet<S::Command>;
    type Call = Infallible;
    type Record = Record<S::Command>;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        self.now = now;
        let is_bloated = matches!(input, Input::Compact);
        std::mem::swap(&mut self.out, out);
        match (&self.role, input) {
            (Role::Halted, Input::Request(client, _)) => {
                self.out.fail(client, Error::unavailable(CANNOT_WRITE));
            }
            // Whoever waited was answered when it halted.
            (Role::Halted, _) => {}
            (_, Input::WriteFailed(error)) => self.halt(&error),
            (_, input) => {
                self.take(input);
                if !matches!(self.role, Role::Halted) {
                    self.proceed();
                }
            }
        }
        std::mem::swap(&mut self.out, out);
        self.persistent.take_unwritten().into_iter().for_each(|record| out.write(record));
        // What has come of a snapshot is in the records, and in no other place.
        if is_bloated && self.incoming.is_none() {
            let (snapshot, image) = self.snapshot();
            let records = self.persistent.checkpoint(snapshot, image);
            out.snapshot(records.map(|record| machine::Record::encode(&record?)));
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.next_timer()
    }
}
