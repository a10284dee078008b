//! The network where it is real: the edge at which a machine's nodes are reached.
//!
//! What arrives at a machine goes through a network of its own, with the latency and the
//! faults of the simulated one, before nodes see it.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Conditions, Happening, Latency, Message, Network, What};
use crate::links::Neighbours;

/// A machine's end of the network. Times are as for [`World`](crate::World).
#[derive(Debug)]
pub struct Edge<B> {
    net: Network<B>,
}

impl<B: Clone> Edge<B> {
    /// The edge of a network of so many nodes, wherever they are, none of which runs here yet.
    /// Nodes hear those alone that they have a link to.
    pub fn new(nodes: usize, latency: Latency, links: Option<Neighbours>, seed: u64) -> Self {
        let mut seeds = StdRng::seed_from_u64(seed);
        let mut stream = || StdRng::from_rng(&mut seeds);
        let mut net = Network::new(nodes, latency, stream(), stream());
        net.restrict(links);
        net.trace();
        (0..nodes).for_each(|node| net.disconnect(node, Duration::ZERO));
        Self { net }
    }

    /// Changes the faults in force.
    pub fn impose(&mut self, conditions: Conditions) {
        self.net.impose(conditions);
    }

    /// A node starts.
    pub fn connect(&mut self, node: usize) {
        self.net.connect(node);
    }

    /// A node goes down: what has arrived for it is lost.
    pub fn disconnect(&mut self, node: usize, now: Duration) {
        self.net.disconnect(node, now);
    }

    /// A message arrives, for a node or a service.
    pub fn arrive(&mut self, message: Message<B>, now: Duration) {
        if self.net.has(message.dest) {
            self.net.post(message, now);
        }
    }

    /// When [`receive`](Self::receive) has something.
    pub fn next_due(&self) -> Option<Duration> {
        self.net.next_due()
    }

    /// The next message for somebody here, if one is due by `now`.
    pub fn receive(&mut self, now: Duration) -> Option<Message<B>> {
        self.net.receive(now)
    }

    /// What became of messages since the last call, in order.
    pub fn fates(&mut self) -> impl Iterator<Item = (Duration, What<B>)> + '_ {
        self.net.happenings().map(|Happening { time, what }| (time, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Address, Cause};

    const NOW: Duration = Duration::from_secs(1);

    fn edge() -> Edge<&'static str> {
        let mut edge = Edge::new(3, Latency::default(), None, 7);
        edge.connect(1);
        edge
    }

    fn arrive(edge: &mut Edge<&'static str>, id: u64, src: usize, dest: usize) {
        let (src, dest) = (Address::Node(src), Address::Node(dest));
        edge.arrive(Message { id, src, dest, body: "x" }, NOW);
    }

    fn received(edge: &mut Edge<&'static str>) -> Vec<u64> {
        std::iter::from_fn(|| edge.receive(NOW)).map(|message| message.id).collect()
    }

    #[test]
    fn those_that_run_here_hear_what_no_partition_keeps_from_them() {
        let mut edge = edge();
        for (id, dest) in [(0, 1), (1, 2), (2, 7)] {
            arrive(&mut edge, id, 0, dest);
        }
        assert_eq!(received(&mut edge), [0]);
        let grudge = vec![[1].into(), [0].into(), [].into()];
        edge.impose(Conditions { grudge, ..Conditions::default() });
        arrive(&mut edge, 3, 0, 1);
        arrive(&mut edge, 4, 2, 1);
        assert_eq!(received(&mut edge), [4]);
        let lost: Vec<(u64, Cause)> = edge
            .fates()
            .filter_map(|(_, what)| match what {
                What::Dropped(id, cause) => Some((id, cause)),
                _ => None,
            })
            .collect();
        assert_eq!(lost, [(1, Cause::Kill), (3, Cause::Partition)]);
    }

    #[test]
    fn what_has_arrived_for_a_node_that_goes_down_is_lost() {
        let mut edge = edge();
        arrive(&mut edge, 0, 0, 1);
        edge.disconnect(1, NOW);
        edge.connect(1);
        assert!(received(&mut edge).is_empty());
    }
}
