//! Values go up and down: to whom, and when.

use std::time::Duration;

use super::child_links::Outlook;
use super::{Role, Tree, millis};
use crate::wire::{Spread, Up};

impl Tree {
    /// When this node, being a root, has its next round.
    pub(super) fn round_at(&self) -> Option<Duration> {
        Some(self.rounds.at(self.children.first_renewal()?))
    }

    /// A round of the root.
    pub(super) fn round(&mut self, now: Duration) {
        self.rounds.begin(now, self.churn.is_at(now));
        self.send_down(now, now + self.rounds.lease(), self.rounds.earliest());
    }

    /// Passes on what came from the parent, to whom it is new.
    pub(super) fn forward(&mut self, now: Duration) {
        if !self.children.is_empty() {
            let lease_until = self.lease_from_parent(now);
            self.send_down(now, lease_until, lease_until);
        }
    }

    /// Until when this node, not being a root, can be silent: when it must have heard of
    /// its parent, and a little.
    pub(super) fn lease_from_parent(&self, now: Duration) -> Duration {
        let settled = now + self.core.period + 2 * self.core.rtt.timeout();
        match &self.role {
            Role::Child(link) if link.is_confirmed() => {
                let lease_until = link.lease_until() + Duration::from_millis(10);
                if lease_until > now { lease_until } else { settled }
            }
            _ => settled,
        }
    }

    /// Sends each child what there is to say to it, and the others that their lease goes
    /// on, if it ends by `renew`.
    fn send_down(&mut self, now: Duration, lease_until: Duration, renew: Duration) {
        self.flush_by = None;
        let path = self.path();
        let (due, is_new_path) = (self.due(now), path != self.told);
        let outlook = Outlook { lease_until, renew, due, path, is_new_path };
        let messages_down = self.children.messages_down(&self.core.store, now, &outlook);
        messages_down.into_iter().for_each(|(peer, message)| self.core.send(peer, message));
        self.told = outlook.path;
    }

    /// In how many milliseconds a message up is wanted here, if that is known.
    pub(super) fn due(&self, now: Duration) -> Option<u64> {
        let at = match &self.role {
            Role::Root => Some(self.rounds.earliest()).filter(|&at| at > now),
            Role::Child(link) => link.next_slot(now),
            Role::Searching(_) => None,
        };
        at.map(|at| millis(at - now))
    }

    /// News have to be passed on by themselves if the parent is silent for so long.
    pub(super) fn flush_later(&mut self, now: Duration) {
        let by = now + 2 * self.core.period + 2 * self.core.rtt.timeout();
        self.flush_by.get_or_insert(by);
    }

    /// Renews leases, and passes news on, when the parent does not cause it.
    pub(super) fn renew_leases(&mut self, now: Duration) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let is_needed = is_due(self.flush_by) || is_due(self.children.first_renewal());
        if is_needed && !self.is_root() {
            let lease_until = self.lease_from_parent(now);
            self.send_down(now, lease_until, now);
        }
    }

    /// Sends the parent what it was not told.
    pub(super) fn send_up(&mut self, now: Duration) {
        let Role::Child(link) = &mut self.role else { return };
        let (peer, epoch) = (link.peer(), link.epoch());
        let mut since = link.sent();
        let mut was_needed = false;
        while self.core.store.has_news(since, peer) {
            let page = self.core.store.page(since, peer);
            let up = Some(Up { epoch, since, upto: page.upto });
            self.core.send(peer, Spread { runs: page.runs, up, ..Spread::default() });
            since = page.upto;
            was_needed = true;
        }
        // What follows came from the parent itself; a later message up covers it.
        link.on_sent(since, now, was_needed);
    }
}
