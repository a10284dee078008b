//! Link sets: which nodes can hear each other at all.
//!
//! A network is complete unless a test says otherwise. Nodes without a link never
//! hear each other, as in a partition that never ends; clients and services are
//! reachable from everywhere. Links work both ways, and a link set connects all
//! nodes: a promise to spread something everywhere could not be kept otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::topology::{self, Topology};

/// For each node, in order, the nodes that it has a link to.
pub(crate) type Neighbours = Vec<BTreeSet<usize>>;

/// A permanent set of links, of however many nodes there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// From every node to every other.
    #[default]
    Complete,
    /// n0 to n1 to n2, and so on.
    Chain,
    /// A chain whose ends are linked.
    Ring,
    /// A binary tree, filled level by level from n0.
    Tree,
    /// A grid, roughly square.
    Grid,
    /// A random tree and a few links more, drawn from this seed.
    Random(u64),
    /// These pairs of nodes.
    Pairs(Vec<(usize, usize)>),
}

const SHAPES: [(&str, Links); 5] = [
    ("complete", Links::Complete),
    ("chain", Links::Chain),
    ("ring", Links::Ring),
    ("tree", Links::Tree),
    ("grid", Links::Grid),
];

/// What is wrong with a link set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinksError {
    /// The text is no link set.
    #[error(
        "it is complete, chain, ring, tree, grid, random:SEED, or a list of links such as \
         n0-n1,n1-n2"
    )]
    Syntax,
    /// A link from a node to itself.
    #[error("n{0}-n{0} links a node to itself; a link has two ends")]
    Loop(usize),
    /// A link of a node that there is not.
    #[error("--links names n{node}, but there are only {nodes} nodes, counted from n0")]
    UnknownNode {
        /// Its number.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// Some nodes cannot reach each other.
    #[error(
        "--links does not connect all nodes: no way leads from n0 to n{0}. Add links, or leave out \
         nodes (--node-count)"
    )]
    Unconnected(usize),
}

impl Links {
    /// Whether every node has a link to every other by definition.
    pub fn is_complete(&self) -> bool {
        *self == Self::Complete
    }

    /// Who is linked to whom among so many nodes.
    ///
    /// # Errors
    ///
    /// When a pair names a node that there is not, or not all nodes are connected.
    pub fn neighbours(&self, nodes: usize) -> Result<Neighbours, LinksError> {
        let shape = |shape| (0..nodes).map(|node| topology::of(shape, node, nodes)).collect();
        let mut all: Neighbours = match self {
            Self::Complete => shape(Topology::Total),
            Self::Chain | Self::Ring => shape(Topology::Line),
            Self::Tree => shape(Topology::Tree(2)),
            Self::Grid => shape(Topology::Grid),
            Self::Random(seed) => random(*seed, nodes),
            Self::Pairs(pairs) => of_pairs(pairs, nodes)?,
        };
        if *self == Self::Ring && nodes > 2 {
            link(&mut all, 0, nodes - 1);
        }
        match unreachable(&all) {
            None => Ok(all),
            Some(node) => Err(LinksError::Unconnected(node)),
        }
    }

    /// The links among so many nodes, each once; none if the set is wrong.
    pub fn pairs(&self, nodes: usize) -> Vec<(usize, usize)> {
        let all = self.neighbours(nodes).unwrap_or_default();
        let of = |(node, near): (usize, BTreeSet<usize>)| near.into_iter().map(move |b| (node, b));
        all.into_iter().enumerate().flat_map(of).filter(|(a, b)| a < b).collect()
    }
}

/// For each node others, by their names: neighbours as broadcast's `topology` has them, and
/// those that are not heard as the history has them.
pub(crate) fn by_name(all: &Neighbours) -> BTreeMap<String, Vec<String>> {
    let name = |node: usize| format!("n{node}");
    let names = |near: &BTreeSet<usize>| near.iter().map(|&node| name(node)).collect();
    all.iter().enumerate().map(|(node, near)| (name(node), names(near))).collect()
}

fn link(all: &mut Neighbours, a: usize, b: usize) {
    all[a].insert(b);
    all[b].insert(a);
}

/// Each node is linked to one before it in a random order; a quarter as many links
/// again are drawn from all pairs.
fn random(seed: u64, nodes: usize) -> Neighbours {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(&mut rng);
    let mut all = vec![BTreeSet::new(); nodes];
    for later in 1..nodes {
        let earlier = rng.random_range(0..later);
        link(&mut all, order[earlier], order[later]);
    }
    for _ in 0..nodes / 4 {
        let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
        if a != b {
            link(&mut all, a, b);
        }
    }
    all
}

fn of_pairs(pairs: &[(usize, usize)], nodes: usize) -> Result<Neighbours, LinksError> {
    let mut all = vec![BTreeSet::new(); nodes];
    for &(a, b) in pairs {
        if let Some(node) = [a, b].into_iter().find(|&node| node >= nodes) {
            return Err(LinksError::UnknownNode { node, nodes });
        }
        if a == b {
            return Err(LinksError::Loop(a));
        }
        link(&mut all, a, b);
    }
    Ok(all)
}

