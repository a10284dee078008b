//! One node's part in the log, as a state machine: events in, commands out.
//!
//! It decides what to append when, which register to read next, what to tell the
//! peers, and when to step in for a peer that is silent. Three parts do most of
//! the work: a [`Sequence`] for each partition brings its segments in order, the
//! [`Replica`] says what they come to, the [`Queue`] gathers requests. The
//! protocol and the argument for it are on the [crate's front page](crate).
//!
//! Always: at most one segment of the own partition is being proposed, so the next one
//! has seen it; a request is answered when its segment is decided and is the
//! node's own (earlier only with `--ack-early`); a segment is proposed for a partition
//! only when all is applied that its predecessor had seen.
//!
//! - [`follow`]: reading the partitions, and stepping in for their owners.
//! - [`append`]: the own partition.
//! - [`snapshots`]: what a node begins with, and what it leaves for those after it.
//! - [`spread`]: telling neighbours, and what to do when they are silent.
//!
//! After every event its host calls [`Log::advance`], carries out the commands, and calls
//! it again at [`Log::deadline`].

mod append;
mod follow;
mod snapshots;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::sync::Arc;

use maelstrom::NodeId;
use maelstrom::machine::Time;
use serde_json::value::RawValue;

use self::snapshots::Snapshots;
use crate::announce::{Recent, Segments};
use crate::failure_detector::Waiting;
use crate::neighbour::Neighbour;
use crate::options::Options;
use crate::pace::Pace;
use crate::poll;
use crate::queue::{Entry, Queue, Ticket, Work};
use crate::replica::Replica;
use crate::retention;
use crate::sequence::Sequence;
use crate::snapshot::Part;
use crate::tree;

/// A register in the service, written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Register {
    /// The segment of this partition with this index.
    Segment(usize, u64),
    /// The head of the snapshot with this index.
    Snapshot(u64),
    /// What snapshots are made of.
    Part(Part),
}

/// The register's key in the service.
impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Segment(partition, index) => write!(f, "segment/{partition}/{index}"),
            Register::Snapshot(index) => write!(f, "snapshot/{index}"),
            Register::Part(Part(incarnation, index)) => {
                write!(f, "part/{incarnation:016x}/{index}")
            }
        }
    }
}

/// What the host has to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Read a register and report with [`Log::found`].
    Read(Register),
    /// Write a register unless it is written, and report what it says then, for
    /// good, with [`Log::decided`].
    Propose(Register, Arc<str>),
    /// Send this to a node.
    Announce(usize, Segments),
    /// Answer the request that this ticket stands for.
    Answer(Ticket, Answer),
    /// Tell a person that this node refuses to go on.
    Alarm(String),
    /// Tell a person of something that it can do without.
    Warn(String),
}

/// The answer to a request that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The message has this offset.
    Sent(u64),
    /// The offsets are committed.
    Committed,
}

/// Nothing was or will be appended: too much is waiting, or the log is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(&'static str);

/// How far the node has come since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It reads what there is.
    Recovering,
    /// It takes its partition for itself, so that what a former incarnation may still have
    /// under way comes to nothing.
    Claiming,
    /// It serves.
    Serving,
    /// It has met something that should not be. It stays what it is.
    Broken,
}

/// A partition, as this node reads it.
#[derive(Debug, Default)]
struct Source {
    segments: Sequence,
    waiting: Waiting,
    /// This node is proposing a segment of it, though it is not its owner.
    filling: bool,
}

