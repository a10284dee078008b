//! Finding a parent, and changing to a better one.
//!
//! An offer is a node's path: root first, itself last. Lower roots are better,
//! so that trees which touch become one; then parents with room for another
//! child, the preferred parent, and short paths. A node that is in doubt itself
//! offers itself as a root.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::uplink::Uplink;
use super::{Standing, Tree};
use crate::core::Purpose;
use crate::wire::Rank;

/// How many siblings a seeking node asks, lowest ranks first: everybody does,
/// so that those who lost the same parent meet.
const SIBLINGS: usize = 5;
/// How many nodes beside them, at random.
const STRANGERS: usize = 2;
/// How many of those that can be reached, most likely.
const ACQUAINTANCES: usize = 2;
/// How many of those are asked when the preferred parent does not answer a node that
/// has just started.
pub(super) const PROBED: usize = 3;
/// Who sought a parent so lately, or a period ago, and lost another one does without.
const PAUSE: Duration = Duration::from_millis(340);

/// Whom a search asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The parent that does not answer, and a few nodes near.
    Near,
    /// Everybody who may be of help.
    Wide,
}

/// A search for a parent.
#[derive(Debug)]
pub(super) struct Seek {
    scope: Scope,
    pub(super) asked: Duration,
    pub(super) until: Duration,
    /// How many answers are still to come.
    pub(super) waiting: usize,
    pub(super) offers: Vec<Offer>,
    /// The parent that went silent.
    pub(super) suspect: Option<Rank>,
}

/// What a node answered that was asked for a parent.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) peer: Rank,
    pub(super) path: Vec<Rank>,
    pub(super) is_full: bool,
}

impl Seek {
    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.waiting == 0 || self.until <= now
    }
}

impl Tree {
    /// What this node tells others about where it stands.
    pub(super) fn offer(&self) -> Vec<Rank> {
        match &self.standing {
            Standing::Child(uplink) if uplink.confirmed && !uplink.in_doubt => self.path(),
            _ => vec![self.core.me],
        }
    }

    pub(super) fn is_acceptable(&self, path: &[Rank]) -> bool {
        path.first().is_some_and(|&root| root < self.core.me) && !path.contains(&self.core.me)
    }

    /// Changes to the parent that `from` would be, if that is better.
    pub(super) fn consider(&mut self, now: Duration, from: Rank, path: &[Rank]) {
        if path.last() != Some(&from) {
            return;
        }
        self.ask_newcomer(now, from, path);
        let is_better = self.is_better(path);
        if let Standing::Child(uplink) = &self.standing
            && uplink.peer == from
        {
            // It is the parent already: there is nothing to change but its path. What it
            // says of itself alone while it is in doubt is no news.
            let is_sure_again = uplink.in_doubt && uplink.confirmed && path.len() > 1;
            if is_better || is_sure_again {
                self.on_path(now, path.to_vec());
            }
        } else if is_better {
            self.switch_to(now, from);
        }
    }

    /// Somebody comes into reach while this node seeks a parent. If a question to it was
    /// under way before that, the search is over soon, for the next one to ask again.
    fn ask_newcomer(&mut self, now: Duration, from: Rank, path: &[Rank]) {
        if !self.is_acceptable(path) {
            return;
        }
        let is_asked = self.core.is_asking(Purpose::Seek, from, now);
        let soon = now + self.core.rtt.usual_timeout();
        let Standing::Seeking(seek) = &mut self.standing else { return };
        if is_asked {
            seek.until = seek.until.min(soon);
        } else {
            seek.waiting += 1;
            self.ask(now, from, Purpose::Seek);
        }
    }

    /// Whether to prefer an offer to what this node has.
    pub(super) fn is_better(&self, path: &[Rank]) -> bool {
        let (Some(&root), Some(&peer)) = (path.first(), path.last()) else { return false };
        let is_better = match &self.standing {
            Standing::Root => true,
            Standing::Seeking(_) => false,
            Standing::Child(uplink) => {
                let is_home = self.is_preferred(peer) && uplink.peer != peer;
                root < uplink.path[0] || (is_home && root == uplink.path[0])
            }
        };
        is_better && self.is_acceptable(path)
    }

    pub(super) fn switch_to(&mut self, now: Duration, peer: Rank) {
        if !self.core.is_asking_who_was_heard(Purpose::Switch, peer, now) {
            self.ask(now, peer, Purpose::Switch);
        }
    }

    /// Tells the sibling that would be root next, so that it looks, too.
    pub(super) fn share_doubt(&mut self, now: Duration) {
        let me = self.core.me;
        if let Some(sibling) = self.siblings().find(|&rank| rank != me) {
            self.ask(now, sibling, Purpose::Compare);
        }
    }

