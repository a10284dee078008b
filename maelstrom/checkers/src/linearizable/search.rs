//! Whether one register's operations can be put into an order that explains
//! what each of them saw: a search that keeps up with the history.
//!
//! Just-in-time linearization (Lowe, "Testing for linearizability", 2017, §4):
//! the search holds configurations that explain the history so far, and lets an
//! operation take effect only when one has to, because it returns. What keeps their
//! number small:
//!
//! - An operation that can never change the value takes effect as soon as it can.
//! - A write that is overwritten unseen can stand anywhere before another write. So
//!   a write makes all writes that are open optional, instead of one configuration
//!   for each subset of them.
//! - On the way to the operation that returns, a write follows on another one only
//!   if somebody needs what was there between them.
//! - Of operations that do the same, the one that returns first is taken first. Those
//!   in doubt never return, so they are counted, and taken last.
//! - A configuration with more left to do and less to do it with than another one of
//!   the same value is dropped.
//!
//! Where they are many all the same, the most promising ones are followed to the end,
//! and the others kept until those have failed; what was found to lead nowhere is
//! remembered (Wing and Gong's search as in Lowe, §5). So a history that can be
//! explained is not searched through, and one that cannot costs no more than if all
//! were followed at once. Most that cannot are found out earlier: before the others are
//! tried, the same search is made with updates that are never used up, which has far
//! fewer configurations and explains whatever can be explained.

mod configuration;
mod open;

use std::collections::{BTreeSet, VecDeque};

use self::configuration::{Configuration, Configurations, Mask, reduce};
use self::open::{Midway, Open};
use super::budget::{Budget, Exhausted};

/// A register's value, by number. 0 is the value before any write.
pub(crate) type ValueId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Read(ValueId),
    /// Saw another value than this.
    Differs(ValueId),
    Write(ValueId),
    /// Set it to the second, if it was the first.
    Cas(ValueId, ValueId),
}

impl Action {
    /// Whether it leaves every value as it is.
    fn is_passive(self) -> bool {
        match self {
            Action::Read(_) | Action::Differs(_) => true,
            Action::Write(_) => false,
            Action::Cas(from, to) => from == to,
        }
    }

    fn is_write(self) -> bool {
        matches!(self, Action::Write(_))
    }
}

/// A place for an operation that has been invoked and is going to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    fn bit(self) -> Mask {
        1 << self.0
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The operation that returned cannot have happened. The register had one
    /// of these values by then.
    Impossible(Vec<ValueId>),
    /// More operations are open at a time than the search has places for.
    TooManyOpen,
    Exhausted(Exhausted),
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

const FOLLOWED: usize = 32;

/// What happens, in order of time.
#[derive(Clone, Copy)]
enum Step {
    Invoke(Slot, Action, u64),
    Doubt(Action),
    Complete(Slot),
}

/// Configurations that explain one register's history so far.
#[derive(Default)]
pub(crate) struct Search {
    /// So many configurations are followed at a time.
    most: usize,
    open: Open,
    followed: Vec<Configuration>,
    /// What is tried when those that are followed have failed, the latest last.
    reserves: Vec<Reserve>,
    /// What has happened since the oldest reserve was set aside.
    steps: Vec<Step>,
    /// How many of the steps have been taken by those that are followed.
    taken: usize,
    /// What was reached after each of the steps, and led nowhere so far.
    reached: Vec<Configurations>,
    /// What can be explained if updates are never used up, since the oldest reserve was
    /// set aside; and how many of the steps it has taken.
    relaxation: Option<Box<Search>>,
    relaxation_taken: usize,
    /// Values gone through on the way to the present step by those that failed.
    values: BTreeSet<ValueId>,
}

/// Configurations that were set aside after some step.
struct Reserve {
    taken: usize,
    open: Open,
    /// The most promising last.
    configurations: Vec<Configuration>,
}

impl Search {
    /// A register that was never written.
    pub(crate) fn new() -> Self {
        Self::following(FOLLOWED)
    }

