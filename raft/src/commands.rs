//! The commands of this node's clients, until their responses are known.
//!
//! They go to whoever leads, again and again, under ids by which they are carried out
//! once. Nothing comes back but the log: when this node applies a command that is its own,
//! it has the response.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use maelstrom::machine::{Client, Time};

use crate::{CommandId, LogTime, Proposal, SessionId};

/// This node's session, and its commands without a response.
#[derive(Clone, Debug)]
pub(crate) struct Commands<C> {
    session: Option<SessionId>,
    /// What the log's time was when the session was used last.
    used: LogTime,
    /// The number of the next command.
    next: u64,
    waiting: BTreeMap<u64, Waiting<C>>,
    /// Those that are to be sent.
    pub(crate) unsent: Vec<u64>,
    /// Those that were sent and when, in that order; some of them have a response.
    pub(crate) sent: VecDeque<(Time, u64)>,
}

#[derive(Clone, Debug)]
struct Waiting<C> {
    client: Client,
    command: C,
    /// Whether it may be in a log.
    was_sent: bool,
}

impl<C: Clone> Commands<C> {
    pub(crate) fn new() -> Self {
        let (waiting, unsent, sent) = (BTreeMap::new(), Vec::new(), VecDeque::new());
        Self { session: None, used: LogTime::default(), next: 1, waiting, unsent, sent }
    }

    pub(crate) fn add(&mut self, client: Client, command: C) {
        self.waiting.insert(self.next, Waiting { client, command, was_sent: false });
        self.unsent.push(self.next);
        self.next += 1;
    }

    /// Those that were sent so long ago are to be sent again.
    pub(crate) fn retry(&mut self, before: Time) {
        while let Some(&(at, number)) = self.sent.front()
            && at <= before
        {
            self.sent.pop_front();
            self.unsent.extend(self.waiting.contains_key(&number).then_some(number));
        }
    }

    /// Takes what is to be sent.
    pub(crate) fn take(&mut self, now: Time, session: SessionId) -> Vec<Proposal<C>> {
        let floor = self.floor();
        let numbers = std::mem::take(&mut self.unsent);
        let proposals = numbers.into_iter().filter_map(|number| {
            let waiting = self.waiting.get_mut(&number)?;
            waiting.was_sent = true;
            self.sent.push_back((now, number));
            let (id, command) = (CommandId { session, number }, waiting.command.clone());
            Some(Proposal { id, floor, command })
        });
        proposals.collect()
    }

    /// The session in which commands are sent now, when the log's time is this. One that may
    /// be forgotten soon, and in which nothing is under way, is followed by a new one.
    pub(crate) fn session(
        &mut self,
        now: LogTime,
        expiry: Duration,
        new: impl FnOnce() -> SessionId,
    ) -> SessionId {
        let is_old = self.used.after(expiry / 2) < now;
        if is_old && !self.waiting.values().any(|waiting| waiting.was_sent) {
            self.session = None;
        }
        self.used = now;
        *self.session.get_or_insert_with(new)
    }

    /// All commands below it have a response.
    fn floor(&self) -> u64 {
        self.waiting.keys().next().copied().unwrap_or(self.next)
    }

    /// All are to be sent: there is another leader.
    pub(crate) fn resend(&mut self) {
        self.unsent = self.waiting.keys().copied().collect();
        self.sent.clear();
    }

    /// The client that waits for this command, which waits no more.
    pub(crate) fn done(&mut self, id: CommandId) -> Option<Client> {
        if self.session != Some(id.session) {
            return None;
        }
        self.waiting.remove(&id.number).map(|waiting| waiting.client)
    }

    /// The ids of those that wait.
    pub(crate) fn ids(&self) -> Vec<CommandId> {
        let Some(session) = self.session else { return Vec::new() };
        self.waiting.keys().map(|&number| CommandId { session, number }).collect()
    }

    /// All clients that wait.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> {
        self.waiting.values().map(|waiting| waiting.client)
    }

    /// The session is forgotten: whether what was sent in it was carried out nobody can
    /// say, and in another session it might be carried out again. Returns who waits for it.
    /// What was never sent goes on in a new session.
    pub(crate) fn expired(&mut self) -> Vec<Client> {
        self.session = None;
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (lost, rest) = waiting.partition(|(_, waiting)| waiting.was_sent);
        self.waiting = rest;
        self.resend();
        BTreeMap::into_values(lost).map(|waiting| waiting.client).collect()
    }

    /// A client waits no longer. Returns whether its command may be carried out; `None`
    /// if it has no command here.
    pub(crate) fn give_up(&mut self, client: Client) -> Option<bool> {
        let (&number, waiting) =
            self.waiting.iter().find(|(_, waiting)| waiting.client == client)?;
        let was_sent = waiting.was_sent;
        self.waiting.remove(&number);
        Some(was_sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn session(unique: u64) -> SessionId {
        SessionId { born: LogTime::default(), unique }
    }

    fn take(commands: &mut Commands<()>, now: u64) -> Vec<(u64, u64)> {
        let session = commands.session(LogTime::default(), HOUR, || session(now));
        let id = |proposal: Proposal<_>| (proposal.id.session.unique, proposal.id.number);
        commands.take(Time::from_secs(now), session).into_iter().map(id).collect()
    }

    #[test]
    fn what_was_sent_in_a_session_that_expired_is_not_sent_in_another() {
        let mut commands = Commands::new();
        (1..=2).for_each(|client| commands.add(Client(client), ()));
        assert_eq!(take(&mut commands, 7), [(7, 1), (7, 2)]);
        commands.add(Client(3), ());
        let id = CommandId { session: session(7), number: 1 };
        assert_eq!(commands.done(id), Some(Client(1)));
        assert_eq!(commands.expired(), [Client(2)]);
        assert_eq!(take(&mut commands, 8), [(8, 3)]);
    }

    #[test]
    fn each_command_is_sent_again_after_a_time_of_its_own() {
        let mut commands = Commands::new();
        (1..=3).for_each(|client| commands.add(Client(client), ()));
        assert_eq!(take(&mut commands, 1), [(1, 1), (1, 2), (1, 3)]);
        commands.add(Client(4), ());
        assert_eq!(take(&mut commands, 2), [(1, 4)]);
        commands.done(CommandId { session: session(1), number: 2 });
        commands.retry(Time::from_secs(1));
        assert_eq!(take(&mut commands, 3), [(1, 1), (1, 3)]);
        assert_eq!(commands.sent.front(), Some(&(Time::from_secs(2), 4)));
    }
}
