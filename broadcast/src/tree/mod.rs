//! Spreading along a tree, in rounds: few messages, each with many values.
//!
//! # States
//!
//! A node has one of three roles ([`Role`]):
//!
//! - *root*: it has no parent. Rank 0 always; any other node while it reaches
//!   nobody who is in a tree with a lower root.
//! - *child* of a parent, the one of the preferred tree ([`Layout`]) if it can.
//! - *searching* a parent: it has asked some nodes and waits for their offers.
//!
//! Whatever it is, it may have children.
//!
//! # Flow of messages
//!
//! ```text
//!   child                      root                      child
//!     │ ── up {values} ────────▶ │  at the child's slot     │
//!     │                          │  round: once a period    │
//!     │ ◀── down {values, ack} ─ │ ── down {values} ──────▶ │ ─▶ its children,
//!     │                          │                          │    at once
//! ```
//!
//! The root has a round when there is something new, at most once a period; the
//! first after a pause begins at once. A message down carries what is new to that
//! child, confirms its message up and is a lease: it says when the next one comes at
//! the latest. Without news there are only messages down that renew the lease, and
//! leases grow eightfold each time, up to [`LONGEST_LEASE`]. A child with
//! nothing new says nothing.
//!
//! For one link the digest is the universal remedy: a gap, a lease that ended, an
//! message up that is not confirmed, a parent that lost its memory — in each case
//! the child joins once more. Its digest says all it has; the answer brings what
//! it lacks and says what the parent lacks; the third message brings that. As a
//! last resort, a message down without values carries a fingerprint of what the
//! parent has; a child that has something else, and nothing under way, joins
//! once more.
//!
//! # When a parent is silent
//!
//! Only a child suspects. If the answer to its digest does not come either, it
//! asks several nodes at once (`search`), takes the offer with the lowest root,
//! then the one that is nearest to its root, or becomes a root itself.
//!
//! A node whose parent is silent confirms its own link before it offers itself as a
//! parent to somebody with a worse root, because its own root may already be dead. It
//! does so when the parent has been silent for a round, offers only itself meanwhile,
//! and tells who asked when it is sure.
//! The parent does the same, up to the root. A child that asks meanwhile is told no path
//! and keeps its own. Before a parent confirmed the link, a node offers only itself, too.
//!
//! A node that has just started asks some that can be reached after the first timeout,
//! 300 ms, and everybody who may be of help after the second.
//!
//! While its tree's root is not rank 0, a node compares its knowledge with others
//! now and then, which carries values across between trees, and tells of better
//! roots; while its parent is not the preferred one it asks that one now and
//! then whether it is back. Both become rarer the longer that lasts (`repair`).
//!
//! # Churn mode
//!
//! A value that waits for its round when a partition begins waits for its end,
//! too, and partitions come in series. So for a while after a parent was lost
//! or a tree was joined to another one (`churn`), rounds follow each other faster,
//! messages up leave at once, and who doubts its parent searches another one without
//! asking that one first. All of it costs messages and
//! nothing else, and it ends by itself.
//!
//! # What holds
//!
//! - A node never has a parent on whose path it stands itself, and only takes
//!   one whose root has a lower rank than it has. If several nodes choose at the
//!   same time, and make a circle, then the circle has no root, so it has no
//!   messages down, so all in it search again: messages down begin at roots only.
//! - A link counts when both directions worked: joining is a question and an
//!   answer. So a one-way cut is a cut to the tree, but values that come along
//!   it are taken.
//! - What a node knows of a link is a position in a list of arrivals. No message and no
//!   step of work grows with what was spread before, digests aside: the work for
//!   one grows with the number of incarnations, its length does not.
//!
//! # Arithmetic
//!
//! N nodes, period T, one-way latency L, λ values per node and second, a tree of
//! depth d. A value waits up to T for a slot, and travels d·L up and d·L down:
//! at most T + 2dL and a margin, T/2 less on average. Each round costs N − 1
//! messages down and a message up from each child that has news, so about
//! (N − 1)(2 − e^(−λT))/T messages a second: with N = 25, λ = 2, T = 0.38 s, that
//! is 97 messages for the 100 operations (half of them reads) of a second, and
//! at most 620 ms at L = 100 ms. Idle: N − 1 messages each [`LONGEST_LEASE`].
//!
//! A parent that dies under load is missed after T, doubted for a round trip,
//! and replaced after another: T + 4L and slack, a second or so; in churn mode,
//! T + 2L. Rounds are 5/2 as many then, and each value is a message up of
//! its own: 226 messages a second in the example.
//!
//! # Limits
//!
//! - A value that waits for its round when its node is cut off stays until the
//!   cut ends, where flooding might have brought it out. Nobody can avoid that
//!   who sends fewer than N − 1 messages a value: as long as a value is known to
//!   fewer nodes than it could have reached, a cut that begins just then keeps
//!   it from some of them. What can be chosen is how long that is.
//! - A quiet child of a quiet parent finds out that it was cut off when the
//!   lease ends, or when somebody asks it.
//! - Only links that work in both directions count as paths. What can be reached
//!   by a chain of one-way links alone is reached when they heal.
//! - A digest names a log for every node, some 25 bytes each, and 256 more: 32 kB at
//!   1,000 nodes. They are for repair; neither messages up nor messages down carry one.
//! - Where there were more incarnations than that, a node that lacks something of one
//!   that is not named needs another question or more to find it.
//!
//! # Parts
//!
//! Each of these keeps books on one matter and sends nothing: `parent_link`,
//! `child_links`, `search`, `rounds`, `churn`, `repair`. [`Tree`] asks them and sends:
//! values up and down (`spreading`), digests and answers (`answers`), and what it takes to
//! have a parent (`parent`).
//!
//! [`LONGEST_LEASE`]: rounds::LONGEST_LEASE

