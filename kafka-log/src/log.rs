//! One node's part in the log, as a state machine: events in, commands out.
//!
//! It decides what to append when, which register to read next, what to tell the
//! peers, and when to step in for a peer that is silent. Three parts do most of
//! the work: a [`Sequence`] for each lane brings its segments in order, the
//! [`Replica`] says what they come to, the [`Queue`] gathers requests. The
//! protocol and the argument for it are on the [crate's front page](crate).
//!
//! Always: at most one segment of the own lane is being settled, so the next one
//! has seen it; a request is answered when its segment is settled and is the
//! node's own (earlier only with `--ack-early`); a segment is proposed for a lane
//! only when all is applied that its predecessor had seen.
//!
//! Time is that since the node's life began. After every event the host calls
//! [`Log::pump`], carries out the commands, and calls it again at [`Log::wake`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::NodeId;
use serde_json::value::RawValue;

use crate::archive::Archive;
use crate::pace::Pace;
use crate::push::{Pushes, Segments};
use crate::queue::{Entry, Queue, Work};
use crate::replica::Replica;
use crate::segment::{Chunk, Segment};
use crate::sequence::Sequence;
use crate::silence::Silence;

/// Since the node's life began.
pub(crate) type Time = Duration;

/// Stands for a request that waits for its answer.
pub(crate) type Ticket = u64;

/// A register in the service, written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Register {
    /// The segment of this lane with this index.
    Segment(usize, u64),
    /// The chunk of this lane with this index.
    Chunk(usize, u64),
}

/// The register's key in the service.
impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Segment(lane, index) => write!(f, "segment/{lane}/{index}"),
            Register::Chunk(lane, index) => write!(f, "chunk/{lane}/{index}"),
        }
    }
}

/// What the host has to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Read a register and report with [`Log::found`].
    Read(Register),
    /// Write a register unless it is written, and report what it says then, for
    /// good, with [`Log::settled`].
    Settle(Register, Arc<str>),
    /// Send this to all peers.
    Push(Segments),
    /// Answer the request that this ticket stands for.
    Answer(Ticket, Answer),
    /// Tell a person.
    Alarm(String),
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

/// How far the node has come since its life began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It reads what there is.
    Recovering,
    /// It takes its lane for itself, so that what a former life may still have
    /// under way comes to nothing.
    Claiming,
    /// It serves.
    Serving,
    /// It has met something that should not be. It stays what it is.
    Broken,
}

/// A lane, as this node reads it.
#[derive(Debug, Default)]
struct Source {
    chunks: Sequence,
    segments: Sequence,
    silence: Silence,
    /// This node is settling a segment of it, though it is not its owner.
    filling: bool,
}

/// A segment of the own lane that is being settled.
#[derive(Debug)]
struct Flight {
    index: u64,
    text: Arc<str>,
    entries: Vec<(Entry, Answer)>,
    since: Time,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Log {
    me: usize,
    /// Names this life of this node.
    life: String,
    pace: Pace,
    phase: Phase,
    sources: Vec<Source>,
    replica: Replica,
    queue: Queue,
    /// What the queue's segment will have seen, where offsets are promised.
    promised_after: Vec<u64>,
    flight: Option<Flight>,
    /// How many segments this life has made up.
    count: u64,
    tickets: Ticket,
    pushes: Pushes,
    archive: Archive,
    commands: Vec<Command>,
    wake: Option<Time>,
}

impl Log {
    /// The log of node `me`, in a life that begins now.
    pub(crate) fn new(me: usize, life: String, pace: Pace) -> Self {
        let lanes = pace.nodes;
        let mut sources: Vec<Source> = (0..lanes).map(|_| Source::default()).collect();
        for source in &mut sources {
            source.chunks.probe();
        }
        Self {
            me,
            life,
            phase: Phase::Recovering,
            sources,
            replica: Replica::new(lanes),
            queue: Queue::default(),
            promised_after: Vec::new(),
            flight: None,
            count: 0,
            tickets: 0,
            pushes: Pushes::default(),
            archive: Archive::default(),
            commands: Vec::new(),
            wake: None,
            pace,
        }
    }

    /// Whether the node has caught up with all that was there when its life
    /// began. Before, nothing may be asked of it.
    pub(crate) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// When to call [`Log::pump`] next if nothing happens before.
    pub(crate) fn wake(&self) -> Option<Time> {
        self.wake
    }

    /// A client asked for something.
    pub(crate) fn heard_from(&mut self, now: Time, client: &NodeId) {
        self.queue.heard_from(now, client);
    }

