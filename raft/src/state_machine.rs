//! What a user of the library brings along.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage;

/// A replicated state machine: every node has one, and all get the same commands in the
/// same order, each of them once.
///
/// It is deterministic: no clock, no chance, nothing but the commands.
///
/// ```
/// use raft::StateMachine;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Counter(i64);
///
/// impl StateMachine for Counter {
///     type Command = i64;
///     type Query = ();
///     type Response = i64;
///
///     fn apply(&mut self, delta: &i64) -> i64 {
///         self.0 += delta;
///         self.0
///     }
///
///     fn query(&self, (): &()) -> i64 {
///         self.0
///     }
/// }
/// ```
pub trait StateMachine: Serialize + DeserializeOwned + Send + 'static {
    /// What changes it. It goes over the network and to the disk as JSON.
    type Command: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What asks something of it; stays on the node where it was asked.
    type Query: Debug + Send + 'static;
    /// What either is answered. Those to commands are kept, and are part of snapshots,
    /// until the client has them for certain.
    type Response: Clone + Debug + Serialize + DeserializeOwned + Send + 'static;

    /// Carries out a command that is committed.
    fn apply(&mut self, command: &Self::Command) -> Self::Response;

    /// Answers a query, by a state that contains all commands that were answered before
    /// the query came.
    fn query(&self, query: &Self::Query) -> Self::Response;

    /// About how many bytes a command has as JSON. Batches and windows are bounded by it.
    fn size(command: &Self::Command) -> usize {
        storage::json_length(command).unwrap_or(usize::MAX)
    }
}