    fn following(most: usize) -> Self {
        Self { most, followed: vec![Configuration::default()], ..Self::default() }
    }

    /// An operation that is going to return successfully, at this time, is invoked.
    pub(crate) fn invoke(
        &mut self,
        action: Action,
        deadline: u64,
        budget: &mut Budget,
    ) -> Result<Slot, Stop> {
        let slot = self.open.vacancy().ok_or(Stop::TooManyOpen)?;
        self.apply(Step::Invoke(slot, action, deadline), budget)?;
        Ok(slot)
    }

    /// An operation is invoked of which nobody will ever know.
    pub(crate) fn doubt(&mut self, action: Action, budget: &mut Budget) -> Result<(), Stop> {
        self.apply(Step::Doubt(action), budget)
    }

    /// An operation returns: it has taken effect in every configuration that
    /// remains.
    pub(crate) fn complete(&mut self, slot: Slot, budget: &mut Budget) -> Result<(), Stop> {
        budget.grant();
        self.apply(Step::Complete(slot), budget)
    }

    pub(crate) fn abandon(&mut self, budget: &mut Budget) {
        let reserved = self.reserves.drain(..).map(|reserve| reserve.configurations.len());
        let reached = self.reached.drain(..).map(|reached| reached.len());
        let held = reserved.sum::<usize>() + reached.sum::<usize>() + self.followed.len();
        budget.release(held);
        *self = Self::new();
    }

    fn apply(&mut self, step: Step, budget: &mut Budget) -> Result<(), Stop> {
        self.steps.push(step);
        self.values.clear();
        let mut is_relaxation_asked = false;
        while let Some(&step) = self.steps.get(self.taken) {
            match step {
                Step::Invoke(slot, action, deadline) => self.begin(slot, action, deadline),
                Step::Doubt(action) => self.open.doubt(action),
                Step::Complete(slot) => self.end(slot, budget)?,
            }
            self.taken += 1;
            if self.followed.is_empty() {
                if !std::mem::replace(&mut is_relaxation_asked, true) {
                    self.ask_relaxation(budget)?;
                }
                self.fall_back(budget)?;
            }
        }
        if self.reserves.is_empty() {
            self.steps.clear();
            self.taken = 0;
            self.relaxation = None;
            budget.release(self.reached.drain(..).map(|reached| reached.len()).sum());
        }
        Ok(())
    }

    fn begin(&mut self, slot: Slot, action: Action, deadline: u64) {
        self.open.occupy(slot, action, deadline);
        for configuration in &mut self.followed {
            self.open.add(slot, configuration);
        }
    }

    fn end(&mut self, slot: Slot, budget: &mut Budget) -> Result<(), Stop> {
        let followed = std::mem::take(&mut self.followed);
        budget.release(followed.len());
        let reached = self.force(slot, followed, budget)?;
        self.open.release(slot);
        let (mut reached, steps) = reduce(reached);
        budget.spend(steps)?;
        if self.reached.is_empty() {
            self.open.forget_used(&mut reached);
        }
        self.follow(reached, self.taken + 1, budget)
    }

    /// Goes on with the most promising of these, and sets the others aside.
    fn follow(
        &mut self,
        mut all: Vec<Configuration>,
        taken: usize,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if !self.reserves.is_empty() || all.len() > self.most {
            all = self.remember(all, taken, budget)?;
        }
        budget.hold(all.len())?;
        if all.len() > self.most {
            if self.reserves.is_empty() && !self.open.is_relaxed() {
                self.relaxation = Some(Box::new(self.relaxed(&all)));
                self.relaxation_taken = taken;
            }
            let mut rest = all.split_off(self.most);
            rest.reverse();
            self.reserves.push(Reserve { taken, open: self.open.clone(), configurations: rest });
        }
        self.followed = all;
        Ok(())
    }

