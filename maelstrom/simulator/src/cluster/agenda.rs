//! What is going to happen, beside the arrival of messages.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use maelstrom::machine::{Client, Rank, ServiceCall, Time};

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
}

/// In the order of time; what is due at the same time comes in the order in which it was
/// added.
#[derive(Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    added: u64,
}

pub(super) struct Entry {
    pub(super) at: Time,
    number: u64,
    pub(super) node: Rank,
    pub(super) incarnation: u64,
    pub(super) due: Due,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Time, node: Rank, incarnation: u64, due: Due) {
        self.added += 1;
        self.entries.push(Reverse(Entry { at, number: self.added, node, incarnation, due }));
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop().map(|Reverse(entry)| entry)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
