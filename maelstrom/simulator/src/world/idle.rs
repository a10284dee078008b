//! What nodes and services say to each other when there is nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Phase, RECOVERY, World};
use crate::net::{Address, Message};
use maelstrom::protocol::LooseHeader;

/// The messages of the recovery phase, in which no client asks for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    kinds: BTreeMap<(String, Address, Address), u64>,
}

impl Idle {
    /// Messages a second. What is said again and again counts by the times between, one fewer
    /// than the messages: where the window begins decides whether it has one message more.
    pub fn rate(&self) -> f64 {
        let times = self.kinds.values().map(|count| (count - 1).max(1));
        times.sum::<u64>() as f64 / Self::window().as_secs_f64()
    }

    /// How long they were counted.
    pub fn window() -> Duration {
        RECOVERY
    }

    /// The most frequent type of message with its sender and receiver, and how often
    /// it was sent.
    pub fn most_frequent(&self) -> Option<(&str, Address, Address, u64)> {
        let most = self.kinds.iter().max_by_key(|(_, count)| **count);
        most.map(|((kind, src, dest), count)| (kind.as_str(), *src, *dest, *count))
    }

    fn count(&mut self, message: &Message) {
        let header = LooseHeader::read(message.body.get()).unwrap_or_default();
        let kind = header.kind().into_owned();
        *self.kinds.entry((kind, message.src, message.dest)).or_default() += 1;
    }
}

impl World {
    /// Counts a message between nodes or services, if it is one of an idle time whose
    /// messages are bounded.
    pub(super) fn count_if_idle(&mut self, message: &Message) {
        if self.phase == Phase::Recovery && self.settings.promise.is_some() {
            self.idle.count(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_ten_times_a_second_does_so_wherever_the_window_begins() {
        let link = |number| (format!("beat {number}"), Address::Node(number), Address::Node(3));
        let idle = |counts: &[u64]| Idle {
            kinds: counts
                .iter()
                .enumerate()
                .map(|(number, count)| (link(number), *count))
                .collect(),
        };
        // The last one may come just when the window ends, in which another one may come late.
        assert_eq!(idle(&[101, 101, 100]).rate().to_string(), "29.9");
        assert_eq!(
            (idle(&[]).rate().to_string(), idle(&[1, 1]).rate().to_string()),
            ("0".to_owned(), "0.2".to_owned())
        );
        assert!(idle(&[102]).rate() > 10.0);
    }
}
