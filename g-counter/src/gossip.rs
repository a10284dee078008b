//! Nodes tell each other what they know: which neighbours a node has, what it
//! tells them, when, and when there is nothing left to tell.
//!
//! The first two nodes are *hubs*: they are neighbours of everybody, and nobody
//! else is. Two, because a silent cluster cannot notice that its only hub is
//! gone. A contribution reaches everybody in at most two hops, over 2n − 3 links.
//!
//! Over a link goes at most one message per [`PERIOD`] in each direction,
//! however many adds there are: the contributions that changed since what the other
//! side has acknowledged. The message is also the acknowledgement of what came
//! the other way. What was confirmed is known everywhere two periods and two
//! latencies later. A link that has been quiet for a period sends at once.
//!
//! <!-- figures: gossip -->
//! The gossip of n nodes is at most (4n − 6) messages in 0.5 s: 12 a second for 3 nodes
//! and 788 for 100.
//! <!-- /figures -->
//!
//! Always:
//!
//! - What a link has as `acked`, the present incarnation of the other side knows:
//!   every change of our view up to that version, or newer ones. A message
//!   says from which version on it speaks (`since`), and is counted only if
//!   what was before is known; so an incarnation that has just begun does not pass for
//!   the one that acknowledged. Incarnations are told apart by their epoch,
//!   which only rises.
//! - A message with news is repeated until it is acknowledged, ever more
//!   rarely while nothing is heard. When all is acknowledged, nothing is sent.
//! - Who has nothing to tell cannot notice that it is told nothing. So when a node's
//!   clients read, it asks those neighbours of which it has heard nothing for
//!   [`CHECK`], until they answer; and a hub that is asked by another node asks its own,
//!   for it may be the one that cannot hear who adds.
//!
//! Both together: links between living nodes that are connected in the end make
//! all views equal in the end, and then fall silent.
//!
//! What is left to others: the service, and what to do about silent neighbours.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::machine::{Members, Outputs, Rank, Time};
use maelstrom::{Backoff, NodeId};

use crate::contribution::Contribution;
use crate::counter::Counter;
use crate::view::View;

/// The shortest time between two messages over a link in one direction.
pub const PERIOD: Duration = Duration::from_millis(500);
/// How old what was last heard of a neighbour may be when clients read.
const CHECK: Duration = Duration::from_secs(2);
/// The time between two messages over a link, the longer the more are unanswered.
const PACE: Backoff = Backoff { first: PERIOD, longest: Duration::from_secs(4) };
/// How many messages with news or a question have to be unanswered for a neighbour to count
/// as silent.
const SILENT: u32 = 2;
/// How many nodes are neighbours of all.
const HUBS: usize = 2;

maelstrom::message_types! {
    /// One node's news to another, and its acknowledgement of the other's.
    #[derive(PartialEq, Eq)]
    "gossip": pub struct Gossip {
        /// The epoch of the sender's incarnation.
        pub epoch: u64,
        /// The version of the sender's view.
        pub version: u64,
        /// The version up to which the receiver knows it already, to the sender's
        /// knowledge.
        pub since: u64,
        /// The latest epoch of the receiver that the sender has heard of, 0 if none.
        pub seen_epoch: u64,
        /// The version up to which the sender knows the receiver's view in that epoch.
        pub seen_version: u64,
        /// What changed in the sender's view after `since`, without what the
        /// receiver has itself told.
        pub contributions: BTreeMap<NodeId, Contribution>,
        /// Whether it is to be answered even if there is nothing new.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub ask: bool,
    };
}

/// What is known of a neighbour.
#[derive(Debug, Default)]
struct Link {
    /// Its present epoch, 0 before it was heard of.
    epoch: u64,
    /// Up to which version it knows our view.
    acked: u64,
    /// Up to which version we know its view.
    seen: u64,
    /// Whether something it told is not acknowledged yet, or a question not answered.
    owes: bool,
    /// Whether it is asked whether it is there, and has not been heard since.
    asks: bool,
    /// When it was last heard.
    heard: Option<Time>,
    /// When it was last sent something.
    sent: Option<Time>,
    /// Messages with news or a question sent since it was last heard.
    unanswered: u32,
}

impl Link {
    /// The earliest time for the next message.
    fn ready(&self) -> Time {
        self.sent.map_or(Time::ZERO, |sent| sent + PACE.step(self.unanswered))
    }

    fn is_due(&self, neighbour: Rank, view: &View) -> bool {
        self.owes || self.asks || view.news_for(neighbour, self.acked).next().is_some()
    }

    fn is_silent(&self) -> bool {
        self.unanswered >= SILENT
    }
}

