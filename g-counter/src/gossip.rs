//! Nodes tell each other what they know: which neighbours a node has, what it
//! tells them, when, and when there is nothing left to tell.
//!
//! The first two nodes are *hubs*: they are neighbours of everybody, and nobody
//! else is. Two, because a silent cluster cannot notice that its only hub is
//! gone. A share reaches everybody in at most two hops, over 2n − 3 links.
//!
//! Over a link goes at most one message per [`PERIOD`] in each direction,
//! however many adds there are: the shares that changed since what the other
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
//! - What a link has as `acked`, the present life of the other side knows:
//!   every change of our table up to that version, or newer ones. A message
//!   says from which version on it speaks (`since`), and is counted only if
//!   what was before is known; so a life that has just begun does not pass for
//!   the one that acknowledged. Lives are told apart by their incarnation,
//!   which only rises.
//! - A message with news is repeated until it is acknowledged, ever more
//!   rarely while nothing is heard. When all is acknowledged, nothing is sent.
//! - Who has nothing to tell cannot notice that it is told nothing. So when a node's
//!   clients read, it asks those neighbours of which it has heard nothing for
//!   [`CHECK`], until they answer; and a hub that is asked by another node asks its own,
//!   for it may be the one that cannot hear who adds.
//!
//! Both together: links between living nodes that are connected in the end make
//! all tables equal in the end, and then fall silent.
//!
//! What is left to others: the service, and what to do about silent neighbours.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::{Message, NodeId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::share::Share;
use crate::table::Table;

/// The shortest time between two messages over a link in one direction.
pub const PERIOD: Duration = Duration::from_millis(500);
/// How old what was last heard of a neighbour may be when clients read.
const CHECK: Duration = Duration::from_secs(2);
/// The time between two messages is doubled at most this often.
const MOST_DOUBLINGS: u32 = 3;
/// How many messages with news or a question have to be unanswered for a neighbour to count
/// as silent.
const SILENT: u32 = 2;
/// How many nodes are neighbours of all.
const HUBS: usize = 2;

/// One node's news to another, and its acknowledgement of the other's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gossip {
    /// The life of the sender.
    pub incarnation: u64,
    /// The version of the sender's table.
    pub version: u64,
    /// The version up to which the receiver knows it already, to the sender's
    /// knowledge.
    pub since: u64,
    /// The latest life of the receiver that the sender has heard of, 0 if none.
    pub seen_incarnation: u64,
    /// The version up to which the sender knows that life's table.
    pub seen_version: u64,
    /// What changed in the sender's table after `since`, without what the
    /// receiver has itself told.
    pub shares: BTreeMap<NodeId, Share>,
    /// Whether it is to be answered even if there is nothing new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ask: bool,
}

impl Message for Gossip {
    const TYPE: &'static str = "gossip";
}

/// What is known of a neighbour.
#[derive(Debug, Default)]
struct Link {
    /// Its present life, 0 before it was heard of.
    incarnation: u64,
    /// Up to which version it knows our table.
    acked: u64,
    /// Up to which version we know its table.
    seen: u64,
    /// Whether something it told is not acknowledged yet, or a question not answered.
    owes: bool,
    /// Whether it is asked whether it is there, and has not been heard since.
    asks: bool,
    /// When it was last heard.
    heard: Option<Instant>,
    /// When it was last sent something.
    sent: Option<Instant>,
    /// Messages with news or a question sent since it was last heard.
    unanswered: u32,
}

impl Link {
    /// The earliest time for the next message.
    fn ready(&self, now: Instant) -> Instant {
        let wait = PERIOD * (1 << self.unanswered.min(MOST_DOUBLINGS));
        self.sent.map_or(now, |sent| sent + wait)
    }

    fn is_due(&self, neighbour: &NodeId, table: &Table) -> bool {
        self.owes || self.asks || table.news_for(neighbour, self.acked).next().is_some()
    }

    fn is_silent(&self) -> bool {
        self.unanswered >= SILENT
    }
}

/// A node's links.
#[derive(Debug)]
pub(crate) struct Links {
    /// This node's life; nothing is sent before it has a number.
    incarnation: u64,
    hubs: Vec<NodeId>,
    is_hub: bool,
    links: BTreeMap<NodeId, Link>,
}

