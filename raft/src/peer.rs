//! What a leader knows of a follower, and how much it may send it: `nextIndex` and
//! `matchIndex` of figure 2, pipelined (thesis, 10.2.2).
//!
//! ```text
//!            acknowledged                   rejected
//!   probe ─────────────────▶ stream ─────────────────▶ probe
//!     ▲            acknowledged            │ what it needs is dropped
//!     └──────────── snapshot ◀─────────────┘
//! ```
//!
//! While it *probes* for where the logs agree, one append is under way at a time. When it
//! knows, it *streams*: it takes for granted that what it sends arrives, up to the window.

use std::collections::VecDeque;
use std::time::Duration;

use maelstrom::machine::Time;

use crate::snapshot::Transfer;
use crate::{Appended, Index, Options, Server};

/// What a leader knows of a follower.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// As which one of its node's servers it is meant.
    pub(crate) server: Server,
    /// `nextIndex`: the next entry to send.
    pub(crate) next: Index,
    /// `matchIndex`: up to where its log is the leader's, and safe.
    pub(crate) matched: Index,
    mode: Mode,
    /// When it was heard in this term; when the term began, if it was not.
    pub(crate) heard: Time,
    /// When it was sent an append last.
    pub(crate) sent: Time,
    /// Until when it gets the log if it is no member.
    pub(crate) guest_until: Time,
    /// The latest question that it has acknowledged.
    pub(crate) question: u64,
    /// What a client of its waits for: that this entry is committed.
    pub(crate) awaits: Index,
    /// Up to where it was sent what tells it that all is committed.
    pub(crate) told: Index,
}

#[derive(Clone, Debug)]
enum Mode {
    Probe { under_way: Option<Time> },
    Stream(VecDeque<Flight>),
    Snapshot(Box<Transfer>),
}

/// Entries that are under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    last: Index,
    bytes: usize,
    /// When they were sent, if they are to be acknowledged at once.
    sent: Option<Time>,
}

impl Peer {
    /// Of a follower of which nothing is known, by a leader whose last entry is this one.
    pub(crate) fn unknown(server: Server, last: Index, now: Time) -> Self {
        let (next, mode) = (last.next(), Mode::Probe { under_way: None });
        let (heard, sent, guest_until, question) = (now, now, Time::ZERO, 0);
        let (matched, awaits, told) = (Index::ZERO, Index::ZERO, Index::ZERO);
        Self { server, next, matched, mode, heard, sent, guest_until, question, awaits, told }
    }

    /// How many bytes of entries it may be sent in a message.
    pub(crate) fn allowance(&self, options: &Options) -> usize {
        match &self.mode {
            Mode::Probe { under_way: Some(_) } | Mode::Snapshot(_) => 0,
            Mode::Probe { under_way: None } => options.batch_bytes,
            Mode::Stream(flights) if flights.len() >= options.window_messages => 0,
            Mode::Stream(flights) => {
                let bytes = flights.iter().map(|flight| flight.bytes).sum();
                options.window_bytes.saturating_sub(bytes).min(options.batch_bytes)
            }
        }
    }

    /// What an append may be about at most: what it lacks yet, and may not be sent yet, it
    /// cannot be told of.
    pub(crate) fn may_have(&self, last: Index, options: &Options) -> Index {
        match &self.mode {
            Mode::Snapshot(_) => Index::ZERO,
            _ if self.allowance(options) == 0 => self.next.previous(),
            _ => last,
        }
    }

    /// It is sent so many entries.
    pub(crate) fn send(&mut self, entries: usize, bytes: usize, urgent: bool, now: Time) {
        self.sent = now;
        match &mut self.mode {
            Mode::Probe { under_way } => *under_way = Some(now),
            Mode::Stream(flights) if entries > 0 => {
                self.next = self.next + entries;
                let (last, sent) = (self.next.previous(), urgent.then_some(now));
                flights.push_back(Flight { last, bytes, sent });
            }
            Mode::Stream(_) | Mode::Snapshot(_) => {}
        }
    }

    /// What it needs is dropped: it is sent a snapshot.
    pub(crate) fn send_snapshot(&mut self, transfer: Transfer) {
        self.mode = Mode::Snapshot(Box::new(transfer));
    }

