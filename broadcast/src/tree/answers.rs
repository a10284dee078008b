//! Digests and their answers: who has what, and who is whose child.
//!
//! Every digest is answered at once with what its sender lacks. If the one who
//! answers lacks something, too, it says what it has, and the asker sends it, a
//! third message. Whatever gets lost of this is asked for again: by who asked,
//! if the answer matters to it, and by who answered, because it knows by then
//! what it lacks.

use std::time::Duration;

use super::parent_link::ParentLink;
use super::search::Offer;
use super::{Role, Tree, millis};
use crate::core::{Ask, Purpose};
use crate::wire::{Answer, Count, Digest, Down, Rank, Spread, Summary};

impl Tree {
    pub(super) fn on_digest(&mut self, now: Duration, from: Rank, digest: &Digest) {
        self.make_sure(now, from, &digest.path);
        let path = self.answer_path(from);
        let theirs = &digest.summary;
        let (runs, more) = self.core.delta(theirs);
        let lacking = self.core.store.lacking(theirs.have.iter().copied());
        let asks_back = self.want(now, from, lacking);
        let says = asks_back || more || !self.core.store.unclear(theirs).is_empty();
        let summary =
            if says { self.core.store.counterpart(theirs, more) } else { Summary::default() };
        let full = self.children.len() >= 2 * self.layout.fan_out();
        let answer = Some(Answer { nonce: digest.nonce, more, summary, lacking: asks_back, full });
        let down = digest.join.and_then(|heard| self.admit(now, from, digest.nonce, heard));
        self.core.send(from, Spread { runs, answer, down, path, ..Spread::default() });
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

    /// The path that a question is answered with. A child of this node knows it already: as
    /// long as this node is in doubt, it is told none, and so keeps the one that it has
    /// until it hears more.
    fn answer_path(&mut self, from: Rank) -> Vec<Rank> {
        if let Role::Child(link) = &mut self.role
            && link.is_in_doubt()
            && self.children.has_joined(from)
        {
            link.reassure_later(from);
            return Vec::new();
        }
        self.offer()
    }

    /// Takes a node as a child, unless it is above this one.
    fn admit(&mut self, now: Duration, child: Rank, epoch: u64, heard: usize) -> Option<Down> {
        if self.path().contains(&child) {
            return None;
        }
        let lease_until = match &self.role {
            Role::Root => now + self.rounds.lease(),
            _ => self.lease_from_parent(now),
        };
        let position = self.core.store.position();
        self.children.join(child, epoch, heard, position, lease_until);
        let next = millis(lease_until.saturating_sub(now));
        let due = self.due(now);
        Some(Down { epoch, since: position, upto: position, next, due, ack: None, print: None })
    }

    /// A node whose parent is silent confirms its own link before it offers itself as a
    /// parent, because its root may already be dead.
    fn make_sure(&mut self, now: Duration, from: Rank, path: &[Rank]) {
        let timeout = self.core.rtt.timeout();
        let Role::Child(link) = &mut self.role else { return };
        let is_better = path.first().is_some_and(|&root| link.path()[0] < root);
        if !is_better || from == link.peer() {
            return;
        }
        let starts = link.is_confirmed() && link.is_silent(now, timeout);
        if starts {
            link.doubt();
            link.take_to_reassure();
        }
        if link.is_in_doubt() {
            link.reassure_later(from);
        }
        if starts {
            self.rejoin(now);
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
        if self.churn.hear_answer(now, from, ask.asked, self.core.rtt.usual_timeout()) {
            self.keep_pace(now);
        }
        self.core.give_back(from, answer);
        if let Some(summary) = self.core.left_open(now, from, answer) {
            self.ask_about(now, from, Purpose::Compare, summary);
        }
        match ask.purpose {
            Purpose::Join if is_in_time => self.on_joined(now, answer.nonce, ask, down, path),
            Purpose::Switch if is_in_time => self.on_switched(now, answer.nonce, ask, down, path),
            _ => self.on_offer(now, Offer { peer: from, path, is_full: answer.full }, ask),
        }
    }

    fn on_offer(&mut self, now: Duration, offer: Offer, ask: Ask) {
        match &mut self.role {
            Role::Searching(search) => {
                let is_for_it = ask.purpose == Purpose::Search;
                search.take(offer, is_for_it, self.core.rtt.timeout());
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
        let is_in_doubt = path.is_empty();
        let is_acceptable = is_in_doubt || self.is_acceptable(&path);
        let Role::Child(link) = &mut self.role else { return };
        if link.epoch() != nonce || link.peer() != ask.peer {
            return;
        }
        let Some(down) = down.filter(|down| is_acceptable && down.epoch == nonce) else {
            self.detach(now);
            return;
        };
        let took = self.core.rtt.credible(now - ask.asked);
        link.confirm(down, took, now);
        if is_in_doubt {
            link.doubt();
        } else {
            link.set_path(path);
        }
        if self.core.store.has_news(link.sent(), ask.peer) {
            link.note_news(now);
        }
        self.review(now);
        self.forward(now);
        self.reassure();
    }

    /// Tells those who asked this node while it was in doubt where it stands.
    pub(super) fn reassure(&mut self) {
        let path = self.path();
        let Role::Child(link) = &mut self.role else { return };
        if link.is_in_doubt() {
            return;
        }
        for peer in link.take_to_reassure() {
            self.core.send(peer, Spread { path: path.clone(), ..Spread::default() });
        }
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
            self.leave(ask.peer, nonce);
            return;
        }
        let former = match &self.role {
            Role::Child(link) => Some((link.peer(), link.epoch())),
            _ => None,
        };
        let period = self.core.period;
        let link = ParentLink::new(ask.peer, path.clone(), nonce, ask.position, now, period);
        self.role = Role::Child(Box::new(link));
        self.core.forget(Purpose::Join);
        self.on_other_parent(now);
        self.on_joined(now, nonce, ask, down, path);
        if let Some((former, epoch)) = former.filter(|&(former, _)| former != ask.peer) {
            self.leave(former, epoch);
        }
    }

    /// What is due about questions and wants.
    pub(super) fn run_questions(&mut self, now: Duration) {
        for (nonce, ask) in self.core.overdue(now) {
            let is_join = matches!(&self.role, Role::Child(link) if link.epoch() == nonce);
            match ask.purpose {
                Purpose::Join if is_join && ask.again => self.join_again(now),
                Purpose::Join if is_join => self.on_parent_timeout(now),
                Purpose::Switch if ask.again => self.switch_to(now, ask.peer),
                _ => {}
            }
        }
        for peer in self.core.due_wants(now) {
            self.ask(now, peer, Purpose::Compare);
        }
        if self.core.adopt_orphans(now) {
            self.on_news(now, self.core.me);
        }
    }
}
