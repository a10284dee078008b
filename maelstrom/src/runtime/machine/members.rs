//! The nodes of a cluster, by number.

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::runtime::message::NodeId;

/// A node's place in the sorted list of the cluster's ids. Every node of a cluster
/// counts the same, so ranks may go over the network.
pub type Rank = usize;

/// The nodes of a cluster, and which of them this one is.
///
/// ```
/// use maelstrom::machine::Members;
///
/// let members = Members::new(&"n1".into(), &["n2".into(), "n1".into(), "n0".into()]);
/// assert_eq!((members.me(), members.count()), (1, 3));
/// assert_eq!(members.others().collect::<Vec<_>>(), [0, 2]);
/// assert_eq!(members.rank("n2"), Some(2));
/// assert_eq!(members.rank("c1"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Sorted.
    ids: Vec<NodeId>,
    me: Rank,
}

impl Members {
    /// The node `me` in a cluster of these nodes, in whatever order. A list that lacks
    /// `me`, or has a node twice, is a cluster all the same.
    pub fn new(me: &NodeId, ids: &[NodeId]) -> Self {
        let mut ids = [ids, std::slice::from_ref(me)].concat();
        ids.sort();
        ids.dedup();
        let me = ids.partition_point(|id| id < me);
        Self { ids, me }
    }

    /// This node.
    pub fn me(&self) -> Rank {
        self.me
    }

    /// How many nodes there are, this one included.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// All other nodes, in order.
    pub fn others(&self) -> impl Iterator<Item = Rank> + use<> {
        let me = self.me;
        (0..self.ids.len()).filter(move |&rank| rank != me)
    }

    /// The id of a node.
    ///
    /// # Panics
    ///
    /// When there is no node of that rank.
    pub fn id(&self, rank: Rank) -> &NodeId {
        &self.ids[rank]
    }

    /// The rank of a node, `None` if it is not one of the cluster.
    pub fn rank(&self, id: &str) -> Option<Rank> {
        self.ids.binary_search_by(|other| other.as_str().cmp(id)).ok()
    }
}

/// A number for a start of a node, by which others tell it from the starts before: 53
/// random bits, which is an integer to every JSON library.
pub fn draw_incarnation(rng: &mut StdRng) -> u64 {
    rng.random::<u64>() >> 11
}