impl Links {
    /// The links of node `own` in a cluster of `nodes`.
    pub(crate) fn new(own: &NodeId, nodes: &[NodeId]) -> Self {
        let mut nodes: Vec<&NodeId> = nodes.iter().collect();
        nodes.sort();
        nodes.dedup();
        let hubs = &nodes[..HUBS.min(nodes.len())];
        let is_hub = hubs.contains(&own);
        let neighbours = if is_hub { &nodes[..] } else { hubs };
        let neighbours = neighbours.iter().filter(|&&node| node != own);
        let links = neighbours.map(|&node| (node.clone(), Link::default())).collect();
        let hubs = hubs.iter().map(|&hub| hub.clone()).collect();
        Self { incarnation: 0, hubs, is_hub, links }
    }

    /// This node's life has got its number. Neighbours take it for one of which
    /// they know nothing, so they are told everything.
    pub(crate) fn begin(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
        for link in self.links.values_mut() {
            link.acked = 0;
        }
    }

    /// Takes a message. One from an earlier life than the present, or not from
    /// a neighbour, says nothing about links, but its shares are as good as any.
    pub(crate) fn receive(
        &mut self,
        from: &NodeId,
        gossip: &Gossip,
        now: Instant,
        table: &mut Table,
    ) {
        let link = self.links.get_mut(from);
        let present = link.filter(|link| gossip.incarnation >= link.incarnation);
        if let Some(link) = &present
            && link.incarnation < gossip.incarnation
        {
            table.forget_holder(from);
        }
        let holder = present.is_some().then_some(from);
        for (origin, share) in &gossip.shares {
            table.learn(origin, share.clone(), holder);
        }
        if let Some(link) = present {
            link.hear(gossip, self.incarnation, now, table.version());
            if gossip.ask && self.is_hub && !self.hubs.contains(from) {
                self.check(now);
            }
        }
    }

    /// Asks the neighbours of which nothing was heard lately whether they are there.
    pub(crate) fn check(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.asks |= link.heard.is_none_or(|heard| heard + CHECK <= now);
        }
    }

    /// The messages that are due, with their receivers.
    pub(crate) fn due(&mut self, now: Instant, table: &Table) -> Vec<(NodeId, Gossip)> {
        let incarnation = self.incarnation;
        if incarnation == 0 {
            return Vec::new();
        }
        let links = self.links.iter_mut();
        let due = links.filter(|(to, link)| link.ready(now) <= now && link.is_due(to, table));
        due.map(|(to, link)| (to.clone(), link.speak(to, incarnation, now, table))).collect()
    }

    /// When the next message will be due, if nothing happens before.
    pub(crate) fn deadline(&self, now: Instant, table: &Table) -> Option<Instant> {
        let due = self.links.iter().filter(|(to, link)| link.is_due(to, table));
        let earliest = due.map(|(_, link)| link.ready(now)).min();
        earliest.filter(|_| self.incarnation != 0)
    }

    /// Whether a node is a neighbour and does not answer.
    pub(crate) fn is_silent(&self, node: &NodeId) -> bool {
        self.links.get(node).is_some_and(Link::is_silent)
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
    /// Takes what a message says about the link, from the present life of the
    /// other side or a newer one.
    fn hear(&mut self, gossip: &Gossip, own_incarnation: u64, now: Instant, own_version: u64) {
        if gossip.incarnation > self.incarnation {
            let sent = self.sent;
            *self = Self { incarnation: gossip.incarnation, sent, ..Self::default() };
        }
        (self.unanswered, self.asks, self.heard) = (0, false, Some(now));
        if gossip.seen_incarnation == own_incarnation {
            self.acked = self.acked.max(gossip.seen_version.min(own_version));
        }
        if gossip.since <= self.seen {
            self.seen = self.seen.max(gossip.version);
        }
        self.owes |= gossip.ask || !gossip.shares.is_empty();
    }

    fn speak(&mut self, to: &NodeId, incarnation: u64, now: Instant, table: &Table) -> Gossip {
        let shares: BTreeMap<NodeId, Share> = table
            .news_for(to, self.acked)
            .map(|(origin, share)| (origin.clone(), share.clone()))
            .collect();
        self.owes = false;
        self.sent = Some(now);
        // An acknowledgement alone is not answered.
        self.unanswered += u32::from(self.asks || !shares.is_empty());
        Gossip {
            incarnation,
            version: table.version(),
            since: self.acked,
            seen_incarnation: self.incarnation,
            seen_version: self.seen,
            shares,
            ask: self.asks,
        }
    }
}

#[cfg(test)]
#[path = "gossip_tests.rs"]
mod tests;
