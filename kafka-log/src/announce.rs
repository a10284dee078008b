//! What neighbours in the tree are told: the segments that this node applied since.
//!
//! The first news go at once, and what follows within a [while](crate::pace::Pace::announce) goes
//! together. Whoever passes news on applied them before, so a segment never comes
//! without those that it has seen, unless a message gets lost or overtakes another.
//! Then a gap shows in the next one, and the receiver fills it by reading.
//!
//! An announcement may say all that its sender *has*: it does when nothing was said
//! for a second, so that the last of many messages may get lost, too, and silence
//! means a fault. Whoever waits for a partition for longer than news take also *asks*, and
//! is answered with what the other one has. What one has and the other lacks is told
//! again.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// With more bytes than this an announcement says just where a partition ends.
const MAX_BYTES: usize = 1024 * 1024;

maelstrom::message_types! {
    /// `{"type":"segments","runs":[…],"have":[19,4],"ask":true}`
    #[derive(Default, PartialEq, Eq)]
    "segments": pub struct Segments {
        /// News.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) runs: Vec<Run>,
        /// How many segments of each partition the sender has, if it says so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) have: Vec<u64>,
        /// The receiver is to say what it has.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub(crate) ask: bool,
    };
}

/// `{"partition":0,"first":17,"texts":["…","…"]}`: the registers of segments 17 and 18 of
/// partition 0 say this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The partition.
    pub(crate) partition: usize,
    /// The index of the first of them.
    pub(crate) first: u64,
    /// Their texts.
    pub(crate) texts: Vec<Arc<str>>,
}

impl Run {
    /// The first index above them; none if there is no such number.
    pub(crate) fn end(&self) -> Option<u64> {
        self.first.checked_add(self.texts.len() as u64)
    }
}

/// The last segments of a partition, those that some neighbour is yet to be told of.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The index of the first of `texts`.
    first: u64,
    texts: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Recent {
    /// The partition has this segment, too.
    pub(crate) fn add(&mut self, index: u64, text: &Arc<str>) {
        if self.bytes + text.len() > MAX_BYTES || index != self.end() {
            *self = Self { first: index, ..Self::default() };
        }
        self.bytes += text.len();
        self.texts.push_back(Arc::clone(text));
    }

    /// Everybody was told of what comes before this index.
    pub(crate) fn forget(&mut self, until: u64) {
        while self.first < until
            && let Some(text) = self.texts.pop_front()
        {
            self.first += 1;
            self.bytes -= text.len();
        }
    }

    /// The segments of this partition from this index on, as far as they are here, the last
    /// of them in any case. At most so many bytes; they are subtracted.
    pub(crate) fn run(&self, partition: usize, from: u64, until: u64, room: &mut usize) -> Run {
        let first = from.max(self.first).min(until);
        let texts = self.texts.iter().skip((first - self.first.min(first)) as usize);
        let texts: Vec<Arc<str>> = texts.take((until - first) as usize).map(Arc::clone).collect();
        let bytes = texts.iter().map(|text| text.len()).sum();
        match room.checked_sub(bytes) {
            Some(rest) if first + texts.len() as u64 == until => {
                *room = rest;
                Run { partition, first, texts }
            }
            _ => Run { partition, first: until, texts: Vec::new() },
        }
    }

    fn end(&self) -> u64 {
        self.first + self.texts.len() as u64
    }
}

/// The room in one announcement.
pub(crate) const ROOM: usize = MAX_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(indexes: std::ops::Range<u64>) -> Recent {
        let mut recent = Recent::default();
        indexes.for_each(|index| recent.add(index, &index.to_string().into()));
        recent
    }

    fn run(recent: &Recent, from: u64, until: u64) -> (u64, Vec<String>) {
        let run = recent.run(0, from, until, &mut ROOM.clone());
        (run.first, run.texts.iter().map(ToString::to_string).collect())
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_neighbour_is_told_what_it_was_not_told_yet() {
        let mut recent = recent(5..8);
        assert_eq!(run(&recent, 5, 8), (5, strings(&["5", "6", "7"])));
        assert_eq!(run(&recent, 7, 8), (7, strings(&["7"])));
        assert_eq!(run(&recent, 2, 8), (5, strings(&["5", "6", "7"])), "the rest is read");
        recent.forget(7);
        assert_eq!(run(&recent, 5, 8), (7, strings(&["7"])));
        recent.forget(8);
        assert_eq!(run(&recent, 5, 8), (8, strings(&[])), "it is told where the partition ends");
    }

    #[test]
    fn what_is_not_in_a_row_is_forgotten() {
        let mut recent = recent(5..8);
        recent.add(9, &"9".into());
        assert_eq!(run(&recent, 5, 10), (9, strings(&["9"])));
    }

    #[test]
    fn large_segments_are_announced_by_their_number() {
        let mut recent = Recent::default();
        let large = "x".repeat(ROOM / 2 + 1);
        recent.add(0, &large.as_str().into());
        assert_eq!(run(&recent, 0, 1).1.len(), 1);
        let mut room = ROOM / 2;
        assert_eq!(
            recent.run(0, 0, 1, &mut room),
            Run { partition: 0, first: 1, texts: Vec::new() }
        );
        recent.add(1, &large.as_str().into());
        assert_eq!(run(&recent, 0, 2).0, 1, "both together are too many bytes");
    }
}