    /// Appends a message.
    pub(crate) fn send(
        &mut self,
        now: Time,
        client: NodeId,
        key: String,
        message: Box<RawValue>,
    ) -> Result<Ticket, Refused> {
        let mut work = Work::Send { key, message, offset: None };
        self.admit(&work)?;
        let ticket = self.ticket();
        if let (true, Work::Send { key, offset, .. }) = (self.pace.ack_early, &mut work) {
            if self.queue.is_empty() {
                self.promised_after = self.replica.applied();
            }
            let promised = self.replica.next_offset(self.me, key);
            *offset = Some(promised);
            self.answer(Some(ticket), Answer::Sent(promised));
        }
        self.enqueue(now, ticket, client, work);
        Ok(ticket)
    }

    /// Appends that these offsets are processed; `None` when that is no news.
    pub(crate) fn commit(
        &mut self,
        now: Time,
        client: NodeId,
        mut offsets: BTreeMap<String, u64>,
    ) -> Result<Option<Ticket>, Refused> {
        offsets.retain(|key, offset| self.replica.committed(key).is_none_or(|at| at < *offset));
        if offsets.is_empty() {
            return Ok(None);
        }
        let work = Work::Commit(offsets);
        self.admit(&work)?;
        let ticket = self.ticket();
        if self.pace.ack_early {
            if self.queue.is_empty() {
                self.promised_after = self.replica.applied();
            }
            self.answer(Some(ticket), Answer::Committed);
        }
        self.enqueue(now, ticket, client, work);
        Ok(Some(ticket))
    }

    /// The one who waited for this gives up. Whether it is certain that the
    /// request was not and will not be appended.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> bool {
        if self.queue.withdraw(ticket) {
            return true;
        }
        let entries = self.flight.iter_mut().flat_map(|flight| &mut flight.entries);
        for (entry, _) in entries {
            if entry.ticket == Some(ticket) {
                entry.ticket = None;
            }
        }
        false
    }

    /// The messages that may be shown, by key, from these offsets on.
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// A register was read.
    pub(crate) fn found(&mut self, register: Register, text: Option<Arc<str>>) {
        match register {
            Register::Segment(lane, index) => self.sources[lane].segments.answer(index, text),
            Register::Chunk(lane, index) => self.sources[lane].chunks.answer(index, text),
        }
    }

    /// A register says this for good.
    pub(crate) fn settled(&mut self, now: Time, register: Register, text: Arc<str>) {
        match register {
            Register::Chunk(_, index) => self.archived(index, &text),
            Register::Segment(lane, index) => {
                self.sources[lane].segments.learn(index, Arc::clone(&text));
                if lane == self.me {
                    self.landed(now, index, &text);
                } else {
                    self.sources[lane].filling = false;
                }
            }
        }
    }

    /// A peer says what a lane's segments say.
    pub(crate) fn receive(&mut self, now: Time, push: Segments) {
        let Some(source) = self.sources.get_mut(push.lane) else { return };
        source.silence.broken(now, &self.pace);
        let Some(end) = push.first.checked_add(push.texts.len() as u64) else { return };
        source.segments.expect(end);
        for (index, text) in (push.first..).zip(push.texts) {
            source.segments.learn(index, text);
        }
    }

