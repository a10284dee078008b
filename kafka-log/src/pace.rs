//! How fast things go: all durations, with the arithmetic behind them.
//!
//! A send costs its share of a segment: two messages, the request to the service
//! and its reply. At the challenge's 1,000 operations a second, of which half
//! are sends, from two clients on each of two nodes, segments that are written at
//! once hold one message each and cost one message an operation. A client sends
//! every 8 ms or so, so within the [linger](LINGER) the other one comes along in
//! most cases, which makes 0.58 messages; what nodes tell each other adds 0.04. Sends
//! take 2 ms on average and 8 at most then, without latency, and four clients still
//! get their 1,000 operations. With twice the linger they would not.

use std::time::Duration;

use maelstrom::machine::RoundTrip;

use crate::tree;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long a request waits for others to share its segment, at least.
const LINGER: Duration = millis(8);
/// The most that a request waits for others; and how long it does where no client
/// waits for the segment: ten segments and as many announcements
/// a second and node are 0.06 messages an operation.
const LINGER_ACKED: Duration = millis(100);
/// How long news may wait on their way through the tree, all edges together; and how
/// far apart announcements to a neighbour are in any case, and at most.
const WAY: Duration = millis(150);
const ANNOUNCE_MIN: Duration = millis(20);
const ANNOUNCE_MAX: Duration = millis(50);
/// How long a partition that others wait for waits for requests of its own, where the tree
/// has one level or two, and where it has more.
const ACKNOWLEDGE: Duration = millis(25);
const ACKNOWLEDGE_DEEP: Duration = millis(40);
/// After so long without news a neighbour is told what this node has.
const HEARTBEAT: Duration = millis(1000);
/// How far apart looks into the service are while a neighbour is silent: at least and,
/// while there is nothing to be found, at most.
const PROBE: Duration = millis(50);
const PROBE_MAX: Duration = millis(1000);
/// How long others wait for a partition before they step in for its owner.
const PATIENCE: Duration = millis(1000);
const PATIENCE_MAX: Duration = millis(8000);

/// The durations of one node.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// How many nodes there are.
    nodes: usize,
    linger: Duration,
    /// The most edges between two nodes.
    span: u32,
    /// How far apart announcements to a neighbour are.
    announce: Duration,
    /// How long this node waits before it says that it has seen something.
    pub(crate) acknowledge: Duration,
    /// A segment's way to the service and back.
    round_trip: RoundTrip,
}

impl Pace {
    /// Of a node in a cluster of this size.
    pub(crate) fn new(nodes: usize, ack_early: bool) -> Self {
        let linger = if ack_early { LINGER_ACKED } else { LINGER };
        let span = tree::span(nodes);
        let announce = (WAY / span.max(1)).clamp(ANNOUNCE_MIN, ANNOUNCE_MAX);
        // Taken for nothing at first. Where the first segment's time is the mean at once, a
        // send of challenge 5b takes 284 ms at 100 ms a hop, and less than 230 like this.
        let mut round_trip = RoundTrip::default();
        round_trip.sample(Duration::ZERO);
        let acknowledge = if span > 2 { ACKNOWLEDGE_DEEP } else { ACKNOWLEDGE };
        Self { nodes, linger, span, announce, acknowledge: acknowledge.max(linger), round_trip }
    }

    /// How far apart announcements to a neighbour are: where messages take long, a
    /// quarter of a round trip more does not matter.
    pub(crate) fn announce(&self) -> Duration {
        self.announce.max((self.trip() / 4).min(LINGER_ACKED))
    }

    /// How long after the last one a neighbour is told what this node has.
    pub(crate) fn heartbeat(&self) -> Duration {
        HEARTBEAT.max(self.announce())
    }

    /// How long a request waits for others to share its segment: where the way
    /// to the service is long, a quarter of it more does not matter.
    pub(crate) fn linger(&self) -> Duration {
        self.linger.max((self.trip() / 4).min(LINGER_ACKED))
    }

    /// How long what waited behind a segment waits for the clients that it answered:
    /// what they send next may be on its way for as long as a message between nodes,
    /// behind which it may have to wait.
    pub(crate) fn rejoin(&self) -> Duration {
        (self.trip() / 2).min(LINGER_ACKED)
    }

    /// How long a segment takes to the service and back.
    fn trip(&self) -> Duration {
        self.round_trip.mean().unwrap_or_default()
    }

