//! Two clocks: how long a lane has been waited for, and when to look in the service
//! for what nobody tells.
//!
//! A lane is waited for while messages wait for it to have seen them and it does not
//! move. Registers are probed while the neighbour that would tell of them is silent:
//! often while that brings something, and seldom while it does not.

use std::time::Duration;

use crate::pace::Pace;
use maelstrom::machine::Time;

/// Since when one lane is waited for.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Since when, and where the lane ended then.
    waiting: Option<(Time, u64)>,
}

impl Waiting {
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
    pub(crate) fn since(&self) -> Option<Time> {
        self.waiting.map(|(since, _)| since)
    }
}

/// When the lanes behind a silent neighbour are to be probed.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    at: Time,
    pause: Duration,
    /// The lanes of the round under way, and where they ended when it began.
    lanes: Vec<(usize, u64)>,
}

impl Probes {
    /// The lanes that are being probed.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = usize> {
        self.lanes.iter().map(|&(lane, _)| lane)
    }

    /// When the next round is due. `next` says where a lane ends; the round under way
    /// is over.
    pub(crate) fn due(&mut self, now: Time, next: impl Fn(usize) -> u64, pace: &Pace) -> Time {
        if !self.lanes.is_empty() {
            let found = self.lanes.drain(..).any(|(lane, from)| next(lane) > from);
            self.pause = pace.next_probe(found, self.pause);
            self.at = now + self.pause;
        }
        self.at
    }

    /// These lanes are being probed.
    pub(crate) fn begin(&mut self, lanes: Vec<(usize, u64)>) {
        self.lanes = lanes;
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
        let mut probes = Probes::default();
        let mut now = at(1000);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            probes.begin(vec![(1, 7), (2, 3)]);
            let due = probes.due(now, |lane| [0, 7, 3][lane], &pace);
            assert_eq!(probes.due(now + at(5), |_| 0, &pace), due, "nothing is under way");
            pauses.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        probes.begin(vec![(1, 7), (2, 3)]);
        let due = probes.due(now, |lane| [0, 7, 4][lane], &pace);
        assert_eq!(due, now + at(50), "it found something");
    }

    #[test]
    fn a_lane_is_waited_for_since_it_last_moved() {
        let mut lane = Waiting::default();
        let mut since = |now, waiting, next| {
            lane.waits(at(now), waiting, next);
            lane.since()
        };
        assert_eq!(since(1, false, 5), None);
        assert_eq!(since(2, true, 5), Some(at(2)));
        assert_eq!(since(3, true, 5), Some(at(2)));
        assert_eq!(since(4, true, 6), Some(at(4)));
        assert_eq!(since(5, false, 6), None);
    }
}
