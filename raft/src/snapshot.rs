//! Snapshots (§7): what the state machine comes to, in the place of the entries that it has
//! applied.
//!
//! In memory the state machine itself stands for them: the log keeps its last entries, by their
//! bytes, and drops the rest. A snapshot is made when somebody needs one, and given up when
//! that has it: the journal, in the place of its records, and a follower that needs entries
//! which are dropped.
//!
//! Its text is made while it goes, in chunks, some of which are under way at a time. Commands and
//! heartbeats go between them.

use std::collections::VecDeque;

use maelstrom::machine::{Rank, Time};
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::peer::Peer;
use crate::replica::{Incoming, Replica};
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
    /// Which one of the leader's.
    number: u64,
    pub(crate) snapshot: Snapshot,
    /// All of its text, and what was never sent.
    whole: Image,
    rest: Image,
    /// What the follower has not acknowledged, and how many of that are under way.
    chunks: VecDeque<Chunk>,
    under_way: usize,
    /// The follower has had so many bytes, and by its last word it has so many.
    received: usize,
    reported: usize,
    /// When there was progress last.
    moved: Time,
}

impl Transfer {
    fn new(number: u64, snapshot: Snapshot, whole: Image, moved: Time) -> Self {
        let (rest, chunks) = (whole.clone(), VecDeque::new());
        let (under_way, received, reported) = (0, 0, 0);
        Self { number, snapshot, whole, rest, chunks, under_way, received, reported, moved }
    }

    /// How many bytes were sent.
    fn sent(&self) -> usize {
        self.chunks.get(self.under_way).map_or(self.rest.offset, |chunk| chunk.part.offset)
    }

    /// Whether there is another chunk, and fewer than `window` bytes are under way.
    pub(crate) fn has_next(&self, window: usize) -> bool {
        let is_all_sent = self.under_way == self.chunks.len() && self.rest.is_taken();
        !is_all_sent && self.sent() < self.received + window
    }

    fn next(&mut self, window: usize) -> Option<Chunk> {
        if !self.has_next(window) {
            return None;
        }
        if self.under_way == self.chunks.len() {
            let made = self.rest.next()?;
            let made = made.inspect_err(|error| tracing::error!(%error, "no JSON form"));
            let (part, is_last) = (made.ok()?, self.rest.is_taken());
            let (snapshot, number) = (self.snapshot.clone(), self.number);
            self.chunks.push_back(Chunk { snapshot, number, part, is_last });
        }
        self.under_way += 1;
        self.chunks.get(self.under_way - 1).cloned()
    }

    /// The follower has so much.
    fn received(&mut self, bytes: usize, now: Time) {
        self.reported = bytes;
        let is_end = |chunk: &Chunk| chunk.part.offset + chunk.part.text.len() == bytes;
        if let Some(at) = self.chunks.iter().position(is_end) {
            self.chunks.drain(..=at);
            self.under_way = self.under_way.saturating_sub(at + 1);
            (self.received, self.moved) = (bytes, now);
        }
    }

    /// Sends again what the follower lacks; or everything, as another snapshot, if it had more
    /// and has lost it.
    fn retry(&mut self, next_number: &mut u64, now: Time) {
        (self.under_way, self.moved) = (0, now);
        if self.chunks.is_empty() || self.reported < self.received {
            *next_number += 1;
            *self = Self::new(*next_number, self.snapshot.clone(), self.whole.clone(), now);
        }
    }
}

