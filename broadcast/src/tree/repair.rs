//! When to do something about not being where one belongs: bridging trees, and going
//! home.
//!
//! A node whose tree has another root than rank 0 compares its knowledge with
//! others, near and far, which carries values across and finds better roots. One
//! whose parent is not the preferred one asks for that now and then. Both become
//! rarer the longer it lasts.

use std::time::Duration;

use crate::wire::Rank;

/// The first pause, if the period is not shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// The longest pause between two attempts to get to the preferred parent.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The longest pause while the root is not rank 0. There may be two trees, and values in one
/// of them alone, which are to be in both soon after the cut between them is over.
const LONGEST_APART: Duration = Duration::from_secs(3);
/// The pause grows with the time that it has lasted, divided by this.
const PATIENCE: u32 = 4;

/// The time during which a node is not where it belongs, if it is not.
#[derive(Debug)]
pub(super) struct Repair {
    displaced: Option<Displaced>,
    first_pause: Duration,
}

#[derive(Debug)]
struct Displaced {
    since: Duration,
    root: Rank,
    /// When to compare knowledge with others.
    compare_at: Option<Duration>,
    /// When to ask the preferred parent whether it is back.
    return_at: Option<Duration>,
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// To compare knowledge with others, since the tree has this root.
    pub(super) compares: Option<Rank>,
    /// To ask the preferred parent.
    pub(super) returns: bool,
}

impl Repair {
    /// Of a node that is where it belongs.
    pub(super) fn new(period: Duration) -> Self {
        Self { displaced: None, first_pause: period.min(FIRST_PAUSE) }
    }

    /// The node is where it belongs, or is not, and has this root.
    pub(super) fn review(&mut self, now: Duration, is_home: bool, root: Rank) {
        if is_home {
            self.displaced = None;
        } else if self.displaced.as_ref().is_none_or(|displaced| displaced.root != root) {
            let soon = Some(now + self.first_pause);
            self.displaced =
                Some(Displaced { since: now, root, compare_at: soon, return_at: soon });
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let displaced = self.displaced.as_ref()?;
        [displaced.compare_at, displaced.return_at].into_iter().flatten().min()
    }

    /// What is due.
    pub(super) fn attempt(&mut self, now: Duration) -> Attempt {
        let Some(displaced) = &mut self.displaced else { return Attempt::default() };
        let longest = if displaced.root == 0 { LONGEST_PAUSE } else { LONGEST_APART };
        let pause = ((now - displaced.since) / PATIENCE).clamp(self.first_pause, longest);
        let is_due = |at: &Option<Duration>| at.is_some_and(|at| at <= now);
        let (compares, returns) = (is_due(&displaced.compare_at), is_due(&displaced.return_at));
        let root = Some(displaced.root).filter(|&root| root != 0);
        if compares {
            displaced.compare_at = root.map(|_| now + pause);
        }
        if returns {
            displaced.return_at = Some(now + pause);
        }
        Attempt { compares: root.filter(|_| compares), returns }
    }
}
