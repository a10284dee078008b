//! Whether one register's operations can be put into an order that explains
//! what each of them saw: a search that keeps up with the history.
//!
//! Just-in-time linearization (Lowe, "Testing for linearizability", 2017, §4):
//! the search holds every configuration that explains the history so far, and
//! lets an operation take effect only when one has to, because it returns. What
//! keeps the set of configurations small:
//!
//! - An operation that can never change the value takes effect as soon as it
//!   can; nothing is lost by that. So reads never branch.
//! - Operations in doubt may take effect at any time or never. Those that do the
//!   same are interchangeable, so they are counted, and of two configurations
//!   that agree in everything else the one that used fewer of them wins.

use std::collections::{BTreeMap, VecDeque};

/// A register's value, by number. 0 is the value before any write.
pub(crate) type ValueId = u32;

/// What an operation does to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Saw this value.
    Read(ValueId),
    /// Set it.
    Write(ValueId),
    /// Set it to the second, if it was the first.
    Cas(ValueId, ValueId),
}

impl Action {
    /// The value afterwards; `None` if this cannot happen at `value`.
    fn apply(self, value: ValueId) -> Option<ValueId> {
        match self {
            Action::Read(seen) => (seen == value).then_some(value),
            Action::Write(new) => Some(new),
            Action::Cas(from, to) => (from == value).then_some(to),
        }
    }

    /// Whether it leaves every value as it is.
    fn is_passive(self) -> bool {
        match self {
            Action::Read(_) => true,
            Action::Write(_) => false,
            Action::Cas(from, to) => from == to,
        }
    }
}

/// A place for an operation that has been invoked and is going to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    fn bit(self) -> u128 {
        1 << self.0
    }
}

/// Why a search ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The operation that returned cannot have happened. The register had one
    /// of these values by then.
    Impossible(Vec<ValueId>),
    /// More operations at a time, or more configurations, than are followed.
    TooMany,
}

/// More configurations than this are not followed.
const MOST_CONFIGURATIONS: usize = 100_000;

/// More comparisons between configurations than this, and so many for each
/// operation, are not made: a fraction of a second.
const MOST_COMPARISONS: u64 = 10_000_000;
const COMPARISONS_AN_OPERATION: u64 = 1_000;

/// The value, and a bit for each slot whose operation has taken effect.
type Key = (ValueId, u128);

/// How many operations of each kind in doubt have taken effect.
type Used = Vec<u16>;

/// Every configuration that explains one register's history so far.
pub(crate) struct Search {
    /// What runs in each slot.
    pending: Vec<Option<Action>>,
    /// Operations in doubt, by kind, and how many of each there are.
    doubtful: Vec<(Action, u16)>,
    configurations: Configurations,
    /// Comparisons made, less those that operations are entitled to.
    comparisons: u64,
}

impl Search {
    /// A register that was never written.
    pub(crate) fn new() -> Self {
        let mut configurations = Configurations::default();
        configurations.insert((0, 0), Used::new());
        Self { pending: Vec::new(), doubtful: Vec::new(), configurations, comparisons: 0 }
    }

