//! Snapshots (§7): what the state machine comes to, in the place of the entries that it has
//! applied.
//!
//! In memory the state machine itself stands for them: the log keeps its last entries, by their
//! bytes, and drops the rest. A snapshot is made when somebody needs one, and given up when
//! that has it: the journal, in the place of its records, and a follower that needs entries
//! which are dropped.
//!
//! A follower gets its text in chunks as large as any other message, some of them under way at
//! a time. Heartbeats go between them.

use std::io;

use maelstrom::machine::{Rank, Time};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Server};
use crate::entry::LogTime;
use crate::image::Image;
use crate::injected_bugs::Bug;
use crate::message::{Chunk, Part, Received};
use crate::options::Options;
use crate::peer::Peer;
use crate::position::{Index, Position};
use crate::raft::Raft;
use crate::record::Record;
use crate::role::Role;
use crate::state_machine::StateMachine;

/// What the log's beginning comes to, beside the image of the state machine and of the sessions
/// of its clients.
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
}

/// A snapshot on its way to a follower.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    snapshot: Snapshot,
    image: Image,
    /// The follower has so many bytes of it.
    received: usize,
    sent: usize,
    /// When there was progress last.
    moved: Time,
}

impl Transfer {
    fn new(snapshot: Snapshot, image: Image, now: Time) -> Self {
        Self { snapshot, image, received: 0, sent: 0, moved: now }
    }

    pub(crate) fn last(&self) -> Position {
        self.snapshot.last
    }

    /// The next chunk, if fewer than `window` bytes are under way.
    fn next(&mut self, window: usize) -> Option<Chunk> {
        let offset = self.sent;
        let data = self.image.part(offset).filter(|_| offset < self.received + window)?.clone();
        self.sent += data.len();
        let (snapshot, is_last) = (self.snapshot.clone(), self.sent == self.image.len());
        Some(Chunk { snapshot, offset, data, is_last })
    }

    /// The follower has so much. Less than before means that it begins anew.
    fn received(&mut self, bytes: usize, now: Time) {
        let is_end = bytes == self.image.len() || self.image.part(bytes).is_some();
        if self.received != bytes && is_end {
            (self.received, self.moved) = (bytes, now);
            self.sent = self.sent.max(bytes);
        }
    }

    /// Whether nothing has happened for long.
    fn is_stuck(&self, long_ago: Option<Time>) -> bool {
        Some(self.moved) <= long_ago
    }

    /// Begins again with what the follower has; or with everything, if it had all of it and
    /// lost it.
    fn retry(&mut self, now: Time) {
        self.received %= self.image.len().max(1);
        (self.sent, self.moved) = (self.received, now);
    }
}

/// What a follower has of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assembly {
    last: Position,
    image: Image,
}

impl Assembly {
    /// Takes a chunk, if it is the next one; returns the whole, if it is the last one.
    fn take(&mut self, chunk: Chunk) -> Option<(Snapshot, Image)> {
        let Chunk { snapshot, offset, data, is_last } = chunk;
        if self.last != snapshot.last {
            *self = Self { last: snapshot.last, image: Image::default() };
        }
        if self.image.len() != offset {
            return None;
        }
        self.image.push(data);
        is_last.then(|| (snapshot, self.image.clone()))
    }
}

impl<S: StateMachine> Raft<S> {
    /// Drops the first entries that are applied, so that what is left of these has no more
    /// bytes than the options say: `keep`, for who comes back soon; and up to `keep_at_most`,
    /// or to as many as the snapshot has that a follower is sent, for who is there and slow.
    pub(crate) fn compact(&mut self) {
        let Options { keep, mut keep_at_most, .. } = self.options;
        if self.replica.kept_bytes() <= keep {
            return;
        }
        let mut needed = self.replica.applied();
        if let Role::Leader(leader) = &self.role {
            let is_there = |peer: &&Peer| self.now < peer.heard + self.election;
            for peer in leader.peers.values().filter(is_there) {
                needed = needed.min(peer.will_have());
                let bytes = peer.transfer().map_or(0, |transfer| transfer.image.len());
                keep_at_most = keep_at_most.max(bytes);
            }
        }
        let mut base = self.log().base().index;
        while self.replica.kept_bytes() > if base < needed { keep } else { keep_at_most.max(keep) }
        {
            self.replica.drop_first();
            base = base.next();
        }
        self.persistent.compact(base);
    }

    /// What all entries come to that are applied.
    fn snapshot(&self) -> serde_json::Result<(Snapshot, Image)> {
        let (log, index) = (self.log(), self.replica.applied());
        let last = Position { term: log.term_of(index).unwrap_or_default(), index };
        let (time, (config_index, config)) = (self.replica.time(), log.config_at(index).clone());
        let image = Image::of(&self.replica.state(), self.options.chunk_bytes)?;
        Ok((Snapshot { last, time, config, config_index }, image))
    }

