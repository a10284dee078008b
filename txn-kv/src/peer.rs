//! What a node believes about another one, and when it says something to it.
//!
//! Beliefs never exceed the truth for long:
//!
//! - `has` is what the peer itself said to have, in its present incarnation. An
//!   incarnation is believed only in answer to a question of ours, so a message of one that
//!   is over cannot bring it back; and any message of another incarnation than the believed
//!   one raises the question.
//! - `sent` is what the peer has when everything arrives. When it is not
//!   acknowledged in time, it is taken back to `has`, and nothing but questions
//!   is sent until the peer is heard again.
//! - `told` is what the peer knows that this node has. Nobody forgets what it has, so
//!   each entry that reached the peer stays true, in whatever order they come;
//!   only what is not in `told` has to be told. An entry is in it when the peer has
//!   taken a message with it. The answer to a question by which the peer comes to
//!   believe this incarnation tells everything, and the peer takes nothing before: so a new
//!   incarnation of the peer, or one after a restart, that takes what is new since `told`
//!   has been told `told` by an answer.
//!
//! A peer is told something when there is something for it, when it waits for
//! an acknowledgement, or when it seems to lack something. When it has said
//! that it has everything, both sides are silent.

use std::time::Duration;

use maelstrom::Backoff;
use maelstrom::machine::{RoundTrip, Time};

use crate::database::Database;
use crate::injected_bugs::{Bug, Bugs};
use crate::journal::Batch;
use crate::message::Replicate;
use crate::vector::{Incarnation, Vector};

/// How long an acknowledgement may take, at least: several intervals.
const MIN_PATIENCE: Duration = Duration::from_millis(300);
/// And at most.
const MAX_PATIENCE: Duration = Duration::from_secs(5);
/// The pauses between questions that remain unanswered; the longest is about how long it
/// takes to notice that a partition is over.
const PROBES: Backoff =
    Backoff { first: Duration::from_millis(300), longest: Duration::from_secs(1) };
/// For how long to pass on other nodes' transactions to a peer that was found
/// to lack some, before seeing whether it gets them otherwise again.
const RELAY_FOR: Duration = Duration::from_secs(5);
/// What a message tells of its sender is acknowledged if it has more entries than this,
/// though nothing else may be to be said: or the next message would repeat it.
const LONG: usize = 32;
/// About how many bytes of transactions go into one message.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// Sent, not acknowledged yet.
#[derive(Debug)]
struct InFlight {
    since: Time,
    /// Acknowledged when the peer has this.
    upto: Vector,
    /// Whether it measures the round trip: all of it left just then, for the
    /// first time.
    measures: bool,
}

/// See the [module's documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Peer {
    incarnation: Option<Incarnation>,
    has: Vector,
    sent: Vector,
    told: Vector,
    /// A message with news of what this node has, of which is not known whether the peer
    /// took it; and its number.
    telling: Option<(u64, Vector)>,
    /// The number of the last message to the peer.
    number: u64,
    /// The number of the last message that was taken from the incarnation that is believed.
    taken: Option<u64>,
    in_flight: Option<InFlight>,
    /// Whether something was sent again and that is not acknowledged yet: which
    /// of the two an acknowledgement is for cannot be told (Karn's algorithm).
    resent: bool,
    round_trip: RoundTrip,
    /// How often something was not acknowledged in time since a round trip was measured.
    late: u32,
    /// When the last message came.
    heard: Time,
    /// Not heard since something was sent that is not acknowledged in time.
    silent: bool,
    /// The number of the question that is not answered yet.
    question: Option<u64>,
    /// When the next question may be asked.
    ask_after: Time,
    /// How many were asked since the peer was heard.
    probes: u32,
    /// What the peer asked with.
    answer: Option<u64>,
    /// Whether the peer believed no incarnation of this node when it asked.
    is_unknown: bool,
    /// Whether it waits for an acknowledgement or an answer.
    reply: bool,
    relay_until: Time,
    bugs: Bugs,
}

/// What decides whether it is a peer's turn.
pub(crate) struct View<'a> {
    pub(crate) now: Time,
    pub(crate) own: &'a Incarnation,
    pub(crate) database: &'a Database,
    /// What this node has had of others for so long that its peers should have
    /// it, too.
    pub(crate) aged: &'a Vector,
}

impl Peer {
    pub(crate) fn new(bugs: Bugs) -> Self {
        Self { bugs, ..Self::default() }
    }

    /// What the peer has, as far as is known.
    pub(crate) fn has(&self) -> &Vector {
        &self.has
    }

    /// How long it may take to hear of something from this peer.
    pub(crate) fn patience(&self) -> Duration {
        if self.silent { MIN_PATIENCE } else { self.timeout() }
    }

    /// How long an acknowledgement may take.
    fn timeout(&self) -> Duration {
        let usual = self.round_trip.mean().unwrap_or_default() + self.round_trip.deviation() * 4;
        Backoff { first: usual.max(MIN_PATIENCE), longest: MAX_PATIENCE }.step(self.late)
    }

    /// Takes note of what a message says about its sender.
    pub(crate) fn hear(&mut self, message: &Replicate, view: &View<'_>) {
        self.heard = view.now;
        self.silent = false;
        self.probes = 0;
        if let Some(question) = message.ask {
            self.answer = Some(question);
            self.is_unknown = message.seen.is_none();
            self.reply = true;
        }
        self.reply |= !message.commits.is_empty();
        let answered = self.question.is_some() && message.answer == self.question;
        if self.incarnation.as_ref() == Some(&message.incarnation) {
            self.has.merge(&message.have);
            self.sent.merge(&message.have);
        } else if answered {
            self.incarnation = Some(message.incarnation.clone());
            self.has = message.have.clone();
            self.sent = message.have.clone();
            self.in_flight = None;
        } else {
            if self.incarnation.take().is_some() {
                self.ask_after = view.now;
                // The next question is another one, whose answer tells everything.
                (self.taken, self.question) = (None, None);
            }
            return;
        }
        self.taken = Some(message.number);
        self.reply |= message.have.len() > LONG;
        self.note_told(message.seen);
        if answered {
            self.question = None;
        }
        self.acknowledge(view.now);
        self.notice_lag(view);
    }

