//! Transactions that came before something that they depend on.
//!
//! Of each origin only the first can be ready, since each depends on the one
//! before it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use crate::database::Database;
use crate::journal::Commit;
use crate::vector::{Origin, Time};

/// How many bytes of transactions may wait. More than that are dropped; they
/// are sent again.
const MAX_BYTES: usize = 32 << 20;
/// An origin's transactions with which nothing has happened for so long are
/// dropped. What they wait for may never come: a life can end before it has
/// sent that. If it can come, all of it is sent again.
const MAX_TIME: Duration = Duration::from_secs(60);

/// See the [module's documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    origins: BTreeMap<Origin, Commits>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Commits {
    by_time: BTreeMap<Time, Arc<Commit>>,
    touched: Duration,
}

impl Waiting {
    /// Has a transaction wait, if there is room.
    pub(crate) fn insert(&mut self, origin: &Origin, commit: Arc<Commit>, now: Duration) {
        if self.bytes >= MAX_BYTES {
            return;
        }
        let commits = self.origins.entry(origin.clone()).or_default();
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
    ) -> Option<(Origin, Arc<Commit>)> {
        let (origin, commits, time) = self.origins.iter_mut().find_map(|(origin, commits)| {
            let (&time, first) = commits.by_time.first_key_value()?;
            let done = database.has(origin, first) || database.is_ready(origin, first);
            done.then_some((origin, commits, time))
        })?;
        let (origin, commit) = (origin.clone(), commits.by_time.remove(&time)?);
        commits.touched = now;
        self.bytes -= commit.bytes();
        if commits.by_time.is_empty() {
            self.origins.remove(&origin);
        }
        Some((origin, commit))
    }

    /// Drops what has waited for too long.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.origins.retain(|_, commits| {
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
        let (mut waiting, origin) = (Waiting::default(), Origin::new("n1", 0));
        for (previous, time) in [(2, 5), (1, 2), (1, 2)] {
            waiting.insert(&origin, commit(previous, time), Duration::ZERO);
        }
        // One that claims a time that is taken.
        let other = Commit { writes: Vec::new(), ..(*commit(1, 2)).clone() };
        waiting.insert(&origin, Arc::new(other), Duration::ZERO);
        assert!(waiting.pop(&database, Duration::ZERO).is_none(), "1 is not there");
        database.apply(&origin, &commit(0, 1));
        for time in [2, 5] {
            let (of, ready) = waiting.pop(&database, Duration::ZERO).unwrap();
            assert_eq!((&of, ready.time), (&origin, time));
            database.apply(&origin, &ready);
        }
        assert!(waiting.pop(&database, Duration::ZERO).is_none());
        assert_eq!((waiting.bytes, waiting.origins.len()), (0, 0));
    }

    #[test]
    fn what_waits_in_vain_is_dropped() {
        let (mut waiting, origin) = (Waiting::default(), Origin::new("n1", 0));
        waiting.insert(&origin, commit(1, 2), Duration::ZERO);
        waiting.expire(MAX_TIME / 2);
        assert_eq!(waiting.origins.len(), 1);
        waiting.expire(MAX_TIME);
        assert_eq!((waiting.bytes, waiting.origins.len()), (0, 0));
    }
}