/// A segment of the own partition that is being proposed.
#[derive(Debug)]
struct InFlight {
    index: u64,
    text: Arc<str>,
    entries: Vec<(Entry, Answer)>,
    since: Time,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Log {
    me: usize,
    options: Options,
    /// Names this incarnation of this node.
    incarnation: String,
    pace: Pace,
    phase: Phase,
    sources: Vec<Source>,
    replica: Replica,
    queue: Queue,
    /// What the queue's segment will have seen, where offsets are acknowledged early.
    acknowledged_after: Vec<u64>,
    in_flight: Option<InFlight>,
    /// How many segments this incarnation has made up.
    count: u64,
    neighbours: Vec<Neighbour>,
    /// By partition, what some neighbour is yet to be told of.
    recent: Vec<Recent>,
    /// Something was applied since it was last noted which partitions are waited for.
    is_stale: bool,
    /// When to look what can be dropped.
    retain_at: Time,
    /// A peer was wrong; see [`follow`].
    is_wary: bool,
    snapshots: Snapshots,
    /// Parts of snapshots that are being read for polls.
    fetching: BTreeSet<Part>,
    /// How many were.
    loaded: u64,
    commands: Vec<Command>,
    deadline: Option<Time>,
}

impl Log {
    /// The log of node `me` of so many, in an incarnation that begins now.
    pub(crate) fn new(me: usize, partitions: usize, incarnation: String, options: Options) -> Self {
        let sources = (0..partitions).map(|_| Source::default()).collect();
        let snapshots = Snapshots::new(&incarnation);
        let mut log = Self {
            me,
            options,
            incarnation,
            phase: Phase::Recovering,
            sources,
            replica: Replica::new(partitions, options),
            queue: Queue::default(),
            acknowledged_after: Vec::new(),
            in_flight: None,
            count: 0,
            neighbours: tree::neighbours(me, partitions)
                .into_iter()
                .map(|(node, partitions)| Neighbour::new(node, partitions))
                .collect(),
            recent: (0..partitions).map(|_| Recent::default()).collect(),
            is_stale: true,
            retain_at: Time::ZERO,
            is_wary: false,
            snapshots,
            fetching: BTreeSet::new(),
            loaded: 0,
            commands: Vec::new(),
            deadline: None,
            pace: Pace::new(partitions, options.ack_early),
        };
        log.seek();
        log
    }

    /// Whether the node has caught up with all that was there when its incarnation
    /// began. Before, nothing may be asked of it.
    pub(crate) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// When to call [`Log::advance`] next if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// A client asked for something.
    pub(crate) fn heard_from(&mut self, now: Time, client: &NodeId) {
        self.queue.heard_from(now, client);
    }

    /// Appends a message.
    pub(crate) fn send(
        &mut self,
        now: Time,
        ticket: Ticket,
        client: NodeId,
        key: String,
        message: Box<RawValue>,
    ) -> Result<(), Refused> {
        let mut work = Work::Send { key, message, offset: None };
        self.admit(&work)?;
        if let (true, Work::Send { key, offset, .. }) = (self.options.ack_early, &mut work) {
            self.acknowledge_early();
            let next = self.replica.next_offset(self.me, key);
            *offset = Some(next);
            self.answer(Some(ticket), Answer::Sent(next));
        }
        self.enqueue(now, ticket, client, work);
        Ok(())
    }

    /// Appends that these offsets are processed; `false` when that is no news, which needs
    /// no answer.
    pub(crate) fn commit(
        &mut self,
        now: Time,
        ticket: Ticket,
        client: NodeId,
        mut offsets: BTreeMap<String, u64>,
    ) -> Result<bool, Refused> {
        offsets.retain(|key, offset| self.replica.committed(key).is_none_or(|at| at < *offset));
        if offsets.is_empty() {
            return Ok(false);
        }
        let work = Work::Commit(offsets);
        self.admit(&work)?;
        if let (true, Work::Commit(offsets)) = (self.options.ack_early, &work) {
            self.acknowledge_early();
            for (key, &offset) in offsets {
                self.replica.commit(key, offset);
            }
            self.answer(Some(ticket), Answer::Committed);
        }
        self.enqueue(now, ticket, client, work);
        Ok(true)
    }

    /// The one who waited for this gives up. Whether it is certain that the
    /// request was not and will not be appended.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> bool {
        if self.queue.withdraw(ticket) {
            return true;
        }
        let entries = self.in_flight.iter_mut().flat_map(|in_flight| &mut in_flight.entries);
        for (entry, _) in entries {
            if entry.ticket == Some(ticket) {
                entry.ticket = None;
            }
        }
        false
    }

