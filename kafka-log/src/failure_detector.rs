//! Two clocks: how long a partition has been waited for, and when to look in the service
//! for what nobody tells.
//!
//! A partition is waited for while messages wait for it to have seen them and it does not
//! move. Registers are probed while the neighbour that would tell of them is silent:
//! often while that brings something, and seldom while it does not.

use std::time::Duration;

use crate::pace::Pace;
use maelstrom::machine::Time;

/// Since when one partition is waited for.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Since when, and where the partition ended then.
    waiting: Option<(Time, u64)>,
}

impl Waiting {
    /// Whether messages wait for the partition, which ends at `next`, to have seen
    /// them.
    pub(crate) fn waits(&mut self, now: Time, waiting: bool, next: u64) {
        self.waiting = match self.waiting {
            _ if !waiting => None,
            Some((since, at)) if at == next => Some((since, at)),
            _ => Some((now, next)),
        };
    }

    /// Since when they wait while the partition does not move.
    pub(crate) fn since(&self) -> Option<Time> {
        self.waiting.map(|(since, _)| since)
    }
}

/// When the partitions behind a silent neighbour are to be probed.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    at: Time,
    pause: Duration,
    /// The partitions of the round under way, and where they ended when it began.
    partitions: Vec<(usize, u64)>,
}

impl Probes {
    /// The partitions that are being probed.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = usize> {
        self.partitions.iter().map(|&(partition, _)| partition)
    }

    /// When the next round is due. `next` says where a partition ends; the round under way
    /// is over.
    pub(crate) fn due(&mut self, now: Time, next: impl Fn(usize) -> u64, pace: &Pace) -> Time {
        if !self.partitions.is_empty() {
            let found = self.partitions.drain(..).any(|(partition, from)| next(partition) > from);
            self.pause = pace.next_probe(found, self.pause);
            self.at = now + self.pause;
        }
        self.at
    }

    /// These partitions are being probed.
    pub(crate) fn begin(&mut self, partitions: Vec<(usize, u64)>) {
        self.partitions = partitions;
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
            let due = probes.due(now, |partition| [0, 7, 3][partition], &pace);
            assert_eq!(probes.due(now + at(5), |_| 0, &pace), due, "nothing is under way");
            pauses.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        probes.begin(vec![(1, 7), (2, 3)]);
        let due = probes.due(now, |partition| [0, 7, 4][partition], &pace);
        assert_eq!(due, now + at(50), "it found something");
    }

    #[test]
    fn a_partition_is_waited_for_since_it_last_moved() {
        let mut partition = Waiting::default();
        let mut since = |now, waiting, next| {
            partition.waits(at(now), waiting, next);
            partition.since()
        };
        assert_eq!(since(1, false, 5), None);
        assert_eq!(since(2, true, 5), Some(at(2)));
        assert_eq!(since(3, true, 5), Some(at(2)));
        assert_eq!(since(4, true, 6), Some(at(4)));
        assert_eq!(since(5, false, 6), None);
    }
}