    /// Those that were not reached at this step before.
    fn remember(
        &mut self,
        mut all: Vec<Configuration>,
        taken: usize,
        budget: &mut Budget,
    ) -> Result<Vec<Configuration>, Stop> {
        self.reached.resize_with(self.reached.len().max(taken + 1), Configurations::default);
        let reached = &mut self.reached[taken];
        let before = reached.steps;
        all.retain(|configuration| reached.insert(configuration, true));
        budget.spend(reached.steps - before)?;
        budget.hold(all.len())?;
        Ok(all)
    }

    fn relaxed(&self, all: &[Configuration]) -> Self {
        Self { open: self.open.relaxed(), followed: all.to_vec(), ..Self::following(self.most) }
    }

    /// Whether what happened can be explained at all if updates are never used up. If
    /// not, there is no need to try what was set aside.
    fn ask_relaxation(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let Some(mut relaxation) = self.relaxation.take() else { return Ok(()) };
        let mut share = budget.share();
        let mut answer = Ok(());
        for &step in &self.steps[self.relaxation_taken..] {
            answer = answer.and_then(|()| relaxation.apply(step, &mut share));
        }
        budget.charge(&share);
        match answer {
            Ok(()) => {
                self.relaxation_taken = self.steps.len();
                self.relaxation = Some(relaxation);
                Ok(())
            }
            Err(Stop::Impossible(values)) => Err(Stop::Impossible(values)),
            // It is too hard itself.
            Err(Stop::Exhausted(_) | Stop::TooManyOpen) => Ok(()),
        }
    }

    /// Takes some of what was set aside last, where it was.
    fn fall_back(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let Some(reserve) = self.reserves.last_mut() else {
            return Err(Stop::Impossible(std::mem::take(&mut self.values).into_iter().collect()));
        };
        let left = reserve.configurations.len().saturating_sub(self.most);
        self.followed = reserve.configurations.split_off(left);
        self.followed.reverse();
        self.taken = reserve.taken;
        self.open = reserve.open.clone();
        if left == 0 {
            self.reserves.pop();
        }
        budget.spend(1)?;
        Ok(())
    }

    /// Lets operations take effect, in every order that matters, until the one in
    /// this slot has.
    fn force(
        &mut self,
        slot: Slot,
        start: Vec<Configuration>,
        budget: &mut Budget,
    ) -> Result<Vec<Configuration>, Stop> {
        let bit = slot.bit();
        let (mut found, mut queue) = (Vec::new(), VecDeque::new());
        let action = self.open.action(slot);
        for configuration in start {
            let is_free = configuration.free & bit != 0;
            if configuration.must & bit == 0 {
                found.push(without(configuration.clone(), bit));
                if !is_free {
                    continue;
                }
            }
            queue.push_back(Midway { configuration, may_write: true, last: None });
        }
        let mut seen = Configurations::default();
        let is_last = self.taken + 1 == self.steps.len();
        if is_last {
            self.values.extend(queue.iter().map(|midway| midway.configuration.value));
        }
        while let Some(midway) = queue.pop_front() {
            let mut steps = 0;
            self.open.successors(&midway, |next| {
                steps += 1;
                if is_last {
                    self.values.insert(next.configuration.value);
                }
                let is_done = next.configuration.must & bit == 0;
                if next.last == Some(slot) || is_done && next.configuration.free & bit == 0 {
                    return found.push(without(next.configuration, bit));
                }
                // A write of what is there already. It may come later as well.
                if is_done && action == Some(Action::Write(next.configuration.value)) {
                    found.push(without(next.configuration.clone(), bit));
                }
                if self.open.leads_on(&next) && seen.insert(&next.configuration, next.may_write) {
                    queue.push_back(next);
                }
            });
            budget.spend(steps + std::mem::take(&mut seen.steps))?;
            budget.check(found.len() + seen.len())?;
        }
        Ok(found)
    }
}

/// The same without an operation that has returned.
fn without(mut configuration: Configuration, bit: Mask) -> Configuration {
    configuration.must &= !bit;
    configuration.free &= !bit;
    configuration
}

#[cfg(test)]
mod tests;
