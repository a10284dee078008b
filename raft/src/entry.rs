//! What the log consists of.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Config, Term};

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry<C> {
    /// When the leader took it.
    pub term: Term,
    /// The log's own time.
    pub at: LogTime,
    /// What it says.
    pub payload: Payload<C>,
}

impl<C> Entry<C> {
    /// About how many bytes it has, by how many a command has.
    pub(crate) fn size(&self, size: impl Fn(&C) -> usize) -> usize {
        match &self.payload {
            Payload::Command(proposal) => size(&proposal.command),
            Payload::Noop | Payload::Config(_) => 1,
        }
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Payload<C> {
    /// Nothing: a leader begins its term with such an entry, because it may not commit
    /// those of former terms by counting (§5.4.2, §8).
    Noop,
    /// A command to the state machine.
    Command(Proposal<C>),
    /// The members of the cluster, from here on.
    Config(Config),
}

/// A command that somebody wants in the log, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal<C> {
    /// By which it is known when it comes again.
    pub id: CommandId,
    /// The lowest number of the session's commands whose response is not known yet:
    /// the responses to those below may be forgotten.
    pub floor: u64,
    /// The command.
    pub command: C,
}

/// A command's session, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId {
    /// Of whom the command is.
    pub session: SessionId,
    /// Counts that session's commands, from 1.
    pub number: u64,
}

/// A sequence of commands of one client. It says itself how old it is, so that one that
/// has expired is told from a new one without having been registered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId {
    /// When it began.
    pub born: LogTime,
    /// A random number.
    pub unique: u64,
}

/// Time as the log has it, in milliseconds: it goes on while there is a leader. Every
/// replica sees the same time at the same entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogTime(u64);

impl LogTime {
    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}
