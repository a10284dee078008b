//! What a node writes down, and what it finds of that when it starts.

use std::sync::Arc;

use maelstrom::NodeId;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Server};
use crate::entry::Entry;
use crate::position::{Index, Term};
use crate::snapshot::Snapshot;

/// A change of the persistent state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record<C> {
    /// The first record, of a server that remembers nothing yet: what was written before says
    /// nothing any more.
    Start {
        /// The cluster's nodes, in the order of their ranks.
        nodes: Vec<NodeId>,
        /// Which incarnation of its node it is.
        incarnation: u64,
        /// Whether it is the first one, as far as its node's directory shows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_first: bool,
    },
    /// The log's first configuration, which is not in it: who founded the cluster.
    Found(Config),
    /// The current term, and for whom this node voted in it.
    Vote(Term, Option<Server>),
    /// The log has these entries behind `after`, and no others.
    Append {
        /// The last entry that stays.
        after: Index,
        /// The entries behind it.
        entries: Vec<Arc<Entry<C>>>,
    },
    /// A part of the image of a snapshot that follows, which says nothing by itself.
    Image {
        /// Where it begins, in bytes.
        offset: usize,
        /// What it says.
        text: Arc<str>,
    },
    /// The log begins behind this snapshot, and has no entries. Its image is in the records
    /// before it.
    Snapshot(Snapshot),
}

/// What a node finds when it starts.
#[derive(Clone, Debug)]
pub struct Kept<C> {
    /// The incarnation of whoever wrote that, and otherwise a new one.
    pub incarnation: u64,
    /// Whether it is the first server of its node, which remembers what it says for as long
    /// as the node has its directory.
    pub is_first: bool,
    /// All that it wrote.
    pub records: Vec<Record<C>>,
}

impl<C> Kept<C> {
    /// These records. Where there are none, the node is a new server, of this incarnation,
    /// and not the first one.
    pub fn of(records: Vec<Record<C>>, new: u64) -> Self {
        let start = |record: &_| match record {
            Record::Start { incarnation, is_first, .. } => Some((*incarnation, *is_first)),
            _ => None,
        };
        let last = records.iter().rev().find_map(start);
        let (incarnation, is_first) = last.unwrap_or((new, false));
        Self { incarnation, is_first, records }
    }

    /// What a node finds in its directory, which has lost nothing. Where there are no
    /// records, it is the first server of its node.
    pub fn in_directory(records: Vec<Record<C>>, new: u64) -> Self {
        let is_first = records.is_empty();
        let kept = Self::of(records, new);
        Self { is_first: kept.is_first || is_first, ..kept }
    }
}
