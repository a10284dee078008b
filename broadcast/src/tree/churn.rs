//! Churn mode: whether the network has been unsteady lately.
//!
//! A node is in churn mode for [`MEMORY`] after it lost a parent that it had, or found a
//! better one. What it does about it is `tree`'s affair.
//!
//! A parent that is only silent may be slow: where latencies vary, some answers come
//! after any timeout. So silence is a suspicion at first. The node is in churn mode, but
//! tells nobody, and an answer that comes late after all ends it. After [`LATE`] timeouts
//! the parent counts as lost.
//!
//! Whoever notices tells everybody it talks to how long it will last, and they pass
//! it on. Only what remains is told, and the receiver takes [`HOP`] and a round trip
//! off, which is more than any message takes that was not held up. So what was
//! noticed once ends earlier with each hop, whatever paths it takes, and nodes do not
//! keep each other in churn mode.
//!
//! Each `timeout` here is the time after which an answer is overdue, usually.

use std::time::Duration;

use super::millis;
use crate::wire::Rank;

/// For how long churn is remembered.
const MEMORY: Duration = Duration::from_secs(12);

/// So many timeouts after it was suspected, a parent that answers was not just slow.
const LATE: u32 = 4;

/// What is taken off when it is passed on, beside a round trip.
const HOP: Duration = Duration::from_secs(1);

/// Until when a node is in churn mode.
#[derive(Debug, Default)]
pub(super) struct Churn {
    /// For certain.
    until: Duration,
    /// The parent that was silent last, and since when, unless it answered.
    suspect: Option<(Rank, Duration)>,
}

impl Churn {
    /// Whether there is churn at that time, as far as is known now.
    pub(super) fn is_at(&self, time: Duration) -> bool {
        let suspected = self.suspect.map(|(_, since)| since + MEMORY);
        time < self.until.max(suspected.unwrap_or_default())
    }

    /// For how many milliseconds it will last for certain.
    pub(super) fn left(&self, now: Duration) -> u64 {
        millis(self.until.saturating_sub(now))
    }

    /// A parent was lost, or a better one found.
    pub(super) fn note(&mut self, now: Duration) {
        self.last_until(now + MEMORY);
    }

    /// The parent is silent.
    pub(super) fn suspect(&mut self, now: Duration, parent: Rank, timeout: Duration) {
        self.confirm_suspicion(now, timeout);
        self.suspect = Some((parent, now));
    }

    /// Somebody answered what it was asked then. If it is the parent that was suspected
    /// since, it was only slow; returns whether it is.
    pub(super) fn hear_answer(
        &mut self,
        now: Duration,
        from: Rank,
        asked: Duration,
        timeout: Duration,
    ) -> bool {
        self.confirm_suspicion(now, timeout);
        let is_suspect =
            |(parent, since): &mut (Rank, Duration)| *parent == from && asked <= *since;
        self.suspect.take_if(is_suspect).is_some()
    }

    /// A parent that has been silent for long is lost.
    pub(super) fn confirm_suspicion(&mut self, now: Duration, timeout: Duration) {
        let patience = patience(timeout);
        if let Some((_, since)) = self.suspect.take_if(|(_, since)| *since + patience <= now) {
            self.last_until(since + MEMORY);
        }
    }

    /// Another node told for how many milliseconds there will be churn. Returns whether
    /// that is worth anything.
    pub(super) fn hear(&mut self, now: Duration, millis: u64, timeout: Duration) -> bool {
        let left = Duration::from_millis(millis).min(MEMORY);
        let left = left.checked_sub(HOP + timeout);
        left.inspect(|&left| self.last_until(now + left)).is_some()
    }

    fn last_until(&mut self, until: Duration) {
        self.until = self.until.max(until);
    }
}

/// For how long a parent that is silent may be slow.
pub(super) fn patience(timeout: Duration) -> Duration {
    LATE * timeout
}
