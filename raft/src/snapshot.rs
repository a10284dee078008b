//! Snapshots (§7): they stand for the beginning of the log, which is dropped then, and
//! bring followers up to date that need entries which are dropped.
//!
//! A snapshot is text, so it goes in chunks as large as any other message, some of them
//! under way at a time. Heartbeats go between them.

use std::sync::Arc;

use maelstrom::machine::{Rank, Time};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Server};
use crate::entry::LogTime;
use crate::injected_bugs::Bug;
use crate::message::{Chunk, Part, Received};
use crate::options::Options;
use crate::peer::Peer;
use crate::position::{Index, Position};
use crate::raft::Raft;
use crate::role::Role;
use crate::state_machine::StateMachine;

/// About how many bytes the records have of as many entries as are usually applied between two
/// snapshots.
const LARGE: usize = 2 << 20;

/// What the log's beginning comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that it stands for.
    pub last: Position,
    /// The log's time then.
    pub time: LogTime,
    /// The members then.
    pub config: Config,
    /// The entry that names them.
    pub config_index: Index,
    /// The state machine, and the sessions of its clients.
    pub image: Arc<str>,
}

/// Where a part of a text ends that ends about here: not within a character.
pub(crate) fn end_of_part(text: &str, about: usize) -> usize {
    (about..text.len()).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len())
}

/// A snapshot on its way to a follower.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    snapshot: Arc<Snapshot>,
    /// The follower has so many bytes of it.
    received: usize,
    sent: usize,
    /// When there was progress last.
    moved: Time,
}

impl Transfer {
    pub(crate) fn new(snapshot: Arc<Snapshot>, now: Time) -> Self {
        Self { snapshot, received: 0, sent: 0, moved: now }
    }

    pub(crate) fn last(&self) -> Position {
        self.snapshot.last
    }

    /// The next chunk of about so many bytes, of which `window` may be under way.
    fn next(&mut self, bytes: usize, window: usize) -> Option<Chunk> {
        let Snapshot { last, time, ref config, config_index, ref image } = *self.snapshot;
        let offset = self.sent;
        if offset == image.len() || offset >= self.received + window {
            return None;
        }
        let end = end_of_part(image, offset + bytes);
        self.sent = end;
        let (data, is_last) = (image[offset..end].to_owned(), end == image.len());
        let config = config.clone();
        Some(Chunk { last, time, config, config_index, offset, data, is_last })
    }

    /// The follower has so much. Less than before means that it begins anew.
    fn received(&mut self, bytes: usize, now: Time) {
        if self.received != bytes && self.snapshot.image.is_char_boundary(bytes) {
            (self.received, self.moved) = (bytes, now);
            self.sent = if bytes < self.sent { self.sent } else { bytes };
        }
    }

    /// Whether nothing has happened for long.
    pub(crate) fn is_stuck(&self, before: Time) -> bool {
        self.moved <= before
    }

    /// Begins again with what the follower has, if nothing has happened for long; or
    /// with everything, if it had all of it and lost it.
    pub(crate) fn retry(&mut self, before: Time, now: Time) {
        if self.is_stuck(before) {
            self.received %= self.snapshot.image.len().max(1);
            (self.sent, self.moved) = (self.received, now);
        }
    }
}

/// What a follower has of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assembly {
    last: Position,
    image: String,
}

impl Assembly {
    /// Takes a chunk, if it is the next one; returns the whole, if it is the last one.
    fn take(&mut self, chunk: Chunk) -> Option<Snapshot> {
        if self.last != chunk.last {
            *self = Self { last: chunk.last, image: String::new() };
        }
        if self.image.len() != chunk.offset {
            return None;
        }
        self.image.push_str(&chunk.data);
        let Chunk { last, time, config, config_index, .. } = chunk;
        let image = || self.image.as_str().into();
        let whole = || Snapshot { last, time, config, config_index, image: image() };
        chunk.is_last.then(whole)
    }
}

impl<S: StateMachine> Raft<S> {
    /// Takes a snapshot when there are enough entries behind the last one.
    pub(crate) fn compact(&mut self) {
        let applied = self.replica.applied();
        let is_large = self.replica.unsaved() >= self.options.snapshot_bytes;
        if applied < self.snapshot_at && !is_large {
            return;
        }
        self.snapshot_at = applied + self.options.snapshot_every;
        self.replica.saved();
        let log = self.log();
        let Some(term) = log.term_of(applied) else { return };
        let last = Position { term, index: applied };
        let (time, (config_index, config)) = (self.replica.time(), log.config_at(applied).clone());
        let Ok(image) = self.replica.image() else {
            return tracing::error!("the state machine has no JSON form; the log grows");
        };
        self.snapshot_at = applied + self.distance_behind(image.len());
        let image = image.into();
        let snapshot = Snapshot { last, time, config, config_index, image };
        let base = self.first_kept(applied);
        self.persistent.compact(snapshot, base);
    }

    /// After how many entries the next snapshot is due when one has so many bytes. Where it is
    /// large there are more, so that snapshots cost no more than the entries between them.
    fn distance_behind(&self, bytes: usize) -> usize {
        let Options { snapshot_every: every, keep_at_most, .. } = self.options;
        every.saturating_mul(1 + bytes / LARGE).min(keep_at_most.max(every))
    }

