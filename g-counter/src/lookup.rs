//! What a node does about neighbours that do not answer: it looks their contributions
//! up in the service, which may be reachable when they are not.
//!
//! So an acknowledged add is seen by the others even if its node never comes
//! back, and a partition among the nodes does not keep their counters apart.
//! All keys in question are looked up at once: those of the silent neighbours, or of all
//! nodes where no neighbour answers. A round that brings nothing new doubles the time to
//! the next, up to four seconds, whatever the number of nodes.
//! Nothing relies on them being fresh: what one brings is a contribution that
//! was in the service once, however old, and joins what is known. Before a round the
//! node writes a value that never was there, under a key of its own: Maelstrom's
//! `seq-kv` shows it the present after that. (One that keeps its promise and no more
//! need never show anything.)

use std::time::Duration;

use maelstrom::Backoff;
use maelstrom::machine::{Members, Rank, Time};

use crate::gossip::{Links, PERIOD};

/// The time between two rounds.
const ROUNDS: Backoff = Backoff { first: PERIOD, longest: Duration::from_secs(4) };

/// Whose keys are looked up, and when.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    /// When the last round was.
    at: Option<Time>,
    /// Rounds in a row that brought nothing new.
    vain: u32,
    /// How many rounds there were.
    rounds: u64,
}

impl Lookups {
    /// Whose keys to look up now, if it is time for a round.
    pub(crate) fn due(&mut self, now: Time, links: &Links, members: &Members) -> Option<Vec<Rank>> {
        let Some(deadline) = self.deadline(links) else {
            (self.at, self.vain) = (None, 0);
            return None;
        };
        if deadline > now {
            return None;
        }
        self.vain += u32::from(self.at.is_some());
        self.at = Some(now);
        self.rounds += 1;
        let everybody = links.is_cut_off();
        Some(members.others().filter(|&node| everybody || links.is_silent(node)).collect())
    }

    /// How many rounds there were.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds
    }

    /// A lookup brought something new.
    pub(crate) fn succeeded(&mut self) {
        self.vain = 0;
    }

    /// When the next round is due, if any neighbour is silent.
    pub(crate) fn deadline(&self, links: &Links) -> Option<Time> {
        let next = || self.at.map_or(Time::ZERO, |at| at + ROUNDS.step(self.vain));
        links.is_any_silent().then(next)
    }
}
