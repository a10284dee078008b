//! What a node knows: one append-only log for each life of each node.
//!
//! A node's life has a random number, its incarnation, because a node that was
//! killed comes back under the same name with nothing in memory. The values
//! that a life accepted from clients are a log: they never change, and neither
//! does their order. So what a node knows is said by one count per log, a
//! version vector (Parker et al. 1983), and the difference between two nodes by
//! runs of consecutive values.
//!
//! - A log holds a prefix without holes. What comes too early waits beside it,
//!   visible to clients, until the hole is filled.
//! - The journal lists what was added to any log, in order, with the neighbour
//!   that it came from. A link needs one position in it to know what the other
//!   side was not told yet; nobody is told what came from itself.
//! - A value of eight digits takes some 130 bytes of memory, in this module and in
//!   `seen`; of a longer one, each byte counts twice or three times.
//! - What a message carries is bounded by [`PAGE`], single values aside.
//!
//! When to send what is left to `tree` and `direct`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::seen::Seen;
use crate::wire::{Count, Rank, Run, Value};

/// How many bytes of values go into one message.
pub(crate) const PAGE: usize = 256 * 1024;
/// What a run costs beside its values, in bytes, about.
const RUN_OVERHEAD: usize = 48;

/// Prefixes of logs.
#[derive(Default)]
pub(crate) struct Prefixes(BTreeMap<(Rank, u64), u64>);

impl Prefixes {
    /// Makes prefixes as long as these, if they are shorter.
    pub(crate) fn raise(&mut self, counts: impl IntoIterator<Item = Count>) {
        for Count(origin, incarnation, count) in counts {
            let known = self.0.entry((origin, incarnation)).or_default();
            *known = count.max(*known);
        }
    }

    /// Whether all of these prefixes are within these here.
    pub(crate) fn covers(&self, counts: &[Count]) -> bool {
        counts
            .iter()
            .all(|&Count(origin, incarnation, count)| self.get((origin, incarnation)) >= count)
    }

