//! The log in memory: its last entries, and which members it names.
//!
//! It changes through [`Persistent`](crate::persistent::Persistent) alone, which writes
//! down every change, but that its beginning is dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Config, Entry, Index, LogTime, Payload, Position, Snapshot, Term};

/// A sequence of entries behind a base: the beginning, or the last that was dropped.
#[derive(Clone, Debug)]
pub struct Log<C> {
    base: Position,
    base_time: LogTime,
    entries: VecDeque<Arc<Entry<C>>>,
    /// The configuration at the base, and each one since with its place.
    configs: Vec<(Index, Config)>,
}

impl<C> Log<C> {
    /// An empty log of a cluster with these members.
    pub(crate) fn new(config: &Config) -> Self {
        Self::behind(&Snapshot { config: config.clone(), ..Snapshot::default() })
    }

    /// An empty log behind a snapshot.
    pub(crate) fn behind(snapshot: &Snapshot) -> Self {
        let &Snapshot { last: base, time: base_time, ref config, config_index } = snapshot;
        let configs = vec![(config_index, config.clone())];
        Self { base, base_time, entries: VecDeque::new(), configs }
    }

    /// The position before the first entry that is here.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The position of the last entry.
    pub fn last(&self) -> Position {
        let term = self.entries.back().map_or(self.base.term, |entry| entry.term);
        Position { term, index: self.base.index + self.entries.len() }
    }

    /// The time of the last entry.
    pub fn last_time(&self) -> LogTime {
        self.entries.back().map_or(self.base_time, |entry| entry.at)
    }

    /// An entry, if it is here.
    pub fn get(&self, index: Index) -> Option<&Arc<Entry<C>>> {
        let behind = index.since(self.base.index).checked_sub(1)?;
        self.entries.get(behind)
    }

    /// The term of an entry, or of the base.
    pub fn term_of(&self, index: Index) -> Option<Term> {
        let base = Some(self.base.term).filter(|_| index == self.base.index);
        base.or_else(|| self.get(index).map(|entry| entry.term))
    }

    /// The position of an entry, or of the base.
    pub(crate) fn position(&self, index: Index) -> Option<Position> {
        self.term_of(index).map(|term| Position { term, index })
    }

    /// Whether this entry is in the log, or is its base.
    pub fn contains(&self, position: Position) -> bool {
        self.position(position.index) == Some(position)
    }

    /// The entries behind `index`, in order.
    pub fn after(&self, index: Index) -> impl Iterator<Item = &Arc<Entry<C>>> {
        self.entries.iter().skip(index.since(self.base.index))
    }

    /// The last position up to `limit.index` whose term is not above `limit.term`: no
    /// entry between the two can be in a log that has `limit`. Where the log begins after
    /// that, its base.
    pub(crate) fn last_up_to(&self, limit: Position) -> Position {
        let mut index = limit.index.min(self.last().index);
        while index > self.base.index {
            match self.term_of(index) {
                Some(term) if term <= limit.term => return Position { term, index },
                _ => index = index.previous(),
            }
        }
        self.base
    }

    /// The members by the last entry that names them, committed or not (§6).
    pub fn config(&self) -> &Config {
        &self.configs[self.configs.len() - 1].1
    }

    /// Where the members are named last.
    pub(crate) fn config_index(&self) -> Index {
        self.configs[self.configs.len() - 1].0
    }

    /// The members when everything up to `index` had been said, which is not before the
    /// base, and the entry that names them.
    pub(crate) fn config_at(&self, index: Index) -> &(Index, Config) {
        let later = self.configs.partition_point(|&(at, _)| at <= index);
        &self.configs[later.max(1) - 1]
    }

    /// Drops everything up to an entry that is here, which becomes the base.
    pub(crate) fn compact(&mut self, index: Index) {
        let Some(entry) = self.get(index) else { return };
        let (base, time) = (Position { term: entry.term, index }, entry.at);
        let later = self.configs.partition_point(|&(at, _)| at <= index);
        self.configs.drain(..later.max(1) - 1);
        self.entries.drain(..index.since(self.base.index));
        (self.base, self.base_time) = (base, time);
    }

    pub(crate) fn push(&mut self, entry: Arc<Entry<C>>) {
        if let Payload::Config(config) = &entry.payload {
            self.configs.push((self.last().index.next(), config.clone()));
        }
        self.entries.push_back(entry);
    }

    /// Removes all entries behind `index`.
    pub(crate) fn truncate(&mut self, index: Index) {
        self.entries.truncate(index.since(self.base.index));
        self.configs.retain(|&(at, _)| at <= index.max(self.base.index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(terms: &[u64]) -> Log<()> {
        let mut log = Log::new(&Config::new(0..3));
        for &term in terms {
            let (term, at) = (Term::from(term), LogTime::default());
            log.push(Arc::new(Entry { term, at, payload: Payload::Noop }));
        }
        log
    }

    fn position(term: u64, index: u64) -> Position {
        Position { term: term.into(), index: index.into() }
    }

    #[test]
    fn the_last_possible_match_skips_whole_terms() {
        let log = log(&[1, 1, 2, 2, 5, 5]);
        assert_eq!(log.last(), position(5, 6));
        assert_eq!(log.last_up_to(position(5, 9)), position(5, 6));
        assert_eq!(log.last_up_to(position(4, 6)), position(2, 4));
        assert_eq!(log.last_up_to(position(1, 4)), position(1, 2));
        assert_eq!(log.last_up_to(position(0, 4)), Position::default());
    }

    #[test]
    fn a_configuration_that_is_cut_off_is_one_no_more() {
        let mut log = log(&[1]);
        let payload = Payload::Config(Config::new([7]));
        log.push(Arc::new(Entry { term: 1.into(), at: LogTime::default(), payload }));
        assert_eq!((log.config(), log.config_index()), (&Config::new([7]), Index::from(2)));
        log.truncate(Index::from(1));
        assert_eq!((log.config(), log.last()), (&Config::new(0..3), position(1, 1)));
    }
}
