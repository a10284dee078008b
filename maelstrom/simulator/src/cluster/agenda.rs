//! What is going to happen, beside the arrival of messages.

use maelstrom::machine::{Client, Rank, ServiceCall, Time};

use crate::queue::Queue;

/// Something that happens to a node, in one of its incarnations.
pub(super) enum Due {
    /// Its alarm.
    Wake,
    /// A client's patience ends.
    GiveUp(Client),
    /// The pause before a call is over.
    Call(u64, Box<ServiceCall>),
    /// A call's time is over.
    Timeout(u64),
    /// The first so many records are safe.
    Written(usize),
    /// The disk is full for a while.
    Stalled,
    /// No further record will be safe.
    WriteFailed,
    /// The snapshot is durable.
    Compacted,
}

/// In the order of time; what is due at the same time comes in the order in which it was
/// added.
#[derive(Default)]
pub(super) struct Agenda {
    entries: Queue<Entry>,
    added: u64,
}

pub(super) struct Entry {
    pub(super) at: Time,
    pub(super) node: Rank,
    pub(super) incarnation: u64,
    pub(super) due: Due,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Time, node: Rank, incarnation: u64, due: Due) {
        self.added += 1;
        self.entries.push(at, self.added, Entry { at, node, incarnation, due });
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.entries.next()
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop().map(|(_, entry)| entry)
    }
}
