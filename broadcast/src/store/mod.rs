//! What a node knows: one append-only log for each incarnation of each node.
//!
//! An incarnation has a random number, because a node that was killed, and kept nothing
//! or not everything, comes back under the same name. The values that an incarnation
//! accepted from clients are a log: they never change, and neither does their
//! order. So what a node knows is said by one count per log, a version vector
//! (Parker et al. 1983), and the difference between two nodes by runs of
//! consecutive values. Of very many logs, most are said by fingerprints
//! (`summary`).
//!
//! - A log holds a prefix without holes. What comes too early waits beside it,
//!   visible to clients, until the hole is filled.
//! - The arrivals list what was added to any log, in order, with the neighbour
//!   that it came from. A link needs one position in it to know what the other
//!   side was not told yet; nobody is told what came from itself.
//! - A value of eight digits takes some 130 bytes of memory, in this module and in
//!   `seen`; of a longer one, each byte counts twice or three times.
//! - What a message carries is bounded by [`PAGE`](arrivals::PAGE), single values aside,
//!   and for a summary at most 40 bytes for each of N + 256 logs, of N nodes, and 3 kB.
//!
//! When to send what is left to `tree` and `direct`.

pub(crate) mod arrivals;
mod contents;
pub(crate) mod prefixes;
mod summary;
mod unwritten;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrivals::Entry;
pub use contents::Contents;
use unwritten::Unwritten;

use crate::seen::Seen;
use crate::wire::{Count, LogId, Rank, Run, Value};

struct Log {
    id: LogId,
    values: Vec<Value>,
    /// Where among the arrivals the last of them is.
    changed: usize,
    /// Values that wait for those before them, and whom they came from.
    ahead: BTreeMap<u64, (Rank, Value)>,
    /// Since when values have been waiting.
    waiting: Option<Duration>,
}

/// What became of a run.
#[derive(Default)]
pub(crate) struct Merged {
    /// Something was added to a log.
    pub(crate) news: bool,
    /// Values are waiting for others, which are in this prefix.
    pub(crate) hole: Option<Count>,
}

/// All that a node knows.
pub(crate) struct Store {
    pub(crate) me: Rank,
    pub(crate) nodes: usize,
    logs: Vec<Log>,
    /// Which of them is this node's; none while what was written is read.
    own: Option<usize>,
    index: BTreeMap<LogId, usize>,
    arrivals: Vec<Entry>,
    fingerprint: u64,
    /// The logs beside which values wait.
    with_holes: BTreeSet<usize>,
    seen: Seen,
    /// What has to be written, if anything has.
    unwritten: Option<Unwritten>,
}

impl Store {
    /// The empty memory of a new incarnation of one of so many nodes.
    pub(crate) fn new(me: Rank, nodes: usize, incarnation: u64) -> Self {
        let mut store = Self::without_own_log(me, nodes);
        store.own = Some(store.log(LogId { origin: me, incarnation }));
        store
    }

    fn without_own_log(me: Rank, nodes: usize) -> Self {
        Self {
            me,
            nodes,
            logs: Vec::new(),
            own: None,
            index: BTreeMap::new(),
            arrivals: Vec::new(),
            fingerprint: 0,
            with_holes: BTreeSet::new(),
            seen: Seen::default(),
            unwritten: None,
        }
    }

    /// Takes a value for this node's own log, unless it is known already and sure to be
    /// passed on. Returns whether it is there now, and not only to be written.
    pub(crate) fn accept(&mut self, value: Value) -> bool {
        if self.seen.is_logged(&value) {
            return false;
        }
        match &mut self.unwritten {
            Some(unwritten) => unwritten.own.push(value),
            None => self.append_own(value),
        }
        self.unwritten.is_none()
    }

    fn append_own(&mut self, value: Value) {
        if let Some(own) = self.own {
            self.append(own, value, self.me);
        }
    }

