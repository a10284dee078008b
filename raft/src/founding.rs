//! How a cluster begins, once, without anybody who remembers another beginning.
//!
//! A node that starts with nothing in memory may be a new one, or one that has lost all that it
//! promised. So it is a server of its own, and no member of anything, until a configuration
//! names it. The first one is made by the first node, the *founder*:
//!
//! ```text
//! founder  ── hello 1 ──▶ all    who knows of no cluster is new, and says so
//!          ── hello 2 ──▶ all    the same, again
//!          ── found {n0, n1, n2}, vote for me ──▶ the voters
//! ```
//!
//! Where the founder and another node do not hear each other the others pass on what they know.
//!
//! When the second round began all nodes were new at the same time, if in both rounds the same
//! servers have answered: whoever has heard of a cluster, by a term or by its founders, never
//! says so any more. So there was no cluster that anybody remembers, and these servers are
//! its founders. Where a node is started again meanwhile the founder asks once more.
//!
//! The founder may be killed when it has told some of them, and its successor may find all
//! others new, who hear of the former founders after that. Nothing is wrong with both: at
//! the beginning of the successor's second round those who are alive of the former founders
//! have not voted and have acknowledged nothing, and those who are dead never will. So each
//! majority of the former founders that can ever act is one of the new founders, too.

use std::collections::BTreeMap;

use maelstrom::machine::{Rank, Time, draw_incarnation};

use crate::config::{Config, Server};
use crate::message::Part;
use crate::position::{Index, Term};
use crate::raft::Raft;
use crate::role::Role;
use crate::state_machine::StateMachine;

/// A round of questions; the later one is greater. A random number tells those apart that
/// have the same place.
type Round = (u64, u64);

/// What is known of who is new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Founding {
    /// The latest round. Before the first one it is zero.
    round: Round,
    /// Who has said so in it.
    new: BTreeMap<Rank, u64>,
    /// Who has in the round before, as the founder knows.
    pub(crate) before: Option<BTreeMap<Rank, u64>>,
    /// When all others are told.
    tell_at: Time,
}

impl Founding {
    fn begin(&mut self, round: Round, tell_at: Time) {
        self.new.clear();
        (self.round, self.tell_at) = (round, tell_at);
    }
}

impl<S: StateMachine> Raft<S> {
    /// Whether it knows of no cluster.
    fn is_new(&self) -> bool {
        self.term() == Term::default() && self.knows_nobody()
    }

    /// Whether it has heard of no members.
    pub(crate) fn knows_nobody(&self) -> bool {
        *self.log().config() == Config::default()
    }

    /// When there is something to say to all.
    pub(crate) fn founding_at(&self) -> Option<Time> {
        let may_found = matches!(self.role, Role::Follower(_)) && self.is_new();
        may_found.then_some(self.founding.tell_at)
    }

    /// The founder asks, until in two rounds the same servers were new; and whoever was asked
    /// passes that on.
    pub(crate) fn advance_founding(&mut self) {
        if self.founding_at().is_none() {
            return;
        }
        let (founding, now) = (&mut self.founding, self.now);
        founding.new.insert(self.me, self.incarnation);
        while self.me == 0 && (founding.round.0 == 0 || founding.new.len() == self.nodes) {
            if founding.before.as_ref() == Some(&founding.new) {
                return self.found();
            }
            founding.before = Some(founding.new.clone());
            founding
                .begin((founding.round.0.saturating_add(1), draw_incarnation(&mut self.rng)), now);
            founding.new.insert(self.me, self.incarnation);
        }
        if founding.tell_at <= now {
            founding.tell_at = now + self.options.heartbeat;
            // Before the first round the founder is woken.
            let (me, count) = (self.me, if founding.round.0 == 0 { 1 } else { self.nodes });
            (0..count).filter(|&rank| rank != me).for_each(|rank| self.say_hello(rank));
        }
    }

    fn say_hello(&mut self, to: Rank) {
        let Founding { round, new, .. } = self.founding.clone();
        self.outbox.say(to, self.now, Part::Hello(round, new));
    }

    /// Somebody asks who is new, or says it.
    pub(crate) fn take_hello(&mut self, from: Rank, round: Round, new: BTreeMap<Rank, u64>) {
        if !self.is_new() {
            return;
        }
        let (is_founder, founding) = (self.me == 0, &mut self.founding);
        if is_founder && round.0 >= founding.round.0 && round != founding.round {
            // A former founder's: this one's are later.
            founding.before = None;
            return founding
                .begin((round.0.saturating_add(1), draw_incarnation(&mut self.rng)), self.now);
        }
        let is_asked = !is_founder && round > founding.round;
        if is_asked {
            founding.begin(round, self.now + self.options.heartbeat);
            founding.new.insert(self.me, self.incarnation);
        }
        if round == founding.round {
            founding.new.extend(new.into_iter().filter(|&(rank, _)| rank < self.nodes));
        }
        if is_asked {
            self.say_hello(from);
        }
    }

    fn found(&mut self) {
        let voters = self.options.voters.unwrap_or(self.nodes);
        let new = self.founding.new.range(..voters);
        let founders = new.map(|(&rank, &incarnation)| Server { rank, incarnation });
        self.persistent.found(Config::of(founders));
        self.become_candidate(false);
    }

    /// Whoever hears of a term before there is an entry hears who can go on with it: nobody is
    /// new any more who knows a term.
    pub(crate) fn tell_founders(&mut self, to: Rank) {
        let log = self.persistent.log();
        if log.config_index() == Index::ZERO && !self.knows_nobody() {
            self.outbox.say(to, self.now, Part::Found(log.config().clone()));
        }
    }

    /// A cluster was founded, and not with a former incarnation of this node.
    pub(crate) fn take_founders(&mut self, founders: Config) {
        let is_one = founders.has_voter(self.server()) || !founders.is_voter(self.me);
        if self.knows_nobody() && founders.is_final_among(self.nodes) && is_one {
            self.persistent.found(founders);
        }
    }
}
