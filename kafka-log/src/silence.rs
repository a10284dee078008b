//! How long a lane has been silent, and how long others have waited for it.
//!
//! Two clocks. The first runs when no push of the lane's comes: it may be that
//! there is nothing to tell, or that pushes get lost, so the lane's next register
//! is probed now and then, often while that brings something and seldom while it
//! does not. The second runs while messages wait for the lane to have seen them
//! and it does not move.

use std::time::Duration;

use crate::log::Time;
use crate::pace::Pace;

/// The two clocks of one lane.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// When the lane's next register is to be read; none while that happens.
    probe_at: Option<Time>,
    pause: Duration,
    /// Where the lane ended when the probe under way began.
    probed_from: Option<u64>,
    /// Since when the lane is waited for, and where it ended then.
    waiting: Option<(Time, u64)>,
}

impl Silence {
    /// A push came.
    pub(crate) fn broken(&mut self, now: Time, pace: &Pace) {
        self.pause = Duration::ZERO;
        self.probe_at = Some(now + pace.quiet());
    }

    /// When to probe the lane, which ends at `next`; none while that happens.
    pub(crate) fn probe_at(
        &mut self,
        now: Time,
        probing: bool,
        next: u64,
        pace: &Pace,
    ) -> Option<Time> {
        if probing {
            return None;
        }
        if let Some(from) = self.probed_from.take() {
            self.pause = pace.next_probe(next > from, self.pause);
            let at = now + self.pause;
            self.probe_at = Some(self.probe_at.map_or(at, |pushed| pushed.max(at)));
        }
        Some(*self.probe_at.get_or_insert(now + pace.quiet()))
    }

    /// The lane, which ends at `next`, is being probed.
    pub(crate) fn probing(&mut self, next: u64) {
        self.probe_at = None;
        self.probed_from = Some(next);
    }

    /// Whether messages wait for the lane, which ends at `next`, to have seen
    /// them.
    pub(crate) fn waits(&mut self, now: Time, waiting: bool, next: u64) {
        self.waiting = match self.waiting {
            _ if !waiting => None,
            Some((since, at)) if at == next => Some((since, at)),
            _ => Some((now, next)),
        };
    }

    /// Since when they wait while the lane does not move.
    pub(crate) fn waited_since(&self) -> Option<Time> {
        self.waiting.map(|(since, _)| since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Duration::from_millis(millis)
    }

    #[test]
    fn probes_become_rare_while_they_find_nothing() {
        let pace = Pace::new(2, false);
        let mut silence = Silence::default();
        let mut now = at(1000);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let due = silence.probe_at(now, false, 7, &pace).unwrap();
            pauses.push((due - now).as_millis());
            now = due;
            silence.probing(7);
            assert_eq!(silence.probe_at(now, true, 7, &pace), None, "while it is under way");
        }
        assert_eq!(pauses, [550, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(
            silence.probe_at(now, false, 9, &pace),
            Some(now + at(50)),
            "it found something"
        );
        silence.broken(now, &pace);
        assert_eq!(silence.probe_at(now, false, 9, &pace), Some(now + pace.quiet()));
    }

    #[test]
    fn a_lane_is_waited_for_since_it_last_moved() {
        let mut silence = Silence::default();
        let mut since = |now, waiting, next| {
            silence.waits(at(now), waiting, next);
            silence.waited_since()
        };
        assert_eq!(since(1, false, 5), None);
        assert_eq!(since(2, true, 5), Some(at(2)));
        assert_eq!(since(3, true, 5), Some(at(2)));
        assert_eq!(since(4, true, 6), Some(at(4)));
        assert_eq!(since(5, false, 6), None);
    }
}
