//! Having a parent: finding one, keeping it, and changing to a better one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::churn::patience;
use super::parent_link::ParentLink;
use super::search::{Scope, Search};
use super::{Role, Tree};
use crate::core::Purpose;
use crate::injected_bugs::Bug;
use crate::peers::LATELY;
use crate::wire::{Rank, Spread};

/// How many siblings a searching node asks, lowest ranks first: everybody does,
/// so that those who lost the same parent meet.
const SIBLINGS: usize = 5;
/// How many nodes beside them, at random.
const STRANGERS: usize = 2;
/// How many of those that can be reached, most likely.
const ACQUAINTANCES: usize = 2;
/// How many of those are asked when the preferred parent does not answer a node that
/// has just started.
const PROBED: usize = 3;
/// Who searched a parent so lately, or a period ago, and lost another one does without.
const PAUSE: Duration = Duration::from_millis(340);
/// How many nodes are told of a better root at once.
const LISTENERS: usize = 3;

impl Tree {
    /// What this node tells others about where it stands.
    pub(super) fn offer(&self) -> Vec<Rank> {
        match &self.role {
            Role::Child(link) if self.is_sure(link) && !link.is_in_doubt() => self.path(),
            _ => vec![self.core.me],
        }
    }

    /// Whether the parent has confirmed the link.
    fn is_sure(&self, link: &ParentLink) -> bool {
        let has_started = self.searched.is_none();
        link.is_confirmed() || has_started && self.core.bugs.has(Bug::UnconfirmedPath)
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
        if let Role::Child(link) = &self.role
            && link.peer() == from
        {
            // It is the parent already: there is nothing to change but its path. What it
            // says of itself alone while it is in doubt is no news.
            let is_sure_again = link.is_in_doubt() && link.is_confirmed() && path.len() > 1;
            if is_better || is_sure_again {
                self.on_path(now, path.to_vec());
            }
        } else if is_better {
            self.switch_to(now, from);
        }
    }

    /// Somebody comes into reach while this node searches a parent. If a question to it was
    /// under way before that, the search is over soon, for the next one to ask again.
    fn ask_newcomer(&mut self, now: Duration, from: Rank, path: &[Rank]) {
        if !self.is_acceptable(path) {
            return;
        }
        let is_asked = self.core.is_asking(Purpose::Search, from, now);
        let soon = now + self.core.rtt.usual_timeout();
        let Role::Searching(search) = &mut self.role else { return };
        if is_asked {
            search.end_by(soon);
        } else {
            search.await_another();
            self.ask(now, from, Purpose::Search);
        }
    }

    /// Whether to prefer an offer to what this node has.
    pub(super) fn is_better(&self, path: &[Rank]) -> bool {
        let (Some(&root), Some(&peer)) = (path.first(), path.last()) else { return false };
        let is_better = match &self.role {
            Role::Root => true,
            Role::Searching(_) => false,
            Role::Child(link) => {
                let is_home = self.is_preferred(peer) && link.peer() != peer;
                let own = link.path()[0];
                root < own || (is_home && root == own)
            }
        };
        is_better && self.is_acceptable(path)
    }

    pub(super) fn switch_to(&mut self, now: Duration, peer: Rank) {
        if !self.core.is_asking_who_was_heard(Purpose::Switch, peer, now) {
            self.ask(now, peer, Purpose::Switch);
        }
    }

    /// There is a better parent. If this node searched one just now, it may be back after a
    /// false alarm: then what is known of the parent that it suspected decides.
    pub(super) fn on_other_parent(&mut self, now: Duration) {
        let patience = patience(self.core.rtt.usual_timeout());
        let is_certain = self.core.bugs.has(Bug::LastingChurn);
        if is_certain || self.searched.is_none_or(|searched| searched + patience < now) {
            self.on_churn(now);
        }
    }