/// The first node to which no way leads from `n0`.
fn unreachable(all: &Neighbours) -> Option<usize> {
    let mut reached = BTreeSet::from([0]);
    let mut next = vec![0];
    while let Some(near) = next.pop().and_then(|node| all.get(node)) {
        next.extend(near.iter().filter(|&&node| reached.insert(node)));
    }
    (0..all.len()).find(|node| !reached.contains(node))
}

impl Links {
    /// The names of those that need no more to be said.
    pub fn shapes() -> impl Iterator<Item = &'static str> {
        SHAPES.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Links {
    type Err = LinksError;

    fn from_str(text: &str) -> Result<Self, LinksError> {
        if let Some((_, shape)) = SHAPES.iter().find(|(name, _)| *name == text) {
            return Ok(shape.clone());
        }
        Ok(match text.strip_prefix("random:") {
            Some(seed) => Self::Random(seed.parse().map_err(|_| LinksError::Syntax)?),
            None => Self::Pairs(text.split(',').map(pair).collect::<Result<_, _>>()?),
        })
    }
}

/// A link: `n0-n1` or `0-1`.
fn pair(text: &str) -> Result<(usize, usize), LinksError> {
    let node = |name: &str| {
        let name = name.trim();
        name.strip_prefix('n').unwrap_or(name).parse().map_err(|_| LinksError::Syntax)
    };
    let (a, b) = text.split_once('-').ok_or(LinksError::Syntax)?;
    match (node(a)?, node(b)?) {
        (a, b) if a == b => Err(LinksError::Loop(a)),
        pair => Ok(pair),
    }
}

/// As `--links` reads it.
impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(seed) => write!(f, "random:{seed}"),
            Self::Pairs(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(a, b)| format!("n{a}-n{b}")).collect();
                f.write_str(&pairs.join(","))
            }
            shape => {
                SHAPES.iter().filter(|(_, it)| it == shape).try_for_each(|(n, _)| f.write_str(n))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(links: &str, nodes: usize) -> Vec<(usize, usize)> {
        links.parse::<Links>().unwrap().pairs(nodes)
    }

    #[test]
    fn shapes_have_the_links_of_their_names() {
        assert_eq!(pairs("complete", 3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs("chain", 4), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(pairs("ring", 4), [(0, 1), (0, 3), (1, 2), (2, 3)]);
        assert_eq!(pairs("ring", 2), [(0, 1)]);
        assert_eq!(pairs("tree", 5), [(0, 1), (0, 2), (1, 3), (1, 4)]);
        assert_eq!(pairs("grid", 4), [(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(pairs("n0-n2, 2-1,n2-n0", 3), [(0, 2), (1, 2)]);
    }

    #[test]
    fn every_shape_connects_any_number_of_nodes() {
        for nodes in 1..40 {
            for shape in ["complete", "chain", "ring", "tree", "grid", "random:1", "random:2"] {
                let all = shape.parse::<Links>().unwrap().neighbours(nodes).unwrap();
                for (node, near) in all.iter().enumerate() {
                    assert!(!near.contains(&node), "{shape}");
                    assert!(near.iter().all(|&other| all[other].contains(&node)), "{shape}");
                }
            }
        }
    }

    #[test]
    fn random_links_are_a_tree_and_a_few_more_and_depend_on_the_seed_alone() {
        for nodes in [2, 5, 25, 100] {
            for seed in 0..20 {
                let links = Links::Random(seed).pairs(nodes);
                assert!((nodes - 1..=nodes + nodes / 4).contains(&links.len()), "{links:?}");
                assert_eq!(links, Links::Random(seed).pairs(nodes));
            }
        }
        assert_ne!(Links::Random(1).pairs(25), Links::Random(2).pairs(25));
    }

    #[test]
    fn what_is_no_connected_set_of_links_is_refused_and_said_why() {
        let refuse = |text: &str| match text.parse::<Links>() {
            Ok(links) => links.neighbours(4).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        for text in ["", "star", "random", "random:x", "n0", "n0-n1,", "n0-n1-n2", "c0-n1"] {
            assert!(refuse(text).contains("such as n0-n1,n1-n2"), "{text}");
        }
        assert!(refuse("n1-1").contains("links a node to itself"));
        assert!(refuse("n0-n1,n1-n7").contains("names n7, but there are only 4 nodes"));
        assert!(refuse("n0-n1,n2-n3").contains("no way leads from n0 to n2"));
        assert!(refuse("n1-n2,n2-n3").contains("no way leads from n0 to n1"));
    }

    #[test]
    fn a_link_set_is_read_as_it_is_shown() {
        for text in ["complete", "chain", "ring", "tree", "grid", "random:7", "n0-n1,n1-n2"] {
            assert_eq!(text.parse::<Links>().unwrap().to_string(), text);
        }
    }
}
