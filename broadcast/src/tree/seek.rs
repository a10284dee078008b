//! Finding a parent, changing to a better one, and bridging trees meanwhile.
//!
//! An offer is a node's path: root first, itself last. Lower roots are better,
//! so that trees which touch become one; then parents with room for another
//! child, the preferred parent, and short paths. A node that is in doubt itself
//! offers itself as a root.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::uplink::Uplink;
use super::{Standing, Tree, millis};
use crate::core::{Ask, Purpose};
use crate::wire::{Answer, Count, Digest, Down, Rank, Spread};

/// How many siblings a seeking node asks, lowest ranks first: everybody does,
/// so that those who lost the same parent meet.
const SIBLINGS: usize = 5;
/// How many nodes beside them, at random.
const STRANGERS: usize = 2;
/// How many nodes are told of a better root at once.
const LISTENERS: usize = 2;
/// The longest pause between two attempts to get out of trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The pause grows with the time that the trouble has lasted, divided by this.
const PATIENCE: u32 = 4;

/// A search for a parent.
#[derive(Debug)]
pub(super) struct Seek {
    until: Duration,
    /// How many answers are still to come.
    waiting: usize,
    offers: Vec<Offer>,
    /// The parent that went silent.
    suspect: Option<Rank>,
}

#[derive(Debug)]
struct Offer {
    peer: Rank,
    path: Vec<Rank>,
    is_full: bool,
}

impl Seek {
    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn suspect(&self) -> Option<Rank> {
        self.suspect
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.waiting == 0 || self.until <= now
    }
}

/// The time during which a node is not where it belongs.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Duration,
    root: Rank,
    /// When to compare knowledge with a random node.
    compare_at: Option<Duration>,
    /// When to ask the preferred parent whether it is back.
    return_at: Option<Duration>,
}

impl Trouble {
    pub(super) fn wake(&self) -> Option<Duration> {
        [self.compare_at, self.return_at].into_iter().flatten().min()
    }

    fn pause(&self, now: Duration, period: Duration) -> Duration {
        ((now - self.since) / PATIENCE).clamp(period, LONGEST_PAUSE.max(period))
    }
}

impl Tree {
    /// What this node tells others about where it stands.
    pub(super) fn offer(&self) -> Vec<Rank> {
        match &self.standing {
            Standing::Child(uplink) if !uplink.in_doubt => self.path(),
            _ => vec![self.core.me],
        }
    }

    pub(super) fn is_acceptable(&self, path: &[Rank]) -> bool {
        path.first().is_some_and(|&root| root < self.core.me) && !path.contains(&self.core.me)
    }

    /// Changes to the parent that `from` would be, if that is better.
    pub(super) fn consider(&mut self, now: Duration, from: Rank, path: &[Rank]) {
        if path.last() == Some(&from) && self.is_better(path) {
            self.switch_to(now, from);
        }
    }

