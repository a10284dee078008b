//! The links to the children: what each was sent, is owed, and was promised.
//!
//! The children of the preferred tree are there from the beginning and for
//! good: a child that was cut off must hear its parent again to come back.
//! Others come by joining and go by leaving.
//!
//! Only bookkeeping: nothing is sent from here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rounds::LONGEST_PROMISE;
use crate::link::Heard;
use crate::wire::{Ack, Rank, Up};

/// What a parent knows about its link to a child.
#[derive(Debug)]
pub(super) struct Child {
    /// The nonce of the digest by which the child joined; 0 if it has not.
    pub(super) epoch: u64,
    /// Up to where our journal was sent.
    pub(super) sent: usize,
    /// By when the next downlink was promised.
    pub(super) promised: Duration,
    /// What arrived of the child's journal.
    heard: Heard,
    /// When the newest uplink came, unless it was confirmed since.
    unconfirmed: Option<Duration>,
    /// Whether this is a child in the preferred tree.
    preferred: bool,
    /// How long to wait until it is called once more, while it has not joined.
    pause: Duration,
}

impl Child {
    /// A child of the preferred tree that has not joined.
    fn absent(pause: Duration) -> Self {
        let heard = Heard::default();
        Self {
            epoch: 0,
            sent: 0,
            promised: pause,
            heard,
            unconfirmed: None,
            preferred: true,
            pause,
        }
    }

    /// The confirmation that the child is owed, which counts as given now.
    pub(super) fn confirm(&mut self, now: Duration) -> Option<Ack> {
        let came = self.unconfirmed.take()?;
        let held = (now - came).as_millis();
        Some(Ack { upto: self.heard.upto(), held: u64::try_from(held).unwrap_or(u64::MAX) })
    }

    /// Whether it ever joined.
    pub(super) fn has_joined(&self) -> bool {
        self.epoch != 0
    }

    /// A downlink leaves; by then comes the next one. Nothing is promised to a child
    /// that has not joined: it may be out of reach for good, and is called now and then.
    pub(super) fn promise(&mut self, now: Duration, promised: Duration) {
        self.promised = if self.has_joined() { promised } else { now + self.pause };
        self.pause = (2 * self.pause).min(LONGEST_PROMISE.max(self.pause));
    }

    /// Whether the child is owed a confirmation.
    pub(super) fn is_owed(&self) -> bool {
        self.unconfirmed.is_some()
    }
}

/// What is to be done about an uplink.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be confirmed with the next downlink.
    Owed,
    /// The sender takes this node for a parent that knows it. It must join.
    Stranger,
    /// It is from before the child joined once more.
    Stale,
}

/// All children.
#[derive(Debug)]
pub(super) struct Children(BTreeMap<Rank, Child>);

impl Children {
    /// The children of the preferred tree. Those that have not joined a period after the
    /// start are called.
    pub(super) fn preferred(ranks: impl Iterator<Item = Rank>, period: Duration) -> Self {
        Self(ranks.map(|rank| (rank, Child::absent(period))).collect())
    }

    /// A child joins, or joins once more. It was sent everything up to `sent`,
    /// and its uplinks will begin at `heard` of its own journal.
    pub(super) fn join(
        &mut self,
        peer: Rank,
        epoch: u64,
        heard: usize,
        sent: usize,
        promised: Duration,
    ) {
        let preferred = self.0.get(&peer).is_some_and(|child| child.preferred);
        let (heard, pause) = (Heard::from(heard), Duration::ZERO);
        let child = Child { epoch, sent, promised, heard, unconfirmed: None, preferred, pause };
        self.0.insert(peer, child);
    }

    /// A child has another parent now, unless it joined once more since.
    pub(super) fn leave(&mut self, peer: Rank, epoch: u64) {
        if self.0.get(&peer).is_some_and(|child| child.epoch == epoch && !child.preferred) {
            self.0.remove(&peer);
        }
    }

    /// An uplink came.
    pub(super) fn on_up(&mut self, peer: Rank, up: Up, now: Duration) -> Verdict {
        match self.0.get_mut(&peer) {
            Some(child) if child.epoch == up.epoch => {
                child.heard.note(up.since, up.upto);
                child.unconfirmed = Some(now);
                Verdict::Owed
            }
            Some(child) if child.epoch > up.epoch => Verdict::Stale,
            _ => Verdict::Stranger,
        }
    }

    /// Whether that node has joined this one.
    pub(super) fn has_joined(&self, peer: Rank) -> bool {
        self.0.get(&peer).is_some_and(Child::has_joined)
    }

    pub(super) fn get_mut(&mut self, peer: Rank) -> Option<&mut Child> {
        self.0.get_mut(&peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Rank, &Child)> {
        self.0.iter().map(|(&rank, child)| (rank, child))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first promise has to be kept.
    pub(super) fn first_promise(&self) -> Option<Duration> {
        self.0.values().map(|child| child.promised).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    #[test]
    fn an_uplink_is_confirmed_once_and_only_as_far_as_nothing_is_missing() {
        let mut children = Children::preferred([1].into_iter(), NOW);
        children.join(1, 9, 2, 0, NOW);
        assert_eq!(children.on_up(1, Up { epoch: 9, since: 2, upto: 4 }, NOW), Verdict::Owed);
        assert_eq!(children.on_up(1, Up { epoch: 9, since: 6, upto: 8 }, NOW), Verdict::Owed);
        let child = children.get_mut(1).unwrap();
        let ack = child.confirm(NOW + Duration::from_millis(30)).unwrap();
        assert_eq!((ack.upto, ack.held), (4, 30));
        assert!(!child.is_owed());
    }

    #[test]
    fn who_has_not_joined_is_a_stranger_and_who_left_too() {
        let mut children = Children::preferred([1].into_iter(), NOW);
        let up = Up { epoch: 9, since: 0, upto: 1 };
        assert_eq!(children.on_up(1, up, NOW), Verdict::Stranger);
        assert_eq!(children.on_up(2, up, NOW), Verdict::Stranger);
        children.join(2, 9, 0, 0, NOW);
        assert_eq!(children.on_up(2, up, NOW), Verdict::Owed);
        children.leave(2, 9);
        assert_eq!(children.on_up(2, up, NOW), Verdict::Stranger);
    }

    #[test]
    fn a_child_of_the_preferred_tree_cannot_leave() {
        let mut children = Children::preferred([1].into_iter(), NOW);
        children.leave(1, 0);
        assert_eq!(children.len(), 1);
    }

    #[test]
    fn a_farewell_that_comes_late_does_not_end_the_next_link() {
        let mut children = Children::preferred(std::iter::empty(), NOW);
        children.join(2, 7, 0, 0, NOW);
        children.join(2, 9, 0, 0, NOW);
        children.leave(2, 7);
        assert_eq!(children.len(), 1);
        children.leave(2, 9);
        assert!(children.is_empty());
    }

    #[test]
    fn a_child_that_does_not_come_is_called_less_and_less_often() {
        let mut children = Children::preferred([1].into_iter(), NOW);
        let child = children.get_mut(1).unwrap();
        let calls: Vec<u64> = (0..1000)
            .filter(|&tenth| {
                let now = Duration::from_millis(100 * tenth);
                let is_called = child.promised <= now;
                if is_called {
                    child.promise(now, now + NOW);
                }
                is_called
            })
            .collect();
        assert!(calls.len() > 12 && calls.len() < 17, "{calls:?}");
    }
}
