//! Spreading along a tree, in rounds: few messages, each with many values.
//!
//! # States
//!
//! A node is one of three things ([`Standing`]):
//!
//! - *root*: it has no parent. Rank 0 always; any other node while it reaches
//!   nobody who is in a tree with a lower root.
//! - *child* of a parent, the one of the preferred tree ([`Layout`]) if it can.
//! - *seeking* a parent: it has asked some nodes and waits for their offers.
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
//! first after a pause begins at once. A downlink carries what is new to that
//! child, confirms its uplink and promises when the next one comes at the
//! latest. Without news there are only downlinks that renew the promise, and
//! promises grow eightfold each time, up to [`LONGEST_PROMISE`]. A child with
//! nothing new says nothing.
//!
//! For one link the digest is the universal remedy: a gap, a broken promise, an
//! uplink that is not confirmed, a parent that lost its memory — in each case
//! the child joins once more. Its digest says all it has; the answer brings what
//! it lacks and says what the parent lacks; the third message brings that. As a
//! last resort, a downlink without values carries a fingerprint of what the
//! parent has; a child that has something else, and nothing under way, joins
//! once more.
//!
//! # When a parent is silent
//!
//! Only a child suspects. If the answer to its digest does not come either, it
//! asks several nodes at once (`seek.rs`), takes the offer with the lowest root,
//! then the one that is nearest to its root, or becomes a root itself.
//!
//! An offer must not be a ghost: a node that was promised little may not have
//! noticed yet that its root is dead. So before it lures somebody away from a
//! worse root, a node whose parent has been silent for a round has it confirm
//! the link, offers only itself meanwhile, and tells who asked when it is sure.
//! The parent does the same, up to the root. A child that asks meanwhile is told no path
//! and keeps its own. Before a parent confirmed the link, a node offers only itself, too.
//!
//! A node that has just started asks some that can be reached after the first timeout,
//! 300 ms, and everybody who may be of help after the second.
//!
//! While its tree's root is not rank 0, a node compares its knowledge with others
//! now and then, which carries values across between trees, and tells of better
//! roots; while its parent is not the preferred one it asks that one now and
//! then whether it is back. Both become rarer the longer the trouble lasts.
//!
//! # While there is unrest
//!
//! A value that waits for its round when a partition begins waits for its end,
//! too, and partitions come in series. So for a while after a parent was lost
//! or a tree was joined to another one (`unrest.rs`), everybody hurries: rounds
//! follow each other faster, uplinks leave at once, and who doubts its parent
//! seeks another one without asking that one first. All of it costs messages and
//! nothing else, and it ends by itself.
//!
//! # What holds
//!
//! - A node never has a parent on whose path it stands itself, and only takes
//!   one whose root has a lower rank than it has. If several nodes choose at the
//!   same time, and make a circle, then the circle has no root, so it has no
//!   downlinks, so all in it seek again: downlinks begin at roots only.
//! - A link counts when both directions worked: joining is a question and an
//!   answer. So a one-way cut is a cut to the tree, but values that come along
//!   it are taken.
//! - What a node knows of a link is a position in a journal. No message and no
//!   step of work grows with what was spread before, digests aside: the work for
//!   one grows with the number of incarnations, its length does not.
//!
//! # Arithmetic
//!
//! N nodes, period T, one-way latency L, λ values per node and second, a tree of
//! depth d. A value waits up to T for a slot, and travels d·L up and d·L down:
//! at most T + 2dL and a margin, T/2 less on average. Each round costs N − 1
//! downlinks and an uplink from each child that has news, so about
//! (N − 1)(2 − e^(−λT))/T messages a second: with N = 25, λ = 2, T = 0.38 s, that
//! is 97 messages for the 100 operations (half of them reads) of a second, and
//! at most 620 ms at L = 100 ms. Idle: N − 1 messages each [`LONGEST_PROMISE`].
//!
//! A parent that dies under load is missed after T, doubted for a round trip,
//! and replaced after another: T + 4L and slack, a second or so; while there is
//! unrest, T + 2L. Rounds are 5/2 as many then, and each value is an uplink of
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
//!   promise ends, or when somebody asks it.
//! - Only links that work in both directions count as paths. What can be reached
//!   by a chain of one-way links alone is reached when they heal.
//! - A digest names a log for every node, some 25 bytes each, and 256 more: 32 kB at
//!   1,000 nodes. They are for repair; neither uplinks nor downlinks carry one.
//! - Where there were more incarnations than that, a node that lacks something of one
//!   that is not named needs another question or more to find it.
//!
//! [`LONGEST_PROMISE`]: rounds::LONGEST_PROMISE

