//! A node's clock, which need not go as fast as time does.

use std::time::Duration;

use maelstrom::machine::Time;

use crate::nemesis::Skew;

/// What a node takes for the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Since when it goes at this rate, and what it showed then.
    since: Time,
    shown: Time,
    /// In parts per thousand.
    rate: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { since: Time::ZERO, shown: Time::ZERO, rate: 1000 }
    }
}

impl Clock {
    /// What it shows.
    pub(super) fn read(&self, now: Time) -> Time {
        self.shown + (now - self.since) * self.rate / 1000
    }

    /// When it will show this, or later.
    pub(super) fn when(&self, shown: Time) -> Time {
        let left = shown.saturating_sub(self.shown).as_nanos() * 1000;
        let nanos = left.div_ceil(u128::from(self.rate));
        self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) fn skew(&mut self, now: Time, skew: Skew) {
        *self = Self { since: now, shown: self.read(now) + skew.jump, rate: skew.rate };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_a_time_when_it_says_it_will() {
        let mut clock = Clock::default();
        for (rate, jump) in [(800, 3), (1200, 0), (999, 1)] {
            let now = clock.since + Duration::from_millis(77);
            clock.skew(now, Skew { node: 0, rate, jump: Duration::from_secs(jump) });
            let shown = clock.read(now) + Duration::from_nanos(1_234_567);
            let at = clock.when(shown);
            assert!(clock.read(at) >= shown && clock.read(at - Duration::from_nanos(2)) < shown);
        }
    }
}
