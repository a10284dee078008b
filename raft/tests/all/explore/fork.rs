//! Nodes that are copied: tests go on from the same state in every way that there is. This is a
//! module of the crate, which has it for its own tests alone.

use std::fmt::Debug;

use maelstrom::machine::Outputs;
use rand::rngs::StdRng;

use crate::raft::Raft;
use crate::state_machine::StateMachine;

impl<S: StateMachine + Clone + Debug> Raft<S>
where
    S::Query: Clone,
{
    /// The same node, which draws from another source of chance.
    #[must_use]
    pub fn fork(&self, rng: StdRng) -> Self {
        Self {
            me: self.me,
            incarnation: self.incarnation,
            nodes: self.nodes,
            founding: self.founding.clone(),
            options: self.options.clone(),
            rng,
            now: self.now,
            persistent: self.persistent.clone(),
            commit: self.commit,
            replica: self.replica.clone(),
            incoming: self.incoming.clone(),
            role: self.role.clone(),
            logged: self.logged,
            commands: self.commands.clone(),
            queries: self.queries.clone(),
            changes: self.changes.clone(),
            is_stalled: self.is_stalled,
            election: self.election,
            round_trip: self.round_trip,
            heard: self.heard,
            log_time: self.log_time,
            outbox: self.outbox.clone(),
            out: Outputs::default(),
        }
    }

    /// All that decides what the node does, but for chance and options. Nodes that show
    /// the same are alike.
    pub fn state(&self) -> impl Debug {
        let clients = (&self.commands, &self.queries, &self.changes);
        let own = (&self.persistent, self.commit, &self.replica, &self.role, &self.outbox);
        let told = (self.heard, self.log_time, &self.incoming);
        let measured = (self.election, &self.round_trip);
        (own, clients, told, measured, &self.founding)
    }
}
