//! The links to the children: what each was sent, is owed, and until when it waits.
//!
//! The children of the preferred tree are there from the beginning and for
//! good: a child that was cut off must hear its parent again to come back.
//! Others come by joining and go by leaving.
//!
//! Only bookkeeping: nothing is sent from here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::millis;
use super::rounds::LONGEST_LEASE;
use crate::link::Heard;
use crate::store::Store;
use crate::wire::{Ack, Down, Rank, Spread, Up};

/// What a parent knows about its link to a child.
#[derive(Debug)]
pub(super) struct ChildLink {
    /// The nonce of the digest by which the child joined; 0 if it has not.
    epoch: u64,
    /// Up to where our arrivals were sent.
    sent: usize,
    /// By when the next message down has to leave.
    renew_by: Duration,
    /// What came to this node of the child's arrivals.
    heard: Heard,
    /// When the newest message up came, unless it was confirmed since.
    unconfirmed: Option<Duration>,
    /// Whether this is a child in the preferred tree.
    preferred: bool,
    /// How long to wait until it is called once more, while it has not joined.
    pause: Duration,
}

impl ChildLink {
    /// A child of the preferred tree that has not joined. It is sent what comes from now on;
    /// what was there before it asks for when it joins.
    fn absent(position: usize, pause: Duration) -> Self {
        let heard = Heard::default();
        Self {
            epoch: 0,
            sent: position,
            renew_by: pause,
            heard,
            unconfirmed: None,
            preferred: true,
            pause,
        }
    }

    /// Whether there is something to say: news, a confirmation, another path, or that the
    /// lease goes on, if it ends by `renew`.
    fn is_due(&self, store: &Store, peer: Rank, now: Duration, outlook: &Outlook) -> bool {
        if !self.has_joined() {
            return self.renew_by <= now;
        }
        let has_news = store.has_news(self.sent, peer);
        has_news || self.is_owed() || outlook.is_new_path || self.renew_by <= outlook.renew
    }

    /// All that there is to say.
    fn messages_down(
        &mut self,
        store: &Store,
        peer: Rank,
        now: Duration,
        outlook: &Outlook,
    ) -> Vec<Spread> {
        self.renew(now, outlook.lease_until);
        let (epoch, mut ack) = (self.epoch, self.confirm(now));
        let (next, due) = (millis(outlook.lease_until.saturating_sub(now)), outlook.due);
        let mut messages_down = Vec::new();
        loop {
            let since = self.sent;
            let page = store.page(since, peer);
            self.sent = page.upto;
            let print = page.runs.is_empty().then(|| store.fingerprint());
            let ack = ack.take();
            let down = Down { epoch, since, upto: page.upto, next, due, ack, print };
            let path = outlook.path.clone();
            let spread = Spread { runs: page.runs, down: Some(down), path, ..Spread::default() };
            messages_down.push(spread);
            if self.sent == store.position() {
                return messages_down;
            }
        }
    }

    /// The confirmation that the child is owed, which counts as given now.
    fn confirm(&mut self, now: Duration) -> Option<Ack> {
        let came = self.unconfirmed.take()?;
        let held = (now - came).as_millis();
        Some(Ack { upto: self.heard.upto(), held: u64::try_from(held).unwrap_or(u64::MAX) })
    }

    /// Whether it ever joined.
    fn has_joined(&self) -> bool {
        self.epoch != 0
    }

    /// A message down leaves; by then comes the next one. A child that has not joined has no
    /// lease: it may be out of reach for good, and is called now and then.
    fn renew(&mut self, now: Duration, lease_until: Duration) {
        self.renew_by = if self.has_joined() { lease_until } else { now + self.pause };
        self.pause = (2 * self.pause).min(LONGEST_LEASE.max(self.pause));
    }

    /// Whether the child is owed a confirmation.
    fn is_owed(&self) -> bool {
        self.unconfirmed.is_some()
    }
}

/// What is to be done about a message up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be confirmed with the next message down.
    Owed,
    /// The sender takes this node for a parent that knows it. It must join.
    Stranger,
    /// It is from before the child joined once more.
    Stale,
}

/// What all children are told.
pub(super) struct Outlook {
    /// Until when they need not doubt this node.
    pub(super) lease_until: Duration,
    /// Whose lease ends by then is told that it goes on.
    pub(super) renew: Duration,
    /// In how many milliseconds a message up is wanted, if that is known.
    pub(super) due: Option<u64>,
    /// This node's path, and whether it is another one than they were told last.
    pub(super) path: Vec<Rank>,
    pub(super) is_new_path: bool,
}