    /// The peer has taken the message of that number. Each message tells all that is not
    /// in `told`, so a later one tells what an earlier one did.
    fn note_told(&mut self, seen: Option<u64>) {
        let number = self.number;
        let is_taken = |&mut (first, _): &mut (u64, Vector)| {
            seen.is_some_and(|seen| (first..=number).contains(&seen))
        };
        if let Some((_, have)) = self.telling.take_if(is_taken) {
            self.told.merge(&have);
        }
    }

    /// Notices that all that was in flight is acknowledged, and learns how long that took.
    fn acknowledge(&mut self, now: Time) {
        let is_acknowledged = |in_flight: &mut InFlight| self.has.covers(&in_flight.upto);
        let Some(in_flight) = self.in_flight.take_if(is_acknowledged) else { return };
        self.resent = false;
        if in_flight.measures {
            self.round_trip.sample(now.saturating_sub(in_flight.since));
            self.late = 0;
        }
        if !self.has.covers(&self.sent) {
            let upto = self.sent.clone();
            self.in_flight = Some(InFlight { since: now, upto, measures: false });
        }
    }

    /// A peer that was not sent, and did not get otherwise, what it should have
    /// by now needs this node to pass it on.
    fn notice_lag(&mut self, view: &View<'_>) {
        if view.now >= self.relay_until && !self.sent.covers(view.aged) {
            self.relay_until = view.now + RELAY_FOR;
        }
    }

    /// Gives up waiting for an acknowledgement that should have come.
    fn expire(&mut self, now: Time) {
        let timeout = self.timeout();
        let is_late = |in_flight: &mut InFlight| in_flight.since + timeout <= now;
        let Some(in_flight) = self.in_flight.take_if(is_late) else { return };
        self.silent = self.heard < in_flight.since;
        self.resent = true;
        self.late += 1;
        if self.bugs.has(Bug::ForgetUnacknowledged) {
            self.has = self.sent.clone();
        }
        self.sent = self.has.clone();
    }

    /// What is to be said to the peer now, if anything.
    pub(crate) fn turn(
        &mut self,
        view: &View<'_>,
        mut draw: impl FnMut() -> u64,
    ) -> Option<Replicate> {
        self.expire(view.now);
        let reachable = self.incarnation.is_some() && !self.silent;
        let pruned = reachable && !self.sent.covers(view.database.journal().omitted());
        let commits = if reachable && !pruned { self.batch(view) } else { Batch::default() };
        let unsure = !reachable || pruned || !self.has.covers(view.aged);
        let asks = unsure && commits.is_empty() && view.now >= self.ask_after;
        if commits.is_empty() && !asks && !self.reply {
            return None;
        }
        let ask = asks.then(|| self.ask(view.now, &mut draw));
        if !commits.is_empty() {
            self.note_sent(view.now, &commits);
        }
        self.reply = false;
        let answer = self.answer.take();
        self.number = draw();
        let have = self.tell(view.database.have(), self.tells_everything(answer, pruned));
        let (incarnation, number, seen) = (view.own.clone(), self.number, self.taken);
        Some(Replicate { incarnation, have, number, seen, commits, ask, answer, pruned })
    }

    fn tells_everything(&self, answer: Option<u64>, pruned: bool) -> bool {
        let is_first = answer.is_some() && self.is_unknown;
        is_first && !self.bugs.has(Bug::PartialAnswer) || pruned
    }

    /// What the message of the present number says that this node has. A question to
    /// somebody who may not be there says nothing of it.
    fn tell(&mut self, have: &Vector, everything: bool) -> Vector {
        let is_heard = self.incarnation.is_some() && !self.silent;
        if !everything && !is_heard {
            // Or to have taken this message would mean to have taken what is told.
            self.telling = None;
            return Vector::default();
        }
        let news = if everything { have.clone() } else { have.beyond(&self.told) };
        if self.telling.is_none() && !news.is_empty() {
            self.telling = Some((self.number, news.clone()));
        }
        news
    }

    /// Transactions for the peer: normally this node's own, since it gets the
    /// others from those that committed them.
    fn batch(&self, view: &View<'_>) -> Batch {
        let relays = view.now < self.relay_until;
        let only = (!relays).then_some(view.own);
        view.database.journal().after_base(&self.sent, only, MAX_BATCH_BYTES)
    }

    fn note_sent(&mut self, now: Time, commits: &Batch) {
        for (incarnation, commits) in &commits.0 {
            let last = commits.last().map_or(0, |commit| commit.time);
            self.sent.raise(incarnation, last);
        }
        let measures = !self.resent;
        if self.in_flight.as_ref().is_none_or(|in_flight| measures && !in_flight.measures) {
            self.in_flight = Some(InFlight { since: now, upto: self.sent.clone(), measures });
        }
    }

    /// The number to ask with: the same until it is answered, since answers may
    /// take longer than the patience lasts.
    fn ask(&mut self, now: Time, draw: impl FnOnce() -> u64) -> u64 {
        self.ask_after = now + PROBES.step(self.probes);
        self.probes += 1;
        *self.question.get_or_insert_with(draw)
    }
}
