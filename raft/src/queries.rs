//! The queries of this node's clients, until they are answered.
//!
//! ```text
//!   fresh ──a batch──▶ asked ──the leader says up to where──▶ ready ──applied──▶ answered
//!     ▲                  │                                    │
//!     └──another leader, or no answer───────another leader─────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::machine::{Client, Time};

use crate::position::Index;

type Batch<Q> = Vec<(Client, Q)>;

/// Queries without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Queries<Q> {
    fresh: Batch<Q>,
    /// By the number under which the leader was asked, and when.
    asked: BTreeMap<u64, (Time, Batch<Q>)>,
    /// By what has to be applied first.
    ready: BTreeMap<Index, Batch<Q>>,
    last: u64,
}

impl<Q> Queries<Q> {
    /// No queries yet. Numbers go on from `last`, which no former incarnation of the node has
    /// come near: what was said of its queries says nothing of these.
    pub(crate) fn new(last: u64) -> Self {
        Self { fresh: Vec::new(), asked: BTreeMap::new(), ready: BTreeMap::new(), last }
    }

    pub(crate) fn add(&mut self, client: Client, query: Q) {
        self.fresh.push((client, query));
    }

    /// The number under which the leader is to be asked for all queries that came since.
    /// No number is used twice: what is said of one batch says nothing of another.
    pub(crate) fn ask(&mut self, now: Time, reuse: bool) -> Option<u64> {
        if self.fresh.is_empty() {
            return None;
        }
        if let Some(mut entry) = self.asked.last_entry().filter(|_| reuse) {
            entry.get_mut().1.append(&mut self.fresh);
            return Some(self.last);
        }
        self.last += 1;
        self.asked.insert(self.last, (now, std::mem::take(&mut self.fresh)));
        Some(self.last)
    }

    /// The leader says what has to be applied first.
    pub(crate) fn may_read_at(&mut self, number: u64, index: Index) {
        if let Some((_, batch)) = self.asked.remove(&number) {
            self.ready.entry(index).or_default().extend(batch);
        }
    }

    /// Those that can be answered when so much is applied.
    pub(crate) fn take_ready(&mut self, applied: Index) -> Batch<Q> {
        let mut batch = Vec::new();
        while let Some(entry) = self.ready.first_entry().filter(|entry| *entry.key() <= applied) {
            batch.extend(entry.remove());
        }
        batch
    }

    /// All are to be asked again, for there is another leader. What has to be applied first
    /// may have been cut off before it was committed, so those are asked again as well that
    /// have heard that.
    pub(crate) fn ask_all_again(&mut self) {
        self.ask_again(Time::MAX);
        self.fresh.extend(std::mem::take(&mut self.ready).into_values().flatten());
    }

    /// All that were asked before `before` are to be asked again.
    pub(crate) fn ask_again(&mut self, before: Time) {
        while let Some(entry) = self.asked.first_entry().filter(|entry| entry.get().0 <= before) {
            self.fresh.extend(entry.remove().1);
        }
    }

    /// When something has to be asked again.
    pub(crate) fn retry_at(&self, retry: Duration) -> Option<Time> {
        self.asked.values().next().map(|(at, _)| *at + retry)
    }

    /// All clients that wait.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> {
        let asked = self.asked.values().map(|(_, batch)| batch);
        let batches = asked.chain(self.ready.values()).chain([&self.fresh]);
        batches.flatten().map(|(client, _)| *client)
    }

    /// A client waits no longer. Returns whether it asked something here.
    pub(crate) fn give_up(&mut self, client: Client) -> bool {
        let asked = self.asked.values_mut().map(|(_, batch)| batch);
        let mut batches = asked.chain(self.ready.values_mut()).chain([&mut self.fresh]);
        batches.any(|batch| {
            let before = batch.len();
            batch.retain(|(other, _)| *other != client);
            batch.len() < before
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_entry_of_a_former_leader_is_asked_for_again() {
        let mut queries = Queries::new(0);
        queries.add(Client(1), ());
        let number = queries.ask(Time::ZERO, false).unwrap();
        queries.may_read_at(number, Index::from(9));
        queries.ask_all_again();
        assert!(queries.take_ready(Index::from(9)).is_empty());
        assert_eq!(queries.ask(Time::ZERO, false), Some(number + 1));
    }
}
