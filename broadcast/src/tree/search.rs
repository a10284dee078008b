//! A search for a parent: who was asked, and what they offered.
//!
//! An offer is a node's path: root first, itself last. Lower roots are better,
//! so that trees which touch become one; then parents with room for another
//! child, the preferred parent, and short paths. A node that is in doubt itself
//! offers itself as a root.

use std::cmp::Reverse;
use std::time::Duration;

use crate::wire::Rank;

/// Whom a search asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The parent that does not answer, and a few nodes near.
    Near,
    /// Everybody who may be of help.
    Wide,
}

/// What a node answered that was asked for a parent.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) peer: Rank,
    pub(super) path: Vec<Rank>,
    pub(super) is_full: bool,
}

/// A search for a parent.
#[derive(Debug)]
pub(super) struct Search {
    scope: Scope,
    began: Duration,
    until: Duration,
    /// How many answers are still to come.
    waiting: usize,
    offers: Vec<Offer>,
    /// The parent that is asked as well. If it was silent, it is not waited for.
    parent: Option<Rank>,
}

impl Search {
    /// A search that begins now and asks these, the last parent as well. Answers are
    /// overdue after `timeout`.
    pub(super) fn new(
        now: Duration,
        timeout: Duration,
        scope: Scope,
        asked: impl Iterator<Item = Rank>,
        parent: Option<Rank>,
    ) -> Self {
        // A node that has just started has no reason yet to give its parent up.
        let parent = parent.filter(|_| scope == Scope::Wide);
        let waiting = asked.filter(|&peer| Some(peer) != parent).count();
        Self { scope, began: now, until: now + timeout, waiting, offers: Vec::new(), parent }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// The parent that was silent.
    pub(super) fn parent(&self) -> Option<Rank> {
        self.parent
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.waiting == 0 || self.until <= now
    }

    /// One more was asked.
    pub(super) fn await_another(&mut self) {
        self.waiting += 1;
    }

    /// The search has to end then, for the next one to ask again.
    pub(super) fn end_by(&mut self, at: Duration) {
        self.until = self.until.min(at);
    }

    /// Somebody answered, to the search if it `is_for_it`.
    pub(super) fn take(&mut self, offer: Offer, is_for_it: bool, timeout: Duration) {
        if is_for_it && self.parent != Some(offer.peer) {
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.offers.push(offer);
        // Before there was any answer, nobody knew how long they take.
        self.end_by(self.began + timeout);
    }

    /// Whether nobody answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.offers.is_empty()
    }

    /// The best offer of those that are acceptable.
    pub(super) fn best(
        &self,
        is_acceptable: impl Fn(&[Rank]) -> bool,
        is_preferred: impl Fn(Rank) -> bool,
    ) -> Option<&Offer> {
        let offers = self.offers.iter().filter(|offer| is_acceptable(&offer.path));
        offers.min_by_key(|offer| {
            let is_home = is_preferred(offer.peer);
            (offer.path[0], offer.is_full, Reverse(is_home), offer.path.len(), offer.peer)
        })
    }
}