    /// Asks a node to be its parent, and trusts that it will.
    pub(super) fn attach(&mut self, now: Duration, peer: Rank, path: Vec<Rank>) {
        let position = self.core.store.position();
        let epoch = self.ask(now, peer, Purpose::Join);
        let uplink = Uplink::new(peer, path, epoch, position, now, self.core.period);
        self.standing = Standing::Child(Box::new(uplink));
        self.review(now);
    }

    /// The parent cannot be one any more: seeks another one.
    pub(super) fn detach(&mut self, now: Duration) {
        if self.had_parent() {
            self.on_unrest(now);
        }
        self.lose_parent(now);
    }

    /// The parent is silent: seeks another one.
    pub(super) fn give_up_on_parent(&mut self, now: Duration) {
        if let Standing::Child(uplink) = &self.standing
            && uplink.was_confirmed()
        {
            self.suspect(now, uplink.peer);
        }
        self.lose_parent(now);
    }

    fn had_parent(&self) -> bool {
        matches!(&self.standing, Standing::Child(uplink) if uplink.was_confirmed())
    }

    fn lose_parent(&mut self, now: Duration) {
        if self.sought.is_some_and(|sought| sought + self.core.period.min(PAUSE) > now) {
            self.become_root(now);
            return;
        }
        self.sought = Some(now);
        self.seek(now, Scope::Wide);
    }

    /// Asks several nodes at once for a parent, the one among them that was lost.
    pub(super) fn seek(&mut self, now: Duration, scope: Scope) {
        let suspect = match &self.standing {
            Standing::Child(uplink) => Some(uplink.peer),
            Standing::Seeking(seek) => seek.suspect,
            Standing::Root => None,
        };
        self.core.forget(Purpose::Join);
        self.core.forget(Purpose::Switch);
        let mut candidates = match scope {
            Scope::Near => self.core.peers.reachable(PROBED).into_iter().collect(),
            Scope::Wide => self.candidates(),
        };
        candidates.extend(suspect);
        // A node that has just started has no reason yet to give its parent up.
        let suspect = suspect.filter(|_| scope == Scope::Wide);
        // Whoever was silent so long need not be waited for.
        let waiting = candidates.iter().filter(|&&peer| Some(peer) != suspect).count();
        let until = now + self.core.rtt.timeout();
        let offers = Vec::new();
        self.standing =
            Standing::Seeking(Seek { scope, asked: now, until, waiting, offers, suspect });
        for peer in candidates {
            self.ask(now, peer, Purpose::Seek);
        }
    }

    /// Whom to ask for a parent: those that belong near this node in the preferred tree
    /// unless they left the last questions unanswered, then as many more of those
    /// that can be reached, and some at random.
    fn candidates(&mut self) -> BTreeSet<Rank> {
        let me = self.core.me;
        let siblings = self.siblings().filter(|&rank| rank != me).take(SIBLINGS);
        let mut candidates: BTreeSet<Rank> =
            self.layout.path(me).into_iter().chain(siblings).collect();
        candidates.remove(&me);
        let all = candidates.len();
        candidates.retain(|&rank| !self.core.peers.is_silent(rank));
        let silent = all - candidates.len();
        candidates.extend(self.core.peers.reachable(ACQUAINTANCES + silent));
        for _ in 0..STRANGERS {
            candidates.extend(self.core.anybody());
        }
        candidates
    }

    pub(super) fn siblings(&self) -> std::ops::Range<Rank> {
        self.layout.parent(self.core.me).map_or(0..0, |parent| self.layout.children(parent))
    }

    /// Takes the best offer.
    pub(super) fn choose(&mut self, now: Duration) {
        let Standing::Seeking(seek) = &mut self.standing else { return };
        let offers = std::mem::take(&mut seek.offers);
        let scope = seek.scope;
        let is_unanswered = offers.is_empty();
        if is_unanswered {
            self.core.rtt.timed_out();
        }
        let best = offers.into_iter().filter(|offer| self.is_acceptable(&offer.path)).min_by_key(
            |offer| {
                let is_home = self.is_preferred(offer.peer);
                (offer.path[0], offer.is_full, Reverse(is_home), offer.path.len(), offer.peer)
            },
        );
        match best {
            Some(offer) => self.attach(now, offer.peer, offer.path),
            // As long as nobody ever answered, everybody may just be far away.
            None if scope == Scope::Near || is_unanswered && self.core.rtt.is_unknown() => {
                self.sought = Some(now);
                self.seek(now, Scope::Wide);
            }
            None => {
                self.announce(now);
                self.become_root(now);
            }
        }
    }

    /// Tells those who may have lost the same parent that here is a root, or
    /// learns from them of a better one.
    fn announce(&mut self, now: Duration) {
        for sibling in self.siblings() {
            if sibling != self.core.me {
                self.ask(now, sibling, Purpose::Compare);
            }
        }
    }

    fn become_root(&mut self, now: Duration) {
        self.standing = Standing::Root;
        self.rounds.is_due = true;
        self.rounds.promise = 4 * self.core.period;
        self.review(now);
    }
}
