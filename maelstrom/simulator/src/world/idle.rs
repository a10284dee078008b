//! What nodes and services say to each other when there is nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Phase, RECOVERY, World};
use crate::net::{Address, Message};
use maelstrom::protocol::LooseHeader;

/// The messages of the recovery phase, in which no client asks for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    messages: u64,
    kinds: BTreeMap<(String, Address, Address), u64>,
}

impl Idle {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / Self::window().as_secs_f64()
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
        self.messages += 1;
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
