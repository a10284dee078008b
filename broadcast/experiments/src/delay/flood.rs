//! How soon flooding would bring a value to each node, at no cost, if everybody
//! sent everything again at every moment.
//!
//! A value takes one latency a hop. It can arrive at a moment when the receiver
//! is alive, if the sender was running a latency before and the link was up at some
//! time in between: the network decides whether a message is cut off when the
//! receiver takes it from its queue, which is between the two. A receiver that is
//! paused has the value when it goes on. Nodes forget nothing, not even when they are
//! killed. So no protocol can be faster, and some of what flooding does here no
//! protocol can.
//!
//! With a reaction time flooding is one that protocols can be asked to come near
//! to: a value rests that long where it came from, and a link or node that was
//! down counts when it has been up for that long.

use std::time::Duration;

use super::spans::Spans;

/// When nodes were up, and the links between them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// When nodes were not killed.
    alive: Vec<Spans>,
    /// When they were not paused either.
    running: Vec<Spans>,
    /// By receiver and sender.
    links: Vec<Vec<Spans>>,
}

impl Network {
    /// So many nodes, all up and connected.
    pub(super) fn new(nodes: usize) -> Self {
        let up = vec![Spans::always(); nodes];
        Self { links: vec![up.clone(); nodes], alive: up.clone(), running: up }
    }

    pub(super) fn len(&self) -> usize {
        self.alive.len()
    }

    pub(super) fn kill(&mut self, node: usize, now: Duration) {
        self.alive[node].end(now);
        self.running[node].end(now);
    }

    pub(super) fn start(&mut self, node: usize, now: Duration) {
        self.alive[node].begin(now);
        self.running[node].begin(now);
    }

    pub(super) fn pause(&mut self, node: usize, now: Duration) {
        self.running[node].end(now);
    }

    pub(super) fn resume(&mut self, node: usize, now: Duration) {
        self.running[node].begin(now);
    }

    pub(super) fn link(&mut self, receiver: usize, sender: usize) -> &mut Spans {
        &mut self.links[receiver][sender]
    }
}

/// Flooding over a network.
pub(super) struct Flood {
    latency: Duration,
    reaction: Duration,
    /// When messages can arrive, by receiver and sender.
    arrivals: Vec<Vec<Spans>>,
    /// When nodes can take them in.
    running: Vec<Spans>,
}

impl Flood {
    pub(super) fn new(network: &Network, latency: Duration, reaction: Duration) -> Self {
        let trimmed = |spans: &Vec<Spans>| -> Vec<Spans> {
            spans.iter().map(|spans| spans.trimmed(reaction)).collect()
        };
        let (alive, running) = (trimmed(&network.alive), trimmed(&network.running));
        let arrivals = |receiver: usize| {
            let row = trimmed(&network.links[receiver]).into_iter().zip(&running);
            let arrivals = row.map(|(link, sender)| {
                link.longer(latency).and(&sender.later(latency)).and(&alive[receiver])
            });
            arrivals.collect()
        };
        let arrivals = (0..network.len()).map(arrivals).collect();
        Self { latency, reaction, arrivals, running }
    }

    /// The earliest time at which each node has a value that came to one of them
    /// (Dijkstra 1959); `None` for a node that it cannot reach.
    pub(super) fn reach(&self, origin: usize, came: Duration) -> Vec<Option<Duration>> {
        let nodes = self.arrivals.len();
        let mut reached: Vec<Option<Duration>> = vec![None; nodes];
        let mut settled = vec![false; nodes];
        reached[origin] = self.running[origin].first(came + self.reaction);
        loop {
            let open = (0..nodes).filter(|&node| !settled[node]);
            let next = open.filter_map(|node| Some((reached[node]?, node))).min();
            let Some((at, sender)) = next else { break };
            settled[sender] = true;
            for receiver in (0..nodes).filter(|&node| !settled[node]) {
                let arrival = self.arrivals[receiver][sender].first(at + self.latency);
                let taken = arrival.and_then(|at| self.running[receiver].first(at));
                reached[receiver] = [reached[receiver], taken].into_iter().flatten().min();
            }
        }
        reached[origin] = Some(came);
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn cut(network: &mut Network, a: usize, b: usize, from: Duration, until: Duration) {
        for (receiver, sender) in [(a, b), (b, a)] {
            network.link(receiver, sender).end(from);
            network.link(receiver, sender).begin(until);
        }
    }

    fn reach(network: &Network, reaction: Duration) -> Vec<Option<Duration>> {
        Flood::new(network, S, reaction).reach(0, 4 * S)
    }

    #[test]
    fn flooding_goes_around_a_cut_or_waits_for_its_end() {
        let mut network = Network::new(3);
        cut(&mut network, 0, 1, S, 20 * S);
        assert_eq!(reach(&network, Duration::ZERO), [Some(4 * S), Some(6 * S), Some(5 * S)]);
        cut(&mut network, 1, 2, S, 9 * S);
        assert_eq!(reach(&network, Duration::ZERO), [Some(4 * S), Some(9 * S), Some(5 * S)]);
    }

    #[test]
    fn a_message_that_was_taken_before_the_cut_still_arrives() {
        let mut network = Network::new(2);
        cut(&mut network, 0, 1, 9 * S / 2, 20 * S);
        assert_eq!(reach(&network, Duration::ZERO)[1], Some(5 * S));
    }

    #[test]
    fn with_a_reaction_time_values_rest_and_short_openings_do_not_count() {
        let mut network = Network::new(2);
        assert_eq!(reach(&network, 2 * S)[1], Some(7 * S));
        cut(&mut network, 0, 1, S, 8 * S);
        cut(&mut network, 0, 1, 9 * S, 12 * S);
        assert_eq!(reach(&network, Duration::ZERO)[1], Some(8 * S));
        assert_eq!(reach(&network, 2 * S)[1], Some(14 * S));
    }

    #[test]
    fn a_node_that_is_down_neither_sends_nor_receives() {
        let mut network = Network::new(3);
        network.kill(1, S);
        network.start(1, 8 * S);
        cut(&mut network, 0, 2, S, 30 * S);
        let around = reach(&network, Duration::ZERO);
        assert_eq!(around, [Some(4 * S), Some(8 * S), Some(9 * S)]);
        network.kill(2, 2 * S);
        assert_eq!(reach(&network, Duration::ZERO)[2], None);
    }

    #[test]
    fn what_comes_to_a_paused_node_waits_there() {
        let mut network = Network::new(2);
        network.pause(0, 9 * S / 2);
        network.pause(1, S);
        network.resume(1, 8 * S);
        assert_eq!(reach(&network, Duration::ZERO)[1], Some(8 * S));
    }
}
