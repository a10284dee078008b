//! When a root has its rounds.

use std::time::Duration;

/// A quiet parent is heard of this often at least.
pub(super) const LONGEST_LEASE: Duration = Duration::from_secs(8);

/// The rounds of a root.
#[derive(Debug)]
pub(super) struct Rounds {
    period: Duration,
    /// When the last one was.
    last: Duration,
    /// There is something to say.
    is_due: bool,
    /// The time until the next one, at least.
    pace: Duration,
    /// How long children wait for the next one.
    lease: Duration,
}

impl Rounds {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, last: Duration::ZERO, is_due: false, pace: period, lease: 4 * period }
    }

    /// This node becomes a root.
    pub(super) fn restart(&mut self) {
        self.is_due = true;
        self.lease = 4 * self.period;
    }

    /// There is something to say.
    pub(super) fn note_news(&mut self) {
        self.is_due = true;
    }

    /// Rounds follow each other at less than half the period in churn mode.
    pub(super) fn set_pace(&mut self, is_churn: bool) {
        self.pace = if is_churn { self.period * 2 / 5 } else { self.period };
    }

    /// How long children wait for the next round.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// The earliest time of the next round, if news come.
    pub(super) fn earliest(&self) -> Duration {
        self.last + self.pace
    }

    /// When the next round is, if a child's lease ends then.
    pub(super) fn at(&self, first_renewal: Duration) -> Duration {
        if self.is_due { first_renewal.min(self.earliest()) } else { first_renewal }
    }

    /// A round begins. Without news, leases grow.
    pub(super) fn begin(&mut self, now: Duration, is_churn: bool) {
        let gap = now - self.last;
        self.lease = if !self.is_due {
            (8 * self.lease).min(LONGEST_LEASE.max(self.period))
        } else if gap <= self.period * 3 / 2 {
            self.period
        } else {
            4 * self.period
        };
        self.last = now;
        self.is_due = false;
        self.set_pace(is_churn);
    }
}
