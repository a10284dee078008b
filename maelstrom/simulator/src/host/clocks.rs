//! Clocks of the nodes' own, where they are to differ.
//!
//! Usually all nodes share the clock of the runtime that everything runs on. Here
//! each has a paused runtime of its own, whose clock goes on by as much as the
//! node's rate makes of each millisecond of global time, and a jump now and then.
//! A node is polled inside its runtime, so its timers, intervals, timeouts and
//! `Instant::now` all follow that clock.

use std::time::Duration;

use tokio::runtime::{EnterGuard, Runtime};
use tokio::time::advance;

use crate::nemesis::Skew;

/// How much global time goes by at a time: the grain of Tokio's timers.
pub(super) const GRAIN: Duration = Duration::from_millis(1);

pub(super) struct Clocks(Vec<Clock>);

struct Clock {
    runtime: Runtime,
    /// Parts per thousand of global time.
    rate: u32,
    /// What it jumps ahead at the next step.
    jump: Duration,
}

impl Clocks {
    pub(super) fn new(nodes: usize) -> std::io::Result<Self> {
        let clock = |_| Ok(Clock { runtime: paused()?, rate: 1000, jump: Duration::ZERO });
        (0..nodes).map(clock).collect::<std::io::Result<_>>().map(Self)
    }

    /// Makes a node's clock the one that counts until the guard is dropped.
    pub(super) fn enter(&self, node: usize) -> EnterGuard<'_> {
        self.0[node].runtime.enter()
    }

    pub(super) fn skew(&mut self, skew: Skew) {
        let clock = &mut self.0[skew.node];
        clock.rate = skew.rate;
        clock.jump += skew.jump;
    }

    /// Lets a grain of global time go by, and the timers go off that are due. Not
    /// to be called inside of any runtime.
    pub(super) fn step(&mut self) {
        for clock in &mut self.0 {
            let local = GRAIN * clock.rate / 1000 + std::mem::take(&mut clock.jump);
            clock.runtime.block_on(advance(local));
        }
    }
}

/// A runtime whose clock goes on only when it is told to, or when nothing else is
/// to be done on it.
pub(super) fn paused() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()
}
