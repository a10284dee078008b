//! Transactions that came before something that they depend on.
//!
//! Of each incarnation only the first can be ready, since each depends on the one
//! before it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use crate::database::Database;
use crate::journal::Commit;
use crate::vector::{Incarnation, Time};

/// How many bytes of transactions may wait. More than that are dropped; they
/// are sent again.
const MAX_BYTES: usize = 32 << 20;
/// An incarnation's transactions with which nothing has happened for so long are
/// dropped. What they wait for may never come: an incarnation can end before it has
/// sent that. If it can come, all of it is sent again.
const MAX_TIME: Duration = Duration::from_secs(60);

/// See the [module's documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    incarnations: BTreeMap<Incarnation, Commits>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Commits {
    by_time: BTreeMap<Time, Arc<Commit>>,
    touched: Duration,
}

impl Waiting {
    /// Has a transaction wait, if there is room.
    pub(crate) fn insert(&mut self, incarnation: &Incarnation, commit: Arc<Commit>, now: Duration) {
        if self.bytes >= MAX_BYTES {
            return;
        }
        let commits = self.incarnations.entry(incarnation.clone()).or_default();
        // Another one of the same time can only be the same: the first stays, counted.
        if let Entry::Vacant(place) = commits.by_time.entry(commit.time) {
            self.bytes += commit.bytes();
            place.insert(commit);
            commits.touched = now;
        }
    }

    /// Takes a transaction that need not wait any more: it is ready, or took
    /// effect some other way.
    pub(crate) fn pop(
        &mut self,
        database: &Database,
        now: Duration,
    ) -> Option<(Incarnation, Arc<Commit>)> {
        let (incarnation, commits, time) =
            self.incarnations.iter_mut().find_map(|(incarnation, commits)| {
                let (&time, first) = commits.by_time.first_key_value()?;
                let done =
                    database.has(incarnation, first) || database.is_ready(incarnation, first);
                done.then_some((incarnation, commits, time))
            })?;
        let (incarnation, commit) = (incarnation.clone(), commits.by_time.remove(&time)?);
        commits.touched = now;
        self.bytes -= commit.bytes();
        if commits.by_time.is_empty() {
            self.incarnations.remove(&incarnation);
        }
        Some((incarnation, commit))
    }

    /// Drops what has waited for too long.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.incarnations.retain(|_, commits| {
            let stays = now < commits.touched + MAX_TIME;
            if !stays {
                self.bytes -= commits.by_time.values().map(|commit| commit.bytes()).sum::<usize>();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::injected_bugs::Bugs;
    use crate::json::{Key, Value};
    use crate::vector::Vector;

    fn commit(previous: Time, time: Time) -> Arc<Commit> {
        let writes = vec![(Key::new(&Value::null()).unwrap(), Value::null())];
        Arc::new(Commit { time, previous, after: Vector::default(), writes })
    }

    #[test]
    fn each_leaves_once_and_in_order_and_nothing_is_left_behind() {
        let mut database = Database::new(usize::MAX, Bugs::default());
        let (mut waiting, incarnation) = (Waiting::default(), Incarnation::new("n1", 0));
        for (previous, time) in [(2, 5), (1, 2), (1, 2)] {
            waiting.insert(&incarnation, commit(previous, time), Duration::ZERO);
        }
        // One that claims a time that is taken.
        let other = Commit { writes: Vec::new(), ..(*commit(1, 2)).clone() };
        waiting.insert(&incarnation, Arc::new(other), Duration::ZERO);
        assert!(waiting.pop(&database, Duration::ZERO).is_none(), "1 is not there");
        database.apply(&incarnation, &commit(0, 1));
        for time in [2, 5] {
            let (of, ready) = waiting.pop(&database, Duration::ZERO).unwrap();
            assert_eq!((&of, ready.time), (&incarnation, time));
            database.apply(&incarnation, &ready);
        }
        assert!(waiting.pop(&database, Duration::ZERO).is_none());
        assert_eq!((waiting.bytes, waiting.incarnations.len()), (0, 0));
    }

    #[test]
    fn what_waits_in_vain_is_dropped() {
        let (mut waiting, incarnation) = (Waiting::default(), Incarnation::new("n1", 0));
        waiting.insert(&incarnation, commit(1, 2), Duration::ZERO);
        waiting.expire(MAX_TIME / 2);
        assert_eq!(waiting.incarnations.len(), 1);
        waiting.expire(MAX_TIME);
        assert_eq!((waiting.bytes, waiting.incarnations.len()), (0, 0));
    }
}
