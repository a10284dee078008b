//! What a node's disk had when it started.

use std::io;
use std::time::Duration;

use maelstrom::journal::Entry;

use super::Store;
use crate::wire::{LogId, Rank, Record};

/// What a journal's records come to.
pub struct Contents(Store);

impl Contents {
    /// Nothing, of the node of rank `me` among so many.
    pub fn new(me: Rank, nodes: usize) -> Self {
        Self(Store::without_own_log(me, nodes))
    }

    /// Adds what stands next in the node's journal.
    ///
    /// # Errors
    ///
    /// When no node of this cluster wrote it.
    pub fn replay(&mut self, entry: Entry<'_>) -> io::Result<()> {
        let (Entry::Piece(bytes) | Entry::Record(_, bytes)) = entry;
        let record: Record = serde_json::from_slice(bytes)?;
        record.check(self.0.nodes).map_err(io::Error::other)?;
        let me = self.0.me;
        for run in record.0 {
            self.0.merge(run, me, Duration::ZERO);
        }
        Ok(())
    }

    /// The newest incarnation of this node that accepted anything.
    pub(crate) fn last_incarnation(&self) -> Option<u64> {
        let own = |log: &LogId| log.origin == self.0.me;
        self.0.logs.iter().map(|log| log.id).filter(own).map(|log| log.incarnation).next_back()
    }

    /// The memory of an incarnation, a new or a former one, that begins with this.
    pub(crate) fn continued_by(self, incarnation: u64) -> Store {
        let Self(mut store) = self;
        store.own = Some(store.log(LogId { origin: store.me, incarnation }));
        store.begin_writing();
        store
    }
}
