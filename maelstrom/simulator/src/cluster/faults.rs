//! Faults of a cluster, by the nemesis or by a test.

use maelstrom::machine::{Input, Machine, Members, Rank};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Cluster;
use crate::nemesis::{DiskFault, Effect, Skew};
use crate::net::Address;

impl<M: Machine> Cluster<M> {
    /// Has a fault begin or end, beside those that come by themselves. Of those of
    /// disks, one that fails once ends a node's journal until it is killed; there are no others.
    pub fn apply(&mut self, effect: Effect) {
        let nodes = || 0..self.nodes.len();
        match effect {
            Effect::Kill(nodes) => nodes.into_iter().for_each(|node| self.kill(node)),
            Effect::Start => nodes().for_each(|node| self.start(node)),
            Effect::Pause(nodes) => nodes.into_iter().for_each(|node| self.pause(node)),
            Effect::Resume => nodes().for_each(|node| self.resume(node)),
            Effect::Clock(skews) => skews.into_iter().for_each(|skew| self.skew(skew)),
            Effect::Upset(DiskFault::FailOnce, nodes) => {
                nodes.into_iter().for_each(|node| self.nodes[node].disk_fails = true);
            }
            effect => effect.apply_to(&mut self.net),
        }
    }

    /// Ends all faults for good, starts the nodes that are down and again those whose
    /// journals are dead, and lets go on those that are paused. Clocks go right from then on.
    pub fn heal(&mut self) {
        self.nemesis.stop();
        self.net.heal();
        self.write_faults = 0.0;
        self.nodes.iter_mut().for_each(|node| node.disk_fails = false);
        self.apply(Effect::Clock((0..self.nodes.len()).map(Skew::none).collect()));
        let dead = |rank: &Rank| self.nodes[*rank].journal.is_dead();
        let dead = (0..self.nodes.len()).filter(dead).collect();
        self.apply(Effect::Kill(dead));
        self.apply(Effect::Start);
        self.apply(Effect::Resume);
    }

    fn kill(&mut self, rank: Rank) {
        if self.nodes[rank].machine.is_some() {
            self.nodes[rank].kill(&mut self.rng);
            self.net.disconnect(rank, self.now);
        }
    }

    pub(super) fn start(&mut self, rank: Rank) {
        if self.nodes[rank].machine.is_some() {
            return;
        }
        self.net.connect(rank);
        self.services.begin_incarnation(Address::Node(rank), self.net.next_id());
        let (members, rng) = (Members::new(&self.ids[rank], &self.ids), self.new_rng());
        let node = &mut self.nodes[rank];
        node.machine = Some((self.make)(members, rng, &node.journal.kept));
        node.incarnation += 1;
        node.started = node.clock.read(self.now);
        self.deliver(rank, Input::Start);
    }

    fn skew(&mut self, skew: Skew) {
        self.nodes[skew.node].clock.skew(self.now, skew);
        self.set_alarm(skew.node);
    }

    fn new_rng(&mut self) -> StdRng {
        StdRng::from_rng(&mut self.rng)
    }

    fn pause(&mut self, rank: Rank) {
        let node = &mut self.nodes[rank];
        node.is_paused = node.machine.is_some();
    }

    fn resume(&mut self, rank: Rank) {
        if self.nodes[rank].is_paused {
            self.go_on(rank);
        }
    }
}
