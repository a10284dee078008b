//! A replica: what all partitions say so far, and how much of it may be shown.
//!
//! Segments go in, each partition's in order, the partitions in any order; out come
//! messages by key and committed offsets. A message becomes *stable*, and is
//! shown, once no message below it can come any more; see the [crate's front
//! page](crate) for the argument. For that the replica keeps a bound for each key
//! and partition: whatever is yet to come in that partition for that key has an offset at
//! or above it. A message below the bounds of all partitions is stable.
//!
//! A replica can be restored from a [snapshot](crate::snapshot): then it has the stable
//! messages and the committed offsets of the one that wrote it, and goes on with each
//! partition's first segment that some partition had not seen. Segments that it applies
//! again say of what the snapshot has only what is known; the rest was not stable.
//!
//! Always: what is stable stays so; a key's stable messages are all that will
//! ever exist below its lowest bound; committed offsets only rise.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use crate::injected_bugs::Bug;
use crate::options::Options;
use crate::pages::Pages;
use crate::polled::Page;
use crate::retention::{Ages, Retention};
use crate::segment::Segment;
use crate::snapshot::{Head, Messages, Part, Record, Stored};
use maelstrom::machine::Time;

/// A segment that breaks the protocol: nothing after it can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Corrupt {
    /// It was written by a cluster of another size.
    #[error("it was written by a cluster of {found} nodes, and this one has {expected}")]
    Partitions {
        /// How many partitions it knows.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// It claims not to have seen what its predecessor had seen, or itself.
    #[error("it has seen less than it must have")]
    Seen,
    /// One of its offsets is not its partition's to give, or not above former ones.
    #[error("offset {offset} of key {key:?} is out of order or belongs to another partition")]
    Offset {
        /// The key.
        key: String,
        /// The offset.
        offset: u64,
    },
}

/// What all partitions say so far.
#[derive(Debug)]
pub(crate) struct Replica {
    options: Options,
    partitions: Vec<Partition>,
    /// Where a key stands in `logs`.
    keys: FxHashMap<Arc<str>, usize>,
    logs: Vec<KeyLog>,
    /// How many segments were applied since tops were last forgotten.
    unforgotten: usize,
}

#[derive(Debug)]
struct Partition {
    /// How many segments were applied.
    applied: u64,
    /// What the last of them had seen of each partition.
    seen: Vec<u64>,
    /// How much of that is accounted for in this partition's bounds.
    accounted: Vec<u64>,
    /// The number of segments up to the last that has messages.
    with_messages: u64,
    /// For each segment that some partition has not seen, the keys that it has
    /// messages for, and the first offset above them.
    tops: VecDeque<Box<[(usize, u64)]>>,
    /// See [`Segment::exclusive`].
    exclusive: bool,
    /// Segments before this one may repeat what the snapshot has.
    restored: u64,
}

/// One key.
#[derive(Debug)]
struct KeyLog {
    name: Arc<str>,
    /// The offset up to which clients have processed it.
    committed: Option<u64>,
    /// What the snapshot has is below.
    floor: u64,
    /// Above every offset that is known or given out.
    top: u64,
    /// By partition: what is yet to come in it has offsets from here on.
    bounds: Box<[u64]>,
    /// Messages that are known but not stable.
    unstable: BTreeMap<u64, Box<str>>,
    stable: Pages,
    ages: Ages,
}

impl Replica {
    /// Of so many partitions, with nothing in them.
    pub(crate) fn new(partitions: usize, options: Options) -> Self {
        let partition = || Partition {
            applied: 0,
            seen: vec![0; partitions],
            accounted: vec![0; partitions],
            with_messages: 0,
            tops: VecDeque::new(),
            exclusive: false,
            restored: 0,
        };
        Self {
            options,
            partitions: (0..partitions).map(|_| partition()).collect(),
            keys: FxHashMap::default(),
            logs: Vec::new(),
            unforgotten: 0,
        }
    }

