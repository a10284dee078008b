//! What clients of this node want of the cluster itself, until it is so.
//!
//! The leader is asked again and again, by messages that say nothing when they come late:
//! those about members name the entry that they know, those about leaders are of a term.

use std::mem::discriminant;

use maelstrom::Error;
use maelstrom::machine::{Client, Rank, Time};
use serde::{Deserialize, Serialize};

use crate::{Config, Part, Raft, Reply, StateMachine};

/// What a client wants of the cluster itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Have these members, and no others.
    Members(Config),
    /// Have this node vote, whoever else does.
    Add(Rank),
    /// Have this node be no member, whoever else is.
    Remove(Rank),
    /// Have this node lead.
    Lead(Rank),
}

impl Change {
    /// The members that are wanted, if they are these now.
    pub(crate) fn members(&self, now: &Config) -> Option<Config> {
        match *self {
            Self::Members(ref members) => Some(members.clone()),
            Self::Add(rank) => Some(now.with_voter(rank, true)),
            Self::Remove(rank) => Some(now.with_voter(rank, false)),
            Self::Lead(_) => None,
        }
    }

    /// Whether it is so when these are the members.
    pub(crate) fn is_met_by(&self, members: &Config) -> bool {
        let is_awaited = matches!(*self, Self::Add(rank) if members.is_learner(rank));
        !is_awaited && self.members(members).is_some_and(|wanted| wanted.has_nodes_of(members))
    }

    /// Whether nobody can want another one of its kind as well.
    fn excludes(&self, other: &Self) -> bool {
        let is_one_node = matches!(self, Self::Add(_) | Self::Remove(_));
        !is_one_node && other != self && discriminant(other) == discriminant(self)
    }
}

/// What this node's clients want.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    open: Vec<(Client, Change)>,
    /// When the leader is asked again.
    ask_at: Time,
}

impl Changes {
    /// When there is something to do.
    pub(crate) fn ask_at(&self) -> Option<Time> {
        (!self.open.is_empty()).then_some(self.ask_at)
    }

    /// All clients that wait.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> {
        self.open.iter().map(|(client, _)| *client)
    }

    /// A client waits no longer. Returns whether it wanted something.
    pub(crate) fn give_up(&mut self, client: Client) -> bool {
        self.open.extract_if(.., |(other, _)| *other == client).count() > 0
    }
}

impl<S: StateMachine> Raft<S> {
    /// A client of this node wants something. It counts more than what others wanted
    /// before.
    pub(crate) fn want(&mut self, client: Client, change: Change) {
        let config = self.log().config();
        let members = change.members(config);
        let is_final = members.is_some_and(|members| members.is_final_among(self.nodes));
        let (is_possible, why) = match change {
            Change::Lead(rank) => (config.is_voter(rank), "who leads has to be a voter"),
            _ => (is_final, "a cluster needs voters, which it knows"),
        };
        // A node that knows no members yet waits until it does.
        if !is_possible && !self.knows_nobody() {
            return self.out.fail(client, Error::malformed(why));
        }
        for (client, _) in self.changes.open.extract_if(.., |(_, other)| change.excludes(other)) {
            let error = Error::timeout("somebody wants something else since; it may happen yet");
            self.out.fail(client, error);
        }
        self.changes.open.push((client, change));
        self.changes.ask_at = self.now;
    }

    /// Passes on what this node's clients want, until it is so.
    pub(crate) fn send_changes(&mut self) {
        let Some(leader) = self.leader() else { return };
        self.fulfil(|change| *change == Change::Lead(leader));
        if self.changes.open.is_empty() || self.now < self.changes.ask_at {
            return;
        }
        self.changes.ask_at = self.now + self.patience();
        // What is wanted beside these members is wanted of them alone.
        let before = self.log().config_index();
        for (_, change) in self.changes.open.clone() {
            match leader == self.me {
                true => self.begin_change(before, &change),
                false => self.outbox.say(leader, self.now, Part::Change(before, change)),
            }
        }
    }

    /// Answers whoever wants what is so.
    pub(crate) fn fulfil(&mut self, is_so: impl Fn(&Change) -> bool) {
        for (client, _) in self.changes.open.extract_if(.., |(_, change)| is_so(change)) {
            self.out.reply(client, Reply::Changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    #[test]
    fn a_node_is_added_when_the_server_votes_that_it_is_now() {
        let server = |incarnation| Server { rank: 1, incarnation };
        let voters = |one: Server| Config::of([0.into(), one, 2.into()]);
        let replacing = voters(server(7)).towards(&voters(server(8)), |_| true, false).unwrap();
        assert!(replacing.members()[&1] == 8 && replacing.has_voter(server(7)));
        let (change, other) = (Change::Add(1), Change::Add(2));
        assert!(!change.is_met_by(&replacing) && other.is_met_by(&replacing));
        assert!(change.is_met_by(&voters(server(8))));
    }
}