/// A node's links.
#[derive(Debug)]
pub(crate) struct Links {
    members: Members,
    /// The epoch of this incarnation, 0 before its fence: nothing is sent before that.
    epoch: u64,
    links: BTreeMap<Rank, Link>,
}

/// Whether a node is a neighbour of all.
fn is_hub(node: Rank) -> bool {
    node < HUBS
}

impl Links {
    /// The links of a node.
    pub(crate) fn new(members: Members) -> Self {
        let neighbours = members.others().filter(|&node| is_hub(members.me()) || is_hub(node));
        let links = neighbours.map(|node| (node, Link::default())).collect();
        Self { members, epoch: 0, links }
    }

    /// This node has its epoch. Neighbours know nothing of it, so they are told everything.
    pub(crate) fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        for link in self.links.values_mut() {
            link.acked = 0;
        }
    }

    /// Takes a message. One from an earlier epoch than the present, or not from
    /// a neighbour, says nothing about links, but its contributions are as good as any.
    pub(crate) fn receive(&mut self, from: Rank, gossip: Gossip, now: Time, view: &mut View) {
        let Self { members, epoch, links } = self;
        let link = links.get_mut(&from).filter(|link| link.epoch <= gossip.epoch);
        let holder = link.is_some().then_some(from);
        if let Some(link) = link {
            if link.epoch < gossip.epoch {
                view.forget_holder(from);
            }
            link.hear(&gossip, *epoch, now, view.version());
        }
        for (origin, contribution) in gossip.contributions {
            if let Some(origin) = members.rank(&origin) {
                view.learn(origin, contribution, holder);
            }
        }
        if holder.is_some() && gossip.ask && is_hub(self.members.me()) && !is_hub(from) {
            self.check(now);
        }
    }

    /// Asks the neighbours of which nothing was heard lately whether they are there.
    pub(crate) fn check(&mut self, now: Time) {
        for link in self.links.values_mut() {
            link.asks |= link.heard.is_none_or(|heard| heard + CHECK <= now);
        }
    }

    /// Sends the messages that are due.
    pub(crate) fn tell(&mut self, now: Time, view: &View, out: &mut Outputs<Counter>) {
        let Self { members, epoch, links } = self;
        if *epoch == 0 {
            return;
        }
        for (&to, link) in links {
            if link.ready() <= now && link.is_due(to, view) {
                let news = view.news_for(to, link.acked);
                let news = news
                    .map(|(node, contribution)| (members.id(node).clone(), contribution.clone()));
                out.send(to, link.speak(news.collect(), *epoch, now, view.version()));
            }
        }
    }

    /// When the next message will be due, if nothing happens before.
    pub(crate) fn deadline(&self, view: &View) -> Option<Time> {
        let due = self.links.iter().filter(|(to, link)| link.is_due(**to, view));
        let earliest = due.map(|(_, link)| link.ready()).min();
        earliest.filter(|_| self.epoch != 0)
    }

    /// Whether a node is a neighbour and does not answer.
    pub(crate) fn is_silent(&self, node: Rank) -> bool {
        self.links.get(&node).is_some_and(Link::is_silent)
    }

    /// Whether any neighbour does not answer.
    pub(crate) fn is_any_silent(&self) -> bool {
        self.links.values().any(Link::is_silent)
    }

    /// Whether there are neighbours and none of them answers.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.links.is_empty() && self.links.values().all(Link::is_silent)
    }
}

impl Link {
    /// Takes what a message says about the link, from the present epoch of the
    /// other side or a newer one.
    fn hear(&mut self, gossip: &Gossip, own_epoch: u64, now: Time, own_version: u64) {
        if gossip.epoch > self.epoch {
            let sent = self.sent;
            *self = Self { epoch: gossip.epoch, sent, ..Self::default() };
        }
        (self.unanswered, self.asks, self.heard) = (0, false, Some(now));
        if gossip.seen_epoch == own_epoch {
            self.acked = self.acked.max(gossip.seen_version.min(own_version));
        }
        if gossip.since <= self.seen {
            self.seen = self.seen.max(gossip.version);
        }
        self.owes |= gossip.ask || !gossip.contributions.is_empty();
    }

    fn speak(
        &mut self,
        contributions: BTreeMap<NodeId, Contribution>,
        epoch: u64,
        now: Time,
        version: u64,
    ) -> Gossip {
        self.owes = false;
        self.sent = Some(now);
        // An acknowledgement alone is not answered.
        self.unanswered += u32::from(self.asks || !contributions.is_empty());
        Gossip {
            epoch,
            version,
            since: self.acked,
            seen_epoch: self.epoch,
            seen_version: self.seen,
            contributions,
            ask: self.asks,
        }
    }
}

#[cfg(test)]
mod tests;
