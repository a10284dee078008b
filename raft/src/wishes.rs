//! What clients of this node want of the cluster itself, until it is so.
//!
//! The leader is asked again and again, by messages that say nothing when they come late:
//! those about members name the entry that they know, those about leaders are of a term.

use std::mem::discriminant;

use maelstrom::Error;
use maelstrom::machine::{Client, Rank, Time};

use crate::config::Config;
use crate::message::Part;
use crate::raft::{Raft, Reply};
use crate::state_machine::StateMachine;

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    /// These members, and no others.
    Members(Config),
    /// This node as a voter, or not as a member, beside whoever else is there.
    Voter(Rank, bool),
    /// This leader.
    Leader(Rank),
}

impl Wish {
    /// The members that are wanted, if they are these now.
    fn members(&self, now: &Config) -> Option<Config> {
        match self {
            Self::Members(members) => Some(members.clone()),
            Self::Voter(rank, is_voter) => Some(now.with_voter(*rank, *is_voter)),
            Self::Leader(_) => None,
        }
    }

    /// Whether it is so when these are the members.
    pub(crate) fn is_met_by(&self, members: &Config) -> bool {
        let is_awaited = matches!(*self, Self::Voter(rank, true) if members.is_learner(rank));
        !is_awaited && self.members(members).is_some_and(|wanted| wanted.has_nodes_of(members))
    }
}

/// What this node's clients want; at most one thing of a kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    open: Vec<(Client, Wish)>,
    /// When the leader is asked again.
    ask_at: Time,
}

impl Wishes {
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
    pub(crate) fn wish(&mut self, client: Client, wish: Wish) {
        let (is_possible, why) = match &wish {
            Wish::Members(_) | Wish::Voter(..) => {
                let members = wish.members(self.log().config());
                let is_final = members.is_some_and(|members| members.is_final_among(self.nodes));
                (is_final, "a cluster needs voters, which it knows")
            }
            Wish::Leader(rank) => {
                (self.log().config().is_voter(*rank), "this node is no voter, so it cannot lead")
            }
        };
        // A node that knows no members yet waits until it does.
        if !is_possible && !self.knows_nobody() {
            return self.out.fail(client, Error::malformed(why));
        }
        let is_older = |other: &Wish| {
            let excludes = !matches!(wish, Wish::Voter(..));
            excludes && *other != wish && discriminant(other) == discriminant(&wish)
        };
        for (client, _) in self.wishes.open.extract_if(.., |(_, other)| is_older(other)) {
            let error = Error::timeout("somebody wants something else since; it may happen yet");
            self.out.fail(client, error);
        }
        self.wishes.open.push((client, wish));
        self.wishes.ask_at = self.now;
    }

    /// Passes on what this node's clients want, until it is so.
    pub(crate) fn send_wishes(&mut self) {
        let Some(leader) = self.leader() else { return };
        self.fulfil(|wish| *wish == Wish::Leader(leader));
        if self.wishes.open.is_empty() || self.now < self.wishes.ask_at {
            return;
        }
        self.wishes.ask_at = self.now + self.patience();
        let mut wishes: Vec<Wish> = Vec::new();
        for (_, wish) in &self.wishes.open {
            if !wishes.contains(wish) {
                wishes.push(wish.clone());
            }
        }
        // What is wanted beside these members is wanted of them alone.
        let (before, now) = (self.log().config_index(), self.log().config().clone());
        for wish in wishes {
            match (wish.members(&now), wish) {
                (Some(members), _) if !members.is_final_among(self.nodes) => {}
                (Some(members), _) if leader == self.me => self.begin_change(before, &members),
                (Some(members), _) => {
                    self.outbox.say(leader, self.now, Part::Members(before, members));
                }
                (None, Wish::Leader(rank)) if leader == self.me => self.hand_over(rank),
                (None, Wish::Leader(rank)) => self.outbox.say(leader, self.now, Part::Lead(rank)),
                (None, _) => {}
            }
        }
    }

    /// Answers whoever wants what is so.
    pub(crate) fn fulfil(&mut self, is_so: impl Fn(&Wish) -> bool) {
        for (client, _) in self.wishes.open.extract_if(.., |(_, wish)| is_so(wish)) {
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
        let (wish, other) = (Wish::Voter(1, true), Wish::Voter(2, true));
        assert!(!wish.is_met_by(&replacing) && other.is_met_by(&replacing));
        assert!(wish.is_met_by(&voters(server(8))));
    }
}
