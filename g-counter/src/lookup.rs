//! What a node does about neighbours that do not answer: it looks their shares
//! up in the service, which may be reachable when they are not.
//!
//! So an acknowledged add is seen by the others even if its node never comes
//! back, and a partition among the nodes does not keep their counters apart.
//! All keys in question are looked up at once: those of the silent neighbours, or of all
//! nodes where no neighbour answers. A round that brings nothing new doubles the time to
//! the next, up to four seconds, whatever the number of nodes.
//! Nothing relies on them being fresh: what one brings is a share that
//! was in the service once, however old, and joins what is known. Before a round the
//! node writes a value that never was there, under a key of its own: Maelstrom's
//! `seq-kv` shows it the present after that. (One that keeps its promise and no more
//! need never show anything.)

use std::time::Duration;

use maelstrom::NodeId;
use tokio::time::Instant;

use crate::gossip::{Links, PERIOD};

/// The time between two lookups is doubled at most this often.
const MOST_DOUBLINGS: u32 = 3;

/// Whose keys are looked up, and when.
#[derive(Debug)]
pub(crate) struct Lookups {
    /// All other nodes, in order.
    peers: Vec<NodeId>,
    /// When the last round was.
    at: Option<Instant>,
    /// Rounds in a row that brought nothing new.
    vain: u32,
}

impl Lookups {
    /// Lookups among these nodes, which are in order.
    pub(crate) fn new(peers: Vec<NodeId>) -> Self {
        Self { peers, at: None, vain: 0 }
    }

    /// Whose keys to look up now, if it is time for a round.
    pub(crate) fn due(&mut self, now: Instant, links: &Links) -> Option<Vec<NodeId>> {
        let Some(deadline) = self.deadline(now, links) else {
            (self.at, self.vain) = (None, 0);
            return None;
        };
        if deadline > now {
            return None;
        }
        self.vain += u32::from(self.at.is_some());
        self.at = Some(now);
        let everybody = links.is_cut_off();
        let in_question = self.peers.iter().filter(|&node| everybody || links.is_silent(node));
        Some(in_question.cloned().collect())
    }

    /// A lookup brought something new.
    pub(crate) fn succeeded(&mut self) {
        self.vain = 0;
    }

    /// When the next round is due, if any neighbour is silent.
    pub(crate) fn deadline(&self, now: Instant, links: &Links) -> Option<Instant> {
        links.is_any_silent().then(|| self.at.map_or(now, |at| at + self.wait()))
    }

    fn wait(&self) -> Duration {
        PERIOD * (1 << self.vain.min(MOST_DOUBLINGS))
    }
}