    /// What a snapshot says partitions come to, its records yet to be
    /// [taken](Self::restore).
    pub(crate) fn restored(head: &Head, options: Options) -> Self {
        let mut replica = Self::new(head.from.len(), options);
        for (partition, (&from, &until)) in head.from.iter().zip(&head.until).enumerate() {
            replica.partitions[partition].applied = from;
            replica.partitions[partition].restored = until;
            for other in &mut replica.partitions {
                other.accounted[partition] = from;
            }
        }
        replica
    }

    /// Takes a record of the snapshot.
    pub(crate) fn restore(&mut self, Record(name, committed, stored, start): &Record<'_>) {
        let key = self.key(name);
        let log = &mut self.logs[key];
        log.committed = *committed;
        log.stable = Pages::restored(stored.to_vec(), *start);
        log.floor = log.stable.stored_end();
        log.top = log.floor;
        log.bounds.fill(log.floor);
    }

    /// Takes from a snapshot that somebody else wrote which parts there are.
    pub(crate) fn adopt(&mut self, Record(name, _, stored, start): &Record<'_>) {
        let key = self.key(name);
        let stable = &mut self.logs[key].stable;
        // Parts of what was dropped are not named, and there must be no gap.
        stable.drop_below(*start);
        stored.iter().for_each(|&stored| stable.store(stored));
    }

    /// By partition, the first segment whose messages are not all stable, or whose
    /// successors cannot be understood without it. What stands below is in a snapshot
    /// that is made of what is stable now or later.
    pub(crate) fn cut(&self) -> Vec<u64> {
        let cut = |partition: &Partition| {
            (partition.applied - partition.tops.len() as u64)
                .min(partition.applied.saturating_sub(1))
        };
        self.partitions.iter().map(cut).collect()
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.logs.len()
    }

    /// Puts messages of key number `key` on a page that are stable and in no part yet;
    /// whether all did fit.
    pub(crate) fn fill(&self, key: usize, page: &mut Page) -> serde_json::Result<bool> {
        let log = &self.logs[key];
        page.fill(&log.name, log.stable.from(log.stable.stored_end()))
    }

    /// Key number `key` has messages up to this offset in this part.
    pub(crate) fn store(&mut self, key: usize, part: Part, last: u64) {
        self.logs[key].stable.store(Stored(part, last));
    }

