//! What waits to be appended, and when it has waited enough.
//!
//! Requests that wait together share a segment: *group commit* ([DeWitt et al.
//! 1984][dewitt], section 3.2). How long the first of them waits for company is a
//! trade of latency for messages, and waiting is pointless when nobody is left who
//! could come: a client that has a request here sends no other until it is
//! answered. So a batch is complete when every client that was active lately has
//! a request in it, and when its first request has waited for the *linger* time
//! in any case.
//!
//! Clients that were just answered come again within moments. What waited behind
//! their segment waits a *rejoin* time more for them: otherwise two groups of
//! clients take turns for good, each waits out the other's segment, and every
//! request takes twice as long as its segment.
//!
//! [dewitt]: https://doi.org/10.1145/602259.602261

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use maelstrom::NodeId;
use maelstrom::machine::Time;
use serde_json::value::RawValue;

/// So many requests, or bytes of them, do not wait for more.
const ENOUGH: usize = 512;
const ENOUGH_BYTES: usize = 64 * 1024;
/// At so many, no more are taken.
const FULL: usize = 16 * 1024;
const FULL_BYTES: usize = 8 * 1024 * 1024;
/// A client that asked for something within this time may do so again soon.
const ACTIVE: Duration = Duration::from_millis(40);

/// Stands for a request that waits for its answer; the log's host chooses it.
pub(crate) type Ticket = u64;

/// A request that waits to be appended.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Who waits for the answer; nobody when it was given.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) client: NodeId,
    pub(crate) work: Work,
}

/// What a request wants to be appended.
#[derive(Debug)]
pub(crate) enum Work {
    Send {
        key: String,
        message: Box<RawValue>,
        /// The offset that was promised to the client already.
        offset: Option<u64>,
    },
    Commit(BTreeMap<String, u64>),
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Work::Send { key, message, .. } => key.len() + message.get().len() + 16,
            Work::Commit(offsets) => offsets.keys().map(|key| key.len() + 16).sum(),
        }
    }
}

/// Requests in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: Vec<Entry>,
    bytes: usize,
    /// When the oldest came.
    opened: Time,
    clients: BTreeSet<NodeId>,
    active: BTreeMap<NodeId, Time>,
    forgot_at: Time,
    /// When requests of a segment were last answered.
    answered: Time,
}

impl Queue {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is room for this, too. There always is in an empty queue.
    pub(crate) fn has_room_for(&self, work: &Work) -> bool {
        self.is_empty() || (self.entries.len() < FULL && self.bytes + work.bytes() <= FULL_BYTES)
    }

    /// A client asked for something, whatever it was.
    pub(crate) fn heard_from(&mut self, now: Time, client: &NodeId) {
        match self.active.get_mut(client) {
            Some(heard) => *heard = now,
            None => drop(self.active.insert(client.clone(), now)),
        }
        if now >= self.forgot_at + ACTIVE / 2 {
            self.forgot_at = now;
            self.active.retain(|_, heard| *heard + ACTIVE > now);
        }
    }

    /// A client that had a request here is answered, and may come again.
    pub(crate) fn answered(&mut self, now: Time, client: &NodeId) {
        self.answered = now;
        self.heard_from(now, client);
    }

    /// Appends a request.
    pub(crate) fn push(&mut self, now: Time, entry: Entry) {
        if self.is_empty() {
            self.opened = now;
        }
        self.bytes += entry.work.bytes();
        self.clients.insert(entry.client.clone());
        self.entries.push(entry);
    }

    /// Puts requests back that were taken before all that wait now.
    pub(crate) fn put_back(&mut self, now: Time, entries: Vec<Entry>) {
        for entry in mem::replace(&mut self.entries, entries) {
            self.entries.push(entry);
        }
        self.opened = self.opened.min(now);
        self.count();
    }