    /// It is away, and may have anything when it comes back: then it will be asked.
    pub(crate) fn lose_track(&mut self, last: Index) {
        (self.next, self.mode) = (last.next(), Mode::Probe { under_way: None });
    }

    /// Whether it takes entries at once, as far as one can tell.
    pub(crate) fn is_ready(&self, since: Time, options: &Options) -> bool {
        matches!(self.mode, Mode::Stream(_)) && self.allowance(options) > 0 && self.heard >= since
    }

    /// The snapshot that it is sent.
    pub(crate) fn transfer(&self) -> Option<&Transfer> {
        let Mode::Snapshot(transfer) = &self.mode else { return None };
        Some(transfer)
    }

    pub(crate) fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        let Mode::Snapshot(transfer) = &mut self.mode else { return None };
        Some(transfer)
    }

    /// It acknowledges what it has. Returns how long that took, if it did so at once.
    pub(crate) fn acknowledge(&mut self, ack: &Appended, now: Time) -> Option<Duration> {
        self.question = self.question.max(ack.question);
        self.matched = self.matched.max(ack.matched);
        if ack.rejected.is_some() {
            return None;
        }
        let sent = match &mut self.mode {
            Mode::Snapshot(transfer) if self.matched < transfer.snapshot.last.index => return None,
            Mode::Stream(flights) => {
                let arrived = flights.partition_point(|flight| flight.last <= ack.matched);
                flights.drain(..arrived).next_back().and_then(|flight| flight.sent)
            }
            Mode::Probe { under_way } => *under_way,
            Mode::Snapshot(_) => None,
        };
        match &self.mode {
            Mode::Stream(_) => self.next = self.next.max(self.matched.next()),
            Mode::Probe { .. } | Mode::Snapshot(_) => {
                self.next = self.matched.next();
                self.mode = Mode::Stream(VecDeque::new());
            }
        }
        sent.map(|at| now.saturating_sub(at))
    }

    /// It does not have the entry before those that it was sent. `hint` is the last one
    /// that may be common. Returns whether that was news.
    pub(crate) fn reject(&mut self, previous: Index, hint: Index) -> bool {
        let is_news = match &self.mode {
            _ if previous <= self.matched => false,
            Mode::Probe { .. } => previous == self.next.previous(),
            Mode::Stream(_) => true,
            Mode::Snapshot(_) => false,
        };
        if is_news {
            self.next = hint.next().min(previous).max(self.matched.next());
            self.mode = Mode::Probe { under_way: None };
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Appended;

    fn ack(matched: u64) -> Appended {
        Appended { matched: matched.into(), question: 0, rejected: None }
    }

    #[test]
    fn a_probe_waits_for_its_answer_and_a_stream_for_its_window() {
        let options = Options { window_messages: 2, ..Options::default() };
        let mut peer = Peer::unknown(7.into(), Index::from(9), Time::ZERO);
        peer.send(0, 0, true, Time::ZERO);
        assert_eq!(peer.allowance(&options), 0);
        let took = peer.acknowledge(&ack(9), Time::from_millis(30));
        assert_eq!(took, Some(Time::from_millis(30)));
        for _ in 0..2 {
            assert!(peer.allowance(&options) > 0);
            peer.send(1, 8, true, Time::from_millis(5));
        }
        assert_eq!((peer.next, peer.allowance(&options)), (Index::from(12), 0));
        assert_eq!(peer.acknowledge(&ack(10), Time::from_millis(7)), Some(Time::from_millis(2)));
        assert_eq!((peer.matched, peer.allowance(&options) > 0), (Index::from(10), true));
    }

    #[test]
    fn a_rejection_that_comes_late_changes_nothing() {
        let mut peer = Peer::unknown(7.into(), Index::from(9), Time::ZERO);
        assert!(peer.reject(Index::from(9), Index::from(4)));
        assert_eq!(peer.next, Index::from(5));
        assert!(!peer.reject(Index::from(9), Index::from(2)));
        peer.acknowledge(&ack(6), Time::ZERO);
        assert!(!peer.reject(Index::from(6), Index::from(2)));
        assert_eq!(peer.next, Index::from(7));
        assert!(peer.reject(Index::from(8), Index::from(7)));
        // It has forgotten what it had: to send that again at once would go on for ever.
        assert!(!peer.reject(Index::from(6), Index::ZERO));
    }
}