/// All children.
#[derive(Debug)]
pub(super) struct ChildLinks(BTreeMap<Rank, ChildLink>);

impl ChildLinks {
    /// The messages down that have to leave now, and to whom.
    pub(super) fn messages_down(
        &mut self,
        store: &Store,
        now: Duration,
        outlook: &Outlook,
    ) -> Vec<(Rank, Spread)> {
        let mut all = Vec::new();
        for (&peer, child) in &mut self.0 {
            if child.is_due(store, peer, now, outlook) {
                let messages_down = child.messages_down(store, peer, now, outlook);
                all.extend(messages_down.into_iter().map(|message| (peer, message)));
            }
        }
        all
    }

    /// The children of the preferred tree. Those that have not joined a period after the
    /// start are called.
    pub(super) fn preferred(
        ranks: impl Iterator<Item = Rank>,
        position: usize,
        period: Duration,
    ) -> Self {
        Self(ranks.map(|rank| (rank, ChildLink::absent(position, period))).collect())
    }

    /// A child joins, or joins once more. It was sent everything up to `sent`,
    /// and its messages up will begin at `heard` of its own arrivals.
    pub(super) fn join(
        &mut self,
        peer: Rank,
        epoch: u64,
        heard: usize,
        sent: usize,
        renew_by: Duration,
    ) {
        let preferred = self.0.get(&peer).is_some_and(|child| child.preferred);
        let (heard, pause) = (Heard::from(heard), Duration::ZERO);
        let child = ChildLink { epoch, sent, renew_by, heard, unconfirmed: None, preferred, pause };
        self.0.insert(peer, child);
    }

    /// A child has another parent now, unless it joined once more since.
    pub(super) fn leave(&mut self, peer: Rank, epoch: u64) {
        if self.0.get(&peer).is_some_and(|child| child.epoch == epoch && !child.preferred) {
            self.0.remove(&peer);
        }
    }

    /// The epoch of that node's link, if it has one; 0 if it has not joined.
    pub(super) fn epoch(&self, peer: Rank) -> Option<u64> {
        self.0.get(&peer).map(|child| child.epoch)
    }

    /// A message up came.
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
        self.0.get(&peer).is_some_and(ChildLink::has_joined)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first lease has to be renewed.
    pub(super) fn first_renewal(&self) -> Option<Duration> {
        self.0.values().map(|child| child.renew_by).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    #[test]
    fn a_message_up_is_confirmed_once_and_only_as_far_as_nothing_is_missing() {
        let mut children = ChildLinks::preferred([1].into_iter(), 0, NOW);
        children.join(1, 9, 2, 0, NOW);
        assert_eq!(children.on_up(1, Up { epoch: 9, since: 2, upto: 4 }, NOW), Verdict::Owed);
        assert_eq!(children.on_up(1, Up { epoch: 9, since: 6, upto: 8 }, NOW), Verdict::Owed);
        let child = children.0.get_mut(&1).unwrap();
        let ack = child.confirm(NOW + Duration::from_millis(30)).unwrap();
        assert_eq!((ack.upto, ack.held), (4, 30));
        assert!(!child.is_owed());
    }

    #[test]
    fn who_has_not_joined_is_a_stranger_and_who_left_too() {
        let mut children = ChildLinks::preferred([1].into_iter(), 0, NOW);
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
        let mut children = ChildLinks::preferred([1].into_iter(), 0, NOW);
        children.leave(1, 0);
        assert_eq!(children.len(), 1);
    }

    #[test]
    fn a_farewell_that_comes_late_does_not_end_the_next_link() {
        let mut children = ChildLinks::preferred(std::iter::empty(), 0, NOW);
        children.join(2, 7, 0, 0, NOW);
        children.join(2, 9, 0, 0, NOW);
        children.leave(2, 7);
        assert_eq!(children.len(), 1);
        children.leave(2, 9);
        assert!(children.is_empty());
    }

    #[test]
    fn a_child_that_does_not_come_is_called_less_and_less_often() {
        let mut children = ChildLinks::preferred([1].into_iter(), 0, NOW);
        let child = children.0.get_mut(&1).unwrap();
        let calls: Vec<u64> = (0..1000)
            .filter(|&tenth| {
                let now = Duration::from_millis(100 * tenth);
                let is_called = child.renew_by <= now;
                if is_called {
                    child.renew(now, now + NOW);
                }
                is_called
            })
            .collect();
        assert!(calls.len() > 12 && calls.len() < 17, "{calls:?}");
    }
}
