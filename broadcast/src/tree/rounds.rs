//! What goes down: a root's rounds, and what others pass on.
//!
//! Who is sent something, and nothing else, is decided here: the links' books
//! are `downlink`'s.

use std::time::Duration;

use super::{Standing, Tree};
use crate::wire::{Down, Message, Rank, Spread};

/// A quiet parent is heard of this often at least.
pub(super) const LONGEST_PROMISE: Duration = Duration::from_secs(8);

/// The rounds of a root.
#[derive(Debug)]
pub(super) struct Rounds {
    /// When the last one was.
    pub(super) last: Duration,
    /// There is something to say.
    pub(super) is_due: bool,
    /// The time until the next one, at least.
    pub(super) pace: Duration,
    /// For how long a promise is given.
    pub(super) promise: Duration,
}

impl Rounds {
    pub(super) fn new(period: Duration) -> Self {
        Self { last: Duration::ZERO, is_due: false, pace: period, promise: 4 * period }
    }
}

impl Tree {
    pub(super) fn round_at(&self) -> Option<Duration> {
        let promised = self.children.first_promise()?;
        let next = self.rounds.last + self.rounds.pace;
        Some(if self.rounds.is_due { promised.min(next) } else { promised })
    }

    /// A round of the root.
    pub(super) fn round(&mut self, now: Duration) {
        let period = self.core.period;
        let gap = now - self.rounds.last;
        self.rounds.promise = if !self.rounds.is_due {
            (8 * self.rounds.promise).min(LONGEST_PROMISE.max(period))
        } else if gap <= period * 3 / 2 {
            period
        } else {
            4 * period
        };
        self.rounds.last = now;
        self.rounds.is_due = false;
        self.rounds.pace = self.pace(now);
        self.send_down(now, now + self.rounds.promise, now + self.rounds.pace);
    }

    /// Passes on what came from the parent, to whom it is new.
    pub(super) fn forward(&mut self, now: Duration) {
        if self.children.is_empty() {
            return;
        }
        let promised = self.promise_of_parent(now);
        self.send_down(now, promised, promised);
    }

    /// By when this node, not being a root, can promise to be heard of again:
    /// when it must have heard of its parent, and a little.
    pub(super) fn promise_of_parent(&self, now: Duration) -> Duration {
        let settled = now + self.core.period + 2 * self.core.rtt.timeout();
        match &self.standing {
            Standing::Child(uplink) if uplink.confirmed => {
                let promise = uplink.promise + Duration::from_millis(10);
                if promise > now { promise } else { settled }
            }
            _ => settled,
        }
    }

    /// Sends a downlink to each child to whom there is something to say: news,
    /// a confirmation, another path, or else its promise ends by `renew`.
    fn send_down(&mut self, now: Duration, promised: Duration, renew: Duration) {
        self.flush_by = None;
        let path = self.path();
        let is_new_path = path != self.told;
        let due = self.due(now);
        let peers: Vec<Rank> = self.children.iter().map(|(peer, _)| peer).collect();
        for peer in peers {
            let store = &self.core.store;
            let Some(child) = self.children.get_mut(peer) else { continue };
            let is_due = if child.has_joined() {
                let has_news = store.has_news(child.sent, peer);
                has_news || child.is_owed() || is_new_path || child.promised <= renew
            } else {
                child.promised <= now
            };
            if !is_due {
                continue;
            }
            child.promise(now, promised);
            let (epoch, mut ack) = (child.epoch, child.confirm(now));
            let next = millis(promised.saturating_sub(now));
            loop {
                let since = child.sent;
                let page = store.page(since, peer);
                child.sent = page.upto;
                let print = page.runs.is_empty().then(|| store.fingerprint());
                let ack = ack.take();
                let down = Down { epoch, since, upto: page.upto, next, due, ack, print };
                let (runs, path) = (page.runs, path.clone());
                let spread = Spread { runs, down: Some(down), path, ..Spread::default() };
                self.core.outbox.push((peer, Message::Spread(spread)));
                if child.sent == store.position() {
                    break;
                }
            }
        }
        self.told = path;
    }

    /// In how many milliseconds an uplink is wanted here, if that is known.
    pub(super) fn due(&self, now: Duration) -> Option<u64> {
        let at = match &self.standing {
            Standing::Root => Some(self.rounds.last + self.rounds.pace).filter(|&at| at > now),
            Standing::Child(uplink) => uplink.next_slot(now),
            Standing::Seeking(_) => None,
        };
        at.map(|at| millis(at - now))
    }

    /// Keeps promises, and passes news on, when the parent does not cause it.
    pub(super) fn run_promises(&mut self, now: Duration) {
        if self.is_root() {
            return;
        }
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.flush_by) || is_due(self.children.first_promise()) {
            let promised = self.promise_of_parent(now);
            self.send_down(now, promised, now);
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