mod answers;
mod child_links;
mod churn;
mod parent;
mod parent_link;
mod repair;
mod rounds;
mod search;
mod spreading;

use std::time::Duration;

use maelstrom::machine::Time;

use crate::core::{Core, Purpose};
use crate::injected_bugs::Bug;
use crate::layout::Layout;
use crate::strategy::Strategy;
use crate::wire::{Digest, Down, Message, Rank, Spread, Summary, Up};
use child_links::{ChildLinks, Verdict};
use churn::Churn;
use parent_link::ParentLink;
use repair::Repair;
use rounds::Rounds;
use search::Search;

/// A node's place in the tree.
#[derive(Debug)]
enum Role {
    Root,
    Child(Box<ParentLink>),
    Searching(Search),
}

/// A node that spreads along a tree.
pub(crate) struct Tree {
    core: Core,
    layout: Layout,
    role: Role,
    children: ChildLinks,
    rounds: Rounds,
    /// When to pass news on without waiting for the parent any longer.
    flush_by: Option<Duration>,
    repair: Repair,
    churn: Churn,
    /// When this node last searched a parent.
    searched: Option<Duration>,
    /// The root that this node offered last.
    root: Rank,
    /// The path that the children were told last.
    told: Vec<Rank>,
}

impl Tree {
    pub(crate) fn new(core: Core, fan_out: usize) -> Self {
        let layout = Layout::new(core.nodes, fan_out);
        let (period, position) = (core.period, core.store.position());
        Self {
            children: ChildLinks::preferred(layout.children(core.me), position, period),
            rounds: Rounds::new(period),
            role: Role::Root,
            told: layout.path(core.me),
            root: core.me,
            flush_by: None,
            repair: Repair::new(period),
            churn: Churn::default(),
            searched: None,
            layout,
            core,
        }
    }

    fn on_spread(&mut self, now: Duration, from: Rank, spread: Spread) {
        if self.core.take(now, from, spread.runs) {
            self.on_news(now, from);
        }
        if let Some(up) = spread.up {
            self.on_up(now, from, up);
        }
        self.on_farewell(from, spread.leave);
        match (spread.answer, spread.down) {
            (Some(answer), down) => self.on_answer(now, from, &answer, down.as_ref(), spread.path),
            (None, Some(down)) => self.on_down(now, from, &down, spread.path),
            (None, None) => self.consider(now, from, &spread.path),
        }
    }

    /// Something has arrived.
    fn on_news(&mut self, now: Duration, from: Rank) {
        match &mut self.role {
            Role::Root => self.rounds.note_news(),
            Role::Child(link) if link.peer() == from => {}
            Role::Child(link) => link.note_news(now),
            Role::Searching(_) => {}
        }
        if !self.is_root() && !self.children.is_empty() {
            self.flush_later(now);
        }
    }

    fn on_up(&mut self, now: Duration, from: Rank, up: Up) {
        match self.children.on_up(from, up, now) {
            Verdict::Owed => {
                self.rounds.note_news();
                self.flush_later(now);
            }
            Verdict::Stranger => self.deny(from),
            Verdict::Stale => {}
        }
    }

    /// Tells a node that it is no child, so that it joins.
    fn deny(&mut self, stranger: Rank) {
        let down = Down { epoch: 0, since: 0, upto: 0, next: 0, due: None, ack: None, print: None };
        self.core.send(stranger, Spread { down: Some(down), ..Spread::default() });
    }

    fn on_down(&mut self, now: Duration, from: Rank, down: &Down, path: Vec<Rank>) {
        let is_home = self.is_preferred(from);
        match &mut self.role {
            Role::Child(link) if link.peer() == from => {
                if down.epoch == 0 && link.is_confirmed() {
                    self.rejoin(now);
                } else if down.epoch == link.epoch() && link.is_confirmed() {
                    self.on_down_of_parent(now, down, path);
                }
            }
            Role::Child(_) if down.epoch != 0 && !is_home => self.leave(from, down.epoch),
            _ => self.consider(now, from, &path),
        }
    }

