//! Which messages may be dropped: those that satisfy every rule that was given.
//!
//! Rules decide about a log's beginning. What is dropped is nowhere to be had any more,
//! and a poll that begins below goes on from the earliest message that is kept, as
//! Kafka's does with `auto.offset.reset=earliest`. Nodes look once a [second](EVERY), each
//! for itself, and a snapshot says what its writer had dropped: so one node may show for a
//! while what another has dropped, but each shows a whole piece of the log up to its end.
//!
//! Offsets are never given out again, and what is not stable yet is never dropped.

use std::collections::VecDeque;
use std::time::Duration;

use maelstrom::machine::Time;

/// How often nodes look what can be dropped.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// How many times within the age that is asked for a log's end is noted.
const NOTES: u32 = 16;

/// The rules of `--retain`. Without any nothing is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `committed`: some client committed this offset, or a higher one.
    pub committed: bool,
    /// `bytes:N`: N bytes of newer messages of the same key are kept.
    pub bytes: Option<u64>,
    /// `ms:N`: this node has had it for so long since it started, or for a sixteenth
    /// of that and a second more at most.
    pub age: Option<Duration>,
}

impl Retention {
    /// Adds the rule that an argument names; whether it does.
    pub(crate) fn add(&mut self, rule: &str) -> bool {
        match rule.split_once(':') {
            None if rule == "committed" => self.committed = true,
            Some(("bytes", n)) if let Ok(n) = n.parse() => self.bytes = Some(n),
            Some(("ms", n)) if let Ok(n) = n.parse() => self.age = Some(Duration::from_millis(n)),
            _ => return false,
        }
        true
    }

    /// Whether there is any rule.
    pub(crate) fn is_on(&self) -> bool {
        *self != Self::default()
    }
}

/// When a log ended where.
#[derive(Debug, Default)]
pub(crate) struct Ages(VecDeque<(Time, u64)>);

impl Ages {
    /// Notes where the log ends now, and says what it had before that age.
    pub(crate) fn older(&mut self, now: Time, end: u64, age: Duration) -> u64 {
        let is_new = |&(at, known): &(Time, u64)| known < end && at + age / NOTES <= now;
        if self.0.back().is_none_or(is_new) {
            self.0.push_back((now, end));
        }
        let old = self.0.partition_point(|&(at, _)| at + age <= now);
        // The last of the old ones stays: it says the same as long as nothing is new.
        self.0.drain(..old.saturating_sub(1));
        self.0.front().filter(|_| old > 0).map_or(0, |&(_, end)| end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_was_there_long_enough_ago() {
        let (mut ages, age) = (Ages::default(), Duration::from_secs(16));
        let at = Duration::from_secs;
        assert_eq!(ages.older(at(100), 10, age), 0);
        assert_eq!(ages.older(at(101), 20, age), 0);
        assert_eq!(ages.older(at(115), 30, age), 0);
        assert_eq!(ages.older(at(116), 30, age), 10);
        assert_eq!(ages.older(at(117), 30, age), 20);
        assert_eq!(ages.older(at(130), 30, age), 20);
        assert_eq!(ages.older(at(131), 31, age), 30);
        assert!(ages.0.len() < 5);
    }

    #[test]
    fn rules_are_known_or_refused() {
        let mut retention = Retention::default();
        assert!(!retention.is_on());
        for rule in ["all", "bytes", "bytes:", "bytes:many", "ms:-1", "seconds:5", ""] {
            assert!(!Retention::default().add(rule), "{rule}");
        }
        for rule in ["committed", "bytes:7", "ms:1000"] {
            assert!(retention.add(rule));
        }
        let expected =
            Retention { committed: true, bytes: Some(7), age: Some(Duration::from_secs(1)) };
        assert_eq!(retention, expected);
    }
}