    /// Takes what another node sent. The run must have passed
    /// [`Message::check`](crate::wire::Message::check).
    pub(crate) fn merge(&mut self, run: Run, from: Rank, now: Duration) -> Merged {
        let end = run.end();
        let log = self.log(run.log);
        if Some(log) == self.own {
            // Nobody knows more of this incarnation's log than this node.
            return Merged::default();
        }
        let before = self.logs[log].values.len();
        for (position, value) in (run.first..).zip(run.values) {
            self.place(log, position, value, from);
        }
        self.catch_up(log);
        let is_waiting = self.note_holes(log, now);
        Merged { news: self.logs[log].values.len() > before, hole: is_waiting.then_some(end) }
    }

    /// All values as one JSON array.
    pub(crate) fn read(&mut self) -> Value {
        self.seen.array()
    }

    /// A number that two nodes have in common when they know the same, and else
    /// almost never.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint >> 11
    }

    /// Adds values to this node's own log that have waited since `before` for
    /// others in vain: what is missing may be gone with the node that had it,
    /// and must not hold up what came through. Returns whether there were any.
    pub(crate) fn adopt_orphans(&mut self, before: Duration) -> bool {
        let mut orphans = Vec::new();
        self.with_holes.retain(|&index| {
            let log = &mut self.logs[index];
            let is_orphaned = log.waiting.is_some_and(|since| since <= before);
            if is_orphaned {
                orphans.extend(std::mem::take(&mut log.ahead).into_values());
                log.waiting = None;
            }
            !is_orphaned
        });
        let before = self.position();
        for (_, orphan) in orphans {
            self.accept(orphan);
        }
        self.position() > before
    }

    /// Since when the longest waiting value has been waiting for others.
    pub(crate) fn waiting(&self) -> Option<Duration> {
        self.with_holes.iter().filter_map(|&log| self.logs[log].waiting).min()
    }

    /// Takes note of whether values wait beside a log now.
    fn note_holes(&mut self, index: usize, now: Duration) -> bool {
        let log = &mut self.logs[index];
        if log.ahead.is_empty() {
            log.waiting = None;
            self.with_holes.remove(&index);
            return false;
        }
        log.waiting.get_or_insert(now);
        self.with_holes.insert(index);
        true
    }

    fn log(&mut self, id: LogId) -> usize {
        *self.index.entry(id).or_insert_with(|| {
            let (values, ahead) = (Vec::new(), BTreeMap::new());
            let (changed, waiting) = (0, None);
            self.logs.push(Log { id, values, changed, ahead, waiting });
            self.logs.len() - 1
        })
    }

    fn place(&mut self, log: usize, position: u64, value: Value, from: Rank) {
        let length = self.logs[log].values.len() as u64;
        if position == length {
            self.append(log, value, from);
        } else if position > length {
            self.seen.insert(&value, false);
            self.logs[log].ahead.insert(position, (from, value));
        }
    }

    /// Moves what waited into the log, now that the hole before it is filled.
    fn catch_up(&mut self, log: usize) {
        loop {
            let length = self.logs[log].values.len() as u64;
            let Some(first) = self.logs[log].ahead.first_entry() else { return };
            if *first.key() > length {
                return;
            }
            let (position, (from, value)) = first.remove_entry();
            if position == length {
                self.append(log, value, from);
            }
        }
    }

    fn append(&mut self, log: usize, value: Value, from: Rank) {
        self.seen.insert(&value, true);
        let Log { id, values, changed, .. } = &mut self.logs[log];
        let position = values.len();
        values.push(value);
        *changed = self.arrivals.len();
        // A sum, so that the order of arrival does not matter.
        let added = mix(mix(id.origin as u64) ^ id.incarnation.wrapping_add(position as u64));
        self.fingerprint = self.fingerprint.wrapping_add(added);
        self.arrivals.push(Entry::new(log, position, from));
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014): every bit of the
/// result depends on every bit of the argument.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
