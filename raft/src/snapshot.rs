//! Snapshots (§7): what the state machine comes to, in the place of the entries that it has
//! applied.
//!
//! In memory the state machine itself stands for them: the log keeps its last entries, by their
//! bytes, and drops the rest. A snapshot is made when somebody needs one, and given up when
//! that has it: the journal, in the place of its records, and a follower that needs entries
//! which are dropped.
//!
//! A follower gets its text in chunks, each with a message of its own, some of them under way at a
//! time. Heartbeats go between them.

use maelstrom::machine::{Rank, Time};
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::peer::Peer;
use crate::replica::Replica;
use crate::role::Role;
use crate::{
    Bug, Chunk, Config, Index, LogTime, Options, Part, Position, Raft, Received, Server,
    StateMachine,
};

/// What the log's beginning comes to, beside the image of the state machine and of the sessions
/// of its clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    pub(crate) fn last(&self) -> Position {
        self.snapshot.last
    }

    /// Whether there is another chunk, and fewer than `window` bytes are under way.
    pub(crate) fn has_next(&self, window: usize) -> bool {
        self.sent < self.image.len().min(self.received + window)
    }

    fn next(&mut self, window: usize) -> Option<Chunk> {
        let offset = self.sent;
        let data = self.image.part(offset).filter(|_| self.has_next(window))?.clone();
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
        if self.replica.kept_bytes <= keep {
            return;
        }
        let mut needed = self.replica.applied;
        if let Role::Leader(leader) = &self.role {
            let is_there = |peer: &&Peer| self.now < peer.heard + self.election;
            for peer in leader.peers.values().filter(is_there) {
                // What comes behind that it needs from the log.
                let (has, bytes) = match peer.transfer() {
                    Some(transfer) => (transfer.last().index, transfer.image.len()),
                    None => (peer.matched, 0),
                };
                (needed, keep_at_most) = (needed.min(has), keep_at_most.max(bytes));
            }
        }
        let mut base = self.log().base().index;
        while self.replica.kept_bytes > if base < needed { keep } else { keep_at_most.max(keep) } {
            base = base.next();
            let bytes = self.log().get(base).map_or(0, |entry| Replica::<S>::size(entry));
            self.replica.kept_bytes -= bytes;
        }
        self.persistent.compact(base);
    }

    /// What all entries come to that are applied.
    pub(crate) fn snapshot(&self) -> Option<(Snapshot, Image)> {
        let (log, index) = (self.log(), self.replica.applied);
        let (last, time) = (log.position(index).unwrap_or_default(), self.replica.time);
        let (config_index, config) = log.config_at(index).clone();
        let image = Image::of(&self.replica.state(), self.options.chunk_bytes);
        let image =
            image.inspect_err(|error| tracing::error!(%error, "the state has no JSON form"));
        Some((Snapshot { last, time, config, config_index }, image.ok()?))
    }

    /// Has a follower get a snapshot that needs entries which are dropped, if it is there; and
    /// again what got lost of one.
    pub(crate) fn provide_snapshot(&mut self, to: Rank) {
        let (now, base, last) = (self.now, self.log().base().index, self.log().last().index);
        let (long_ago, lately) = (now.checked_sub(self.patience()), self.election);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&to) else { return };
        let is_due = match peer.transfer() {
            Some(transfer) => Some(transfer.moved) <= long_ago,
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
        let shared = others.find(|transfer| base <= transfer.last().index);
        let shared = shared.map(|other| (other.snapshot.clone(), other.image.clone()));
        let Some((snapshot, image)) = shared.or_else(|| self.snapshot()) else { return };
        if let Role::Leader(leader) = &mut self.role
            && let Some(peer) = leader.peers.get_mut(&to)
        {
            peer.send_snapshot(Transfer { snapshot, image, received: 0, sent: 0, moved: now });
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
            if let Some(outcome) = self.replica.sessions.outcome(id) {
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
        let image = Image::of(&text, about).unwrap();
        Transfer { snapshot, image, received: 0, sent: 0, moved: Time::ZERO }
    }

    #[test]
    fn chunks_that_are_lost_come_again() {
        let (mut transfer, mut assembly) = (transfer("12345678", 4), Assembly::default());
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        transfer.next(8).unwrap();
        assert!(transfer.next(8).is_none());
        transfer.received(4, Time::from_secs(1));
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        assert_eq!(transfer.moved, Time::from_secs(1));
        transfer.retry(Time::from_secs(2));
        assert_eq!(transfer.moved, Time::from_secs(2));
        assert!(assembly.take(transfer.next(8).unwrap()).is_none());
        let (_, image) = assembly.take(transfer.next(8).unwrap()).unwrap();
        assert_eq!(image.value::<String>().unwrap(), "12345678");
    }
}
