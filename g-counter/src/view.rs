//! What this node knows of every node's contribution.
//!
//! Always: a contribution is only ever replaced by a newer one of the same node, and
//! every replacement has a number of its own, its *version*, counting from 1.
//! "Everything after version v" is thus a delta that brings somebody who knows
//! the first v changes up to date (acknowledged delta intervals: Almeida,
//! Shoker and Baquero, *Delta state replicated data types*, 2018, algorithm 2).
//!
//! Beside each contribution stands which neighbours have told it to this node, so that
//! it is not told back to them.

use std::collections::{BTreeMap, BTreeSet};

use maelstrom::machine::Rank;

use crate::contribution::Contribution;
use crate::integer::Integer;

/// The contributions that this node knows of.
#[derive(Debug, Default)]
pub(crate) struct View {
    entries: BTreeMap<Rank, Entry>,
    /// Who was changed by which version; of each node, the last.
    changes: BTreeMap<u64, Rank>,
    version: u64,
    total: Integer,
}

#[derive(Debug)]
struct Entry {
    contribution: Contribution,
    version: u64,
    /// Neighbours that certainly know this very contribution.
    holders: BTreeSet<Rank>,
}

impl View {
    /// The sum of all contributions.
    pub(crate) fn total(&self) -> &Integer {
        &self.total
    }

    /// How many changes there were.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// A node's contribution, as far as is known.
    pub(crate) fn contribution(&self, origin: Rank) -> Contribution {
        self.entries
            .get(&origin)
            .map_or_else(Contribution::unwritten, |entry| entry.contribution.clone())
    }

    /// Takes in a contribution that was in the service, and who told of it; returns
    /// whether it is news.
    pub(crate) fn learn(
        &mut self,
        origin: Rank,
        contribution: Contribution,
        from: Option<Rank>,
    ) -> bool {
        let known = self.contribution(origin);
        if contribution.rank() <= known.rank() {
            if let Some(entry) = self.entries.get_mut(&origin)
                && contribution == known
            {
                entry.holders.extend(from);
            }
            return false;
        }
        self.version += 1;
        self.total += &contribution.sum;
        self.total -= &known.sum;
        let holders = from.into_iter().collect();
        let entry = Entry { contribution, version: self.version, holders };
        if let Some(former) = self.entries.insert(origin, entry) {
            self.changes.remove(&former.version);
        }
        self.changes.insert(self.version, origin);
        true
    }

    /// Forgets what a neighbour has told: it may not know it any more.
    pub(crate) fn forget_holder(&mut self, neighbour: Rank) {
        for entry in self.entries.values_mut() {
            entry.holders.remove(&neighbour);
        }
    }

    /// The contributions changed after `version` that `neighbour` has not itself told.
    pub(crate) fn news_for(
        &self,
        neighbour: Rank,
        version: u64,
    ) -> impl Iterator<Item = (Rank, &Contribution)> {
        let changed = self.changes.range(version.saturating_add(1)..);
        changed.filter_map(move |(_, origin)| {
            let entry = self.entries.get(origin)?;
            (!entry.holders.contains(&neighbour)).then_some((*origin, &entry.contribution))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contribution(epoch: u64, sequence: u64, sum: i64) -> Contribution {
        Contribution { epoch, incarnation: epoch, sequence, sum: sum.into() }
    }

    fn news(view: &View, neighbour: Rank, version: u64) -> Vec<(Rank, String)> {
        let news = view.news_for(neighbour, version);
        news.map(|(origin, contribution)| (origin, contribution.sum.to_string())).collect()
    }

    #[test]
    fn an_older_contribution_changes_nothing_even_when_it_is_larger() {
        let mut view = View::default();
        assert!(view.learn(1, contribution(2, 0, 5), None));
        assert!(!view.learn(1, contribution(1, 9, 50), None));
        assert!(!view.learn(1, contribution(2, 0, 5), None));
        assert_eq!((view.total(), view.version()), (&5.into(), 1));
        assert!(view.learn(1, contribution(2, 1, 3), None));
        assert_eq!((view.total(), view.version()), (&3.into(), 2));
    }

    #[test]
    fn news_are_the_last_changes_after_a_version() {
        let mut view = View::default();
        view.learn(1, contribution(1, 0, 1), None);
        view.learn(2, contribution(1, 0, 2), None);
        view.learn(1, contribution(1, 1, 3), None);
        assert_eq!(news(&view, 3, 0), [(2, "2".into()), (1, "3".into())]);
        assert_eq!(news(&view, 3, 2), [(1, "3".into())]);
        assert_eq!(news(&view, 3, 3), []);
    }

    #[test]
    fn nobody_is_told_what_it_has_told_until_it_may_have_forgotten() {
        let mut view = View::default();
        view.learn(1, contribution(1, 0, 1), Some(1));
        assert_eq!(news(&view, 1, 0), []);
        assert_eq!(news(&view, 2, 0), [(1, "1".into())]);
        view.learn(1, contribution(1, 0, 1), Some(2));
        assert_eq!(news(&view, 2, 0), []);
        view.forget_holder(2);
        assert_eq!(news(&view, 2, 0), [(1, "1".into())]);
        view.learn(1, contribution(1, 1, 4), Some(2));
        assert_eq!(news(&view, 1, 0), [(1, "4".into())]);
    }
}
