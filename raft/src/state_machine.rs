//! What a user of the library brings along.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage;

/// A replicated state machine: every node has one, and all get the same commands in the
/// same order, each of them once.
///
/// It is deterministic: no clock, no chance, nothing but the commands. The README has one, a
/// counter.
///
/// # Snapshots
///
/// A snapshot is made of a clone, a slice at a time, while commands go on. For a small state
/// there is nothing to do: it is one slice. One of many megabytes has its parts shared among
/// clones, each until it is written (`Arc::make_mut`), and makes a slice of each.
pub trait StateMachine: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What changes it. It goes over the network and to the disk as JSON.
    type Command: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What asks something of it; stays on the node where it was asked.
    type Query: Debug + Send + 'static;
    /// What either is answered. Those to commands are kept, and are part of snapshots,
    /// until the client has them for certain.
    type Response: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Carries out a command that is committed.
    fn apply(&mut self, command: &Self::Command) -> Self::Response;

    /// Answers a query, by a state that contains all commands that were answered before
    /// the query came.
    fn query(&self, query: &Self::Query) -> Self::Response;

    /// About how many bytes a command has as JSON. Batches and windows are bounded by it.
    fn size(command: &Self::Command) -> usize {
        storage::json_length(command).unwrap_or(usize::MAX)
    }

    /// In how many slices it is written down: one at least.
    fn slices(&self) -> usize {
        1
    }

    /// One of them as text, of some kilobytes best.
    ///
    /// # Errors
    ///
    /// When it has none.
    fn slice(&self, _number: usize) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What comes of a slice and of those before it.
    ///
    /// # Errors
    ///
    /// When this is none.
    fn restore(_before: Option<Self>, slice: &str) -> serde_json::Result<Self> {
        serde_json::from_str(slice)
    }
}
