//! The five properties of the paper's figure 3, as far as they can be seen in a state and in
//! what has led to it.

use maelstrom::machine::Rank;
use raft::{Index, Position, Term};

use crate::explore::nodes::Step;
use crate::explore::world::{Node, World};

/// What has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// Who has led, and in which term.
    leaders: Vec<(Term, Rank)>,
    /// The terms of what was committed, and of the node that knew it first.
    committed: Vec<(Term, Term)>,
    has_two_leaders: bool,
    has_cut: bool,
    has_applied_another: bool,
}

impl Past {
    /// A node has taken a step, and has become this.
    pub(crate) fn step(&mut self, rank: Rank, step: &Step, node: &Node) {
        self.has_cut |= step.cuts;
        if let Some(leads) = step.leads {
            match self.leaders.iter().find(|(term, _)| *term == leads) {
                Some((_, leader)) => self.has_two_leaders |= *leader != rank,
                None => self.leaders.push((leads, rank)),
            }
        }
        let mut index = Index::ZERO;
        while index < node.commit_index() {
            index = index.next();
            let Some(term) = node.log().term_of(index) else { continue };
            match self.committed.get(index.since(Index::ZERO) - 1) {
                Some((known, _)) => {
                    self.has_applied_another |= *known != term && index <= node.applied_index();
                }
                None => self.committed.push((term, node.term())),
            }
        }
    }
}

/// *At most one leader can be elected in a given term.*
pub(crate) fn election_safety(world: &World) -> bool {
    !world.past().has_two_leaders
}

/// *A leader never overwrites or deletes entries in its log; it only appends new entries.*
pub(crate) fn leader_append_only(world: &World) -> bool {
    !world.past().has_cut
}

/// *If two logs contain an entry with the same index and term, then the logs are identical
/// in all entries up through the given index.*
pub(crate) fn log_matching(world: &World) -> bool {
    let mut nodes = world.nodes();
    let (one, other, third) = (nodes.next(), nodes.next(), nodes.next());
    [(one, other), (one, third), (other, third)].into_iter().all(|pair| match pair {
        (Some(one), Some(other)) => match_each_other(one, other),
        _ => true,
    })
}

fn match_each_other(one: &Node, other: &Node) -> bool {
    let mut index = one.log().last().index.min(other.log().last().index);
    let mut must_match = false;
    while index > Index::ZERO {
        let (mine, others) = (one.log().get(index), other.log().get(index));
        must_match |= mine.map(|entry| entry.term) == others.map(|entry| entry.term);
        if must_match && mine != others {
            return false;
        }
        index = index.previous();
    }
    true
}

/// *If a log entry is committed in a given term, then that entry will be present in the logs
/// of the leaders for all higher-numbered terms.*
pub(crate) fn leader_completeness(world: &World) -> bool {
    world.nodes().filter(|node| node.is_leader()).all(|leader| {
        let committed = (1..).map(Index::from).zip(&world.past().committed);
        let mut earlier = committed.filter(|(_, (_, said))| *said < leader.term());
        earlier.all(|(index, &(term, _))| leader.log().contains(Position { term, index }))
    })
}

/// *If a server has applied a log entry at a given index to its state machine, no other
/// server will ever apply a different log entry for the same index.*
pub(crate) fn state_machine_safety(world: &World) -> bool {
    !world.past().has_applied_another
}

/// Whether both commands are applied by a leader after the first one.
pub(crate) fn second_leader_commits_all(world: &World) -> bool {
    world.past().leaders.len() == 2
        && world.nodes().any(|node| {
            node.is_leader() && node.term() == Term::from(2) && node.machine().count() == 2
        })
}
