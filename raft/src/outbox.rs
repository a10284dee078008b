//! What is to be said to each node, until it is sent. A message takes along all that there is
//! to say, and each thing has a time by which it goes, of which `DESIGN.md` has a table.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::machine::{Rank, Time};

use crate::{Part, Proposal, Rejected};

/// What is to be said to all other nodes.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<C> {
    to: BTreeMap<Rank, Outgoing<C>>,
    /// When each was sent something last.
    pub(crate) sent: BTreeMap<Rank, Time>,
    /// How long it has peace then.
    pace: Duration,
}

/// What is to be said to one of them. Appends and acknowledgements are made when they are
/// sent, of what there is then.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<C> {
    pub(crate) parts: Vec<Part<C>>,
    /// They go in as many messages as they need.
    pub(crate) proposals: Vec<Proposal<C>>,
    pub(crate) append: bool,
    /// Whether the append is to be acknowledged at once.
    pub(crate) urgent: bool,
    pub(crate) acknowledge: bool,
    pub(crate) rejected: Option<Rejected>,
    /// When the first of it has to go.
    due: Time,
}

impl<C> Outbox<C> {
    pub(crate) fn new(pace: Duration) -> Self {
        Self { to: BTreeMap::new(), sent: BTreeMap::new(), pace }
    }

    /// What goes to a node, at the latest at `due`, if only to let it know our term.
    pub(crate) fn outgoing(&mut self, to: Rank, due: Time) -> &mut Outgoing<C> {
        let outgoing = self.to.entry(to).or_insert_with(|| Outgoing {
            parts: Vec::new(),
            proposals: Vec::new(),
            append: false,
            urgent: false,
            acknowledge: false,
            rejected: None,
            due,
        });
        outgoing.due = outgoing.due.min(due);
        outgoing
    }

    pub(crate) fn say(&mut self, to: Rank, due: Time, part: Part<C>) {
        self.outgoing(to, due).parts.push(part);
    }

    pub(crate) fn append(&mut self, to: Rank, due: Time) {
        self.outgoing(to, due).append = true;
    }

    /// Sends an append that is acknowledged at once.
    pub(crate) fn append_urgently(&mut self, to: Rank, due: Time) {
        let outgoing = self.outgoing(to, due);
        (outgoing.append, outgoing.urgent) = (true, true);
    }

    pub(crate) fn acknowledge(&mut self, to: Rank, due: Time) {
        self.outgoing(to, due).acknowledge = true;
    }

    /// When something has to go next, and to whom.
    pub(crate) fn next(&self) -> Option<(Time, Rank)> {
        let due = self.to.iter().map(|(&to, outgoing)| {
            let pace = self.sent.get(&to).map(|&sent| sent + self.pace);
            (pace.map_or(outgoing.due, |at| at.max(outgoing.due)), to)
        });
        due.min()
    }

    /// Takes out what has to go to a node by now, and what goes along.
    pub(crate) fn take(&mut self, now: Time) -> Option<(Rank, Outgoing<C>)> {
        let (_, to) = self.next().filter(|&(at, _)| at <= now)?;
        self.sent.insert(to, now);
        self.to.remove_entry(&to)
    }

    /// Drops everything: it was of another role or term.
    pub(crate) fn clear(&mut self) {
        self.to.clear();
    }
}

/// Splits what is to be said into messages of about so many bytes.
pub(crate) fn batches<T>(items: Vec<T>, bytes: usize, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut batches, mut left) = (Vec::<Vec<T>>::new(), 0);
    for item in items {
        let taken = size(&item).max(1);
        match batches.last_mut().filter(|_| left > 0) {
            Some(batch) => batch.push(item),
            None => {
                left = bytes;
                batches.push(vec![item]);
            }
        }
        left = left.saturating_sub(taken);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_when_it_has_so_many_bytes() {
        assert_eq!(
            batches(vec![6, 6, 6, 99, 1], 10, |&bytes| bytes),
            [vec![6, 6], vec![6, 99], vec![1]]
        );
        assert!(batches(Vec::<usize>::new(), 10, |&bytes| bytes).is_empty());
    }
}