    /// Whether to prefer an offer to what this node has.
    fn is_better(&self, path: &[Rank]) -> bool {
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

    fn switch_to(&mut self, now: Duration, peer: Rank) {
        if !self.core.is_asking(Purpose::Switch, peer) {
            self.ask(now, peer, Purpose::Switch);
        }
    }

    // ---- questions and answers ----

    pub(super) fn on_digest(&mut self, now: Duration, from: Rank, digest: &Digest) {
        let path = self.offer();
        let (runs, more) = self.core.store.delta(&digest.have, None);
        let lacking = self.core.store.lacking(digest.have.iter().copied());
        let asks_back = self.want(now, from, lacking);
        let have = if asks_back || more { self.core.store.counts() } else { Vec::new() };
        let full = self.children.len() >= 2 * self.layout.fan_out();
        let answer = Some(Answer { nonce: digest.nonce, more, have, lacking: asks_back, full });
        let down = digest.join.and_then(|heard| self.admit(now, from, digest.nonce, heard));
        self.core.send(from, Spread { runs, answer, down, path, ..Spread::default() });
        if let Some(suspect) = digest.suspect {
            self.on_suspicion(now, suspect);
        }
        self.consider(now, from, &digest.path);
    }

    /// Wants what another node has. Returns whether to ask that node for it at
    /// once: not if another one was.
    fn want(&mut self, now: Duration, from: Rank, lacking: Vec<Count>) -> bool {
        if lacking.is_empty() {
            return false;
        }
        let is_wanted = self.core.is_wanted(&lacking, now);
        let patience = self.core.rtt.timeout();
        let due = if is_wanted { now + 2 * patience } else { now + patience };
        self.core.want(from, lacking, due);
        !is_wanted
    }

    /// Takes a node as a child, unless it is above this one.
    fn admit(&mut self, now: Duration, child: Rank, epoch: u64, heard: usize) -> Option<Down> {
        if self.path().contains(&child) {
            return None;
        }
        let promised = match &self.standing {
            Standing::Root => now + self.rounds.promise,
            _ => self.promise_of_parent(now),
        };
        let position = self.core.store.position();
        self.children.join(child, epoch, heard, position, promised);
        let next = millis(promised.saturating_sub(now));
        let due = self.due(now);
        Some(Down { epoch, since: position, upto: position, next, due, ack: None, print: None })
    }

    /// A node that seeks a parent has lost the same one that this node has.
    fn on_suspicion(&mut self, now: Duration, suspect: Rank) {
        let Standing::Child(uplink) = &self.standing else { return };
        let is_silent = uplink.heard_at + self.core.period < now;
        if uplink.peer == suspect && uplink.confirmed && is_silent {
            self.rejoin(now);
            if let Standing::Child(uplink) = &mut self.standing {
                uplink.in_doubt = true;
            }
        }
    }

    pub(super) fn on_answer(
        &mut self,
        now: Duration,
        from: Rank,
        answer: &Answer,
        down: Option<&Down>,
        path: Vec<Rank>,
    ) {
        let Some((ask, is_in_time)) = self.core.answered(now, from, answer.nonce) else { return };
        self.give_back(from, answer);
        if answer.more {
            let lacking = self.core.store.lacking(answer.have.iter().copied());
            if !lacking.is_empty() {
                self.core.want(from, lacking, now + 2 * self.core.rtt.timeout());
                self.ask(now, from, Purpose::Compare);
            }
        }
        match ask.purpose {
            Purpose::Join if is_in_time => self.on_joined(now, answer.nonce, ask, down, path),
            Purpose::Switch if is_in_time => self.on_switched(now, answer.nonce, ask, down, path),
            _ => self.on_offer(now, Offer { peer: from, path, is_full: answer.full }, ask),
        }
    }

    /// Sends what the one who answered lacks.
    fn give_back(&mut self, to: Rank, answer: &Answer) {
        if !answer.lacking {
            return;
        }
        // If it is more than a page, the other side will ask for the rest.
        let (runs, _) = self.core.store.delta(&answer.have, None);
        if !runs.is_empty() {
            self.core.send(to, Spread { runs, ..Spread::default() });
        }
    }

    fn on_offer(&mut self, now: Duration, offer: Offer, ask: Ask) {
        match &mut self.standing {
            Standing::Seeking(seek) => {
                if ask.purpose == Purpose::Seek && seek.suspect != Some(ask.peer) {
                    seek.waiting = seek.waiting.saturating_sub(1);
                }
                seek.offers.push(offer);
            }
            _ => self.consider(now, offer.peer, &offer.path),
        }
    }

    /// The parent answers to a digest that asks to be its child.
    fn on_joined(
        &mut self,
        now: Duration,
        nonce: u64,
        ask: Ask,
        down: Option<&Down>,
        path: Vec<Rank>,
    ) {
        let is_acceptable = self.is_acceptable(&path);
        let Standing::Child(uplink) = &mut self.standing else { return };
        if uplink.epoch != nonce || uplink.peer != ask.peer {
            return;
        }
        let Some(down) = down.filter(|down| is_acceptable && down.epoch == nonce) else {
            self.detach(now);
            return;
        };
        uplink.path = path;
        uplink.confirm(down, now - ask.asked, now);
        if self.core.store.has_news(uplink.sent, ask.peer) {
            uplink.pending.get_or_insert(now);
        }
        self.review(now);
        self.forward(now);
    }

    /// A better parent answers that it takes this node.
    fn on_switched(
        &mut self,
        now: Duration,
        nonce: u64,
        ask: Ask,
        down: Option<&Down>,
        path: Vec<Rank>,
    ) {
        if down.is_none_or(|down| down.epoch != nonce) {
            return;
        }
        if !self.is_better(&path) {
            self.leave(ask.peer);
            return;
        }
        let former = match &self.standing {
            Standing::Child(uplink) => Some(uplink.peer),
            _ => None,
        };
        let period = self.core.period;
        let uplink = Uplink::new(ask.peer, path.clone(), nonce, ask.position, now, period);
        self.standing = Standing::Child(Box::new(uplink));
        self.core.forget(Purpose::Join);
        self.on_joined(now, nonce, ask, down, path);
        if let Some(former) = former.filter(|&former| former != ask.peer) {
            self.leave(former);
        }
    }

    /// What is due about questions and wants.
    pub(super) fn run_questions(&mut self, now: Duration) {
        for (nonce, ask) in self.core.overdue(now) {
            let is_join =
                matches!(&self.standing, Standing::Child(uplink) if uplink.epoch == nonce);
            if ask.purpose == Purpose::Join && is_join {
                self.on_silence(now);
            }
        }
        for peer in self.core.due_wants(now) {
            self.ask(now, peer, Purpose::Compare);
        }
        if self.core.adopt_orphans(now) {
            self.on_news(now, self.core.me);
        }
    }

    /// The parent does not answer. A node that has just started gives it time
    /// to start, too; otherwise it is lost.
    fn on_silence(&mut self, now: Duration) {
        if !self.core.rtt.is_unknown() {
            self.detach(now);
            return;
        }
        self.core.rtt.timed_out();
        self.join_again(now);
    }

    // ---- changing places ----

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

    /// The parent is lost: seeks another one.
    pub(super) fn detach(&mut self, now: Duration) {
        let suspect = match &self.standing {
            Standing::Child(uplink) => Some(uplink.peer),
            _ => None,
        };
        self.core.forget(Purpose::Join);
        self.core.forget(Purpose::Switch);
        if self.sought.is_some_and(|sought| sought + self.core.period > now) {
            self.become_root(now);
            return;
        }
        self.sought = Some(now);
        let until = now + self.core.rtt.timeout();
        let candidates = self.candidates();
        // Whoever was silent so long need not be waited for.
        let waiting = candidates.iter().filter(|&&peer| Some(peer) != suspect).count();
        self.standing = Standing::Seeking(Seek { until, waiting, offers: Vec::new(), suspect });
        for peer in candidates {
            self.ask(now, peer, Purpose::Seek);
        }
    }

    /// Whom to ask for a parent.
    fn candidates(&mut self) -> BTreeSet<Rank> {
        let me = self.core.me;
        let mut candidates: BTreeSet<Rank> = self.layout.path(me).into_iter().collect();
        candidates.extend(self.siblings().filter(|&rank| rank != me).take(SIBLINGS));
        for _ in 0..STRANGERS {
            candidates.extend(self.core.anybody());
        }
        candidates.remove(&me);
        candidates
    }

    fn siblings(&self) -> std::ops::Range<Rank> {
        self.layout.parent(self.core.me).map_or(0..0, |parent| self.layout.children(parent))
    }

    /// Takes the best offer.
    pub(super) fn choose(&mut self, now: Duration) {
        let Standing::Seeking(seek) = &mut self.standing else { return };
        let offers = std::mem::take(&mut seek.offers);
        if offers.is_empty() {
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

    /// Takes note of where this node stands now.
    pub(super) fn review(&mut self, now: Duration) {
        let path = self.path();
        let root = path[0];
        if path == self.layout.path(self.core.me) {
            self.trouble = None;
        } else if self.trouble.as_ref().is_none_or(|trouble| trouble.root != root) {
            let is_better = self.trouble.as_ref().is_some_and(|trouble| root < trouble.root);
            let soon = Some(now + self.core.period);
            self.trouble = Some(Trouble { since: now, root, compare_at: soon, return_at: soon });
            let at_home = path.len() > 1 && self.is_preferred(path[path.len() - 2]);
            if is_better && !at_home {
                self.spread_the_word(now);
            }
        }
    }

    /// Tells others of a better root, so that trees become one quickly even
    /// where few links are left.
    fn spread_the_word(&mut self, now: Duration) {
        for peer in self.core.reachable(LISTENERS) {
            self.ask(now, peer, Purpose::Compare);
        }
    }

    /// Tries to get out of trouble, and to carry values across meanwhile.
    pub(super) fn run_trouble(&mut self, now: Duration) {
        let parent = match &self.standing {
            Standing::Child(uplink) => Some(uplink.peer),
            _ => None,
        };
        let Some(home) = self.layout.parent(self.core.me) else { return };
        let period = self.core.period;
        let Some(trouble) = &mut self.trouble else { return };
        let next = now + trouble.pause(now, period);
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let compares = is_due(trouble.compare_at);
        if compares {
            trouble.compare_at = (trouble.root != 0).then_some(next);
        }
        let compares = compares && trouble.root != 0;
        let returns = is_due(trouble.return_at);
        if returns {
            trouble.return_at = Some(next);
        }
        let partners = if compares { self.core.partners() } else { Vec::new() };
        for peer in partners.into_iter().filter(|&peer| Some(peer) != parent) {
            self.ask(now, peer, Purpose::Compare);
        }
        if returns && parent != Some(home) {
            self.switch_to(now, home);
        }
    }
}
