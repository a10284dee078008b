//! Committed transactions that are kept because another node may lack them.
//!
//! Always: of each incarnation, the journal keeps exactly the transactions after the
//! time in [`Journal::omitted`] and up to the database's, in order and without
//! gaps. So a node that has everything before some vector can be brought up to
//! date from here exactly when that vector covers what is omitted (Bayou's
//! omitted vector: [Petersen et al., Flexible Update Propagation][bayou], 1997,
//! section 4).
//!
//! What is omitted is in the store, as the versions that survived; when to omit
//! is decided elsewhere.
//!
//! [bayou]: https://dl.acm.org/doi/10.1145/268998.266711

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::json::{Key, Value};
use crate::vector::{Incarnation, MAX_TIME, Time, Vector};

/// A committed transaction: the one of its incarnation with this time.
///
/// It says what it depends on, all that its node had when it committed, as what
/// was new since the incarnation's transaction before, which it depends on in turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// When, in Lamport time.
    #[serde(rename = "t")]
    pub time: Time,
    /// The time of the incarnation's transaction before this one; 0 if none.
    #[serde(rename = "p")]
    pub previous: Time,
    /// Transactions of other incarnations that it may have seen, but not the one
    /// before it.
    #[serde(rename = "a", default, skip_serializing_if = "Vector::is_empty")]
    pub after: Vector,
    /// The last write to each key; never empty.
    #[serde(rename = "w")]
    pub writes: Vec<(Key, Value)>,
}

impl Commit {
    /// About how many bytes it takes on the wire, and in memory.
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|(key, value)| key.text().len() + value.text().len());
        writes.sum::<usize>() + 8 * self.writes.len() + 32 * self.after.len() + 48
    }
}

/// Transactions by incarnation, each incarnation's in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Batch(pub BTreeMap<Incarnation, Vec<Arc<Commit>>>);

