//! The operations that are open: what they can do to a configuration.

use rustc_hash::FxHashMap;

use super::configuration::{Configuration, Mask};
use super::{Action, Slot, ValueId};

#[derive(Clone, Default)]
pub(super) struct Open {
    pending: Vec<Option<Pending>>,
    /// Slots of operations that leave every value as it is.
    passive: Mask,
    writes: Mask,
    /// Slots whose operations have nothing left to do at this value: reads of it, and
    /// writes of it that would not be noticed.
    content: FxHashMap<ValueId, Mask>,
    /// Slots of operations that saw another value than one.
    differing: Mask,
    differing_from: FxHashMap<ValueId, Mask>,
    /// Slots of updates that do the same.
    same: FxHashMap<Action, Mask>,
    /// Slots of updates that need this value.
    from: FxHashMap<ValueId, Mask>,
    /// Updates in doubt, by kind, and how many of each there are.
    doubtful: Vec<(Action, u32)>,
    kinds: FxHashMap<Action, u32>,
    doubtful_from: FxHashMap<ValueId, Vec<u32>>,
    /// Whether updates can be used again and again.
    is_relaxed: bool,
}

#[derive(Clone, Copy)]
struct Pending {
    action: Action,
    deadline: u64,
}

/// A configuration on the way to one in which an operation has taken effect.
#[derive(Clone)]
pub(super) struct Midway {
    pub(super) configuration: Configuration,
    /// Whether a write may come next. Where nobody needs what has happened since the
    /// last one, the same is reached without that.
    pub(super) may_write: bool,
    /// The slot whose operation came last, unless that was one in doubt.
    pub(super) last: Option<Slot>,
}

impl Open {
    /// The same, but updates are never used up: more histories can be explained, and
    /// there are far fewer configurations to tell apart.
    pub(super) fn relaxed(&self) -> Self {
        Self { is_relaxed: true, ..self.clone() }
    }

    pub(super) fn is_relaxed(&self) -> bool {
        self.is_relaxed
    }

    /// A slot in which nothing runs, if there is one.
    pub(super) fn vacancy(&self) -> Option<Slot> {
        let free = self.pending.iter().position(Option::is_none);
        let index = free.unwrap_or(self.pending.len());
        (index < Mask::BITS as usize).then_some(Slot(index as u32))
    }

    pub(super) fn occupy(&mut self, slot: Slot, action: Action, deadline: u64) {
        let index = slot.0 as usize;
        self.pending.resize(self.pending.len().max(index + 1), None);
        self.pending[index] = Some(Pending { action, deadline });
        self.update(slot, action, |mask, bit| *mask |= bit);
    }

    pub(super) fn release(&mut self, slot: Slot) {
        if let Some(Pending { action, .. }) = self.pending[slot.0 as usize].take() {
            self.update(slot, action, |mask, bit| *mask &= !bit);
        }
    }

    fn update(&mut self, slot: Slot, action: Action, change: fn(&mut Mask, Mask)) {
        let bit = slot.bit();
        if action.is_passive() {
            change(&mut self.passive, bit);
        } else {
            change_at(&mut self.same, action, bit, change);
        }
        match action {
            Action::Read(value) => change_at(&mut self.content, value, bit, change),
            Action::Cas(from, to) if from == to => {
                change_at(&mut self.content, from, bit, change);
            }
            Action::Cas(from, _) => change_at(&mut self.from, from, bit, change),
            Action::Differs(value) => {
                change(&mut self.differing, bit);
                change_at(&mut self.differing_from, value, bit, change);
            }
            Action::Write(value) => {
                change(&mut self.writes, bit);
                change_at(&mut self.content, value, bit, change);
            }
        }
    }

    /// One more operation that may take effect at any time, or never. One that would
    /// change nothing is none.
    pub(super) fn doubt(&mut self, action: Action) {
        if action.is_passive() {
            return;
        }
        let next = self.doubtful.len() as u32;
        let kind = *self.kinds.entry(action).or_insert(next);
        if kind < next {
            self.doubtful[kind as usize].1 += 1;
            return;
        }
        self.doubtful.push((action, 1));
        if let Action::Cas(from, _) = action {
            self.doubtful_from.entry(from).or_default().push(kind);
        }
    }

    /// Takes back operations in doubt that every configuration has used.
    pub(super) fn forget_used(&mut self, all: &mut [Configuration]) {
        let Some((first, rest)) = all.split_first() else { return };
        let least = |&(kind, count): &(u32, u32)| {
            let least = rest.iter().map(|other| other.used_of(kind)).min();
            (kind, least.unwrap_or(count).min(count))
        };
        let common: Vec<(u32, u32)> =
            first.used.iter().map(least).filter(|&(_, count)| count > 0).collect();
        for &(kind, count) in &common {
            self.doubtful[kind as usize].1 -= count;
            for configuration in &mut *all {
                if let Ok(at) = configuration.used.binary_search_by_key(&kind, |&(kind, _)| kind) {
                    configuration.used[at].1 -= count;
                }
            }
        }
        if !common.is_empty() {
            all.iter_mut().for_each(|one| one.used.retain(|&(_, count)| count > 0));
        }
    }