    /// An operation that is going to succeed is invoked.
    pub(crate) fn invoke(&mut self, action: Action) -> Result<Slot, Stop> {
        let free = self.pending.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.pending.len());
        if slot >= u128::BITS as usize {
            return Err(Stop::TooMany);
        }
        if slot == self.pending.len() {
            self.pending.push(None);
        }
        self.pending[slot] = Some(action);
        let settled = std::mem::take(&mut self.configurations).into_iter();
        let settled = settled.map(|(key, used)| (self.settle(key), used));
        self.configurations = settled.collect();
        Ok(Slot(slot as u32))
    }

    /// An operation is invoked of which nobody will ever know.
    pub(crate) fn doubt(&mut self, action: Action) -> Result<(), Stop> {
        if let Some((_, count)) = self.doubtful.iter_mut().find(|(known, _)| *known == action) {
            *count = count.checked_add(1).ok_or(Stop::TooMany)?;
            return Ok(());
        }
        self.doubtful.push((action, 1));
        self.configurations.widen(self.doubtful.len());
        Ok(())
    }

    /// An operation returns: it has taken effect in every configuration that
    /// remains.
    pub(crate) fn complete(&mut self, slot: Slot) -> Result<(), Stop> {
        let bit = slot.bit();
        let (done, not_done): (Vec<_>, Vec<_>) = std::mem::take(&mut self.configurations)
            .into_iter()
            .partition(|((_, done), _)| done & bit != 0);
        let mut remaining: Configurations = done.into_iter().collect();
        let values = self.force(bit, not_done, &mut remaining)?;
        if remaining.is_empty() {
            return Err(Stop::Impossible(values));
        }
        self.pending[slot.0 as usize] = None;
        let cleared =
            remaining.into_iter().map(|((value, done), used)| ((value, done & !bit), used));
        self.configurations = cleared.collect();
        Ok(())
    }

    /// Lets operations take effect, in every order, until the one with this bit
    /// has. Returns the values gone through on the way.
    fn force(
        &mut self,
        bit: u128,
        start: Vec<(Key, Used)>,
        found: &mut Configurations,
    ) -> Result<Vec<ValueId>, Stop> {
        let mut values: Vec<ValueId> = Vec::new();
        let mut seen = Configurations::default();
        let mut queue = VecDeque::new();
        for (key, used) in start {
            if seen.insert(key, used.clone()) {
                queue.push_back((key, used));
            }
        }
        while let Some((key, used)) = queue.pop_front() {
            values.push(key.0);
            self.successors(key, &used, |key, used| {
                if key.1 & bit != 0 {
                    found.insert(key, used);
                } else if seen.insert(key, used.clone()) {
                    queue.push_back((key, used));
                }
            });
            let comparisons = self.comparisons + seen.comparisons + found.comparisons;
            if seen.count + found.count > MOST_CONFIGURATIONS || comparisons > MOST_COMPARISONS {
                return Err(Stop::TooMany);
            }
        }
        self.comparisons += seen.comparisons + found.comparisons;
        self.comparisons = self.comparisons.saturating_sub(COMPARISONS_AN_OPERATION);
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// The configurations after one more operation that changes the value.
    fn successors(&self, (value, done): Key, used: &Used, mut each: impl FnMut(Key, Used)) {
        for (slot, action) in self.pending.iter().enumerate() {
            let bit = Slot(slot as u32).bit();
            if done & bit == 0
                && let Some(next) = action.and_then(|action| action.apply(value))
            {
                each(self.settle((next, done | bit)), used.clone());
            }
        }
        for (kind, (action, count)) in self.doubtful.iter().enumerate() {
            match action.apply(value) {
                Some(next) if next != value && used[kind] < *count => {
                    let mut used = used.clone();
                    used[kind] += 1;
                    each(self.settle((next, done)), used);
                }
                _ => {}
            }
        }
    }

    /// Lets everything take effect that can and never changes the value. A write
    /// of the present value is not among that: it may be needed later.
    fn settle(&self, (value, mut done): Key) -> Key {
        for (slot, action) in self.pending.iter().enumerate() {
            if action.is_some_and(|action| action.is_passive() && action.apply(value).is_some()) {
                done |= Slot(slot as u32).bit();
            }
        }
        (value, done)
    }
}

/// A set of configurations in which none is made superfluous by another.
#[derive(Default)]
struct Configurations {
    map: BTreeMap<Key, Vec<Used>>,
    count: usize,
    comparisons: u64,
}

impl Configurations {
    /// Adds one, unless one that used no more is there; drops those that used
    /// no less. Whether it was added.
    fn insert(&mut self, key: Key, used: Used) -> bool {
        let same = self.map.entry(key).or_default();
        self.comparisons += 1 + same.len() as u64;
        if same.iter().any(|other| at_most(other, &used)) {
            return false;
        }
        let before = same.len();
        same.retain(|other| !at_most(&used, other));
        same.push(used);
        self.count = self.count + same.len() - before;
        true
    }

    fn widen(&mut self, kinds: usize) {
        for used in self.map.values_mut().flatten() {
            used.resize(kinds, 0);
        }
    }

    fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    fn into_iter(self) -> impl Iterator<Item = (Key, Used)> {
        self.map.into_iter().flat_map(|(key, all)| all.into_iter().map(move |used| (key, used)))
    }
}

impl FromIterator<(Key, Used)> for Configurations {
    fn from_iter<I: IntoIterator<Item = (Key, Used)>>(all: I) -> Self {
        let mut configurations = Self::default();
        for (key, used) in all {
            configurations.insert(key, used);
        }
        configurations
    }
}

fn at_most(a: &Used, b: &Used) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b)
}

#[cfg(test)]
mod tests;