    fn on_down_of_parent(&mut self, now: Duration, down: &Down, path: Vec<Rank>) {
        let Role::Child(link) = &mut self.role else { return };
        if let Some(took) = link.on_down(down, now) {
            self.core.rtt.sample(took);
        }
        if self.core.bugs.has(Bug::RenewDeadline) && down.ack.is_some() {
            link.renew_deadline(now);
        }
        let own = self.core.store.fingerprint();
        let differs = down.print.is_some_and(|print| print != own);
        // What is under way may explain the difference.
        let is_settled = link.is_settled() && self.core.is_finding_out(link.peer()).is_none();
        if differs && is_settled {
            self.rejoin(now);
        }
        self.on_path(now, path);
        self.forward(now);
    }

    /// The parent's path, as it says: it may have changed, even to one through
    /// this node.
    fn on_path(&mut self, now: Duration, path: Vec<Rank>) {
        if !self.is_acceptable(&path) {
            self.detach(now);
        } else if let Role::Child(link) = &mut self.role {
            link.set_path(path);
            self.review(now);
            self.reassure();
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.role, Role::Root)
    }

    fn is_preferred(&self, parent: Rank) -> bool {
        self.layout.parent(self.core.me) == Some(parent)
    }

    /// This node's path, root first.
    fn path(&self) -> Vec<Rank> {
        let above = match &self.role {
            Role::Child(link) => link.path(),
            _ => &[],
        };
        above.iter().copied().chain([self.core.me]).collect()
    }

    /// Asks a node what it has, for one purpose or another.
    fn ask(&mut self, now: Duration, peer: Rank, purpose: Purpose) -> u64 {
        self.ask_about(now, peer, purpose, Summary::default())
    }

    /// The same, of a part of what this node has.
    fn ask_about(&mut self, now: Duration, peer: Rank, purpose: Purpose, summary: Summary) -> u64 {
        let position = self.core.store.position();
        let digest = Digest {
            summary,
            path: self.offer(),
            join: matches!(purpose, Purpose::Join | Purpose::Switch).then_some(position),
            ..Digest::default()
        };
        self.core.ask(now, peer, purpose, digest)
    }

    /// A parent was lost, or a better one found.
    fn on_churn(&mut self, now: Duration) {
        self.churn.note(now);
        self.keep_pace(now);
    }

    /// Another node told for how many milliseconds there will be churn, if there is any.
    fn hear_of_churn(&mut self, now: Duration, millis: u64) {
        if self.churn.hear(now, millis, self.core.rtt.usual_timeout()) {
            self.keep_pace(now);
        }
    }

    fn keep_pace(&mut self, now: Duration) {
        self.rounds.set_pace(self.churn.is_at(now));
    }
}

impl Strategy for Tree {
    /// Whatever others remember is asked for.
    fn start(&mut self, now: Time) {
        match self.layout.parent(self.core.me) {
            Some(parent) => self.attach(now, parent, self.layout.path(parent)),
            None => {
                for _ in 0..2 {
                    if let Some(peer) = self.core.anybody() {
                        self.ask(now, peer, Purpose::Compare);
                    }
                }
            }
        }
    }

    fn spread(&mut self, now: Time, _: usize) {
        self.on_news(now, self.core.me);
        self.run_due(now);
    }

    fn receive(&mut self, now: Time, from: Rank, message: Message) {
        self.join_if_unconfirmed(now, from);
        match message {
            Message::Spread(spread) => {
                self.core.peers.note_root(from, &spread.path);
                self.hear_of_churn(now, spread.churn);
                self.on_spread(now, from, spread);
            }
            Message::Digest(digest) => {
                self.core.peers.note_root(from, &digest.path);
                self.hear_of_churn(now, digest.churn);
                self.on_digest(now, from, &digest);
            }
        }
        self.run_due(now);
    }

    fn run_due(&mut self, now: Time) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        self.run_questions(now);
        match &self.role {
            Role::Root => {
                if is_due(self.round_at()) {
                    self.round(now);
                }
            }
            Role::Child(link) => {
                if is_due(link.doubt_at()) {
                    self.rejoin(now);
                } else if is_due(link.send_at(&self.churn)) {
                    self.send_up(now);
                }
            }
            Role::Searching(search) => {
                if search.is_over(now) {
                    self.choose(now);
                }
            }
        }
        self.renew_leases(now);
        self.run_repair(now);
        self.churn.confirm_suspicion(now, self.core.rtt.usual_timeout());
    }

    fn deadline(&self) -> Option<Time> {
        let mut times = vec![self.core.deadline(), self.repair.deadline()];
        match &self.role {
            Role::Root => times.push(self.round_at()),
            Role::Child(link) => times.extend([link.doubt_at(), link.send_at(&self.churn)]),
            Role::Searching(search) => times.push(Some(search.until())),
        }
        if !self.is_root() {
            times.extend([self.children.first_renewal(), self.flush_by]);
        }
        times.into_iter().flatten().min()
    }

    fn catch_up(&mut self, now: Time) {
        if let Role::Child(link) = &mut self.role {
            link.catch_up(now);
        }
    }

    fn churn(&self, now: Time) -> u64 {
        self.churn.left(now)
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
