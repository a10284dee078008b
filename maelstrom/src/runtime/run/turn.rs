//! A turn of the run loop: how long it goes on before it writes and lets others go on.
//!
//! What surrounds the node (timers, signals, what it reads and writes) makes itself
//! known between two turns only. So a turn ends when it has taken a few milliseconds,
//! however much is left to do: answers do not wait for a whole buffer of input, timers
//! go off under load, and a task that starts another without end takes time from the
//! node, but does not stop it. A single step, of a handler or a task, is never
//! interrupted.

use std::time::Duration;

use tokio::time::Instant;

/// How long a turn may take.
const LONGEST: Duration = Duration::from_millis(4);
/// How often tasks that are started may start further ones in a turn. Counted, because
/// no time passes within a turn of a simulation.
const GENERATIONS: u32 = 256;

/// Steps that are taken without a look at the clock while they are as quick as most are.
const STRIDE: u64 = 16;
/// So many steps in a longer time are not quick.
const QUICK: Duration = Duration::from_micros(250);

/// A turn.
#[derive(Default)]
pub(super) struct Turn {
    steps: u64,
    /// The step at which to look at the clock again.
    next_look: u64,
    /// When the first step had been taken. A turn of one step, which is what a lone
    /// message takes, does not look at the clock.
    began: Option<Instant>,
    /// The last look, after the beginning.
    looked: Duration,
    generations: u32,
    over: bool,
}

impl Turn {
    /// Whether nothing more is to be done in it.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// A line was handled, or a handler or task has ended.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        if self.steps > 1 && self.steps >= self.next_look {
            self.look();
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let took = now.duration_since(*self.began.get_or_insert(now));
        self.over |= took >= LONGEST;
        let is_quick = took - self.looked < QUICK;
        self.next_look = self.steps + if is_quick && self.steps > 2 { STRIDE } else { 1 };
        self.looked = took;
    }

    /// Tasks are started that were not there before.
    pub(super) fn generation(&mut self) {
        self.generations += 1;
        self.over |= self.generations >= GENERATIONS;
    }
}
