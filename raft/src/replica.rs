//! The state machine of a node: committed entries go in, in order, each once.

use std::collections::VecDeque;

use maelstrom::Error;
use serde::Serialize;

use crate::entry::{CommandId, Entry, LogTime, Payload};
use crate::image::Image;
use crate::options::Options;
use crate::position::Index;
use crate::raft::{Raft, Reply};
use crate::role::Role;
use crate::sessions::{Outcome, Sessions};
use crate::snapshot::Snapshot;
use crate::state_machine::StateMachine;

/// A state machine, and how far it has got.
#[derive(Clone, Debug)]
pub(crate) struct Replica<S: StateMachine> {
    /// Figure 2: `lastApplied`.
    applied: Index,
    /// The time of the last entry.
    time: LogTime,
    machine: S,
    sessions: Sessions<S::Response>,
    /// About how many bytes each of the last entries has that are still in the log.
    kept: VecDeque<usize>,
    /// All of them.
    kept_bytes: usize,
}

impl<S: StateMachine> Replica<S> {
    pub(crate) fn new(machine: S) -> Self {
        let (time, sessions) = (LogTime::default(), Sessions::default());
        let kept = VecDeque::new();
        Self { applied: Index::ZERO, time, machine, sessions, kept, kept_bytes: 0 }
    }

    pub(crate) fn applied(&self) -> Index {
        self.applied
    }

    pub(crate) fn time(&self) -> LogTime {
        self.time
    }

    pub(crate) fn machine(&self) -> &S {
        &self.machine
    }

    pub(crate) fn has_seen(&self, id: CommandId) -> bool {
        self.sessions.has_seen(id)
    }

    pub(crate) fn outcome(&self, id: CommandId) -> Option<Outcome<S::Response>> {
        self.sessions.outcome(id)
    }

    /// About how many bytes the entries have that are applied and still in the log.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The first of them is dropped.
    pub(crate) fn drop_first(&mut self) {
        self.kept_bytes -= self.kept.pop_front().unwrap_or(0);
    }

    /// The state machine and the sessions, of which its image is the text.
    pub(crate) fn state(&self) -> impl Serialize {
        (&self.machine, self.sessions.list())
    }

    /// Becomes what a snapshot says.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot, image: &Image) -> serde_json::Result<()> {
        let (machine, sessions): (S, (LogTime, Vec<_>)) = image.value()?;
        (self.machine, self.sessions) = (machine, sessions.into());
        (self.applied, self.time) = (snapshot.last.index, snapshot.time);
        self.kept.clear();
        self.kept_bytes = 0;
        Ok(())
    }

    /// Applies the next entry; returns what became of the command in it.
    fn apply(
        &mut self,
        entry: &Entry<S::Command>,
        options: &Options,
    ) -> Option<(CommandId, Outcome<S::Response>)> {
        self.applied = self.applied.next();
        self.time = self.time.max(entry.at);
        let bytes = size_of::<Entry<S::Command>>() + entry.size(S::size);
        self.kept.push_back(bytes);
        self.kept_bytes += bytes;
        let Payload::Command(proposal) = &entry.payload else { return None };
        let (expiry, bugs) = (options.session_expiry, options.bugs);
        let carry_out = |command: &S::Command| self.machine.apply(command);
        let outcome = self.sessions.apply(proposal, self.time, expiry, bugs, carry_out);
        Some((proposal.id, outcome))
    }
}

impl<S: StateMachine> Raft<S> {
    /// Figure 2, all servers: applies what is committed, and answers the clients of this
    /// node that wait for it.
    pub(crate) fn apply(&mut self) {
        while self.replica.applied() < self.commit {
            let next = self.replica.applied().next();
            let Some(entry) = self.persistent.log().get(next).cloned() else { return };
            if let Some((id, outcome)) = self.replica.apply(&entry, &self.options) {
                self.answer(id, outcome);
            }
            if let Payload::Config(config) = &entry.payload {
                self.fulfil(|change| change.is_met_by(config));
            }
        }
    }

    pub(crate) fn answer(&mut self, id: CommandId, outcome: Outcome<S::Response>) {
        if let Role::Leader(leader) = &mut self.role {
            leader.proposed.remove(&id);
        }
        let Some(client) = self.commands.done(id) else { return };
        match outcome {
            Outcome::Done(response) => self.out.reply(client, Reply::Response(response)),
            Outcome::Stale => self.out.fail(client, Error::crash("its response is forgotten")),
            Outcome::Expired => {
                for client in std::iter::once(client).chain(self.commands.expired()) {
                    self.out.fail(client, Error::crash("the session has expired; it may be done"));
                }
            }
        }
    }
}
