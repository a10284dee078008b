//! Prefixes of logs: what someone has, or wants.

use std::collections::BTreeMap;

use crate::wire::{Count, LogId};

/// Prefixes of logs.
#[derive(Default)]
pub(crate) struct Prefixes(pub(super) BTreeMap<LogId, u64>);

impl Prefixes {
    /// Makes prefixes as long as these, if they are shorter.
    pub(crate) fn raise(&mut self, counts: impl IntoIterator<Item = Count>) {
        for Count { log, count } in counts {
            let known = self.0.entry(log).or_default();
            *known = count.max(*known);
        }
    }

    /// Whether all of these prefixes are within these here.
    pub(crate) fn covers(&self, counts: &[Count]) -> bool {
        counts.iter().all(|&Count { log, count }| self.get(log) >= count)
    }

    /// The number of logs.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Count> {
        self.0.iter().map(|(&log, &count)| Count { log, count })
    }

    /// How long the prefix of a log is.
    pub(super) fn get(&self, log: LogId) -> u64 {
        self.0.get(&log).copied().unwrap_or(0)
    }
}

impl FromIterator<Count> for Prefixes {
    fn from_iter<I: IntoIterator<Item = Count>>(counts: I) -> Self {
        let mut prefixes = Self::default();
        prefixes.raise(counts);
        prefixes
    }
}
