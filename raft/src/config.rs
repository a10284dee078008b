//! Who belongs to the cluster, and what a majority of it is.

use std::collections::{BTreeMap, BTreeSet};

use maelstrom::machine::Rank;
use serde::{Deserialize, Serialize};

/// A node from a start on at which it remembered nothing, for as long as it remembers.
///
/// A node that has lost its memory is another server, which is no member yet: what the
/// former one has voted and acknowledged it knows nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Server {
    /// Which node.
    pub rank: Rank,
    /// A random number; 0 where it is not known yet.
    pub incarnation: u64,
}

impl From<Rank> for Server {
    fn from(rank: Rank) -> Self {
        Self { rank, incarnation: 0 }
    }
}

/// The members of a cluster.
///
/// During a change of the voters both the old and the new ones have to agree: *joint
/// consensus* (§6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Who votes and is counted.
    voters: BTreeSet<Server>,
    /// Who did before the change under way; nobody when there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    outgoing: BTreeSet<Server>,
    /// Who gets the log, and is not counted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    learners: BTreeSet<Server>,
}

impl Config {
    /// What a client may want: these nodes as voters.
    ///
    /// ```
    /// let config = raft::Config::new(0..5);
    /// assert!(config.is_quorum(|server| server.rank < 3));
    /// assert!(!config.is_quorum(|server| server.rank < 2));
    /// ```
    pub fn new(voters: impl IntoIterator<Item = Rank>) -> Self {
        Self::of(voters.into_iter().map(Server::from))
    }