    /// Does what is to be done by now.
    pub(crate) fn pump(&mut self, now: Time) -> Vec<Command> {
        self.wake = None;
        self.catch_up();
        self.begin_to_serve();
        self.watch(now);
        if self.is_serving() {
            self.probe(now);
        }
        self.read();
        self.append(now);
        if self.is_serving() {
            self.fill(now);
            self.push(now);
            self.archive();
        }
        mem::take(&mut self.commands)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
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

    fn enqueue(&mut self, now: Time, ticket: Ticket, client: NodeId, work: Work) {
        let ticket = (!self.pace.ack_early).then_some(ticket);
        self.queue.push(now, Entry { ticket, client, work });
    }

    fn answer(&mut self, ticket: Option<Ticket>, answer: Answer) {
        self.commands.extend(ticket.map(|ticket| Command::Answer(ticket, answer)));
    }

    /// Whether it is `at` yet; if not, [`Log::wake`] will say so.
    fn is_due(&mut self, now: Time, at: Time) -> bool {
        if now < at {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
        now >= at
    }

    /// Applies what has come, in each lane's order.
    fn catch_up(&mut self) {
        for lane in 0..self.sources.len() {
            while let Some((index, text)) = self.sources[lane].chunks.pop() {
                self.unpack(lane, index, &text);
            }
            while let Some((index, text)) = self.sources[lane].segments.pop() {
                self.apply(lane, index, &text);
            }
        }
    }

    fn unpack(&mut self, lane: usize, index: u64, text: &str) {
        let chunk = match Chunk::decode(text) {
            Ok(chunk) => chunk,
            Err(error) => return self.broken(Register::Chunk(lane, index), &error),
        };
        if lane == self.me {
            self.archive.settled(index, &chunk);
        }
        for (index, text) in (chunk.first..).zip(chunk.segments) {
            self.sources[lane].segments.learn(index, text.into());
            while let Some((index, text)) = self.sources[lane].segments.pop() {
                self.apply(lane, index, &text);
            }
        }
    }

    fn apply(&mut self, lane: usize, index: u64, text: &Arc<str>) {
        if self.phase == Phase::Broken {
            return;
        }
        let segment = match Segment::decode(text) {
            Ok(segment) => segment,
            Err(error) => return self.broken(Register::Segment(lane, index), &error),
        };
        if let Err(error) = self.replica.apply(lane, &segment) {
            return self.broken(Register::Segment(lane, index), &error);
        }
        if lane == self.me {
            self.archive.add(index, text);
        }
        for (source, &seen) in self.sources.iter_mut().zip(&segment.seen) {
            source.segments.expect(seen);
        }
    }

    fn broken(&mut self, register: Register, error: &dyn fmt::Display) {
        self.phase = Phase::Broken;
        let alarm = format!("the value of {register} in lin-kv is not usable: {error}");
        self.commands.push(Command::Alarm(alarm));
    }

    fn begin_to_serve(&mut self) {
        for source in &mut self.sources {
            let begun = source.segments.has_met_its_end() || source.segments.is_probing();
            if self.phase == Phase::Recovering && source.chunks.is_recovered() && !begun {
                source.segments.probe();
            }
        }
        let recovered = self.sources.iter().all(|source| source.segments.is_recovered());
        if self.phase == Phase::Recovering && recovered {
            self.pushes.begin(self.sources[self.me].segments.next());
            self.phase = if self.pace.ack_early { Phase::Claiming } else { Phase::Serving };
        }
    }

    /// Notes which lanes messages wait for.
    fn watch(&mut self, now: Time) {
        for (lane, source) in self.sources.iter_mut().enumerate() {
            let waiting = self.replica.waits_for(lane);
            source.silence.waits(now, waiting, source.segments.next());
        }
    }

    /// Looks for segments of lanes that nobody has told of for a while.
    fn probe(&mut self, now: Time) {
        for lane in 0..self.sources.len() {
            if lane == self.me {
                continue;
            }
            let source = &mut self.sources[lane];
            let (probing, next) = (source.segments.is_probing(), source.segments.next());
            if let Some(at) = source.silence.probe_at(now, probing, next, &self.pace)
                && self.is_due(now, at)
            {
                self.sources[lane].silence.probing(next);
                self.sources[lane].segments.probe();
            }
        }
    }

    fn read(&mut self) {
        for (lane, source) in self.sources.iter_mut().enumerate() {
            let chunks = source.chunks.reads().into_iter().map(|n| Register::Chunk(lane, n));
            let segments = source.segments.reads().into_iter().map(|n| Register::Segment(lane, n));
            self.commands.extend(chunks.chain(segments).map(Command::Read));
        }
    }

    /// Appends to the own lane what has waited enough.
    fn append(&mut self, now: Time) {
        let caught_up = self.sources[self.me].segments.is_caught_up();
        if self.flight.is_some() || !caught_up || !self.replica.may_append(self.me) {
            return;
        }
        let due = match self.phase {
            Phase::Claiming => Some(now),
            Phase::Serving => self.queue.due(self.pace.linger).or_else(|| self.sight_due()),
            Phase::Recovering | Phase::Broken => None,
        };
        if let Some(at) = due
            && self.is_due(now, at)
        {
            self.take_off(now);
        }
    }

    /// When to append an empty segment because messages wait for this lane to
    /// have seen them, and nothing else is to be appended.
    fn sight_due(&self) -> Option<Time> {
        self.sources[self.me].silence.waited_since().map(|since| since + self.pace.sight)
    }

    /// Proposes all that waits as the own lane's next segment.
    fn take_off(&mut self, now: Time) {
        let mut seen = self.replica.applied();
        if self.pace.ack_early && !self.queue.is_empty() {
            seen.clone_from(&self.promised_after);
        }
        let index = self.sources[self.me].segments.next();
        seen[self.me] = index + 1;
        let entries = self.queue.take();
        let answers: Vec<Answer> = entries.iter().map(|entry| self.answer_to(entry)).collect();
        let entries: Vec<(Entry, Answer)> = entries.into_iter().zip(answers).collect();
        let segment = Segment {
            by: self.sign().into(),
            seen,
            exclusive: self.pace.ack_early,
            sends: sends(&entries),
            commits: commits(&entries),
        };
        if let Some(text) = self.encoded(segment.encode()) {
            let register = Register::Segment(self.me, index);
            self.commands.push(Command::Settle(register, Arc::clone(&text)));
            self.flight = Some(Flight { index, text, entries, since: now });
        }
    }

    /// What this request will be answered if its segment is settled.
    fn answer_to(&mut self, entry: &Entry) -> Answer {
        match &entry.work {
            Work::Send { offset: Some(offset), .. } => Answer::Sent(*offset),
            Work::Send { key, .. } => Answer::Sent(self.replica.next_offset(self.me, key)),
            Work::Commit(_) => Answer::Committed,
        }
    }

    /// A signature that no segment had before.
    fn sign(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.life, self.count)
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

    /// The register that the own segment was proposed for has its text.
    fn landed(&mut self, now: Time, index: u64, text: &Arc<str>) {
        let Some(flight) = self.flight.take_if(|flight| flight.index == index) else { return };
        self.pace.took(now.saturating_sub(flight.since));
        if flight.text == *text {
            self.pushes.add(index, text);
            if self.phase == Phase::Claiming {
                self.phase = Phase::Serving;
            }
            for (entry, answer) in flight.entries {
                self.answer(entry.ticket, answer);
            }
        } else {
            // Another segment stands there, so this one never will. What nobody
            // waits for any more was answered "perhaps" and may be left out.
            let keep = |entry: &Entry| entry.ticket.is_some() || self.pace.ack_early;
            let entries = flight.entries.into_iter().map(|(entry, _)| entry);
            self.queue.put_back(now, entries.filter(keep).collect());
        }
    }

    /// Appends to the lanes of silent peers that they have seen what waits for
    /// them.
    fn fill(&mut self, now: Time) {
        for lane in 0..self.sources.len() {
            let source = &self.sources[lane];
            let may = lane != self.me
                && !source.filling
                && source.segments.is_caught_up()
                && !self.replica.is_exclusive(lane)
                && self.replica.may_append(lane);
            let (since, next) = (source.silence.waited_since(), source.segments.next());
            if let Some(since) = since.filter(|_| may)
                && self.is_due(now, since + self.pace.patience(self.me, lane))
            {
                self.fill_lane(lane, next);
            }
        }
    }

    fn fill_lane(&mut self, lane: usize, index: u64) {
        let mut seen = self.replica.applied();
        seen[lane] = index + 1;
        let segment = Segment { by: self.sign().into(), seen, ..Segment::default() };
        if let Some(text) = self.encoded(segment.encode()) {
            self.sources[lane].filling = true;
            self.commands.push(Command::Settle(Register::Segment(lane, index), text));
        }
    }

    fn push(&mut self, now: Time) {
        if self.sources.len() > 1
            && let Some(at) = self.pushes.due(&self.pace)
            && self.is_due(now, at)
        {
            let push = self.pushes.take(now, self.me);
            self.commands.push(Command::Push(push));
        }
    }

    fn archive(&mut self) {
        let chunk = self.archive.write().map(|(index, chunk)| (index, chunk.encode()));
        if let Some((index, text)) = chunk
            && let Some(text) = self.encoded(text)
        {
            self.commands.push(Command::Settle(Register::Chunk(self.me, index), text));
        }
    }

    fn archived(&mut self, index: u64, text: &str) {
        match Chunk::decode(text) {
            Ok(chunk) => self.archive.settled(index, &chunk),
            Err(error) => self.broken(Register::Chunk(self.me, index), &error),
        }
    }
}

/// The messages of a segment, by key.
fn sends(entries: &[(Entry, Answer)]) -> BTreeMap<Cow<'_, str>, Vec<(u64, &RawValue)>> {
    let mut sends: BTreeMap<Cow<'_, str>, Vec<_>> = BTreeMap::new();
    for (entry, answer) in entries {
        if let (Work::Send { key, message, .. }, Answer::Sent(offset)) = (&entry.work, answer) {
            sends.entry(key.into()).or_default().push((*offset, &**message));
        }
    }
    sends
}

/// The commits of a segment, by key.
fn commits(entries: &[(Entry, Answer)]) -> BTreeMap<Cow<'_, str>, u64> {
    let mut commits: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
    for (entry, _) in entries {
        if let Work::Commit(offsets) = &entry.work {
            for (key, &offset) in offsets {
                let committed = commits.entry(key.into()).or_default();
                *committed = offset.max(*committed);
            }
        }
    }
    commits
}
