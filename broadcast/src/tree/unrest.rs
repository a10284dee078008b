//! Whether the network has been unsteady lately.
//!
//! There is unrest for [`MEMORY`] after a node lost a parent that it had, or
//! found a better one. What a node does about it is `tree`'s affair, but for the
//! pace of rounds, which is here.
//!
//! A parent that is only silent may be slow: where latencies vary, some answers come
//! after any timeout. So silence is a suspicion at first. The node hurries, but tells
//! nobody, and an answer that comes late after all ends it. After [`LATE`] timeouts the
//! parent counts as lost.
//!
//! Whoever notices tells everybody it talks to how long it will last, and they pass
//! it on. Only what remains is told, and the receiver takes [`HOP`] and a round trip
//! off, which is more than any message takes that was not held up. So what was
//! noticed once ends earlier with each hop, whatever ways it takes, and nodes do not
//! keep each other's unrest alive.

use std::time::Duration;

use super::Tree;
use super::rounds::millis;
use crate::wire::Rank;

/// For how long trouble is remembered.
const MEMORY: Duration = Duration::from_secs(12);

/// So many timeouts after it was suspected, a parent that answers was not just slow.
const LATE: u32 = 4;

/// What is taken off when it is passed on, beside a round trip.
const HOP: Duration = Duration::from_secs(1);

/// Until when there is unrest.
#[derive(Debug, Default)]
pub(super) struct Unrest {
    /// For certain.
    until: Duration,
    /// The parent that was silent last, and since when, unless it answered.
    suspect: Option<(Rank, Duration)>,
}

impl Unrest {
    /// Whether there is unrest at that time, as far as is known now.
    pub(super) fn is_at(&self, time: Duration) -> bool {
        let suspected = self.suspect.map(|(_, since)| since + MEMORY);
        time < self.until.max(suspected.unwrap_or_default())
    }

    /// For how many milliseconds it will last for certain.
    pub(super) fn left(&self, now: Duration) -> u64 {
        millis(self.until.saturating_sub(now))
    }

    fn last_until(&mut self, until: Duration) {
        self.until = self.until.max(until);
    }
}

impl Tree {
    /// A parent was lost, or a better one found.
    pub(super) fn on_unrest(&mut self, now: Duration) {
        self.unrest.last_until(now + MEMORY);
        self.rounds.pace = self.pace(now);
    }

    /// There is a better parent. If this node sought one just now, it may be back after a
    /// false alarm: then what is known of the parent that it suspected decides.
    pub(super) fn on_other_parent(&mut self, now: Duration) {
        let patience = self.patience();
        if self.sought.is_none_or(|sought| sought + patience < now) {
            self.on_unrest(now);
        }
    }

    /// The parent is silent.
    pub(super) fn suspect(&mut self, now: Duration, parent: Rank) {
        self.confirm_suspicion(now);
        self.unrest.suspect = Some((parent, now));
        self.rounds.pace = self.pace(now);
    }

    /// Somebody answered what it was asked then. If it is the parent that was suspected
    /// since, it was only slow.
    pub(super) fn hear_answer(&mut self, now: Duration, from: Rank, asked: Duration) {
        self.confirm_suspicion(now);
        if self.unrest.suspect.is_some_and(|(parent, since)| parent == from && asked <= since) {
            self.unrest.suspect = None;
            self.rounds.pace = self.pace(now);
        }
    }

    /// For how long a parent that is silent may be slow.
    fn patience(&self) -> Duration {
        LATE * self.core.rtt.usual_timeout()
    }

    /// A parent that has been silent for long is lost.
    pub(super) fn confirm_suspicion(&mut self, now: Duration) {
        let patience = self.patience();
        if let Some((_, since)) = self.unrest.suspect.take_if(|(_, since)| *since + patience <= now)
        {
            self.unrest.last_until(since + MEMORY);
        }
    }

    /// Another node told for how long there will be unrest, if there is any.
    pub(super) fn hear_of_unrest(&mut self, now: Duration, millis: u64) {
        let left = Duration::from_millis(millis).min(MEMORY);
        if let Some(left) = left.checked_sub(HOP + self.core.rtt.usual_timeout()) {
            self.unrest.last_until(now + left);
            self.rounds.pace = self.pace(now);
        }
    }

    /// The time between two rounds: less than half the period while there is
    /// unrest.
    pub(super) fn pace(&self, now: Duration) -> Duration {
        let period = self.core.period;
        if self.unrest.is_at(now) { period * 2 / 5 } else { period }
    }
}