impl<S: StateMachine> Raft<S> {
    /// Drops the first entries that are applied, so that what is left of these has no more
    /// bytes than the options say: `keep`, for who comes back soon; and up to `keep_at_most`,
    /// or to as many as a follower was sent of a snapshot, for who is there and slow.
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
                    Some(transfer) => (transfer.snapshot.last.index, transfer.sent()),
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
    pub(crate) fn snapshot(&self) -> (Snapshot, Image) {
        let (log, index) = (self.log(), self.replica.applied);
        let (last, time) = (log.position(index).unwrap_or_default(), self.replica.time);
        let (config_index, config) = log.config_at(index).clone();
        let snapshot = Snapshot { last, time, config, config_index };
        (snapshot, self.replica.image(self.options.chunk_bytes))
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
            return transfer.retry(&mut leader.snapshots, now);
        }
        // What another one is sent will do, if the log goes on behind it.
        let mut others = leader.peers.values().filter_map(Peer::transfer);
        let shared = others.find(|transfer| base <= transfer.snapshot.last.index);
        let shared = shared.map(|other| (other.snapshot.clone(), other.whole.clone()));
        let (snapshot, image) = shared.unwrap_or_else(|| self.snapshot());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.snapshots += 1;
        let transfer = Transfer::new(leader.snapshots, snapshot, image, now);
        leader.peers.entry(to).and_modify(|peer| peer.send_snapshot(transfer));
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
        if let Some(transfer) = transfer.filter(|transfer| transfer.number == received.number) {
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
        let Chunk { snapshot, number, part, is_last } = chunk;
        let incoming = self.incoming.take().filter(|one| number <= one.number);
        let mut incoming = incoming.unwrap_or_else(|| Incoming::new(number, last.index));
        let is_next = (number, part.offset) == (incoming.number, incoming.bytes);
        if is_next {
            if let Err(error) = incoming.take(&part) {
                return tracing::error!(%error, "a snapshot cannot be read");
            }
            self.persistent.add_part(part);
        }
        let (number, bytes) = (incoming.number, incoming.bytes);
        self.outbox.say(from, self.now, Part::Received(Received { number, bytes }));
        if is_next && is_last {
            self.install(snapshot, incoming);
            self.outbox.acknowledge(from, self.now);
        } else {
            self.incoming = Some(incoming);
        }
    }

    fn install(&mut self, snapshot: Snapshot, incoming: Incoming<S>) {
        let index = snapshot.last.index;
        if let Err(error) = self.replica.restore(&snapshot, incoming) {
            return tracing::error!(%error, "a snapshot cannot be read");
        }
        self.fulfil(|change| change.is_met_by(&snapshot.config));
        self.persistent.install(snapshot);
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

    fn transfer() -> Transfer {
        let last = Position { term: 1.into(), index: 9.into() };
        let snapshot = Snapshot { last, ..Snapshot::default() };
        let whole = Image::of(1, 4, |_| Ok("1234567890".to_owned()));
        Transfer::new(1, snapshot, whole, Time::ZERO)
    }

    fn next(transfer: &mut Transfer) -> Option<(u64, String)> {
        transfer.next(8).map(|chunk| (chunk.number, chunk.part.text.to_string()))
    }

    fn part(number: u64, text: &str) -> Option<(u64, String)> {
        Some((number, text.to_owned()))
    }

    #[test]
    fn what_is_lost_comes_again() {
        let mut transfer = transfer();
        assert_eq!(next(&mut transfer), part(1, "1234"));
        assert_eq!(next(&mut transfer), part(1, "5678"));
        assert_eq!(next(&mut transfer), None);
        transfer.received(4, Time::from_secs(1));
        assert_eq!((next(&mut transfer), transfer.moved), (part(1, "90"), Time::from_secs(1)));
        transfer.retry(&mut 1, Time::from_secs(2));
        assert_eq!((next(&mut transfer), transfer.moved), (part(1, "5678"), Time::from_secs(2)));
        assert_eq!(next(&mut transfer), part(1, "90"));
        // Nobody has had so much, or less than a chunk.
        transfer.received(usize::MAX, Time::from_secs(3));
        transfer.received(5, Time::from_secs(3));
        assert_eq!((transfer.received, transfer.moved), (4, Time::from_secs(2)));
    }

    #[test]
    fn a_follower_that_has_lost_a_part_gets_another_snapshot() {
        for (had, says) in [(4, 0), (10, 10)] {
            let (mut transfer, mut snapshots) = (transfer(), 1);
            while next(&mut transfer).is_some() {
                let sent = transfer.sent();
                transfer.received(sent.min(had), Time::ZERO);
            }
            transfer.received(says, Time::ZERO);
            transfer.retry(&mut snapshots, Time::ZERO);
            assert_eq!(next(&mut transfer), part(2, "1234"));
        }
    }
}
