//! How far polls are behind: for how long the next message had been there that a
//! poll did not see.
//!
//! The lag of a key in a poll is the time from when a later offset than the
//! process's furthest was first known to exist to when the poll began; 0 if there
//! was none by then. It is a lower bound. No verdict depends on it: reads may be as
//! stale as they like.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::names::{KeyId, Names};

/// Measures the lag of polls as they go by.
#[derive(Default)]
pub(super) struct RealtimeLag {
    /// By key: whenever an offset higher than all before became known, that offset
    /// and the time. Both rise.
    known: Vec<Vec<(i64, u64)>>,
    /// By process, the keys it has assigned or polled with its furthest offset.
    positions: FxHashMap<u64, BTreeMap<KeyId, i64>>,
    worst: Option<Lag>,
}

/// One key's lag in one poll.
struct Lag {
    /// When the poll began.
    time: u64,
    process: u64,
    key: KeyId,
    lag: u64,
}

/// The position of who has read nothing.
pub(super) const NOTHING: i64 = -1;

impl RealtimeLag {
    /// An operation that completed at `time` shows that an offset exists.
    pub(super) fn know(&mut self, key: KeyId, offset: i64, time: u64) {
        if offset <= NOTHING {
            return;
        }
        if key.index() >= self.known.len() {
            self.known.resize_with(key.index() + 1, Vec::new);
        }
        let known = &mut self.known[key.index()];
        if known.last().is_none_or(|(highest, _)| *highest < offset) {
            known.push((offset, time));
        }
    }

    /// A process polls these keys from now on; where it goes on with a key, it
    /// keeps its position.
    pub(super) fn assign(&mut self, process: u64, keys: &[KeyId]) {
        let positions = self.positions.entry(process).or_default();
        *positions =
            keys.iter().map(|key| (*key, positions.get(key).copied().unwrap_or(NOTHING))).collect();
    }

    /// A process saw an offset.
    pub(super) fn advance(&mut self, process: u64, key: KeyId, offset: i64) {
        let position = self.positions.entry(process).or_default().entry(key).or_insert(offset);
        *position = offset.max(*position);
    }

    /// A poll that began at `time` is over, and its offsets are told.
    pub(super) fn measure(&mut self, process: u64, time: u64) {
        let Some(positions) = self.positions.get(&process) else { return };
        for (&key, &position) in positions {
            let known = self.known.get(key.index()).map_or(&[][..], Vec::as_slice);
            let lag = lag(known, position, time);
            if self.worst.as_ref().is_none_or(|worst| worst.lag < lag) {
                self.worst = Some(Lag { time, process, key, lag });
            }
        }
    }

    /// The worst case, the first of equals, times in seconds.
    pub(super) fn worst(&self, names: &Names) -> Value {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        match &self.worst {
            None => json!({ "time": 0.0, "lag": 0.0 }),
            Some(Lag { time, process, key, lag }) => json!({
                "time": seconds(*time), "process": process,
                "key": names.name_of(*key), "lag": seconds(*lag),
            }),
        }
    }
}

fn lag(known: &[(i64, u64)], position: i64, time: u64) -> u64 {
    let later = known.partition_point(|(offset, _)| *offset <= position);
    known.get(later).map_or(0, |(_, since)| time.saturating_sub(*since))
}
