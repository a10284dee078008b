//! Whether the network has been unsteady lately.
//!
//! There is unrest for [`MEMORY`] after a node lost a parent that it had, or
//! found a better one. What a node does about it is `tree`'s affair, but for the
//! pace of rounds, which is here.
//!
//! Whoever notices tells everybody it talks to how long it will last, and they pass
//! it on. Only what remains is told, and the receiver takes [`HOP`] and a round trip
//! off, which is more than any message takes that was not held up. So what was
//! noticed once ends earlier with each hop, whatever ways it takes, and nodes do not
//! keep each other's unrest alive.

use std::time::Duration;

use super::Tree;
use super::rounds::millis;
use crate::wire::Message;

/// For how long trouble is remembered.
const MEMORY: Duration = Duration::from_secs(12);

/// What is taken off when it is passed on, beside a round trip.
const HOP: Duration = Duration::from_secs(1);

/// Until when there is unrest.
#[derive(Debug, Default)]
pub(super) struct Unrest {
    until: Duration,
}

impl Unrest {
    /// Whether there is unrest at that time, as far as is known now.
    pub(super) fn is_at(&self, time: Duration) -> bool {
        time < self.until
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

    /// Says in each message about to leave for how long there will be unrest.
    pub(super) fn tell_of_unrest(&mut self, now: Duration) {
        let left = millis(self.unrest.until.saturating_sub(now));
        for (_, message) in &mut self.core.outbox {
            match message {
                Message::Spread(spread) => spread.unrest = left,
                Message::Digest(digest) => digest.unrest = left,
            }
        }
    }
}