    /// What a snapshot says of key number `key`; none if there is nothing to say.
    pub(crate) fn record(&self, key: usize) -> Option<Record<'_>> {
        let KeyLog { name, committed, stable, .. } = &self.logs[key];
        let is_known = committed.is_some() || stable.stored_end() > 0;
        let stored = stable.stored();
        is_known.then(|| Record((&**name).into(), *committed, stored.into(), stable.start()))
    }

    /// Drops what these rules allow to be dropped.
    pub(crate) fn retain(&mut self, now: Time, rules: &Retention) {
        let hasty = self.options.bugs.has(Bug::DropUncommitted);
        self.logs.iter_mut().for_each(|log| log.retain(now, rules, hasty));
    }

    /// Parts that have to be read before a key's stable messages from `offset` on can be.
    pub(crate) fn missing(&self, key: &str, offset: u64) -> impl Iterator<Item = Part> {
        let log = self.keys.get(key).map(|&key| &self.logs[key]);
        log.into_iter().flat_map(move |log| log.stable.missing(offset))
    }

    /// A part has these messages.
    pub(crate) fn load(&mut self, part: Part, messages: &Messages<'_>) {
        for (key, messages) in messages {
            if let Some(&key) = self.keys.get(&**key) {
                let messages: Vec<(u64, &str)> =
                    messages.iter().map(|&(offset, text)| (offset, text.get())).collect();
                self.logs[key].stable.load(part, &messages);
            }
        }
    }

    /// How many segments of each partition were applied.
    pub(crate) fn applied(&self) -> Vec<u64> {
        self.partitions.iter().map(|partition| partition.applied).collect()
    }

    /// Whether all is applied that the last segment of `partition` had seen: only
    /// then may the next one be written.
    pub(crate) fn may_append(&self, partition: usize) -> bool {
        self.partitions[partition]
            .seen
            .iter()
            .zip(&self.partitions)
            .all(|(&seen, partition)| partition.applied >= seen)
    }

    /// Whether the partition is its owner's alone.
    pub(crate) fn is_exclusive(&self, partition: usize) -> bool {
        self.partitions[partition].exclusive
    }

    /// Whether messages wait for `partition` to see them before they are stable.
    pub(crate) fn waits_for(&self, partition: usize) -> bool {
        let seen = &self.partitions[partition].seen;
        self.partitions.iter().zip(seen).any(|(partition, &seen)| seen < partition.with_messages)
    }

    /// Gives out the next offset of `partition` for this key.
    pub(crate) fn next_offset(&mut self, partition: usize, key: &str) -> u64 {
        let partitions = self.partitions.len() as u64;
        let partition = partition as u64;
        let key = self.key(key);
        let log = &mut self.logs[key];
        // The lowest number from `top` on that is congruent to the partition.
        let offset = log.top + (partition + partitions - log.top % partitions) % partitions;
        log.top = offset + 1;
        offset
    }

    /// The offset up to which clients have processed this key.
    pub(crate) fn committed(&self, key: &str) -> Option<u64> {
        self.keys.get(key).and_then(|&key| self.logs[key].committed)
    }

    /// The stable messages of a key, from `offset` on.
    pub(crate) fn stable(&self, key: &str, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let log = self.keys.get(key).map(|&key| &self.logs[key]);
        log.into_iter().flat_map(move |log| log.stable.from(offset))
    }

    /// Takes in the next segment of `partition`.
    ///
    /// # Errors
    ///
    /// When it cannot be that; nothing of it is taken in then.
    pub(crate) fn apply(&mut self, partition: usize, segment: &Segment<'_>) -> Result<(), Corrupt> {
        self.check(partition, segment)?;
        let is_repeated = self.partitions[partition].applied < self.partitions[partition].restored;
        let mut tops = Vec::with_capacity(segment.sends.len());
        for (key, messages) in &segment.sends {
            let key = self.key(key);
            let floor = if is_repeated { self.logs[key].floor } else { 0 };
            tops.extend(self.logs[key].receive(messages, floor).map(|top| (key, top)));
        }
        for (key, &offset) in &segment.commits {
            self.commit(key, offset);
        }
        let state = &mut self.partitions[partition];
        state.applied += 1;
        if !tops.is_empty() {
            state.with_messages = state.applied;
        }
        state.tops.push_back(tops.into());
        state.seen.clone_from(&segment.seen);
        state.exclusive = segment.exclusive;
        for other in 0..self.partitions.len() {
            self.account(partition, other);
            self.account(other, partition);
        }
        self.forget_tops();
        Ok(())
    }

    /// Passes over the next segment of `partition`, of which nobody can know what it said.
    pub(crate) fn pass(&mut self, partition: usize) {
        let state = &mut self.partitions[partition];
        state.applied += 1;
        state.seen[partition] = state.applied;
        state.tops.push_back(Box::default());
        self.account(partition, partition);
        self.forget_tops();
    }

    fn check(&self, partition: usize, segment: &Segment<'_>) -> Result<(), Corrupt> {
        let partitions = self.partitions.len();
        let state = &self.partitions[partition];
        if segment.seen.len() != partitions {
            return Err(Corrupt::Partitions { found: segment.seen.len(), expected: partitions });
        }
        let forgot = segment.seen.iter().zip(&state.seen).any(|(new, old)| new < old);
        if forgot || segment.seen[partition] != state.applied + 1 {
            return Err(Corrupt::Seen);
        }
        for (key, messages) in &segment.sends {
            let log = self.keys.get(&**key).map(|&key| &self.logs[key]);
            let known = log.map_or(0, |log| log.bounds[partition]);
            // What the snapshot has may be lower, and come again.
            let is_repeated = state.applied < state.restored;
            let mut bound =
                if log.is_some_and(|log| is_repeated && known == log.floor) { 0 } else { known };
            for &(offset, _) in messages {
                if offset < bound || offset % partitions as u64 != partition as u64 {
                    return Err(Corrupt::Offset { key: key.to_string(), offset });
                }
                bound = offset + 1;
            }
        }
        Ok(())
    }

    fn key(&mut self, name: &str) -> usize {
        if let Some(&key) = self.keys.get(name) {
            return key;
        }
        let (key, name) = (self.logs.len(), Arc::from(name));
        self.keys.insert(Arc::clone(&name), key);
        self.logs.push(KeyLog::new(name, self.partitions.len()));
        key
    }

    /// Clients have processed this key up to this offset.
    pub(crate) fn commit(&mut self, key: &str, offset: u64) {
        let key = self.key(key);
        let committed = &mut self.logs[key].committed;
        *committed = Some(committed.map_or(offset, |known| known.max(offset)));
    }

    /// Raises the bounds of partition `of` above all that it has seen of partition `by`,
    /// as far as that is known here.
    fn account(&mut self, of: usize, by: usize) {
        let until = self.partitions[of].seen[by].min(self.partitions[by].applied);
        let from = self.partitions[of].accounted[by];
        if from >= until {
            return;
        }
        let hasty = self.options.bugs.has(Bug::ShowUnstable);
        let writer = &self.partitions[by];
        let first = writer.applied - writer.tops.len() as u64;
        for index in from..until {
            for &(key, top) in &writer.tops[(index - first) as usize] {
                self.logs[key].raise(of, top, hasty);
            }
        }
        self.partitions[of].accounted[by] = until;
    }

    /// Drops what all partitions have seen. Looking for it costs the square of the number
    /// of partitions, so that is done once in so many segments.
    fn forget_tops(&mut self) {
        self.unforgotten += 1;
        if self.unforgotten < self.partitions.len() {
            return;
        }
        self.unforgotten = 0;
        for partition in 0..self.partitions.len() {
            let accounted = self.partitions.iter().map(|other| other.accounted[partition]).min();
            let state = &mut self.partitions[partition];
            let first = state.applied - state.tops.len() as u64;
            let seen = accounted.unwrap_or(0).saturating_sub(first) as usize;
            state.tops.drain(..seen);
        }
    }
}

