//! What peers are told: the segments that the own lane got since the last time.
//!
//! A push is sent at once when the last is long ago, and then one in a while, so
//! that a lone message is seen soon and many cost little. A push that gets lost
//! leaves a gap, which the receiver finds by the next one's index and fills by
//! reading.

use std::mem;
use std::sync::Arc;

use maelstrom::Message;
use serde::{Deserialize, Serialize};

use crate::log::Time;
use crate::pace::Pace;

/// With more bytes than this a push says just where the lane ends.
const MAX_BYTES: usize = 1024 * 1024;

/// `{"type":"segments","lane":0,"first":17,"texts":["…","…"]}`, not answered:
/// the registers of segments 17 and 18 of lane 0 say this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segments {
    /// The lane.
    pub(crate) lane: usize,
    /// The index of the first of them.
    pub(crate) first: u64,
    /// Their texts.
    pub(crate) texts: Vec<Arc<str>>,
}

impl Message for Segments {
    const TYPE: &'static str = "segments";
}

/// What is yet to be pushed.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// The index of the first of `texts`.
    first: u64,
    texts: Vec<Arc<str>>,
    bytes: usize,
    last: Option<Time>,
}

impl Pushes {
    /// The lane's first segment that peers are to be told of.
    pub(crate) fn begin(&mut self, first: u64) {
        self.first = first;
    }

    /// The lane has this segment now.
    pub(crate) fn add(&mut self, index: u64, text: &Arc<str>) {
        if self.bytes + text.len() > MAX_BYTES || index != self.first + self.texts.len() as u64 {
            self.texts.clear();
            self.bytes = 0;
            self.first = index;
        }
        self.bytes += text.len();
        self.texts.push(Arc::clone(text));
    }

    /// When the next push is due, if there is anything to push.
    pub(crate) fn due(&self, pace: &Pace) -> Option<Time> {
        if self.texts.is_empty() {
            return None;
        }
        Some(self.last.map_or(Time::ZERO, |last| last + pace.push))
    }

    /// Takes what is to be pushed now.
    pub(crate) fn take(&mut self, now: Time, lane: usize) -> Segments {
        let texts = mem::take(&mut self.texts);
        let first = self.first;
        self.first += texts.len() as u64;
        self.bytes = 0;
        self.last = Some(now);
        Segments { lane, first, texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_push_goes_at_once_and_the_next_ones_together() {
        let pace = Pace::new(2, false);
        let mut pushes = Pushes::default();
        pushes.begin(5);
        assert_eq!(pushes.due(&pace), None);
        pushes.add(5, &"five".into());
        let now = Time::from_secs(9);
        assert!(pushes.due(&pace).unwrap() <= now);
        let push = pushes.take(now, 1);
        assert_eq!(push, Segments { lane: 1, first: 5, texts: vec!["five".into()] });
        assert_eq!(pushes.due(&pace), None);
        pushes.add(6, &"six".into());
        pushes.add(7, &"seven".into());
        assert_eq!(pushes.due(&pace), Some(now + pace.push));
        let push = pushes.take(now + pace.push, 1);
        assert_eq!((push.first, push.texts.len()), (6, 2));
    }

    #[test]
    fn a_segment_of_somebody_else_in_between_leaves_a_gap() {
        let mut pushes = Pushes::default();
        pushes.add(0, &"zero".into());
        pushes.add(2, &"two".into());
        let push = pushes.take(Time::ZERO, 0);
        assert_eq!((push.first, push.texts.len()), (2, 1));
    }

    #[test]
    fn large_segments_are_announced_by_the_last_of_them() {
        let mut pushes = Pushes::default();
        for index in 0..3 {
            pushes.add(index, &"x".repeat(MAX_BYTES / 2 + 1).into());
        }
        let push = pushes.take(Time::ZERO, 0);
        assert_eq!((push.first, push.texts.len()), (2, 1));
    }
}
