//! Faults of a cluster, by the nemesis or by a test.

use maelstrom::machine::{Input, Machine, Members, Rank};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Cluster;
use crate::nemesis::Effect;
use crate::net::Address;

impl<M: Machine> Cluster<M> {
    /// Has a fault begin or end, beside those that come by themselves. Faults of clocks
    /// and disks do nothing.
    pub fn apply(&mut self, effect: Effect) {
        let nodes = || 0..self.nodes.len();
        match effect {
            Effect::Kill(nodes) => nodes.into_iter().for_each(|node| self.kill(node)),
            Effect::Start => nodes().for_each(|node| self.start(node)),
            Effect::Pause(nodes) => nodes.into_iter().for_each(|node| self.pause(node)),
            Effect::Resume => nodes().for_each(|node| self.resume(node)),
            effect => self.net.apply(effect),
        }
    }

    /// Ends all faults for good, starts the nodes that are down and again those whose
    /// journals are dead, and lets go on those that are paused.
    pub fn heal(&mut self) {
        self.nemesis.stop();
        self.net.heal();
        self.write_faults = 0.0;
        let dead = |rank: &Rank| self.nodes[*rank].journal.is_dead();
        let dead = (0..self.nodes.len()).filter(dead).collect();
        self.apply(Effect::Kill(dead));
        self.apply(Effect::Start);
        self.apply(Effect::Resume);
    }

    fn kill(&mut self, rank: Rank) {
        if self.nodes[rank].machine.is_some() {
            self.nodes[rank].kill(&mut self.rng);
            self.net.disconnect(rank);
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
        node.started = self.now;
        self.deliver(rank, Input::Start);
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