    /// A cluster of these voters.
    pub fn of(voters: impl IntoIterator<Item = Server>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// The same with these learners.
    #[must_use]
    pub fn with_learners(self, learners: impl IntoIterator<Item = Rank>) -> Self {
        Self { learners: learners.into_iter().map(Server::from).collect(), ..self }
    }

    /// What a change ends with, with this node as a voter, or not as a member. Nobody is a
    /// learner beside a former incarnation there: the leader names the latest ones.
    pub(crate) fn with_voter(&self, rank: Rank, is_voter: bool) -> Self {
        let mut config = self.without_outgoing();
        config.learners.retain(|server| server.rank != rank);
        config.voters.retain(|server| server.rank != rank);
        config.voters.extend(is_voter.then_some(Server::from(rank)));
        config.resolved(|server| server.incarnation)
    }

    /// The same nodes, each of the incarnation that `of` says. One that was replaced is no
    /// learner beside itself as a voter.
    pub(crate) fn resolved(&self, of: impl Fn(Server) -> u64) -> Self {
        let resolve = |server: &Server| Server { incarnation: of(*server), ..*server };
        let voters = self.voters.iter().map(resolve).collect();
        let learners = self.learners.iter().filter(|learner| !self.is_voter(learner.rank));
        Self { voters, learners: learners.map(resolve).collect(), ..self.clone() }
    }

    /// Whether these are the same nodes, whatever their incarnations.
    pub fn has_nodes_of(&self, other: &Self) -> bool {
        self.resolved(|_| 0) == other.resolved(|_| 0)
    }

    /// Whether a change ends with this server, and with no other one of its node.
    pub(crate) fn keeps(&self, server: Server) -> bool {
        let is_learner = self.learners.contains(&server);
        self.voters.contains(&server) || is_learner && !self.is_voter(server.rank)
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether this is what a cluster of so many nodes can be left at.
    pub(crate) fn is_final_among(&self, nodes: usize) -> bool {
        let count = self.voters.len() + self.learners.len();
        let (is_final, members) = (!self.is_joint() && !self.voters.is_empty(), self.members());
        is_final && members.len() == count && members.into_keys().all(|rank| rank < nodes)
    }

    /// What a change ends with.
    pub(crate) fn without_outgoing(&self) -> Self {
        Self { outgoing: BTreeSet::new(), ..self.clone() }
    }

    /// The next step of a change to `target`: new voters are learners first, until nobody of
    /// them `lacks` much; then both the old and the new ones decide. Whoever replaces a former
    /// incarnation waits for nobody else: the same nodes vote. `None` while there is something
    /// to wait for.
    pub(crate) fn towards(
        &self,
        target: &Self,
        lacks: impl Fn(&Server) -> bool,
        skip_joint: bool,
    ) -> Option<Self> {
        let joining = target.voters.difference(&self.voters);
        if joining.clone().any(|server| !self.learners.contains(server)) {
            let is_joining = |other: &Server| joining.clone().any(|one| one.rank == other.rank);
            let stay = self.learners.iter().filter(|learner| !is_joining(learner));
            let learners = stay.chain(joining.clone()).copied().collect();
            return Some(Self { learners, ..self.clone() });
        }
        let is_ready = !joining.clone().any(&lacks);
        let (voters, learners) = match is_ready {
            true => (target.voters.clone(), target.learners.clone()),
            false => {
                let replaces =
                    |one: &&Server, voter: &Server| one.rank == voter.rank && !lacks(one);
                let of = |voter| joining.clone().find(|one| replaces(one, voter)).unwrap_or(voter);
                let voters: BTreeSet<Server> = self.voters.iter().map(of).copied().collect();
                let learners = self.learners.difference(&voters).copied().collect();
                (voters, learners)
            }
        };
        let is_same = self.voters == voters;
        let outgoing = if is_same || skip_joint { BTreeSet::new() } else { self.voters.clone() };
        (is_ready || !is_same).then_some(Self { voters, outgoing, learners })
    }

    /// One voter more or less: the majorities before and after have a node in common.
    pub(crate) fn one_voter_towards(&self, target: &Self) -> Option<Self> {
        let server = *self.voters.symmetric_difference(&target.voters).next()?;
        let voters = &self.voters ^ &BTreeSet::from([server]);
        Some(Self { voters, ..self.clone() })
    }

    /// Everybody who gets the log: the incarnation of each node, the latest one where there
    /// are several.
    pub fn members(&self) -> BTreeMap<Rank, u64> {
        let servers = [&self.outgoing, &self.voters, &self.learners].into_iter().flatten();
        servers.map(|server| (server.rank, server.incarnation)).collect()
    }

    /// Whether this node votes.
    pub fn is_voter(&self, rank: Rank) -> bool {
        self.voters.iter().chain(&self.outgoing).any(|server| server.rank == rank)
    }

    /// Whether this node gets the log and is not counted, or not as the server that it is now.
    pub(crate) fn is_learner(&self, rank: Rank) -> bool {
        self.learners.iter().any(|server| server.rank == rank)
    }

    /// Whether this server votes.
    pub(crate) fn has_voter(&self, server: Server) -> bool {
        self.voters.contains(&server) || self.outgoing.contains(&server)
    }

    /// Whether those for which `agrees` holds are a majority: of the voters, and during a
    /// change of those before as well.
    pub fn is_quorum(&self, agrees: impl Fn(Server) -> bool) -> bool {
        self.agreed(agrees)
    }

    /// The highest value that a majority has reached.
    ///
    /// ```
    /// let reached = [7, 3, 5];
    /// assert_eq!(raft::Config::new(0..3).agreed(|server| reached[server.rank]), 5);
    /// ```
    pub fn agreed<T: Ord + Default>(&self, reached: impl Fn(Server) -> T) -> T {
        let of = |voters: &BTreeSet<Server>| {
            let mut values: Vec<T> = voters.iter().map(|&server| reached(server)).collect();
            values.sort_unstable_by(|one, other| other.cmp(one));
            values.into_iter().nth(voters.len() / 2).unwrap_or_default()
        };
        match self.outgoing.is_empty() {
            true => of(&self.voters),
            false => of(&self.voters).min(of(&self.outgoing)),
        }
    }
}