    /// Removes the request that this ticket is for, if it waits here.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.ticket != Some(ticket));
        self.count();
        self.entries.len() < before
    }

    /// When the requests have waited enough.
    pub(crate) fn due(&self, linger: Duration, rejoin: Duration) -> Option<Time> {
        let last = self.entries.last()?;
        let enough = self.entries.len() >= ENOUGH || self.bytes >= ENOUGH_BYTES;
        // Clients that were answered already may come again.
        let complete =
            last.ticket.is_some() && self.active.keys().all(|client| self.clients.contains(client));
        let waited = (self.opened + linger).max(self.answered + rejoin);
        Some(if enough || complete { self.opened } else { waited })
    }

    /// Takes all requests.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        self.clients.clear();
        mem::take(&mut self.entries)
    }

    fn count(&mut self) {
        self.bytes = self.entries.iter().map(|entry| entry.work.bytes()).sum();
        self.clients = self.entries.iter().map(|entry| entry.client.clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(4);
    const REJOIN: Duration = Duration::from_millis(3);

    fn at(millis: u64) -> Time {
        Duration::from_millis(millis)
    }

    fn send(ticket: u64, client: &str) -> Entry {
        let message = RawValue::from_string("1".to_owned()).unwrap();
        let work = Work::Send { key: "k".to_owned(), message, offset: None };
        Entry { ticket: Some(ticket), client: client.into(), work }
    }

    #[test]
    fn a_lone_client_does_not_wait_for_anybody() {
        let mut queue = Queue::default();
        assert_eq!(queue.due(LINGER, REJOIN), None);
        queue.heard_from(at(1000), &"c1".into());
        queue.push(at(1000), send(1, "c1"));
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1000)));
    }

    #[test]
    fn a_request_waits_for_the_other_clients_but_not_long() {
        let mut queue = Queue::default();
        queue.heard_from(at(990), &"c2".into());
        queue.heard_from(at(1000), &"c1".into());
        queue.push(at(1000), send(1, "c1"));
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1004)));
        queue.heard_from(at(1001), &"c2".into());
        queue.push(at(1001), send(2, "c2"));
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1000)), "nobody else can come");
    }

    #[test]
    fn what_waited_behind_a_segment_waits_for_the_clients_that_it_answered() {
        let mut queue = Queue::default();
        queue.heard_from(at(1000), &"c2".into());
        queue.push(at(1000), send(1, "c2"));
        queue.answered(at(1200), &"c1".into());
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1203)), "c1 may come, c2 is here");
        queue.heard_from(at(1202), &"c1".into());
        queue.push(at(1202), send(2, "c1"));
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1000)), "nobody else can come");
    }

    #[test]
    fn clients_that_were_answered_already_may_come_again() {
        let mut queue = Queue::default();
        queue.heard_from(at(1000), &"c1".into());
        queue.push(at(1000), Entry { ticket: None, ..send(1, "c1") });
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1004)));
    }

    #[test]
    fn clients_that_were_not_heard_for_a_while_are_not_waited_for() {
        let mut queue = Queue::default();
        queue.heard_from(at(900), &"c2".into());
        queue.heard_from(at(1000), &"c1".into());
        queue.push(at(1000), send(1, "c1"));
        assert_eq!(queue.due(LINGER, REJOIN), Some(at(1000)));
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let mut queue = Queue::default();
        queue.push(at(10), send(1, "c1"));
        queue.push(at(10), send(2, "c2"));
        let taken = queue.take();
        assert!(queue.is_empty());
        queue.push(at(12), send(3, "c3"));
        queue.put_back(at(11), taken);
        assert!(queue.withdraw(2));
        assert!(!queue.withdraw(2));
        let tickets: Vec<_> = queue.take().iter().map(|entry| entry.ticket).collect();
        assert_eq!(tickets, [Some(1), Some(3)]);
    }

    #[test]
    fn a_full_queue_takes_no_more_and_an_empty_one_takes_anything() {
        let mut queue = Queue::default();
        let large = RawValue::from_string(format!("\"{}\"", "x".repeat(FULL_BYTES))).unwrap();
        let large = Work::Send { key: "k".to_owned(), message: large, offset: None };
        assert!(queue.has_room_for(&large));
        for ticket in 0..FULL as u64 {
            assert!(queue.has_room_for(&send(ticket, "c1").work));
            queue.push(at(0), send(ticket, "c1"));
        }
        assert!(!queue.has_room_for(&send(0, "c1").work));
    }
}
