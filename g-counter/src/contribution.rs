//! One node's contribution to the counter: the value of its key in the service.
//!
//! Always: the states that a key goes through are totally ordered by
//! [`Contribution::rank`], because each is made from the one before it, by
//! [`Contribution::fenced`] or [`Contribution::advanced`], and put there by a
//! compare-and-set. Of two contributions of one node the one of higher rank is the
//! newer, and the other is history. So the join of what two nodes know of a
//! third is the maximum by rank, whatever the sums are. (The G-Counter of
//! Shapiro et al., *A comprehensive study of convergent and commutative
//! replicated data types*, 2011, section 3.1.2, joins by the larger sum, and so
//! needs a second vector to count down.)

use serde::{Deserialize, Serialize};

use crate::integer::Integer;

/// What one node has counted. On the wire: `[epoch, incarnation, sequence, sum]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, Integer)", into = "(u64, u64, u64, Integer)")]
pub struct Contribution {
    /// How often the key was taken over before it was written, counting from 1.
    pub epoch: u64,
    /// Who wrote it: a number that each incarnation of the node draws at random. Two
    /// incarnations that race for the same epoch write different values, and neither
    /// takes the other's for its own.
    pub incarnation: u64,
    /// How many writes there were before in the same epoch.
    pub sequence: u64,
    /// The sum of the deltas.
    pub sum: Integer,
}

impl Contribution {
    /// What a key holds that nobody has written. It is never written itself, so
    /// a compare-and-set from it can succeed only by creating the key.
    pub fn unwritten() -> Self {
        Self::default()
    }

    /// Its place among all contributions of the same node.
    pub fn rank(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }

    /// The newer of two contributions of one node.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The same sum, taken over by an incarnation in the next epoch.
    #[must_use]
    pub(crate) fn fenced(&self, incarnation: u64) -> Self {
        let epoch = self.epoch.saturating_add(1);
        Self { epoch, incarnation, sequence: 0, sum: self.sum.clone() }
    }

    /// Whether it is the first of its epoch.
    pub(crate) fn is_fence(&self) -> bool {
        self.sequence == 0
    }

    /// The next contribution of the same epoch.
    #[must_use]
    pub(crate) fn advanced(&self, sum: Integer) -> Self {
        Self { sequence: self.sequence.saturating_add(1), sum, ..*self }
    }
}

impl From<(u64, u64, u64, Integer)> for Contribution {
    fn from((epoch, incarnation, sequence, sum): (u64, u64, u64, Integer)) -> Self {
        Self { epoch, incarnation, sequence, sum }
    }
}

impl From<Contribution> for (u64, u64, u64, Integer) {
    fn from(contribution: Contribution) -> Self {
        (contribution.epoch, contribution.incarnation, contribution.sequence, contribution.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contribution_is_an_array_on_the_wire() {
        let contribution =
            Contribution { epoch: 2, incarnation: 77, sequence: 3, sum: (-4).into() };
        let json = serde_json::to_string(&contribution).unwrap();
        assert_eq!(json, "[2,77,3,-4]");
        assert_eq!(serde_json::from_str::<Contribution>(&json).unwrap(), contribution);
    }

    #[test]
    fn a_fence_outranks_everything_of_the_epoch_before() {
        let before = Contribution { epoch: 1, incarnation: 5, sequence: 900, sum: 12.into() };
        let fence = before.fenced(6);
        assert_eq!(fence.sum, 12.into());
        assert_eq!(before.clone().join(fence.clone()), fence);
        assert_eq!(fence.clone().join(before), fence);
        assert_eq!(fence.clone().join(fence.advanced(13.into())).sum, 13.into());
    }
}
