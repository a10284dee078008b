//! Spreading at once: every value goes straight from its origin to everybody.
//!
//! The latency is one hop, and the price N − 1 messages a value. What gets lost
//! is noticed by the next value of the same origin, which leaves a hole, or
//! when two nodes compare what they have: each asks a random other one now and
//! then, the more often the more comes of it. That is also the way around a
//! link that is cut.
//!
//! - A digest is compared with what the other node had as long ago as an answer
//!   takes, or has from another than its origin, so that values that are on their
//!   way do not count as missing. Nothing is answered when nothing is missing.
//! - Without news, a node compares every [`LONGEST`], or N/5 seconds if that is
//!   more: 5 messages a second in all.

use std::time::Duration;

use maelstrom::machine::Time;
use rand::RngExt;

use crate::core::{Core, Purpose};
use crate::store::prefixes::Prefixes;
use crate::strategy::Strategy;
use crate::wire::{Answer, Count, Digest, Message, Rank, Run, Spread, Summary};

/// The pause between two comparisons while they bring something.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest pause while values come.
const BUSY: Duration = Duration::from_secs(2);
/// The longest pause at all, in small clusters.
const LONGEST: Duration = Duration::from_secs(4);

/// A node that sends everything at once.
pub(crate) struct Direct {
    core: Core,
    /// What this node had when it last looked, and when that was.
    recent: (Duration, Vec<Count>),
    /// What it had the time before, which everybody should have by now, and what
    /// came on a detour since.
    delivered: Prefixes,
    compare_at: Option<Duration>,
    pause: Duration,
}

impl Direct {
    pub(crate) fn new(core: Core) -> Self {
        let recent = (Duration::ZERO, Vec::new());
        Self { core, recent, delivered: Prefixes::default(), compare_at: None, pause: SHORTEST }
    }

    /// Sends what has arrived from `since` on to everybody.
    fn send_to_all(&mut self, mut since: usize) {
        while since < self.core.store.position() {
            let page = self.core.store.page(since, usize::MAX);
            since = page.upto;
            for peer in (0..self.core.nodes).filter(|&rank| rank != self.core.me) {
                let runs = page.runs.clone();
                self.core
                    .outbox
                    .push((peer, Message::Spread(Spread { runs, ..Spread::default() })));
            }
        }
    }

    fn on_spread(&mut self, now: Duration, from: Rank, spread: Spread) {
        let detours = spread.runs.iter().filter(|run| run.log.origin != from);
        self.delivered.raise(detours.map(Run::end));
        let is_news = self.core.take(now, from, spread.runs);
        if is_news {
            self.stay_alert(now);
        }
        let Some(answer) = spread.answer else { return };
        if self.core.answered(now, from, answer.nonce).is_none() {
            return;
        }
        self.core.give_back(from, &answer);
        let left_open = self.core.left_open(now, from, &answer);
        if is_news {
            self.compare_soon(now);
        }
        if left_open.is_some() || is_news && answer.more {
            self.ask(now, from, false, left_open.unwrap_or_default());
        }
    }

    fn on_digest(&mut self, now: Duration, from: Rank, digest: &Digest) {
        self.note_delivered(now);
        let limit = Some(&self.delivered).filter(|_| !digest.missed);
        let theirs = &digest.summary;
        let (runs, more) = self.core.store.delta(theirs, limit);
        let lacking = self.core.store.lacking(theirs.have.iter().copied());
        let asks_back = theirs.is_partial && !lacking.is_empty();
        if !lacking.is_empty() {
            self.core.want(from, lacking, now + self.core.rtt.usual_timeout());
        }
        let says = asks_back || !self.core.store.unclear(theirs).is_empty();
        if runs.is_empty() && !says {
            return;
        }
        let summary =
            if says { self.core.store.counterpart(theirs, false) } else { Summary::default() };
        let nonce = digest.nonce;
        let answer = Answer { nonce, more, summary, lacking: asks_back, ..Answer::default() };
        self.core.send(from, Spread { runs, answer: Some(answer), ..Spread::default() });
        self.compare_soon(now);
    }

    fn note_delivered(&mut self, now: Duration) {
        if now >= self.recent.0 + self.core.rtt.usual_timeout() {
            let counts = self.core.store.counts().collect();
            self.delivered.raise(std::mem::replace(&mut self.recent, (now, counts)).1);
        }
    }

    fn ask(&mut self, now: Duration, peer: Rank, missed: bool, summary: Summary) {
        let digest = Digest { missed, summary, ..Digest::default() };
        self.core.ask(now, peer, Purpose::Compare, digest);
    }

    /// A comparison found something: there may be more.
    fn compare_soon(&mut self, now: Duration) {
        self.pause = SHORTEST;
        self.compare_by(now + SHORTEST);
    }

    /// Values come, so some may be lost.
    fn stay_alert(&mut self, now: Duration) {
        self.pause = self.pause.min(BUSY);
        self.compare_by(now + BUSY);
    }

    fn compare_by(&mut self, by: Duration) {
        self.compare_at = self.compare_at.map(|at| at.min(by));
    }
}

impl Strategy for Direct {
    /// Others are asked for what they remember.
    fn start(&mut self, now: Time) {
        self.compare_at = (self.core.nodes > 1).then_some(now);
        self.run_due(now);
    }

    fn spread(&mut self, now: Time, since: usize) {
        self.send_to_all(since);
        self.stay_alert(now);
    }

    fn receive(&mut self, now: Time, from: Rank, message: Message) {
        match message {
            Message::Spread(spread) => self.on_spread(now, from, spread),
            Message::Digest(digest) => self.on_digest(now, from, &digest),
        }
        self.run_due(now);
    }

    fn run_due(&mut self, now: Time) {
        self.core.overdue(now);
        for peer in self.core.due_wants(now) {
            self.ask(now, peer, true, Summary::default());
        }
        let before = self.core.store.position();
        if self.core.adopt_orphans(now) {
            self.send_to_all(before);
        }
        if self.compare_at.is_some_and(|at| at <= now) {
            self.note_delivered(now);
            let is_fast = self.pause < BUSY;
            self.compare_at = Some(now + self.pause);
            let longest = LONGEST.max(Duration::from_millis(200 * self.core.nodes as u64));
            self.pause = (2 * self.pause).min(longest);
            let mut partners = self.core.partners(None, now);
            if !is_fast {
                let one = self.core.rng.random_range(0..partners.len().max(1));
                partners = partners.into_iter().skip(one).take(1).collect();
            }
            for peer in partners {
                self.ask(now, peer, false, Summary::default());
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        [self.core.deadline(), self.compare_at].into_iter().flatten().min()
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}