impl Batch {
    /// Adds a transaction, which must be later than the incarnation's others.
    pub fn push(&mut self, incarnation: &Incarnation, commit: Arc<Commit>) {
        match self.0.get_mut(incarnation) {
            Some(commits) => commits.push(commit),
            None => {
                self.0.insert(incarnation.clone(), vec![commit]);
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether each incarnation's transactions follow one another, times grow along
    /// what each depends on, and none is empty.
    pub fn is_well_formed(&self) -> bool {
        self.0.values().all(|commits| {
            let gapless = commits.windows(2).all(|pair| pair[0].time == pair[1].previous);
            let in_order = |commit: &Arc<Commit>| {
                let seen = commit.previous.max(commit.after.latest());
                seen < commit.time && commit.time <= MAX_TIME
            };
            gapless && commits.iter().all(|commit| in_order(commit) && !commit.writes.is_empty())
        })
    }
}

/// How many bytes of transactions go into one record.
pub(crate) const MAX_PORTION: usize = 1 << 20;

/// Transactions for one record.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pub(crate) batch: Batch,
    pub(crate) bytes: usize,
}

impl Portion {
    pub(crate) fn push(&mut self, incarnation: &Incarnation, commit: Arc<Commit>) {
        self.bytes += commit.bytes();
        self.batch.push(incarnation, commit);
    }
}

/// See the [module's documentation](self).
#[derive(Debug, Default)]
pub struct Journal {
    kept: BTreeMap<Incarnation, VecDeque<Arc<Commit>>>,
    omitted: Vector,
    bytes: usize,
}

impl Journal {
    /// A journal that keeps nothing yet, after all that `omitted` means.
    pub fn after(omitted: Vector) -> Self {
        Self { omitted, ..Self::default() }
    }

    /// What is kept no longer.
    pub fn omitted(&self) -> &Vector {
        &self.omitted
    }

    /// How many transactions are kept.
    pub fn len(&self) -> usize {
        self.kept.values().map(VecDeque::len).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// About how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next transaction of an incarnation.
    pub fn push(&mut self, incarnation: &Incarnation, commit: Arc<Commit>) {
        self.bytes += commit.bytes();
        match self.kept.get_mut(incarnation) {
            Some(kept) => kept.push_back(commit),
            None => {
                self.kept.insert(incarnation.clone(), VecDeque::from([commit]));
            }
        }
    }

    /// The transactions of `only` (of all incarnations, when `None`) after `base`,
    /// up to about `limit` bytes but at least one.
    ///
    /// When there are more, these are the first of them in the order of their
    /// stamps, which has nothing before what it depends on.
    pub fn after_base(&self, base: &Vector, only: Option<&Incarnation>, limit: usize) -> Batch {
        let mut first: Vec<(Time, &Incarnation, &Arc<Commit>)> = Vec::new();
        for (incarnation, kept) in &self.kept {
            if only.is_some_and(|only| only != incarnation) {
                continue;
            }
            let start = kept.partition_point(|commit| commit.time <= base.get(incarnation));
            let budgeted = within(kept.range(start..), limit, |commit| commit.bytes());
            first.extend(budgeted.map(|commit| (commit.time, incarnation, commit)));
        }
        first.sort_unstable_by_key(|&(time, incarnation, _)| (time, incarnation));
        let mut batch = Batch::default();
        for (_, incarnation, commit) in within(first, limit, |(_, _, commit)| commit.bytes()) {
            batch.push(incarnation, Arc::clone(commit));
        }
        batch
    }

    /// All transactions that are kept now, of each incarnation in order, in batches of
    /// about a megabyte.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Batch> + Send + 'static {
        let kept = self.kept.clone().into_iter();
        let mut commits = kept.flat_map(|(incarnation, commits)| {
            commits.into_iter().map(move |commit| (incarnation.clone(), commit))
        });
        std::iter::from_fn(move || {
            let mut portion = Portion::default();
            while portion.bytes < MAX_PORTION
                && let Some((incarnation, commit)) = commits.next()
            {
                portion.push(&incarnation, commit);
            }
            Some(portion.batch).filter(|batch| !batch.is_empty())
        })
    }

    /// All transactions that are kept.
    pub fn all(&self) -> Batch {
        self.after_base(&Vector::default(), None, usize::MAX)
    }

    /// Forgets the transactions up to `vector`.
    pub fn forget(&mut self, vector: &Vector) {
        for (incarnation, kept) in &mut self.kept {
            let time = vector.get(incarnation);
            let count = kept.partition_point(|commit| commit.time <= time);
            for commit in kept.drain(..count) {
                self.bytes -= commit.bytes();
                self.omitted.raise(incarnation, commit.time);
            }
        }
        self.kept.retain(|_, kept| !kept.is_empty());
    }

    /// Forgets the transactions of an incarnation up to a time, which may be later
    /// than all that are kept: those between came as versions only.
    pub fn skip(&mut self, incarnation: &Incarnation, time: Time) {
        let mut vector = Vector::default();
        vector.raise(incarnation, time);
        self.forget(&vector);
        self.omitted.raise(incarnation, time);
    }

    /// Forgets the earliest transactions until at most `limit` bytes are kept.
    pub fn shrink(&mut self, limit: usize) {
        while self.bytes > limit {
            let fronts = self
                .kept
                .iter()
                .filter_map(|(incarnation, kept)| Some((kept.front()?, incarnation)));
            let earliest = fronts.min_by_key(|(commit, incarnation)| (commit.time, *incarnation));
            let Some((commit, incarnation)) = earliest else { return };
            let (time, incarnation) = (commit.time, incarnation.clone());
            self.skip(&incarnation, time);
        }
    }
}

/// The first of `items` whose bytes together stay below `limit`, but at least
/// the very first.
fn within<T>(
    items: impl IntoIterator<Item = T>,
    limit: usize,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = T> {
    let mut total = 0_usize;
    items.into_iter().take_while(move |item| {
        let fits = total < limit;
        total = total.saturating_add(bytes(item));
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incarnation(index: u64) -> Incarnation {
        Incarnation::new("n", index)
    }

    fn commit(previous: Time, time: Time) -> Commit {
        let value: Value = serde_json::from_str("1").unwrap();
        let writes = vec![(Key::new(&value).unwrap(), value)];
        Commit { time, previous, after: Vector::default(), writes }
    }

    /// Of incarnation 0: 1, 3, 5. Of incarnation 1: 2, 4, 6.
    fn journal() -> Journal {
        let mut journal = Journal::default();
        for time in 1..=6_u64 {
            let commit = commit(time.saturating_sub(2), time);
            journal.push(&incarnation((time + 1) % 2), Arc::new(commit));
        }
        journal
    }

    fn times(batch: &Batch) -> Vec<Vec<Time>> {
        batch.0.values().map(|commits| commits.iter().map(|commit| commit.time).collect()).collect()
    }

    fn vector(times: [Time; 2]) -> Vector {
        let mut vector = Vector::default();
        vector.raise(&incarnation(0), times[0]);
        vector.raise(&incarnation(1), times[1]);
        vector
    }

    #[test]
    fn what_is_after_a_base_is_all_that_the_base_lacks() {
        let journal = journal();
        assert_eq!(times(&journal.after_base(&vector([1, 4]), None, 9999)), [vec![3, 5], vec![6]]);
        assert_eq!(times(&journal.after_base(&vector([3, 0]), Some(&incarnation(0)), 9999)), [[5]]);
        assert!(journal.after_base(&vector([5, 6]), None, 9999).is_empty());
    }

    #[test]
    fn a_limited_batch_has_no_transaction_without_all_earlier_ones() {
        let journal = journal();
        let one = commit(0, 1).bytes();
        for count in 1..=6 {
            let batch = journal.after_base(&Vector::default(), None, count * one);
            let mut times = times(&batch).concat();
            times.sort_unstable();
            assert!(times.iter().copied().eq(1..=count as u64), "{times:?} of {count}");
        }
        assert_eq!(journal.after_base(&Vector::default(), None, 0).len(), 0);
        assert_eq!(journal.after_base(&Vector::default(), None, 1).len(), 1);
    }

    #[test]
    fn what_is_forgotten_is_omitted() {
        let mut journal = journal();
        journal.forget(&vector([3, 99]));
        assert_eq!(*journal.omitted(), vector([3, 6]), "never above what was there");
        assert_eq!((journal.len(), journal.bytes()), (1, commit(3, 5).bytes()));
        journal.skip(&incarnation(0), 9);
        assert_eq!(*journal.omitted(), vector([9, 6]));
        assert_eq!((journal.len(), journal.bytes()), (0, 0));
    }

    #[test]
    fn shrinking_forgets_the_earliest_first() {
        let mut journal = journal();
        journal.shrink(2 * commit(0, 1).bytes());
        assert_eq!(times(&journal.all()), [[5], [6]]);
        assert_eq!(*journal.omitted(), vector([3, 4]));
    }

    #[test]
    fn batches_with_gaps_or_cycles_or_empty_transactions_are_not_well_formed() {
        let batch = |commits: &[Commit]| {
            let mut batch = Batch::default();
            for commit in commits {
                batch.push(&incarnation(0), Arc::new(commit.clone()));
            }
            batch
        };
        let seeing = |time| Commit { after: vector([0, time]), ..commit(1, 4) };
        assert!(batch(&[commit(0, 1), commit(1, 2), commit(2, 9)]).is_well_formed());
        assert!(!batch(&[commit(0, 1), commit(2, 9)]).is_well_formed());
        assert!(!batch(&[commit(2, 2)]).is_well_formed());
        assert!(!batch(&[commit(0, 0)]).is_well_formed());
        assert!(!batch(&[commit(0, MAX_TIME + 1)]).is_well_formed());
        assert!(batch(&[seeing(3)]).is_well_formed());
        assert!(!batch(&[seeing(4)]).is_well_formed());
        assert!(!batch(&[Commit { writes: Vec::new(), ..commit(0, 1) }]).is_well_formed());
    }
}