    pub(super) fn action(&self, slot: Slot) -> Option<Action> {
        self.pending[slot.0 as usize].map(|pending| pending.action)
    }

    /// Adds an operation that has just been invoked.
    pub(super) fn add(&self, slot: Slot, configuration: &mut Configuration) {
        configuration.must |= slot.bit();
        if self.passive & slot.bit() == 0 {
            configuration.free |= slot.bit();
        }
        self.apply_unnoticed(configuration);
    }

    /// Lets everything take effect that can without being noticed. Whether somebody
    /// saw the value thereby.
    #[inline]
    fn apply_unnoticed(&self, configuration: &mut Configuration) -> bool {
        let value = configuration.value;
        let mask = |map: &FxHashMap<ValueId, Mask>| map.get(&value).copied().unwrap_or(0);
        let mut content = mask(&self.content);
        if self.differing != 0 {
            content |= self.differing & !mask(&self.differing_from);
        }
        let seen = configuration.must & content & self.passive != 0;
        configuration.must &= !content;
        seen
    }

    /// The configurations after one more update.
    #[inline]
    pub(super) fn successors(&self, start: &Midway, mut each: impl FnMut(Midway)) {
        let mut rest = start.configuration.free;
        while rest != 0 {
            let slot = Slot(rest.trailing_zeros());
            rest &= rest - 1;
            if let Some(action) = self.action(slot)
                && self.is_next_of_its_kind(slot, action, &start.configuration)
                && let Some(mut next) = self.applied(action, Some(slot), start)
            {
                next.last = Some(slot);
                each(next);
            }
        }
        let value = start.configuration.value;
        let cas = self.doubtful_from.get(&value).into_iter().flatten().copied();
        let writes = if start.may_write { self.doubtful.len() as u32 } else { 0 };
        let writes = (0..writes).filter(|kind| self.doubtful[*kind as usize].0.is_write());
        for kind in cas.chain(writes) {
            let (action, count) = self.doubtful[kind as usize];
            let same = self.same.get(&action).copied().unwrap_or(0);
            if start.configuration.free & same == 0
                && start.configuration.used_of(kind) < count
                && let Some(mut next) = self.applied(action, None, start)
            {
                if !self.is_relaxed {
                    next.configuration.use_one(kind);
                }
                each(next);
            }
        }
    }

    /// Of updates that do the same, the one that returns first is taken first, and
    /// the others can do what it could have done; except that one which need not
    /// take effect any more, and returns first, cannot stand in for one that must.
    fn is_next_of_its_kind(&self, slot: Slot, action: Action, at: &Configuration) -> bool {
        let same = self.same.get(&action).copied().unwrap_or(0) & at.free & !slot.bit();
        let is_bound = at.must & slot.bit() != 0;
        let mut rivals = if is_bound { same & at.must } else { same };
        while rivals != 0 {
            let rival = Slot(rivals.trailing_zeros());
            rivals &= rivals - 1;
            if self.deadline(rival) < self.deadline(slot) {
                return false;
            }
        }
        true
    }

    fn deadline(&self, slot: Slot) -> u64 {
        self.pending[slot.0 as usize].map_or(u64::MAX, |pending| pending.deadline)
    }

    #[inline]
    fn applied(&self, action: Action, slot: Option<Slot>, start: &Midway) -> Option<Midway> {
        let bit = slot.map_or(0, Slot::bit);
        let mut next = start.configuration.clone();
        let was_bound = next.must & bit != 0;
        next.must &= !bit;
        if !self.is_relaxed {
            next.free &= !bit;
        }
        let mut may_write = false;
        match action {
            Action::Write(value) => {
                // A write of the value that is there serves to overwrite others.
                let is_idle = value == next.value && next.must & self.writes == 0;
                if !start.may_write || is_idle {
                    return None;
                }
                next.must &= !self.writes;
                next.value = value;
            }
            Action::Cas(from, to) if from == next.value => {
                may_write = was_bound;
                next.value = to;
            }
            _ => return None,
        }
        may_write |= self.apply_unnoticed(&mut next);
        Some(Midway { configuration: next, may_write, last: None })
    }

    /// Whether anything can follow that makes use of this value.
    pub(super) fn leads_on(&self, midway: &Midway) -> bool {
        let Midway { configuration, may_write, .. } = midway;
        let value = configuration.value;
        *may_write
            || self.from.get(&value).is_some_and(|slots| slots & configuration.free != 0)
            || self.doubtful_from.contains_key(&value)
    }
}

fn change_at<K: std::hash::Hash + Eq + Copy>(
    map: &mut FxHashMap<K, Mask>,
    key: K,
    bit: Mask,
    change: fn(&mut Mask, Mask),
) {
    let mask = map.entry(key).or_insert(0);
    change(mask, bit);
    if *mask == 0 {
        map.remove(&key);
    }
}