impl KeyLog {
    fn new(name: Arc<str>, partitions: usize) -> Self {
        Self {
            name,
            committed: None,
            floor: 0,
            top: 0,
            bounds: vec![0; partitions].into(),
            unstable: BTreeMap::new(),
            stable: Pages::default(),
            ages: Ages::default(),
        }
    }

    /// Takes in messages from `floor` on, and returns the first offset above all.
    fn receive(&mut self, messages: &[(u64, &RawValue)], floor: u64) -> Option<u64> {
        for (offset, text) in messages.iter().filter(|(offset, _)| *offset >= floor) {
            self.unstable.insert(*offset, text.get().into());
        }
        let top = messages.last()?.0 + 1;
        self.top = self.top.max(top);
        Some(top)
    }

    fn retain(&mut self, now: Time, rules: &Retention, hasty: bool) {
        let end = self.stable.end();
        let mut start = end;
        if rules.committed && !hasty {
            start = start.min(self.committed.map_or(0, |committed| committed.saturating_add(1)));
        }
        if let Some(bytes) = rules.bytes {
            start = start.min(self.stable.newest(usize::try_from(bytes).unwrap_or(usize::MAX)));
        }
        if let Some(age) = rules.age {
            start = start.min(self.ages.older(now, end, age));
        }
        self.stable.drop_below(start);
    }

    /// What is yet to come in `partition` has offsets from `bound` on.
    fn raise(&mut self, partition: usize, bound: u64, hasty: bool) {
        self.bounds[partition] = self.bounds[partition].max(bound);
        let bounds = self.bounds.iter();
        let Some(&lowest) = (if hasty { bounds.max() } else { bounds.min() }) else { return };
        while let Some(first) = self.unstable.first_entry()
            && *first.key() < lowest
        {
            let (offset, text) = first.remove_entry();
            self.stable.push(offset, &text);
        }
    }
}
