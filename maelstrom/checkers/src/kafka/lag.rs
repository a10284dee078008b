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

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(lag: &RealtimeLag, names: &Names) -> (f64, f64) {
        let worst = lag.worst(names);
        (worst["time"].as_f64().unwrap(), worst["lag"].as_f64().unwrap())
    }

    #[test]
    fn a_poll_lags_since_the_first_later_offset_was_known() {
        let (mut names, mut lag) = (Names::default(), RealtimeLag::default());
        let key = names.key("k");
        assert_eq!(worst(&lag, &names), (0.0, 0.0));
        lag.know(key, 0, 1_000_000_000);
        lag.know(key, 5, 3_000_000_000);
        lag.know(key, 2, 4_000_000_000);
        lag.advance(0, key, 0);
        lag.measure(0, 3_000_000_000);
        assert_eq!(worst(&lag, &names), (3.0, 0.0));
        // Offset 1 exists, if at all, since offset 5 does.
        lag.measure(0, 7_000_000_000);
        assert_eq!(worst(&lag, &names), (7.0, 4.0));
    }

    #[test]
    fn an_assigned_key_lags_since_it_has_messages_and_a_dropped_one_no_more() {
        let (mut names, mut lag) = (Names::default(), RealtimeLag::default());
        let (a, b) = (names.key("a"), names.key("b"));
        lag.know(a, 0, 1_000_000_000);
        lag.assign(0, &[b]);
        lag.measure(0, 5_000_000_000);
        assert_eq!(worst(&lag, &names).1, 0.0);
        lag.assign(0, &[a]);
        lag.measure(0, 6_000_000_000);
        assert_eq!(worst(&lag, &names), (6.0, 5.0));
    }
}
