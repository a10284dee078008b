//! The node as a state machine: events in, messages out, and when to be woken.
//!
//! It does no I/O and has no clock: each event comes with the time since the
//! start, which never runs backwards. All chance comes from the generator that
//! it was made with, and nothing iterates in hash order, so the same events
//! bring the same messages.
//!
//! How values spread is `tree`'s or, with a period of zero, `direct`'s affair.

use std::time::Duration;

use rand::rngs::StdRng;

use crate::config::Config;
use crate::core::Core;
use crate::direct::Direct;
use crate::tree::Tree;
use crate::wire::{Malformed, Message, Rank, Value};

/// A broadcast node.
pub struct Broadcaster(Way);

enum Way {
    Tree(Box<Tree>),
    Direct(Box<Direct>),
}

impl Broadcaster {
    /// The node of rank `me` among `nodes`, with nothing in memory.
    pub fn new(me: Rank, nodes: usize, config: &Config, rng: StdRng) -> Self {
        let mut core = Core::new(me, nodes, config.period, rng);
        core.bugs = config.bugs;
        Self(if config.period.is_zero() {
            Way::Direct(Box::new(Direct::new(core)))
        } else {
            Way::Tree(Box::new(Tree::new(core, config.fan_out)))
        })
    }

    /// To be called once, before anything else.
    pub fn start(&mut self, now: Duration) {
        match &mut self.0 {
            Way::Tree(tree) => tree.start(now),
            Way::Direct(direct) => direct.start(now),
        }
    }

    /// A client has a value for everybody.
    pub fn broadcast(&mut self, now: Duration, value: Value) {
        match &mut self.0 {
            Way::Tree(tree) => tree.broadcast(now, value),
            Way::Direct(direct) => direct.broadcast(now, value),
        }
    }

    /// All values that arrived, as one JSON array.
    pub fn read(&mut self) -> Value {
        self.core().store.read()
    }

    /// A client says which nodes are near, and so that all have started. It is
    /// whom to ask first where few can be reached, and nothing more: a list that is
    /// wrong costs some messages.
    pub fn suggest(&mut self, near: &[Rank]) {
        self.core().suggest(near);
    }

    /// A message came from another node.
    ///
    /// # Errors
    ///
    /// When it makes no sense in this cluster; then it has no effect.
    pub fn receive(
        &mut self,
        now: Duration,
        from: Rank,
        message: Message,
    ) -> Result<(), Malformed> {
        let core = self.core();
        message.check(core.me, from, core.nodes)?;
        core.peers.hear(now, from);
        match &mut self.0 {
            Way::Tree(tree) => tree.receive(now, from, message),
            Way::Direct(direct) => direct.receive(now, from, message),
        }
        Ok(())
    }

    /// Time has passed; see [`Broadcaster::wake`].
    pub fn tick(&mut self, now: Duration) {
        match &mut self.0 {
            Way::Tree(tree) => tree.run_due(now),
            Way::Direct(direct) => direct.run_due(now),
        }
    }

    /// This node's timer came late: it was held up, and so were the events that come now.
    /// What they bring to be sent goes at once, if its time was while the node was held up.
    pub fn catch_up(&mut self, now: Duration) {
        if let Way::Tree(tree) = &mut self.0 {
            tree.catch_up(now);
        }
    }

    /// When to call [`Broadcaster::tick`] next, unless another event comes
    /// before; it may be in the past. Changes with every event.
    pub fn wake(&self) -> Option<Duration> {
        match &self.0 {
            Way::Tree(tree) => tree.wake(),
            Way::Direct(direct) => direct.wake(),
        }
    }

    /// The messages that the events since the last call gave rise to.
    pub fn outgoing(&mut self) -> Vec<(Rank, Message)> {
        std::mem::take(&mut self.core().outbox)
    }

    fn core(&mut self) -> &mut Core {
        match &mut self.0 {
            Way::Tree(tree) => &mut tree.core,
            Way::Direct(direct) => &mut direct.core,
        }
    }
}
