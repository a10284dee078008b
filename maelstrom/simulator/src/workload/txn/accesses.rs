//! Random reads and writes of keys, as Elle draws them.
//!
//! There is a pool of keys. Each is drawn twice as often as the one before it in
//! the pool: so some keys see much contention and others hardly any. The values
//! written to a key are 1, 2, 3, …, so no value is written to it twice, and a
//! value that is read tells which write it came from. A key that had its fill of
//! writes is replaced by a new one, in its place.
//!
//! This is `elle.txn/wr-txns` of Elle 0.2.2, the version that the original runs;
//! later ones draw a limit for each key.

use checkers::history::raw;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use crate::settings::{Settings, Values};

/// Keys in use at a time, unless the settings say otherwise.
const KEY_COUNT: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::workload) enum Access {
    /// The key is read.
    Read {
        /// Which key.
        key: u64,
    },
    /// The key is written.
    Write {
        /// Which key.
        key: u64,
        /// A value that it never had.
        value: u64,
    },
}

impl Access {
    pub(in crate::workload) fn key(self) -> u64 {
        match self {
            Self::Read { key } | Self::Write { key, .. } => key,
        }
    }
}

/// Draws accesses, half of them reads. (A little more than half: a write that
/// finds its key full is drawn again, and may become a read.)
#[derive(Clone, Debug)]
pub(in crate::workload) struct Accesses {
    pool: Vec<Slot>,
    next_key: u64,
    max_writes_per_key: u64,
    values: Values,
}

/// By how much the values of a key are further on than those of the one before it,
/// unless they are integers.
const STRIDE: u64 = 7;

#[derive(Clone, Debug)]
struct Slot {
    key: u64,
    written: u64,
}

impl Accesses {
    pub(in crate::workload) fn of(settings: &Settings) -> Self {
        let keys = settings.key_count.unwrap_or(KEY_COUNT);
        Self { values: settings.values, ..Self::new(keys, settings.max_writes_per_key) }
    }

    /// A pool of keys 0, 1, 2, …, at least of one.
    fn new(key_count: usize, max_writes_per_key: usize) -> Self {
        let keys = key_count.max(1) as u64;
        Self {
            pool: (0..keys).map(Slot::new).collect(),
            next_key: keys,
            max_writes_per_key: max_writes_per_key as u64,
            values: Values::Integers,
        }
    }

    /// How many keys were, or are, in the pool.
    pub(in crate::workload) fn used(&self) -> u64 {
        self.next_key
    }

    /// The name of a key on the wire; it is never null.
    pub(in crate::workload) fn key(&self, key: u64) -> Box<RawValue> {
        match self.values {
            Values::Integers => raw(&key),
            // Large keys would stand in every read as well.
            Values::Any | Values::Large => Values::Any.json(key + 1),
        }
    }

    /// A value that was drawn for a key, on the wire; the first is 1, and none is null.
    pub(in crate::workload) fn value(&self, key: u64, value: u64) -> Box<RawValue> {
        match self.values {
            Values::Integers => raw(&value),
            values => values.json(key * STRIDE + value),
        }
    }

    pub(in crate::workload) fn draw(&mut self, rng: &mut StdRng) -> Access {
        loop {
            let writes: bool = rng.random();
            let position = draw_position(self.pool.len(), rng);
            let slot = &mut self.pool[position];
            if !writes {
                return Access::Read { key: slot.key };
            }
            if slot.written < self.max_writes_per_key {
                slot.written += 1;
                return Access::Write { key: slot.key, value: slot.written };
            }
            *slot = Slot::new(self.next_key);
            self.next_key += 1;
        }
    }
}

impl Slot {
    fn new(key: u64) -> Self {
        Self { key, written: 0 }
    }
}

/// A position among `count`, each twice as likely as the one before it: of the
/// integers from 1 to 2ᶜᵒᵘⁿᵗ − 1, half have as many bits as the last, a quarter
/// one less, and so on. Where those integers would not fit, the positions left out
/// have a chance of less than 2⁻⁶².
fn draw_position(count: usize, rng: &mut StdRng) -> usize {
    let likely = count.min(62);
    count - likely + rng.random_range(1..1_u64 << likely).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng as _;

    use super::*;

    fn draw(key_count: usize, max_writes: usize, count: usize) -> Vec<Access> {
        let mut accesses = Accesses::new(key_count, max_writes);
        let mut rng = StdRng::seed_from_u64(1);
        (0..count).map(|_| accesses.draw(&mut rng)).collect()
    }

    #[test]
    fn each_key_is_drawn_twice_as_often_as_the_one_before() {
        let mut counts = BTreeMap::<u64, f64>::new();
        for access in draw(5, usize::MAX, 31_000) {
            *counts.entry(access.key()).or_default() += 1.0;
        }
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        for (key, count) in counts {
            let expected = 1000.0 * f64::powi(2.0, key as i32);
            assert!((count - expected).abs() < 4.0 * expected.sqrt(), "{key}: {count}");
        }
    }

    #[test]
    fn a_key_is_written_1_2_3_up_to_its_limit_and_replaced_then() {
        let mut writes = BTreeMap::<u64, Vec<u64>>::new();
        for access in draw(3, 4, 2000) {
            if let Access::Write { key, value } = access {
                writes.entry(key).or_default().push(value);
            }
        }
        for (key, values) in &writes {
            assert!([1, 2, 3, 4].starts_with(values), "{key}: {values:?}");
        }
        let newest = *writes.keys().last().unwrap();
        assert!(newest > 100, "{newest}");
        let full = writes.values().filter(|values| values.len() == 4).count() as u64;
        assert!(full > newest - 3, "all but those in use are full");
    }

    #[test]
    fn half_are_reads() {
        let reads = |access: &&Access| matches!(access, Access::Read { .. });
        let count = draw(10, 1_000_000, 10_000).iter().filter(reads).count();
        assert!((4800..5200).contains(&count), "{count}");
        // Of the writes one in 17 finds its key full and is drawn again.
        let count = draw(10, 16, 10_000).iter().filter(reads).count();
        assert!((4950..5350).contains(&count), "{count}");
    }

    #[test]
    fn a_huge_pool_is_drawn_from_its_end() {
        let accesses = draw(5000, 16, 1000);
        assert!(accesses.iter().all(|access| access.key() >= 5000 - 62));
        assert!(draw(1, 2, 10).iter().all(|access| access.key() < 10));
    }
}
