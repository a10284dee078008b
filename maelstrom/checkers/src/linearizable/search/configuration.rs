//! Configurations: where a register may stand, and which of two is the better one.

use rustc_hash::FxHashMap;

use super::ValueId;

/// A set of slots, a bit each.
pub(super) type Mask = u128;

/// How many operations of a kind in doubt have taken effect, by kind, ascending.
/// Kinds of which none has are not in it.
pub(super) type Used = Vec<(u32, u32)>;

/// One way in which the history so far can be explained; by default, that of a register
/// that was never written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Configuration {
    pub(super) value: ValueId,
    /// Open operations that still have to take effect before they return.
    pub(super) must: Mask,
    /// Open updates that have not been used yet. One that need not take effect any
    /// more may do so nevertheless: it stands for two configurations, one in which
    /// it was overwritten unseen and one in which it is yet to come.
    pub(super) free: Mask,
    pub(super) used: Used,
}

impl Configuration {
    /// Whether everything that the other one can go on to do, this one can as well:
    /// it has less to do and more to do it with.
    fn covers(&self, other: &Self) -> bool {
        self.value == other.value
            && self.must & !other.must == 0
            && other.free & !self.free == 0
            && at_most(&self.used, &other.used)
    }

    /// What is likely to be explained to the end comes first: little left to do,
    /// few operations in doubt used, many updates left.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let used: u64 = self.used.iter().map(|&(_, count)| u64::from(count)).sum();
        (self.must.count_ones(), used, self.free.count_zeros())
    }

    pub(super) fn used_of(&self, kind: u32) -> u32 {
        let found = self.used.binary_search_by_key(&kind, |&(kind, _)| kind);
        found.map_or(0, |index| self.used[index].1)
    }

    pub(super) fn use_one(&mut self, kind: u32) {
        match self.used.binary_search_by_key(&kind, |&(kind, _)| kind) {
            Ok(index) => self.used[index].1 += 1,
            Err(index) => self.used.insert(index, (kind, 1)),
        }
    }
}

fn at_most(a: &Used, b: &Used) -> bool {
    let mut rest = b.iter();
    a.iter().all(|&(kind, count)| {
        rest.find(|(other, _)| *other >= kind).is_some_and(|b| b.0 == kind && b.1 >= count)
    })
}

/// A new configuration is compared with so many of its value. More would find a few
/// more that are superfluous, and take longer than following those.
const COMPARED: usize = 64;

/// A set of configurations, in order of arrival, without most of those that others
/// make superfluous.
#[derive(Clone, Default, Debug)]
pub(super) struct Configurations {
    /// By value, and whether the search may go on with a write. The best ones are
    /// in front.
    groups: FxHashMap<(ValueId, bool), Group>,
    len: usize,
    pub(super) steps: u64,
}

#[derive(Clone, Default, Debug)]
struct Group {
    best: Vec<Configuration>,
    others: rustc_hash::FxHashSet<Configuration>,
}

impl Configurations {
    /// Adds one, unless one that covers it is known to be there. Whether it was.
    pub(super) fn insert(&mut self, configuration: &Configuration, may_write: bool) -> bool {
        self.steps += 1;
        if self.covers(configuration, true) || !may_write && self.covers(configuration, false) {
            return false;
        }
        let group = self.groups.entry((configuration.value, may_write)).or_default();
        if group.best.len() < COMPARED {
            group.best.push(configuration.clone());
        } else if !group.others.insert(configuration.clone()) {
            return false;
        }
        self.len += 1;
        true
    }

    pub(super) fn covers(&mut self, configuration: &Configuration, may_write: bool) -> bool {
        let Some(group) = self.groups.get(&(configuration.value, may_write)) else { return false };
        self.steps += group.best.len() as u64;
        group.best.iter().any(|best| best.covers(configuration))
            || group.others.contains(configuration)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// Without most of those that others make superfluous, the best first. Returns the
/// comparisons made as well.
pub(super) fn reduce(mut all: Vec<Configuration>) -> (Vec<Configuration>, u64) {
    if all.len() < 2 {
        return (all, 0);
    }
    all.sort_by_cached_key(Configuration::rank);
    let mut kept = Configurations::default();
    all.retain(|configuration| kept.insert(configuration, true));
    (all, kept.steps)
}
