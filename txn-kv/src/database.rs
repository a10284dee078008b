//! One node's copy of the data: what is committed, and how it changes.
//!
//! Always:
//!
//! - `have` says exactly which transactions took effect here, and it is closed
//!   under happens-before: with a transaction, all that it had seen.
//! - The store has for each key the version with the greatest stamp among all
//!   of these transactions, whatever the order in which they came.
//! - A method is one step: nobody sees a part of a transaction.
//! - `covered` is at most `have`, and what is up to it is in the past of some other
//!   transaction that is here. So a transaction that depends on the rest, the
//!   *frontier*, depends on all of it; the frontier is short, however many incarnations
//!   there have been.
//!
//! Nothing here knows of other nodes, of time or of files. The same methods
//! serve while running and when a log is replayed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::injected_bugs::{Bug, Bugs};
use crate::journal::{Batch, Commit, Journal};
use crate::json::{Key, Value};
use crate::store::Store;
use crate::vector::{Incarnation, Stamp, Time, Vector};

/// Bytes of transactions that are kept for nodes that are away; one that stays
/// away for longer gets the versions of what it lacks instead.
pub const MAX_JOURNAL_BYTES: usize = 32 << 20;
/// About how many bytes of versions go into a page of a snapshot.
const PAGE_BYTES: usize = 64 << 10;

/// What a transaction left behind at a key: `[key, value, time, incarnation]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version(pub Key, pub Value, pub Time, pub Incarnation);

impl Version {
    pub(crate) fn new(key: &Key, value: &Value, stamp: &Stamp) -> Self {
        Self(key.clone(), value.clone(), stamp.time, stamp.incarnation.clone())
    }

    fn bytes(&self) -> usize {
        let Version(key, value, ..) = self;
        key.text().len() + value.text().len() + 32
    }
}