    /// Records that come to the same as all that were written, which they may replace; or why
    /// there are none.
    pub(crate) fn checkpoint(&self) -> Vec<io::Result<Record<S::Command>>> {
        match self.snapshot() {
            Ok((snapshot, image)) => {
                self.persistent.checkpoint(snapshot, image).into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error.into())],
        }
    }

    /// Has a follower get a snapshot that needs entries which are dropped, if it is there; and
    /// again what got lost of one.
    pub(crate) fn provide_snapshot(&mut self, to: Rank) {
        let (now, base, last) = (self.now, self.log().base().index, self.log().last().index);
        let (long_ago, lately) = (now.checked_sub(self.patience()), self.election);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&to) else { return };
        let is_due = match peer.transfer() {
            Some(transfer) => transfer.is_stuck(long_ago),
            None => peer.next <= base,
        };
        if !is_due {
            return;
        }
        if peer.heard + lately <= now {
            return peer.lose_track(last);
        }
        if let Some(transfer) = peer.transfer_mut() {
            return transfer.retry(now);
        }
        // What another one is sent will do, if the log goes on behind it.
        let mut others = leader.peers.values().filter_map(Peer::transfer);
        let made = match others.find(|transfer| base <= transfer.last().index) {
            Some(Transfer { snapshot, image, .. }) => Ok((snapshot.clone(), image.clone())),
            None => self.snapshot(),
        };
        let Role::Leader(leader) = &mut self.role else { return };
        match (made, leader.peers.get_mut(&to)) {
            (Ok((snapshot, image)), Some(peer)) => {
                peer.send_snapshot(Transfer::new(snapshot, image, now));
            }
            (Err(error), _) => tracing::error!(%error, "the state machine has no JSON form"),
            (_, None) => {}
        }
    }

    /// What a follower needs that is sent a snapshot.
    pub(crate) fn next_chunk(&mut self, to: Rank) -> Option<Part<S::Command>> {
        let Role::Leader(leader) = &mut self.role else { return None };
        let transfer = leader.peers.get_mut(&to)?.transfer_mut()?;
        transfer.next(self.options.window_bytes).map(Part::Chunk)
    }

    /// *InstallSnapshot* of figure 13, sender: how far a follower has got.
    pub(crate) fn take_received(&mut self, from: Server, received: &Received) {
        let Role::Leader(leader) = &mut self.role else { return };
        let transfer = leader.peer_mut(from).and_then(Peer::transfer_mut);
        if let Some(transfer) = transfer.filter(|transfer| transfer.last() == received.last) {
            transfer.received(received.bytes, self.now);
            self.outbox.append(from.rank, self.now);
        }
    }

    /// *InstallSnapshot* of figure 13, receiver.
    pub(crate) fn take_chunk(&mut self, from: Rank, chunk: Chunk) {
        let last = chunk.snapshot.last;
        let is_here = last.index <= self.commit || self.log().contains(last);
        let is_from_leader = self.leader() == Some(from);
        let Role::Follower(follower) = &mut self.role else { return };
        if !is_from_leader {
            return;
        }
        if is_here && !self.options.bugs.has(Bug::OldSnapshot) {
            // The leader's log is this one up to there, and committed.
            follower.verified = follower.verified.max(last.index);
            self.commit = self.commit.max(last.index);
            return self.outbox.acknowledge(from, self.now);
        }
        let whole = follower.assembly.take(chunk);
        let bytes = follower.assembly.image.len();
        self.outbox.say(from, self.now, Part::Received(Received { last, bytes }));
        if let Some((snapshot, image)) = whole {
            follower.assembly = Assembly::default();
            self.install(snapshot, image);
            self.outbox.acknowledge(from, self.now);
        }
    }

    fn install(&mut self, snapshot: Snapshot, image: Image) {
        let index = snapshot.last.index;
        if let Err(error) = self.replica.restore(&snapshot, &image) {
            return tracing::error!(%error, "a snapshot cannot be read");
        }
        self.fulfil(|change| change.is_met_by(&snapshot.config));
        self.persistent.install(snapshot, image);
        self.commit = index;
        if let Role::Follower(follower) = &mut self.role {
            follower.verified = follower.verified.max(index);
        }
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

    fn transfer(text: &str, about: usize) -> Transfer {
        let (last, time) = (Position { term: 1.into(), index: 9.into() }, LogTime::default());
        let (config, config_index) = (Config::new(0..3), Index::ZERO);
        let snapshot = Snapshot { last, time, config, config_index };
        Transfer::new(snapshot, Image::of(&text, about).unwrap(), Time::ZERO)
    }

    #[test]
    fn chunks_that_are_lost_come_again() {
        let (mut transfer, mut assembly) = (transfer("12345678", 4), Assembly::default());
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        transfer.next(8).unwrap();
        assert!(transfer.next(8).is_none());
        transfer.received(4, Time::from_secs(1));
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        assert!(transfer.is_stuck(Some(Time::from_secs(1))));
        transfer.retry(Time::from_secs(2));
        assert!(!transfer.is_stuck(Some(Time::from_secs(1))) && !transfer.is_stuck(None));
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        let (_, image) = assembly.take(transfer.next(8).unwrap()).unwrap();
        assert_eq!(image.value::<String>().unwrap(), "12345678");
    }
}
