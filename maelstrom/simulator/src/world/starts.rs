//! When nodes are started for the first time.
//!
//! The original sets all nodes up in parallel, and so registers their names one
//! after the other, in no certain order. The services come with n0, whose set-up
//! begins with them.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::nodes::Status;
use super::{Command, World};
use crate::net::Address;

/// The nodes that have not been started yet, soonest first, and when they will be.
#[derive(Debug)]
pub(super) struct Starts(VecDeque<(Duration, usize)>);

impl Starts {
    /// Draws an order, and delays of which the longest is at most `spread`; the
    /// first node has none. Without a spread, all start at once and in order.
    pub(super) fn draw(nodes: usize, spread: Duration, mut rng: StdRng) -> Self {
        let mut order: Vec<usize> = (0..nodes).collect();
        let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        if spread == 0 {
            return Self(order.into_iter().map(|node| (Duration::ZERO, node)).collect());
        }
        order.shuffle(&mut rng);
        let last = rng.random_range(0..=spread);
        let mut delays: Vec<u64> = (1..nodes).map(|_| rng.random_range(0..=last)).collect();
        delays.sort_unstable();
        let delays = [0].into_iter().chain(delays).map(Duration::from_millis);
        Self(delays.zip(order).collect())
    }

    /// When the next node is started.
    pub(super) fn due(&self) -> Option<Duration> {
        self.0.front().map(|&(due, _)| due)
    }
}

impl World {
    /// Starts and initialises all nodes, now and soon.
    pub fn start(&mut self, now: Duration, out: &mut Vec<Command>) {
        self.starts.0.iter_mut().for_each(|(due, _)| *due += now);
        while self.starts.due().is_some_and(|due| due <= now) {
            self.start_next(now, out);
        }
    }

    pub(super) fn start_next(&mut self, now: Duration, out: &mut Vec<Command>) {
        if let Some((_, node)) = self.starts.0.pop_front() {
            self.start_node(node, now, out);
        }
    }

    /// Whether a node, or n0 with which the services come, was ever started: its name
    /// stays when it is killed.
    pub(super) fn was_started(&self, address: Address) -> bool {
        let node = if let Address::Node(node) = address { node } else { 0 };
        self.nodes[node].status != Status::Absent
    }
}
