//! How a node is to behave.

use std::time::Duration;

use maelstrom::Error;
use maelstrom::journal::Sync;

use crate::injected_bugs::Bugs;

/// How many bytes of commands may be in a batch: each entry has some more, of which there can
/// be as many as bytes.
const MAX_BATCH_BYTES: usize = 128 << 10;

/// How reads are made linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A majority confirms that the leader leads (thesis, 6.4).
    Index,
    /// A majority has confirmed it so short a time ago that nobody else can have been elected
    /// since (thesis, 6.4.1): no messages, as long as clocks go as they should.
    Lease,
    /// An entry of the log comes after what was to be seen (thesis, 6.4: without that it is
    /// what one would do).
    Log,
}

/// How a node is to behave. All of a cluster's nodes should be told the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How many nodes, the first ones, are the voters when the cluster begins; all, if
    /// `None`.
    pub voters: Option<usize>,
    /// How often a leader lets followers know that it is there. What else it sends
    /// them counts.
    pub heartbeat: Duration,
    /// How long a follower waits for its leader at least; at most twice as long. A leader
    /// that has heard nothing of a majority for so long steps down.
    pub election: Duration,
    /// Whether all of this is longer where answers take so long that it has to be.
    pub adaptive: bool,
    /// How far apart the rounds are in which nodes tell each other what clients wait for; at
    /// once, if zero. The leader speaks at the beginning of a round, and what followers have
    /// to say rides on their acknowledgements.
    pub round: Duration,
    /// How far apart messages to the same node are at least: under load, what there is to say
    /// meanwhile goes in one. The first one does not wait.
    pub pace: Duration,
    /// How reads are made linearizable.
    pub reads: Reads,
    /// By which part of it one clock may go faster than another, where leases rely on it.
    pub drift: f64,
    /// How long a command or a read may be without an answer before it is sent again.
    pub retry: Duration,
    /// About how many bytes of commands there are in a message at most: 128 KiB or less.
    pub batch_bytes: usize,
    /// How many messages with entries a follower may be sent before it acknowledges one.
    pub window_messages: usize,
    /// About how many bytes of commands may be in them.
    pub window_bytes: usize,
    /// About how many bytes of a snapshot there are in a message.
    pub chunk_bytes: usize,
    /// About how many bytes of entries that are applied stay in memory for followers that lack
    /// them.
    pub keep: usize,
    /// How many stay at most for followers that are there and slow; for one that is sent a
    /// snapshot, as many as it was sent of that, if they are more.
    pub keep_at_most: usize,
    /// How long the log's time goes on until a client that says nothing is forgotten.
    pub session_expiry: Duration,
    /// When records are safe, for a node that has a disk. Raft's promises hold for what can
    /// happen to those that are.
    pub sync: Sync,
    /// Whether nothing is written to a disk, whether there is one or not.
    pub in_memory: bool,
    /// What was put in on purpose.
    pub bugs: Bugs,
}

impl Options {
    /// Whether a cluster of so many nodes can work with them.
    pub(crate) fn check(&self, nodes: usize) -> Result<(), Error> {
        let sizes = [self.batch_bytes, self.window_messages, self.window_bytes, self.chunk_bytes];
        let complaint = if sizes.contains(&0) {
            "batches, windows and chunks cannot be zero"
        } else if self.batch_bytes > MAX_BATCH_BYTES {
            "batches of more than 128 KiB may have no place in a record"
        } else if self.heartbeat.is_zero() || self.election <= self.heartbeat {
            "heartbeats come more often than elections, and not all the time"
        } else if !(0.0..10.0).contains(&self.drift) {
            "clocks do not differ by a negative part, nor tenfold"
        } else if self.voters.is_some_and(|voters| voters == 0 || voters > nodes) {
            "there are voters, and no more than nodes"
        } else {
            return Ok(());
        };
        Err(Error::malformed(complaint))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            voters: None,
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(400),
            adaptive: true,
            round: Duration::ZERO,
            pace: Duration::from_millis(1),
            reads: Reads::Index,
            drift: 0.1,
            retry: Duration::from_millis(400),
            batch_bytes: 64 << 10,
            window_messages: 32,
            window_bytes: 1 << 20,
            chunk_bytes: 16 << 10,
            keep: 4 << 20,
            keep_at_most: 16 << 20,
            session_expiry: Duration::from_secs(3600),
            sync: Sync::EveryGroup,
            in_memory: false,
            bugs: Bugs::default(),
        }
    }
}