    /// When the next snapshot is due after one that came from elsewhere. Nodes take theirs
    /// at different times, so that not all of them are busy at once.
    pub(crate) fn first_snapshot(&self) -> Index {
        let every = self.options.snapshot_every;
        self.replica.applied() + (every - every * self.me / self.nodes)
    }

    /// Behind which entry the log begins when there is a snapshot: some stay for who comes
    /// back soon, and more for who is there and slow.
    fn first_kept(&self, last: Index) -> Index {
        let Options { keep, keep_at_most, snapshot_bytes, .. } = self.options;
        let mut base = last.before(keep);
        if let Role::Leader(leader) = &self.role {
            let are_there =
                leader.peers.values().filter(|peer| self.now < peer.heard + self.election);
            base = are_there.map(Peer::will_have).fold(base, Index::min);
        }
        let (mut index, mut bytes) = (last, 0);
        while index > base.max(last.before(keep_at_most)) {
            bytes += self.log().get(index).map_or(0, |entry| entry.size(S::size));
            if bytes > snapshot_bytes {
                break;
            }
            index = index.previous();
        }
        index
    }

    /// What a follower needs that is sent a snapshot.
    pub(crate) fn next_chunk(&mut self, to: Rank) -> Option<Part<S::Command>> {
        let before = self.now.checked_sub(self.patience());
        let Role::Leader(leader) = &mut self.role else { return None };
        let peer = leader.peers.get_mut(&to)?;
        if let (Some(before), Some(latest)) = (before, self.persistent.snapshot()) {
            peer.retry_snapshot(before, latest, self.now);
        }
        peer.transfer()?.next(self.options.chunk_bytes, self.options.window_bytes).map(Part::Chunk)
    }

    /// *InstallSnapshot* of figure 13, sender: how far a follower has got.
    pub(crate) fn take_received(&mut self, from: Server, received: &Received) {
        let Role::Leader(leader) = &mut self.role else { return };
        let transfer = leader.peer_mut(from).and_then(Peer::transfer);
        if let Some(transfer) = transfer.filter(|transfer| transfer.last() == received.last) {
            transfer.received(received.bytes, self.now);
            self.outbox.append(from.rank, self.now);
        }
    }

    /// *InstallSnapshot* of figure 13, receiver.
    pub(crate) fn take_chunk(&mut self, from: Rank, chunk: Chunk) {
        let is_old = chunk.last.index <= self.commit && !self.options.bugs.has(Bug::OldSnapshot);
        let is_from_leader = self.leader() == Some(from);
        let Role::Follower(follower) = &mut self.role else { return };
        if !is_from_leader {
            return;
        }
        if is_old {
            // Everything in it is here.
            return self.outbox.acknowledge(from, self.now);
        }
        let whole = follower.assembly.take(chunk);
        let (last, bytes) = (follower.assembly.last, follower.assembly.image.len());
        self.outbox.say(from, self.now, Part::Received(Received { last, bytes }));
        if let Some(snapshot) = whole {
            follower.assembly = Assembly::default();
            self.install(snapshot);
            self.outbox.acknowledge(from, self.now);
        }
    }

    fn install(&mut self, snapshot: Snapshot) {
        let index = snapshot.last.index;
        if let Err(error) = self.replica.restore(&snapshot) {
            return tracing::error!(%error, "a snapshot cannot be read");
        }
        self.fulfil(|change| change.is_met_by(&snapshot.config));
        if self.options.bugs.has(Bug::OldSnapshot) {
            self.persistent.forget_log(&snapshot);
            self.commit = index;
        }
        self.persistent.install(snapshot);
        self.commit = self.commit.max(index);
        if let Role::Follower(follower) = &mut self.role {
            follower.verified = follower.verified.max(index);
        }
        self.snapshot_at = self.first_snapshot();
        for id in self.commands.ids() {
            if let Some(outcome) = self.replica.outcome(id) {
                self.answer(id, outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(image: &str) -> Transfer {
        let (last, time) = (Position { term: 1.into(), index: 9.into() }, LogTime::default());
        let (config, config_index, image) = (Config::new(0..3), Index::ZERO, image.into());
        let snapshot = Snapshot { last, time, config, config_index, image };
        Transfer::new(snapshot.into(), Time::ZERO)
    }

    #[test]
    fn a_snapshot_arrives_in_chunks_whose_ends_are_no_half_characters() {
        let (mut transfer, mut assembly) = (transfer("\"aÄÖÜß€\""), Assembly::default());
        let mut whole = None;
        while let Some(chunk) = transfer.next(1, 100) {
            whole = assembly.take(chunk);
        }
        assert_eq!(&*whole.unwrap().image, "\"aÄÖÜß€\"");
    }

    #[test]
    fn chunks_that_are_lost_come_again() {
        let (mut transfer, mut assembly) = (transfer("0123456789"), Assembly::default());
        assert!(assembly.take(transfer.next(4, 8).unwrap()).is_none());
        transfer.next(4, 8).unwrap();
        assert!(transfer.next(4, 8).is_none());
        transfer.received(4, Time::from_secs(1));
        assert!(assembly.take(transfer.next(4, 8).unwrap()).is_none());
        transfer.retry(Time::from_secs(1), Time::from_secs(2));
        assert!(assembly.take(transfer.next(4, 8).unwrap()).is_none());
        assert_eq!(&*assembly.take(transfer.next(4, 8).unwrap()).unwrap().image, "0123456789");
    }
}
