//! Who belongs to the cluster, and what a majority of it is.

use std::collections::BTreeSet;

use maelstrom::machine::Rank;
use serde::{Deserialize, Serialize};

/// The members of a cluster.
///
/// During a change of the voters both the old and the new ones have to agree: *joint
/// consensus* (§6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Who votes and is counted.
    voters: BTreeSet<Rank>,
    /// Who did before the change under way; nobody when there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    outgoing: BTreeSet<Rank>,
    /// Who gets the log, and is not counted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    learners: BTreeSet<Rank>,
}

impl Config {
    /// A cluster of these voters.
    ///
    /// ```
    /// let config = raft::Config::new(0..5);
    /// assert!(config.is_quorum(|rank| rank < 3));
    /// assert!(!config.is_quorum(|rank| rank < 2));
    /// ```
    pub fn new(voters: impl IntoIterator<Item = Rank>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// The same with these learners.
    #[must_use]
    pub fn with_learners(self, learners: impl IntoIterator<Item = Rank>) -> Self {
        Self { learners: learners.into_iter().collect(), ..self }
    }

    /// What a change ends with, with this node as a voter, or not as a member.
    pub(crate) fn with_voter(&self, rank: Rank, is_voter: bool) -> Self {
        let mut config = self.without_outgoing();
        config.learners.remove(&rank);
        match is_voter {
            true => config.voters.insert(rank),
            false => config.voters.remove(&rank),
        };
        config
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether this is what a cluster of so many nodes can be left at.
    pub(crate) fn is_final_among(&self, nodes: usize) -> bool {
        let is_final =
            !self.is_joint() && !self.voters.is_empty() && self.voters.is_disjoint(&self.learners);
        is_final && self.members().into_iter().all(|rank| rank < nodes)
    }

    /// What a change ends with.
    pub(crate) fn without_outgoing(&self) -> Self {
        Self { outgoing: BTreeSet::new(), ..self.clone() }
    }

    /// The next step of a change to `target`: new voters are learners first, until nobody of
    /// them `lacks` much; then both the old and the new ones decide. `None` while there is
    /// something to wait for.
    pub(crate) fn towards(
        &self,
        target: &Self,
        lacks: impl Fn(&Rank) -> bool,
        skip_joint: bool,
    ) -> Option<Self> {
        let mut joining = target.voters.difference(&self.voters);
        if joining.clone().any(|rank| !self.learners.contains(rank)) {
            let learners = self.learners.iter().chain(joining).copied().collect();
            return Some(Self { learners, ..self.clone() });
        }
        if joining.any(lacks) {
            return None;
        }
        let outgoing = match self.voters == target.voters || skip_joint {
            true => BTreeSet::new(),
            false => self.voters.clone(),
        };
        Some(Self { outgoing, ..target.clone() })
    }

    /// One voter more or less: the majorities before and after have a node in common.
    pub(crate) fn one_voter_towards(&self, target: &Self) -> Option<Self> {
        let rank = *self.voters.symmetric_difference(&target.voters).next()?;
        let voters = &self.voters ^ &BTreeSet::from([rank]);
        Some(Self { voters, ..self.clone() })
    }

    /// Everybody who gets the log.
    pub fn members(&self) -> BTreeSet<Rank> {
        [&self.voters, &self.outgoing, &self.learners].into_iter().flatten().copied().collect()
    }

    /// Whether this node votes.
    pub fn is_voter(&self, rank: Rank) -> bool {
        self.voters.contains(&rank) || self.outgoing.contains(&rank)
    }

    /// Whether those nodes for which `agrees` holds are a majority: of the voters, and
    /// during a change of those before as well.
    pub fn is_quorum(&self, agrees: impl Fn(Rank) -> bool) -> bool {
        self.agreed(|rank| u8::from(agrees(rank))) == 1
    }

    /// The highest value that a majority has reached.
    ///
    /// ```
    /// let reached = [7, 3, 5];
    /// assert_eq!(raft::Config::new(0..3).agreed(|rank| reached[rank]), 5);
    /// ```
    pub fn agreed<T: Ord + Default>(&self, reached: impl Fn(Rank) -> T) -> T {
        let of = |voters: &BTreeSet<Rank>| {
            let mut values: Vec<T> = voters.iter().map(|&rank| reached(rank)).collect();
            values.sort_unstable_by(|one, other| other.cmp(one));
            values.into_iter().nth(voters.len() / 2).unwrap_or_default()
        };
        match self.outgoing.is_empty() {
            true => of(&self.voters),
            false => of(&self.voters).min(of(&self.outgoing)),
        }
    }
}