    /// Has the link to the parent confirmed once more, for doubt or for a gap. In churn
    /// mode, doubt is enough to search at once: the parent is among those who are asked.
    pub(super) fn rejoin(&mut self, now: Duration) {
        let Role::Child(link) = &mut self.role else { return };
        if link.is_overdue(now) {
            if self.churn.is_at(now) {
                self.give_up_on_parent(now);
                return;
            }
            link.doubt();
            self.share_doubt(now);
        }
        self.join_again(now);
    }

    /// Tells the sibling that would be root next, so that it looks, too.
    fn share_doubt(&mut self, now: Duration) {
        let me = self.core.me;
        if let Some(sibling) = self.siblings().find(|&rank| rank != me) {
            self.ask(now, sibling, Purpose::Compare);
        }
    }

    /// Sends the parent a digest once more.
    pub(super) fn join_again(&mut self, now: Duration) {
        let Role::Child(link) = &self.role else { return };
        let peer = link.peer();
        let epoch = self.ask(now, peer, Purpose::Join);
        let sent = self.core.store.position();
        if let Role::Child(link) = &mut self.role {
            link.rejoin(epoch, sent);
        }
    }

    /// A parent that is heard of before it confirmed the link may not know of it: the
    /// question was lost, or asked in vain while it was out of reach.
    pub(super) fn join_if_unconfirmed(&mut self, now: Duration, from: Rank) {
        let Role::Child(link) = &self.role else { return };
        let waits = self.core.bugs.has(Bug::WaitForParent);
        let is_unconfirmed = link.peer() == from && !link.is_confirmed() && !waits;
        if is_unconfirmed && !self.core.is_asking_who_was_heard(Purpose::Join, from, now) {
            self.join_again(now);
        }
    }

    /// Asks a node to be its parent, and trusts that it will.
    pub(super) fn attach(&mut self, now: Duration, peer: Rank, path: Vec<Rank>) {
        let position = self.core.store.position();
        let epoch = self.ask(now, peer, Purpose::Join);
        let link = ParentLink::new(peer, path, epoch, position, now, self.core.period);
        self.role = Role::Child(Box::new(link));
        self.review(now);
    }

    /// Ends one link to a parent. Another one may have been asked for since.
    pub(super) fn leave(&mut self, parent: Rank, epoch: u64) {
        let path = self.path();
        self.core.send(parent, Spread { leave: epoch, path, ..Spread::default() });
    }

    /// The link of that epoch ends, if a message names one.
    pub(super) fn on_farewell(&mut self, from: Rank, epoch: u64) {
        let newest = self.children.epoch(from).filter(|_| epoch != 0);
        let newest = newest.filter(|_| self.core.bugs.has(Bug::AnyFarewell));
        self.children.leave(from, newest.unwrap_or(epoch));
    }

    /// The parent cannot be one any more: searches another one.
    pub(super) fn detach(&mut self, now: Duration) {
        if matches!(&self.role, Role::Child(link) if link.was_confirmed()) {
            self.on_churn(now);
        }
        self.lose_parent(now);
    }

    /// The parent is silent: searches another one.
    pub(super) fn give_up_on_parent(&mut self, now: Duration) {
        if self.core.bugs.has(Bug::LastingChurn) {
            self.detach(now);
            return;
        }
        if let Role::Child(link) = &self.role
            && link.was_confirmed()
        {
            self.churn.suspect(now, link.peer(), self.core.rtt.usual_timeout());
            self.keep_pace(now);
        }
        self.lose_parent(now);
    }

    fn lose_parent(&mut self, now: Duration) {
        let pause = self.core.period.min(PAUSE);
        if self.searched.is_some_and(|searched| searched + pause > now) {
            self.become_root(now);
        } else {
            self.search_widely(now);
        }
    }

