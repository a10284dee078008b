//! How much a search may cost.

use std::time::Duration;

use crate::CheckBudget;

/// So many steps stand for a second: a configuration made, or two of them compared.
const STEPS_A_SECOND: u64 = 20_000_000;

/// So much memory, in bytes, stands for a configuration that is kept.
const CONFIGURATION: u64 = 256;

/// Each operation that returns has so many steps of its own, whatever else was used
/// up. So a hard key does not leave easy ones undecided.
const STEPS_AN_OPERATION: u64 = 1_000;

/// What all keys together may still cost.
///
/// Both are counted and not measured: a history has the same verdict on every
/// machine.
#[derive(Debug)]
pub(super) struct Budget {
    limits: CheckBudget,
    steps: u64,
    granted: u64,
    configurations: u64,
    held: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// `--check-time-limit`
    Time(Duration),
    /// `--check-memory`, in MiB
    Memory(u64),
}

impl Budget {
    pub(super) fn new(limits: CheckBudget) -> Self {
        let seconds = limits.time.as_secs_f64();
        Self {
            limits,
            steps: (seconds * STEPS_A_SECOND as f64) as u64,
            granted: 0,
            configurations: limits.memory_mib.saturating_mul(1 << 20) / CONFIGURATION,
            held: 0,
        }
    }

    /// A part of it, for something that may not be worth all.
    pub(super) fn share(&self) -> Self {
        Self { steps: self.steps / 4, granted: 0, held: 0, ..*self }
    }

    /// Counts what a part of it was used for.
    pub(super) fn charge(&mut self, share: &Self) {
        self.steps -= self.steps / 4 - share.steps;
    }

    pub(super) fn grant(&mut self) {
        self.granted = STEPS_AN_OPERATION;
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        let granted = steps.min(self.granted);
        self.granted -= granted;
        let left = self.steps.checked_sub(steps - granted);
        self.steps = left.ok_or(Exhausted::Time(self.limits.time))?;
        Ok(())
    }

    pub(super) fn hold(&mut self, configurations: usize) -> Result<(), Exhausted> {
        self.check(configurations)?;
        self.held += configurations as u64;
        Ok(())
    }

    pub(super) fn release(&mut self, configurations: usize) {
        self.held = self.held.saturating_sub(configurations as u64);
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether so many can be kept for a while.
    pub(super) fn check(&self, configurations: usize) -> Result<(), Exhausted> {
        match self.held + configurations as u64 <= self.configurations {
            true => Ok(()),
            false => Err(Exhausted::Memory(self.limits.memory_mib)),
        }
    }
}