/// Splits versions into portions that are not too big for one message.
pub(crate) fn paginate(versions: Vec<Version>) -> Vec<Vec<Version>> {
    let mut pages: Vec<Vec<Version>> = Vec::new();
    let mut room = 0;
    for version in versions {
        let bytes = version.bytes();
        match pages.last_mut() {
            Some(page) if bytes <= room => page.push(version),
            _ => {
                room = PAGE_BYTES.max(bytes);
                pages.push(vec![version]);
            }
        }
        room -= bytes;
    }
    pages
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Database {
    store: Store,
    journal: Journal,
    have: Vector,
    /// What transactions that took effect here are known to depend on. Less than that
    /// costs bytes, no more.
    covered: Vector,
    /// What this node's own transactions are known to depend on. Less than that
    /// costs bytes, no more.
    seen: Vector,
    max_journal_bytes: usize,
    bugs: Bugs,
}

impl Database {
    /// An empty one that keeps at most so many bytes of transactions for others,
    /// normally [`MAX_JOURNAL_BYTES`], and has these faults.
    pub fn new(max_journal_bytes: usize, bugs: Bugs) -> Self {
        Self {
            store: Store::default(),
            journal: Journal::default(),
            have: Vector::default(),
            covered: Vector::default(),
            seen: Vector::default(),
            max_journal_bytes,
            bugs,
        }
    }

    /// The value of a key.
    pub fn read(&self, key: &Key) -> Option<&Value> {
        self.store.get(key)
    }

    /// Which transactions took effect here.
    pub fn have(&self) -> &Vector {
        &self.have
    }

    /// The last transactions of those incarnations whose last nothing else here is known to
    /// depend on: whoever has these has everything that is here.
    pub fn frontier(&self) -> Vector {
        self.have.beyond(&self.covered)
    }

    /// The transactions that are kept for others.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Commits a transaction of this node's own.
    ///
    /// Its time is greater than that of any transaction that took effect here,
    /// so than that of any it can have read from: Lamport's clock is the
    /// greatest time in `have`, and needs no place of its own.
    pub fn commit(
        &mut self,
        incarnation: &Incarnation,
        writes: BTreeMap<Key, Value>,
    ) -> Arc<Commit> {
        let previous = self.have.get(incarnation);
        let clock = if self.bugs.has(Bug::DeafClock) { previous } else { self.have.latest() };
        let news = self.have.beyond(&self.seen);
        self.seen.merge(&news);
        let after = news.beyond(&self.covered).without(incarnation);
        let writes = writes.into_iter().collect();
        let commit = Arc::new(Commit { time: clock + 1, previous, after, writes });
        self.take_effect(incarnation, &commit, usize::MAX);
        commit
    }

    /// Whether a transaction from elsewhere took effect already.
    pub fn has(&self, incarnation: &Incarnation, commit: &Commit) -> bool {
        commit.time <= self.have.get(incarnation)
    }

    /// Whether all that a transaction from elsewhere depends on is here.
    pub fn is_ready(&self, incarnation: &Incarnation, commit: &Commit) -> bool {
        commit.previous <= self.have.get(incarnation)
            && (self.have.covers(&commit.after) || self.bugs.has(Bug::OutOfOrder))
    }

    /// Lets a transaction from elsewhere take effect, which must be ready and
    /// not here already.
    pub fn apply(&mut self, incarnation: &Incarnation, commit: &Arc<Commit>) {
        let count = if self.bugs.has(Bug::TwoSteps) { 1 } else { usize::MAX };
        self.take_effect(&self.have.intern(incarnation), commit, count);
    }

    /// Lets the first `count` writes of a transaction take effect: all of them,
    /// but for [`Bug::TwoSteps`].
    fn take_effect(&mut self, incarnation: &Incarnation, commit: &Arc<Commit>, count: usize) {
        self.have.raise(incarnation, commit.time);
        self.covered.merge(&commit.after);
        self.journal.push(incarnation, Arc::clone(commit));
        let stamp = Stamp { time: commit.time, incarnation: self.have.intern(incarnation) };
        for (key, value) in commit.writes.iter().take(count) {
            self.store.write(key, &stamp, value);
        }
    }

    /// The versions of transactions that `base` does not mean.
    pub fn versions_after(&self, base: &Vector) -> Vec<Version> {
        let is_after = |stamp: &Stamp| stamp.time > base.get(&stamp.incarnation);
        let after = self.store.iter().filter(|(.., stamp)| is_after(stamp));
        after.map(|(key, value, stamp)| Version::new(key, value, stamp)).collect()
    }

    /// Lets all transactions up to `upto` take effect, all at once, by the
    /// versions that they left behind where another node has them all, with this
    /// frontier. The versions of transactions that are here already may be missing.
    pub fn install(&mut self, versions: &[Version], upto: &Vector, frontier: &Vector) {
        for (incarnation, time) in upto.iter() {
            if time > self.have.get(incarnation) {
                self.journal.skip(incarnation, time);
            }
        }
        self.have.merge(upto);
        self.covered.merge(&upto.beyond(frontier));
        self.put(versions);
    }

    pub(crate) fn put(&mut self, versions: &[Version]) {
        for Version(key, value, time, incarnation) in versions {
            let stamp = Stamp { time: *time, incarnation: self.have.intern(incarnation) };
            self.store.write(key, &stamp, value);
        }
    }

    /// The second step of [`Bug::TwoSteps`].
    pub(crate) fn second_step(&mut self) {
        for (incarnation, commits) in self.journal.all().0 {
            for commit in commits {
                let stamp = Stamp { time: commit.time, incarnation: incarnation.clone() };
                for (key, value) in &commit.writes {
                    self.store.write(key, &stamp, value);
                }
            }
        }
    }

    /// Forgets the transactions that every node has, and the earliest ones when
    /// there are too many.
    pub fn forget(&mut self, everywhere: &Vector) {
        self.journal.forget(everywhere);
        self.journal.shrink(self.max_journal_bytes);
    }

    /// Takes over a database that nothing was done to: it had all transactions up to this
    /// vector, and keeps none of them.
    pub(crate) fn set_base(&mut self, base: Vector) {
        self.journal = Journal::after(base.clone());
        self.have = base;
    }

    /// Lets transactions from this node's own log take effect, unless they are here.
    pub(crate) fn repeat(&mut self, batch: &Batch) {
        for (incarnation, commits) in &batch.0 {
            let incarnation = self.have.intern(incarnation);
            for commit in commits {
                if !self.has(&incarnation, commit) {
                    self.take_effect(&incarnation, commit, usize::MAX);
                }
            }
        }
        self.journal.shrink(self.max_journal_bytes);
    }

    /// All versions as they are now.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// All keys, with what was last written to them and by whom.
    pub fn contents(&self) -> impl Iterator<Item = (&Key, &Value, &Stamp)> {
        self.store.iter()
    }
}