mod answers;
mod downlink;
mod rounds;
mod seek;
mod trouble;
mod unrest;
mod uplink;

use std::time::Duration;

use maelstrom::machine::Time;

use crate::core::{Core, Purpose};
use crate::layout::Layout;
use crate::machine::Strategy;
use crate::wire::{Digest, Down, Message, Rank, Spread, Summary, Up, Value};
use downlink::{Children, Verdict};
use rounds::Rounds;
use seek::Seek;
use trouble::Trouble;
use unrest::Unrest;
use uplink::Uplink;

/// A node's place in the tree.
#[derive(Debug)]
enum Standing {
    Root,
    Child(Box<Uplink>),
    Seeking(Seek),
}

/// A node that spreads along a tree.
pub(crate) struct Tree {
    core: Core,
    layout: Layout,
    standing: Standing,
    children: Children,
    rounds: Rounds,
    /// When to pass news on without waiting for the parent any longer.
    flush_by: Option<Duration>,
    trouble: Option<Trouble>,
    unrest: Unrest,
    /// When this node last sought a parent.
    sought: Option<Duration>,
    /// The root that this node offered last.
    root: Rank,
    /// The path that the children were told last.
    told: Vec<Rank>,
}

impl Tree {
    pub(crate) fn new(core: Core, fan_out: usize) -> Self {
        let layout = Layout::new(core.nodes, fan_out);
        let period = core.period;
        Self {
            children: Children::preferred(layout.children(core.me), period),
            rounds: Rounds::new(period),
            standing: Standing::Root,
            told: layout.path(core.me),
            root: core.me,
            flush_by: None,
            trouble: None,
            unrest: Unrest::default(),
            sought: None,
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
        self.children.leave(from, spread.leave);
        match (spread.answer, spread.down) {
            (Some(answer), down) => self.on_answer(now, from, &answer, down.as_ref(), spread.path),
            (None, Some(down)) => self.on_down(now, from, &down, spread.path),
            (None, None) => self.consider(now, from, &spread.path),
        }
    }

    /// Something was added to the journal.
    fn on_news(&mut self, now: Duration, from: Rank) {
        match &mut self.standing {
            Standing::Root => self.rounds.is_due = true,
            Standing::Child(uplink) if uplink.peer == from => {}
            Standing::Child(uplink) => {
                uplink.pending.get_or_insert(now);
            }
            Standing::Seeking(_) => {}
        }
        if !self.is_root() && !self.children.is_empty() {
            let by = now + 2 * self.core.period + 2 * self.core.rtt.timeout();
            self.flush_by.get_or_insert(by);
        }
    }

    fn on_up(&mut self, now: Duration, from: Rank, up: Up) {
        match self.children.on_up(from, up, now) {
            Verdict::Owed => {
                self.rounds.is_due = true;
                let by = now + 2 * self.core.period + 2 * self.core.rtt.timeout();
                self.flush_by.get_or_insert(by);
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
        match &mut self.standing {
            Standing::Child(uplink) if uplink.peer == from => {
                if down.epoch == 0 && uplink.confirmed {
                    self.rejoin(now);
                } else if down.epoch == uplink.epoch && uplink.confirmed {
                    if let Some(took) = uplink.on_down(down, now) {
                        self.core.rtt.sample(took);
                    }
                    let own = self.core.store.fingerprint();
                    let differs = down.print.is_some_and(|print| print != own);
                    let is_settled =
                        uplink.is_settled() && self.core.is_finding_out(from).is_none();
                    if differs && is_settled {
                        self.rejoin(now);
                    }
                    self.on_path(now, path);
                    self.forward(now);
                }
            }
            Standing::Child(_) if down.epoch != 0 && !is_home => self.leave(from, down.epoch),
            _ => self.consider(now, from, &path),
        }
    }

    /// The parent's path, as it says: it may have changed, even to one through
    /// this node.
    fn on_path(&mut self, now: Duration, path: Vec<Rank>) {
        if !self.is_acceptable(&path) {
            self.detach(now);
        } else if let Standing::Child(uplink) = &mut self.standing {
            uplink.path = path;
            uplink.in_doubt = false;
            self.review(now);
            self.reassure();
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.standing, Standing::Root)
    }

    fn is_preferred(&self, parent: Rank) -> bool {
        self.layout.parent(self.core.me) == Some(parent)
    }

    /// This node's path, root first.
    fn path(&self) -> Vec<Rank> {
        let above = match &self.standing {
            Standing::Child(uplink) => &*uplink.path,
            _ => &[],
        };
        above.iter().copied().chain([self.core.me]).collect()
    }

    fn send_up(&mut self, now: Duration) {
        let Standing::Child(uplink) = &mut self.standing else { return };
        let peer = uplink.peer;
        let mut since = uplink.sent;
        let mut was_needed = false;
        while self.core.store.has_news(since, peer) {
            let page = self.core.store.page(since, peer);
            let up = Up { epoch: uplink.epoch, since, upto: page.upto };
            let spread = Spread { runs: page.runs, up: Some(up), ..Spread::default() };
            self.core.outbox.push((peer, Message::Spread(spread)));
            since = page.upto;
            was_needed = true;
        }
        // What follows came from the parent itself; a later uplink covers it.
        uplink.on_sent(since, now, was_needed);
    }

    /// Has the link to the parent confirmed once more, for doubt or for a gap.
    /// While there is unrest, doubt is enough to seek at once: the parent is
    /// among those who are asked.
    fn rejoin(&mut self, now: Duration) {
        let Standing::Child(uplink) = &mut self.standing else { return };
        if uplink.is_overdue(now) {
            if self.unrest.is_at(now) {
                self.give_up_on_parent(now);
                return;
            }
            uplink.in_doubt = true;
            self.share_doubt(now);
        }
        self.join_again(now);
    }

    /// Sends the parent a digest once more.
    fn join_again(&mut self, now: Duration) {
        let Standing::Child(uplink) = &self.standing else { return };
        let peer = uplink.peer;
        let epoch = self.ask(now, peer, Purpose::Join);
        let sent = self.core.store.position();
        if let Standing::Child(uplink) = &mut self.standing {
            uplink.rejoin(epoch, sent);
        }
    }

    /// A parent that is heard of before it confirmed the link may not know of it: the
    /// question was lost, or asked in vain while it was out of reach.
    fn join_if_unconfirmed(&mut self, now: Duration, from: Rank) {
        let Standing::Child(uplink) = &self.standing else { return };
        let is_unconfirmed = uplink.peer == from && !uplink.confirmed;
        if is_unconfirmed && !self.core.is_asking_who_was_heard(Purpose::Join, from, now) {
            self.join_again(now);
        }
    }

    /// Ends one link to a parent. Another one may have been asked for since.
    fn leave(&mut self, parent: Rank, epoch: u64) {
        let path = self.path();
        self.core.send(parent, Spread { leave: epoch, path, ..Spread::default() });
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

    fn broadcast(&mut self, now: Time, value: Value) {
        if self.core.store.accept(value) {
            self.on_news(now, self.core.me);
            self.run_due(now);
        }
    }

    fn receive(&mut self, now: Time, from: Rank, message: Message) {
        self.join_if_unconfirmed(now, from);
        match message {
            Message::Spread(spread) => {
                self.core.peers.note_root(from, &spread.path);
                self.hear_of_unrest(now, spread.unrest);
                self.on_spread(now, from, spread);
            }
            Message::Digest(digest) => {
                self.core.peers.note_root(from, &digest.path);
                self.hear_of_unrest(now, digest.unrest);
                self.on_digest(now, from, &digest);
            }
        }
        self.run_due(now);
    }

    fn run_due(&mut self, now: Time) {
        self.run_questions(now);
        match &mut self.standing {
            Standing::Root => {
                if self.round_at().is_some_and(|at| at <= now) {
                    self.round(now);
                }
            }
            Standing::Child(uplink) => {
                if uplink.doubt_at().is_some_and(|at| at <= now) {
                    self.rejoin(now);
                } else if uplink.send_at(&self.unrest).is_some_and(|at| at <= now) {
                    self.send_up(now);
                }
            }
            Standing::Seeking(seek) => {
                if seek.is_over(now) {
                    self.choose(now);
                }
            }
        }
        self.run_promises(now);
        self.run_trouble(now);
        self.confirm_suspicion(now);
    }

    fn deadline(&self) -> Option<Time> {
        let mut times = vec![self.core.deadline(), self.trouble.as_ref().and_then(Trouble::wake)];
        match &self.standing {
            Standing::Root => times.push(self.round_at()),
            Standing::Child(uplink) => {
                times.extend([uplink.doubt_at(), uplink.send_at(&self.unrest)]);
            }
            Standing::Seeking(seek) => times.push(Some(seek.until())),
        }
        if !self.is_root() {
            times.extend([self.children.first_promise(), self.flush_by]);
        }
        times.into_iter().flatten().min()
    }

    fn catch_up(&mut self, now: Time) {
        if let Standing::Child(uplink) = &mut self.standing {
            uplink.catch_up(now);
        }
    }

    fn unrest(&self, now: Time) -> u64 {
        self.unrest.left(now)
    }

    fn core(&mut self) -> &mut Core {
        &mut self.core
    }
}

#[cfg(test)]
mod tests;