    /// The parent does not answer: it is lost. Before there was any answer at all, it may
    /// just be far away: it is asked again, together with those who can be reached,
    /// most likely.
    pub(super) fn on_parent_timeout(&mut self, now: Duration) {
        if self.core.bugs.has(Bug::GiveUp) {
            return;
        }
        if !self.core.rtt.is_unknown() {
            self.give_up_on_parent(now);
            return;
        }
        self.core.rtt.timed_out();
        if self.core.bugs.has(Bug::WaitForParent) {
            self.join_again(now);
            return;
        }
        let near = self.core.peers.reachable(PROBED);
        if near.is_empty() {
            self.search(now, Scope::Wide);
        } else {
            self.search(now, Scope::Near);
        }
    }

    fn search_widely(&mut self, now: Duration) {
        self.searched = Some(now);
        self.search(now, Scope::Wide);
    }

    /// Asks several nodes at once for a parent, the one among them that was lost.
    fn search(&mut self, now: Duration, scope: Scope) {
        let parent = match &self.role {
            Role::Child(link) => Some(link.peer()),
            Role::Searching(search) => search.parent(),
            Role::Root => None,
        };
        self.core.forget(Purpose::Join);
        self.core.forget(Purpose::Switch);
        let mut candidates = match scope {
            Scope::Near => self.core.peers.reachable(PROBED).into_iter().collect(),
            Scope::Wide => self.candidates(),
        };
        candidates.extend(parent);
        let (asked, timeout) = (candidates.iter().copied(), self.core.rtt.timeout());
        self.role = Role::Searching(Search::new(now, timeout, scope, asked, parent));
        for peer in candidates {
            self.ask(now, peer, Purpose::Search);
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

    fn siblings(&self) -> std::ops::Range<Rank> {
        self.layout.parent(self.core.me).map_or(0..0, |parent| self.layout.children(parent))
    }

    /// Takes the best offer.
    pub(super) fn choose(&mut self, now: Duration) {
        let Role::Searching(search) = &self.role else { return };
        let is_unanswered = search.is_unanswered();
        if is_unanswered {
            self.core.rtt.timed_out();
        }
        let best = search.best(|path| self.is_acceptable(path), |peer| self.is_preferred(peer));
        match best.map(|offer| (offer.peer, offer.path.clone())) {
            Some((peer, path)) => self.attach(now, peer, path),
            // As long as nobody ever answered, everybody may just be far away.
            None if search.scope() == Scope::Near
                || is_unanswered && self.core.rtt.is_unknown() =>
            {
                self.search_widely(now);
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
        self.role = Role::Root;
        self.rounds.restart();
        self.review(now);
    }

    /// Takes note of where this node stands now.
    pub(super) fn review(&mut self, now: Duration) {
        let path = self.path();
        self.repair.review(now, path == self.layout.path(self.core.me), path[0]);
        self.tell_of_root(now);
    }

    /// Tells some of those who said of late that their root is a worse one, so that trees
    /// become one quickly even where few links are left. The children are told anyway.
    fn tell_of_root(&mut self, now: Duration) {
        let path = self.offer();
        let root = path[0];
        if std::mem::replace(&mut self.root, root) <= root {
            return;
        }
        let since = now.saturating_sub(LATELY);
        for peer in self.core.peers.worse_off(root, since, LISTENERS) {
            if !self.children.has_joined(peer) {
                self.core.send(peer, Spread { path: path.clone(), ..Spread::default() });
            }
        }
    }

    /// Tries to get where this node belongs, and carries values across meanwhile.
    pub(super) fn run_repair(&mut self, now: Duration) {
        let parent = match &self.role {
            Role::Child(link) => Some(link.peer()),
            _ => None,
        };
        let Some(home) = self.layout.parent(self.core.me) else { return };
        let attempt = self.repair.attempt(now);
        let partners = attempt.compares.map(|root| self.core.partners(Some(root), now));
        for peer in partners.into_iter().flatten().filter(|&peer| Some(peer) != parent) {
            self.ask(now, peer, Purpose::Compare);
        }
        let returns = attempt.returns && parent != Some(home);
        if returns && !self.core.is_asking(Purpose::Switch, home, now) {
            self.ask(now, home, Purpose::Switch);
        }
    }
}
