//! The state machine of a node: committed entries go in, in order, each once.

use std::mem;

use maelstrom::Error;
use serde::de::Error as _;

use crate::image::{Image, TextPart};
use crate::persistent::Replayed;
use crate::role::Role;
use crate::sessions::{Outcome, Sessions};
use crate::{
    CommandId, Entry, Index, LogTime, Options, Payload, Raft, Reply, Snapshot, StateMachine,
};

/// A state machine, and how far it has got.
#[derive(Clone, Debug)]
pub(crate) struct Replica<S: StateMachine> {
    /// Figure 2: `lastApplied`.
    pub(crate) applied: Index,
    /// The time of the last entry.
    pub(crate) time: LogTime,
    pub(crate) machine: S,
    pub(crate) sessions: Sessions<S::Response>,
    /// About how many bytes the entries have that are applied and still in the log.
    pub(crate) kept_bytes: usize,
}

/// A state on its way here, as far as it has come.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<S: StateMachine> {
    /// Which one of the leader's.
    pub(crate) number: u64,
    /// The last entry that it stands for.
    pub(crate) last: Index,
    pub(crate) bytes: usize,
    /// What there is of a slice.
    slice: String,
    sessions: Option<Sessions<S::Response>>,
    machine: Option<S>,
}

impl<S: StateMachine> Incoming<S> {
    pub(crate) fn new(number: u64, last: Index) -> Self {
        Self { number, last, bytes: 0, slice: String::new(), sessions: None, machine: None }
    }

    /// Takes the next part.
    pub(crate) fn take(&mut self, part: &TextPart) -> serde_json::Result<()> {
        self.bytes += part.text.len();
        self.slice += &part.text;
        if part.ends {
            let slice = mem::take(&mut self.slice);
            match &self.sessions {
                None => self.sessions = Some(Sessions::restore(&slice)?),
                Some(_) => self.machine = Some(S::restore(self.machine.take(), &slice)?),
            }
        }
        Ok(())
    }
}

impl<S: StateMachine> Replica<S> {
    /// A machine at its beginning, or as a snapshot says.
    pub(crate) fn new(machine: S, replayed: Replayed) -> serde_json::Result<Self> {
        let (applied, time, sessions) = (Index::ZERO, LogTime::default(), Sessions::default());
        let mut replica = Self { applied, time, machine, sessions, kept_bytes: 0 };
        if let Some((snapshot, parts)) = replayed {
            let mut incoming = Incoming::new(0, snapshot.last.index);
            parts.iter().try_for_each(|part| incoming.take(part))?;
            replica.restore(&snapshot, incoming)?;
        }
        Ok(replica)
    }

    /// The sessions and the state machine as they are.
    pub(crate) fn image(&self, about: usize) -> Image {
        let (sessions, machine) = (self.sessions.clone(), self.machine.clone());
        Image::of(1 + machine.slices(), about, move |number| match number.checked_sub(1) {
            None => sessions.text(),
            Some(number) => machine.slice(number),
        })
    }

    /// Becomes what a snapshot says.
    pub(crate) fn restore(
        &mut self,
        snapshot: &Snapshot,
        incoming: Incoming<S>,
    ) -> serde_json::Result<()> {
        let (Some(sessions), Some(machine)) = (incoming.sessions, incoming.machine) else {
            return Err(serde_json::Error::custom("it has no end"));
        };
        let (applied, time) = (snapshot.last.index, snapshot.time);
        *self = Self { applied, time, machine, sessions, kept_bytes: 0 };
        Ok(())
    }

    /// About how many bytes an entry has in memory.
    pub(crate) fn size(entry: &Entry<S::Command>) -> usize {
        size_of::<Entry<S::Command>>() + entry.size(S::size)
    }

    /// Applies the next entry; returns what became of the command in it.
    fn apply(
        &mut self,
        entry: &Entry<S::Command>,
        options: &Options,
    ) -> Option<(CommandId, Outcome<S::Response>)> {
        self.applied = self.applied.next();
        self.time = self.time.max(entry.at);
        self.kept_bytes += Self::size(entry);
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
        // It came in another way.
        self.incoming.take_if(|incoming| incoming.last <= self.commit);
        while self.replica.applied < self.commit {
            let next = self.replica.applied.next();
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