    /// A segment was decided in this time.
    pub(crate) fn took(&mut self, trip: Duration) {
        self.round_trip.sample(trip);
    }

    /// How long it takes at most, where nothing is wrong, until all partitions have seen a
    /// message and everybody knows: there and back through the tree, and a segment.
    pub(crate) fn round(&self) -> Duration {
        let way = (self.announce() + self.trip() / 2).saturating_mul(self.span);
        way * 2 + self.acknowledge + self.linger() + self.trip() * 2 + PROBE
    }

    /// How long a neighbour that was asked may take to answer.
    pub(crate) fn answer(&self) -> Duration {
        PROBE * 2 + self.trip() * 2
    }

    /// After how long a neighbour that says nothing is not relied on any more.
    pub(crate) fn quiet(&self) -> Duration {
        self.heartbeat() + self.heartbeat() / 4 + self.answer()
    }

    /// How long node `me` waits for the owner of `partition` before it fills it. The
    /// nodes after the owner step in one after another.
    pub(crate) fn patience(&self, me: usize, partition: usize) -> Duration {
        let rank = (me + self.nodes - partition - 1) % self.nodes;
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let turn = (PATIENCE + self.round() + self.trip() * 4).min(PATIENCE_MAX);
        turn + (turn / 4).saturating_mul(rank)
    }

    /// How long after a question, or a look into the service, the next one comes: soon
    /// when it found something, later and later when it did not.
    pub(crate) fn next_probe(&self, found: bool, last: Duration) -> Duration {
        let shortest = self.announce().max(PROBE);
        if found { shortest } else { (last * 2).clamp(shortest, PROBE_MAX.max(shortest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_after_the_owner_steps_in_first() {
        let pace = Pace::new(5, false);
        let mut order: Vec<usize> = vec![0, 1, 2, 4];
        order.sort_by_key(|&me| pace.patience(me, 3));
        assert_eq!(order, [4, 0, 1, 2]);
    }

    #[test]
    fn patience_and_linger_grow_with_the_way_to_the_service() {
        let mut pace = Pace::new(2, false);
        pace.took(millis(1));
        assert_eq!(pace.linger(), LINGER);
        let before = pace.patience(0, 1);
        for _ in 0..100 {
            pace.took(millis(200));
        }
        assert!(pace.patience(0, 1) > before + millis(1200));
        assert!((millis(49)..=millis(50)).contains(&pace.linger()));
    }

    #[test]
    fn news_wait_no_longer_where_the_tree_is_deeper_until_it_has_a_thousand_nodes() {
        for nodes in 2..=1000 {
            let pace = Pace::new(nodes, false);
            assert!(pace.announce * pace.span <= WAY.max(ANNOUNCE_MIN * 8), "{nodes} nodes");
        }
        assert_eq!(
            [2, 9, 25, 100].map(|nodes| Pace::new(nodes, false).announce.as_millis()),
            [50, 50, 37, 25]
        );
    }

    #[test]
    fn every_duration_is_defined_in_clusters_of_up_to_a_thousand_nodes() {
        for (nodes, ack_early) in (1..=1000).flat_map(|nodes| [(nodes, false), (nodes, true)]) {
            let mut pace = Pace::new(nodes, ack_early);
            for trip in [0, 1, 100, 10_000, 1_000_000] {
                pace.took(millis(trip));
                assert!(pace.linger() >= LINGER && pace.linger() <= LINGER_ACKED);
                assert!(pace.rejoin() <= LINGER_ACKED);
                assert!(pace.announce() >= ANNOUNCE_MIN && pace.announce() <= LINGER_ACKED);
                assert!(pace.acknowledge >= ACKNOWLEDGE && pace.quiet() > pace.heartbeat());
                assert!(pace.round() > pace.announce() && pace.patience(0, 1 % nodes) >= PATIENCE);
                let shortest = pace.next_probe(true, Duration::ZERO);
                let mut last = Duration::ZERO;
                for _ in 0..20 {
                    let next = pace.next_probe(false, last);
                    assert!(next >= shortest && next >= last, "{nodes} nodes: {next:?}");
                    last = next;
                }
                assert_eq!(last, PROBE_MAX, "{nodes} nodes");
            }
            let partition = nodes / 2;
            let mut waits: Vec<Duration> =
                (0..nodes).map(|me| pace.patience(me, partition)).collect();
            waits.sort_unstable();
            waits.dedup();
            assert_eq!(waits.len(), nodes, "each steps in at a time of its own");
        }
    }
}