    /// A page of the messages that may be shown, from these offsets on; none when some
    /// of them have to be read first, which begins then.
    pub(crate) fn poll(
        &mut self,
        offsets: &BTreeMap<String, u64>,
    ) -> serde_json::Result<Option<Box<RawValue>>> {
        let missing = match poll::page(&self.replica, offsets)? {
            Ok(page) => return Ok(Some(page)),
            Err(missing) => missing,
        };
        // Those that are being read may be enough.
        if missing.iter().all(|part| !self.fetching.contains(part)) {
            self.fetching.extend(&missing);
            let parts: BTreeSet<Part> = missing.into_iter().collect();
            self.commands.extend(parts.into_iter().map(|part| Command::Read(Register::Part(part))));
        }
        Ok(None)
    }

    /// How many parts were read for polls.
    pub(crate) fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Up to which offset messages of a key were processed.
    pub(crate) fn committed(&self, key: &str) -> Option<u64> {
        self.replica.committed(key)
    }

    /// What the partitions come to.
    #[cfg(test)]
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// A register was read.
    pub(crate) fn found(&mut self, register: Register, text: Option<Arc<str>>) {
        match register {
            Register::Segment(partition, index) => {
                self.sources[partition].segments.answer(index, text);
            }
            Register::Snapshot(index) => self.found_snapshot(index, text),
            Register::Part(part) => self.found_part(part, text),
        }
    }

    /// A register says this for good.
    pub(crate) fn decided(&mut self, now: Time, register: Register, text: &Arc<str>) {
        match register {
            Register::Snapshot(index) => self.proposed(index, text),
            Register::Part(part) => self.wrote_part(part, text),
            Register::Segment(partition, index) => {
                self.sources[partition].segments.decide(index, Arc::clone(text));
                if partition == self.me {
                    self.decided_own(now, index, text);
                } else {
                    self.sources[partition].filling = false;
                }
            }
        }
    }

    /// Does what is to be done by now.
    pub(crate) fn advance(&mut self, now: Time) -> Vec<Command> {
        self.deadline = None;
        self.catch_up();
        self.begin_to_serve(now);
        self.watch(now);
        if self.is_serving() {
            self.probe(now);
        }
        self.read();
        self.append(now);
        if self.is_serving() {
            self.fill(now);
            self.announce(now);
            self.retain(now);
            self.snapshot();
        }
        mem::take(&mut self.commands)
    }

    fn retain(&mut self, now: Time) {
        if self.options.retain.is_on() && self.is_due(now, self.retain_at) {
            self.replica.retain(now, &self.options.retain);
            self.retain_at = now + retention::EVERY;
            self.is_due(now, self.retain_at);
        }
    }

    fn admit(&self, work: &Work) -> Result<(), Refused> {
        if !self.is_serving() {
            return Err(Refused("this node cannot append now"));
        }
        if !self.queue.has_room_for(work) {
            return Err(Refused("too many messages are waiting here to be written"));
        }
        Ok(())
    }

    /// What is answered from here on comes after what was applied when the queue
    /// was opened, and its segment must not claim to have seen more.
    fn acknowledge_early(&mut self) {
        if self.queue.is_empty() {
            self.acknowledged_after = self.replica.applied();
        }
    }

    fn enqueue(&mut self, now: Time, ticket: Ticket, client: NodeId, work: Work) {
        let ticket = (!self.options.ack_early).then_some(ticket);
        self.queue.push(now, Entry { ticket, client, work });
    }

    fn answer(&mut self, ticket: Option<Ticket>, answer: Answer) {
        self.commands.extend(ticket.map(|ticket| Command::Answer(ticket, answer)));
    }

    /// Whether it is `at` yet; if not, [`Log::deadline`] will say so.
    fn is_due(&mut self, now: Time, at: Time) -> bool {
        if now < at {
            self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
        }
        now >= at
    }

    /// A signature that no segment had before.
    fn sign(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.incarnation, self.count)
    }

    fn encoded(&mut self, text: serde_json::Result<String>) -> Option<Arc<str>> {
        match text {
            Ok(text) => Some(text.into()),
            Err(error) => {
                self.phase = Phase::Broken;
                self.commands.push(Command::Alarm(format!("a segment has no JSON form: {error}")));
                None
            }
        }
    }
}
