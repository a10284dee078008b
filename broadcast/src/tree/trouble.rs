//! While a node is not where it belongs: bridging trees, and going home.
//!
//! A node whose tree has another root than rank 0 compares its knowledge with
//! others, near and far, which carries values across and finds better roots. One
//! whose parent is not the preferred one asks for that now and then. Both become
//! rarer the longer it lasts.

use std::time::Duration;

use super::{Standing, Tree};
use crate::core::Purpose;
use crate::peers::LATELY;
use crate::wire::{Rank, Spread};

/// How many nodes are told of a better root at once.
const LISTENERS: usize = 3;
/// The first pause, if the period is not shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// The longest pause between two attempts to get out of trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The pause grows with the time that the trouble has lasted, divided by this.
const PATIENCE: u32 = 4;

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
        ((now - self.since) / PATIENCE).clamp(period.min(FIRST_PAUSE), LONGEST_PAUSE)
    }
}

impl Tree {
    /// Takes note of where this node stands now.
    pub(super) fn review(&mut self, now: Duration) {
        let path = self.path();
        let root = path[0];
        if path == self.layout.path(self.core.me) {
            self.trouble = None;
        } else if self.trouble.as_ref().is_none_or(|trouble| trouble.root != root) {
            let soon = Some(now + self.core.period.min(FIRST_PAUSE));
            self.trouble = Some(Trouble { since: now, root, compare_at: soon, return_at: soon });
        }
        self.spread_the_word(now);
    }

    /// Tells some of those who said of late that their root is a worse one, so that trees
    /// become one quickly even where few links are left. The children are told anyway.
    fn spread_the_word(&mut self, now: Duration) {
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
        let root = trouble.root;
        let compares = compares && root != 0;
        let returns = is_due(trouble.return_at);
        if returns {
            trouble.return_at = Some(next);
        }
        let partners = if compares { self.core.partners(Some(root), now) } else { Vec::new() };
        for peer in partners.into_iter().filter(|&peer| Some(peer) != parent) {
            self.ask(now, peer, Purpose::Compare);
        }
        if returns && parent != Some(home) && !self.core.is_asking(Purpose::Switch, home, now) {
            self.ask(now, home, Purpose::Switch);
        }
    }
}
