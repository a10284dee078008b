//! What a node does about neighbours that do not answer: it looks their shares
//! up in the service, which may be reachable when they are not.
//!
//! So an acknowledged add is seen by the others even if its node never comes
//! back, and a partition among the nodes does not keep their counters apart.
//! One key is looked up at a time, in turn: of the silent neighbours, or of all
//! nodes where no neighbour answers. Where there is nothing new they become
//! rarer: a round among the nodes without news doubles the time between them.
//! Nothing relies on them being fresh: what one brings is a share that
//! was in the service once, however old, and joins what is known. (A `seq-kv` that
//! keeps its promise and no more need never bring any.)

use std::time::Duration;

use maelstrom::NodeId;
use tokio::time::Instant;

use crate::gossip::{Links, PERIOD};

/// The time between two lookups is doubled at most this often.
const MOST_DOUBLINGS: u32 = 4;

/// Whose turn it is, and when.
#[derive(Debug)]
pub(crate) struct Lookups {
    /// All other nodes, in order.
    peers: Vec<NodeId>,
    /// Who was looked up last.
    last: Option<NodeId>,
    at: Option<Instant>,
    /// Rounds in a row that brought nothing new.
    vain: u32,
}

impl Lookups {
    /// Lookups among these nodes, which are in order.
    pub(crate) fn new(peers: Vec<NodeId>) -> Self {
        Self { peers, last: None, at: None, vain: 0 }
    }

    /// The key to look up now, if it is time for one.
    pub(crate) fn due(&mut self, now: Instant, links: &Links) -> Option<NodeId> {
        let Some(deadline) = self.deadline(now, links) else {
            self.vain = 0;
            return None;
        };
        if deadline > now {
            return None;
        }
        let node = self.next(links)?.clone();
        let round_ended = self.last.as_ref().is_some_and(|last| node <= *last);
        self.vain += u32::from(round_ended);
        self.at = Some(now);
        self.last = Some(node.clone());
        Some(node)
    }

    /// A lookup brought something new.
    pub(crate) fn succeeded(&mut self) {
        self.vain = 0;
    }

    /// When the next lookup is due, if any neighbour is silent.
    pub(crate) fn deadline(&self, now: Instant, links: &Links) -> Option<Instant> {
        links.is_any_silent().then(|| self.at.map_or(now, |at| at + self.wait()))
    }

    fn wait(&self) -> Duration {
        PERIOD * (1 << self.vain.min(MOST_DOUBLINGS))
    }

    /// The first node after the last one that is worth it, going round.
    fn next<'a>(&'a self, links: &'a Links) -> Option<&'a NodeId> {
        let everybody = links.is_cut_off();
        let mut candidates = self.peers.iter().filter(|&node| everybody || links.is_silent(node));
        let first = candidates.clone().next();
        let last = self.last.as_ref();
        candidates.find(|&node| last.is_none_or(|last| node > last)).or(first)
    }
}