    /// The number of logs.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Count> {
        self.0.iter().map(|(&(origin, incarnation), &count)| Count(origin, incarnation, count))
    }

    fn get(&self, log: (Rank, u64)) -> u64 {
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

struct Log {
    origin: Rank,
    incarnation: u64,
    values: Vec<Value>,
    /// Values that wait for those before them, and whom they came from.
    ahead: BTreeMap<u64, (Rank, Value)>,
    /// Since when values have been waiting.
    waiting: Option<Duration>,
}

/// One line of the journal. Each value has one, so it is narrow.
struct Entry {
    log: u32,
    position: u32,
    from: u32,
}

impl Entry {
    fn new(log: usize, position: usize, from: Rank) -> Self {
        let [log, position, from] = [log, position, from].map(|number| {
            u32::try_from(number).expect("no more than 2^32 nodes, and values in memory")
        });
        Self { log, position, from }
    }

    fn is_from(&self, peer: Rank) -> bool {
        self.from as usize == peer
    }
}

/// A part of the journal, ready to be sent.
pub(crate) struct Page {
    /// The position in the journal behind it.
    pub(crate) upto: usize,
    /// The values, without those that came from the receiver.
    pub(crate) runs: Vec<Run>,
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
    me: Rank,
    logs: Vec<Log>,
    index: BTreeMap<(Rank, u64), usize>,
    journal: Vec<Entry>,
    fingerprint: u64,
    /// The logs beside which values wait.
    with_holes: BTreeSet<usize>,
    seen: Seen,
}

impl Store {
    /// The empty memory of a node's new life.
    pub(crate) fn new(me: Rank, incarnation: u64) -> Self {
        let mut store = Self {
            me,
            logs: Vec::new(),
            index: BTreeMap::new(),
            journal: Vec::new(),
            fingerprint: 0,
            with_holes: BTreeSet::new(),
            seen: Seen::default(),
        };
        store.log(me, incarnation);
        store
    }

    /// Takes a value from a client. False if it is known already, and sure to
    /// be passed on without being told again.
    pub(crate) fn accept(&mut self, value: Value) -> bool {
        let is_new = !self.seen.is_logged(&value);
        if is_new {
            self.append(0, value, self.me);
        }
        is_new
    }

    /// Takes what another node sent. The run must have passed
    /// [`Message::check`](crate::wire::Message::check).
    pub(crate) fn merge(&mut self, run: Run, from: Rank, now: Duration) -> Merged {
        let Run(origin, incarnation, first, values) = run;
        let end = first.saturating_add(values.len() as u64);
        let log = self.log(origin, incarnation);
        if log == 0 {
            // Nobody knows more of this life's log than this node.
            return Merged::default();
        }
        let before = self.logs[log].values.len();
        for (position, value) in (first..).zip(values) {
            self.place(log, position, value, from);
        }
        self.catch_up(log);
        let is_waiting = self.note_holes(log, now);
        Merged {
            news: self.logs[log].values.len() > before,
            hole: is_waiting.then_some(Count(origin, incarnation, end)),
        }
    }

    /// All values as one JSON array.
    pub(crate) fn read(&mut self) -> Value {
        self.seen.array()
    }

    /// The end of the journal.
    pub(crate) fn position(&self) -> usize {
        self.journal.len()
    }

    /// Whether anything in the journal from `since` on did not come from
    /// `peer`.
    pub(crate) fn has_news(&self, since: usize, peer: Rank) -> bool {
        self.journal.iter().skip(since).any(|entry| !entry.is_from(peer))
    }

    /// The journal from `since` on, as far as a message goes.
    pub(crate) fn page(&self, since: usize, peer: Rank) -> Page {
        let mut page = Pager::default();
        let mut upto = since;
        for entry in self.journal.iter().skip(since) {
            let (log, position) = (entry.log as usize, entry.position as usize);
            if !entry.is_from(peer) && !page.take(self, log, position) {
                break;
            }
            upto += 1;
        }
        Page { upto, runs: page.runs() }
    }

    /// The version vector.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let filled = self.logs.iter().filter(|log| !log.values.is_empty());
        filled.map(|log| Count(log.origin, log.incarnation, log.values.len() as u64)).collect()
    }

    /// A number that two nodes have in common when they know the same, and else
    /// almost never.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint >> 11
    }

    /// Which of these prefixes this node does not have.
    pub(crate) fn lacking(&self, have: impl IntoIterator<Item = Count>) -> Vec<Count> {
        let lacks = |&Count(origin, incarnation, count): &Count| {
            match self.index.get(&(origin, incarnation)) {
                // What others know of this life's own log, it said itself.
                Some(0) => false,
                Some(&log) => count > self.logs[log].values.len() as u64,
                None => count > 0,
            }
        };
        have.into_iter().filter(lacks).collect()
    }

    /// What someone who has `have` lacks, as far as a message goes; and whether
    /// there is more. With `limit`, nothing beyond those prefixes.
    pub(crate) fn delta(&self, have: &[Count], limit: Option<&Prefixes>) -> (Vec<Run>, bool) {
        let table: Prefixes = have.iter().copied().collect();
        let mut page = Pager::default();
        for (key, &log) in &self.index {
            let begin = table.get(*key);
            let end = self.logs[log].values.len() as u64;
            let end = limit.map_or(end, |limit| end.min(limit.get(*key)));
            for position in begin..end {
                if !page.take(self, log, position as usize) {
                    return (page.runs(), true);
                }
            }
        }
        (page.runs(), false)
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

    fn log(&mut self, origin: Rank, incarnation: u64) -> usize {
        *self.index.entry((origin, incarnation)).or_insert_with(|| {
            let (values, ahead) = (Vec::new(), BTreeMap::new());
            self.logs.push(Log { origin, incarnation, values, ahead, waiting: None });
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
        let Log { origin, incarnation, values, .. } = &mut self.logs[log];
        let position = values.len();
        values.push(value);
        // A sum, so that the order of arrival does not matter.
        let added = mix(mix(*origin as u64) ^ incarnation.wrapping_add(position as u64));
        self.fingerprint = self.fingerprint.wrapping_add(added);
        self.journal.push(Entry::new(log, position, from));
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

/// Collects single values into runs, up to a page.
#[derive(Default)]
struct Pager {
    runs: BTreeMap<usize, Run>,
    bytes: usize,
}

impl Pager {
    /// Adds a value; false if the page is full. Values of one log must come in
    /// order; where one is left out (the receiver has it), the run goes on with
    /// it nevertheless, so that it stays one run.
    fn take(&mut self, store: &Store, log: usize, position: usize) -> bool {
        let Log { origin, incarnation, ref values, .. } = store.logs[log];
        let first = self.runs.get(&log).map_or(position, |run| run.2 as usize + run.3.len());
        let added = &values[first.min(position)..=position];
        let bytes: usize = added.iter().map(|value| value.get().len() + 1).sum();
        if self.bytes > 0 && self.bytes + bytes > PAGE {
            return false;
        }
        self.bytes += bytes;
        let run = self.runs.entry(log).or_insert_with(|| {
            self.bytes += RUN_OVERHEAD;
            Run(origin, incarnation, position as u64, Vec::new())
        });
        run.3.extend(added.iter().map(Arc::clone));
        true
    }

    fn runs(self) -> Vec<Run> {
        self.runs.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn value(text: &str) -> Value {
        RawValue::from_string(text.to_owned()).unwrap().into()
    }

    fn run(origin: Rank, first: u64, texts: &[&str]) -> Run {
        Run(origin, 7, first, texts.iter().map(|text| value(text)).collect())
    }

    #[test]
    fn a_value_shows_once_whoever_sends_it_and_however_often() {
        let mut store = Store::new(0, 7);
        assert!(store.accept(value(r#"{"a":1,"b":2}"#)));
        assert!(!store.accept(value(r#"{"b":2,"a":1}"#)));
        store.merge(run(1, 0, &["1", r#"{ "b": 2, "a": 1 }"#, "1.0"]), 1, NOW);
        assert_eq!(store.read().get(), r#"[{"a":1,"b":2},1,1.0]"#);
    }

    #[test]
    fn overlaps_are_skipped_and_a_hole_is_noticed_and_filled() {
        let mut store = Store::new(0, 7);
        assert!(store.merge(run(1, 0, &["10", "11"]), 1, NOW).news);
        let merged = store.merge(run(1, 3, &["13"]), 1, NOW);
        assert!(!merged.news);
        assert_eq!(merged.hole, Some(Count(1, 7, 4)));
        assert_eq!(store.counts(), [Count(1, 7, 2)]);
        assert_eq!(store.read().get(), "[10,11,13]");
        let merged = store.merge(run(1, 1, &["11", "12"]), 1, NOW);
        assert!(merged.news && merged.hole.is_none());
        assert_eq!(store.counts(), [Count(1, 7, 4)]);
        assert_eq!(store.read().get(), "[10,11,13,12]");
    }

    #[test]
    fn nobody_is_told_what_came_from_itself() {
        let mut store = Store::new(0, 7);
        store.merge(run(1, 0, &["10"]), 1, NOW);
        store.merge(run(2, 0, &["20"]), 2, NOW);
        assert!(store.has_news(0, 1) && !store.has_news(1, 2));
        let page = store.page(0, 1);
        assert_eq!(page.upto, 2);
        assert_eq!(page.runs.len(), 1);
        assert_eq!(page.runs[0].0, 2);
    }

    #[test]
    fn who_fills_a_hole_is_told_what_waited_behind_it() {
        let mut store = Store::new(0, 7);
        store.merge(run(1, 1, &["11"]), 1, NOW);
        store.merge(run(1, 0, &["10"]), 2, NOW);
        let page = store.page(0, 2);
        assert_eq!((page.runs[0].2, page.runs[0].3.len()), (1, 1));
    }

    #[test]
    fn the_difference_of_two_nodes_is_what_brings_one_up_to_the_other() {
        let (mut a, mut b) = (Store::new(0, 7), Store::new(1, 7));
        a.accept(value("1"));
        a.merge(run(2, 0, &["20", "21"]), 2, NOW);
        b.merge(run(2, 0, &["20"]), 2, NOW);
        assert_eq!(b.lacking(a.counts()), [Count(0, 7, 1), Count(2, 7, 2)]);
        let (runs, more) = a.delta(&b.counts(), None);
        assert!(!more);
        for run in runs {
            b.merge(run, 0, NOW);
        }
        assert!(b.lacking(a.counts()).is_empty());
    }

    #[test]
    fn a_fingerprint_tells_whether_two_nodes_know_the_same() {
        let (mut a, mut b) = (Store::new(0, 7), Store::new(9, 7));
        a.merge(run(1, 0, &["10", "11"]), 1, NOW);
        a.merge(run(2, 0, &["20"]), 2, NOW);
        b.merge(run(2, 0, &["20"]), 2, NOW);
        b.merge(run(1, 0, &["10"]), 2, NOW);
        assert_ne!(a.fingerprint(), b.fingerprint());
        b.merge(run(1, 0, &["10", "11"]), 2, NOW);
        assert_eq!(a.fingerprint(), b.fingerprint());
    }

    #[test]
    fn a_transfer_is_cut_into_pages() {
        let (mut a, mut b) = (Store::new(0, 7), Store::new(1, 7));
        let long = format!("\"{}\"", "x".repeat(PAGE / 3));
        for i in 0..10 {
            a.accept(value(&format!("[{i},{long}]")));
        }
        let mut pages = 0;
        loop {
            let (runs, more) = a.delta(&b.counts(), None);
            let bytes: usize = runs.iter().flat_map(|run| &run.3).map(|v| v.get().len()).sum();
            assert!(bytes <= PAGE);
            for run in runs {
                b.merge(run, 0, NOW);
            }
            pages += 1;
            if !more {
                break;
            }
        }
        assert_eq!(pages, 5);
        assert!(b.lacking(a.counts()).is_empty());
    }

    #[test]
    fn what_waits_in_vain_is_passed_on_as_this_nodes_own() {
        let mut store = Store::new(0, 7);
        let second = Duration::from_secs(1);
        store.merge(run(1, 3, &["13"]), 1, second);
        assert_eq!(store.waiting(), Some(second));
        assert!(!store.adopt_orphans(second / 2));
        assert!(store.adopt_orphans(second));
        assert_eq!(store.counts(), [Count(0, 7, 1)]);
        assert_eq!(store.read().get(), "[13]");
        assert_eq!(store.waiting(), None);
    }
}
