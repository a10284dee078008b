//! Commands take effect once, however often they come (§8; thesis, 6.3).
//!
//! A command that is lost on its way is sent again under the same id, so it may stand in
//! the log several times. The replicas remember the responses of each session's commands
//! until the session says, by the floor in its later commands, that it has them. A session
//! that has said nothing for long, by the log's own time, is forgotten. Its id says
//! when it began, so that a late command of a forgotten session is told from the first
//! command of a new one, and not carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Bug, Bugs, CommandId, LogTime, Proposal, SessionId};

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome<R> {
    /// It was carried out, now or before.
    Done(R),
    /// Its session has said that it knows the response.
    Stale,
    /// Its session is forgotten. The command may have been carried out before that.
    Expired,
}

/// All sessions, as every replica knows them.
#[derive(Clone, Debug)]
pub(crate) struct Sessions<R> {
    sessions: BTreeMap<SessionId, Session<R>>,
    /// When those that are forgotten were removed last.
    swept: LogTime,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session<R> {
    /// The commands below it were answered.
    floor: u64,
    /// Those of the others that were carried out.
    responses: BTreeMap<u64, R>,
    used: LogTime,
}

impl<R> Default for Sessions<R> {
    fn default() -> Self {
        Self { sessions: BTreeMap::new(), swept: LogTime::default() }
    }
}

impl<R: Serialize + DeserializeOwned> Sessions<R> {
    /// All of them, as JSON.
    pub(crate) fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&(self.swept, self.sessions.iter().collect::<Vec<_>>()))
    }

    pub(crate) fn restore(text: &str) -> serde_json::Result<Self> {
        let (swept, sessions): (_, Vec<_>) = serde_json::from_str(text)?;
        Ok(Self { sessions: sessions.into_iter().collect(), swept })
    }
}

impl<R: Clone> Sessions<R> {
    /// Carries out a command, unless it was carried out before.
    pub(crate) fn apply<C>(
        &mut self,
        proposal: &Proposal<C>,
        now: LogTime,
        expiry: Duration,
        bugs: Bugs,
        carry_out: impl FnOnce(&C) -> R,
    ) -> Outcome<R> {
        let CommandId { session: id, number } = proposal.id;
        self.forget(id, now, expiry);
        // One that is to begin later was told the time by a leader whose entries did not
        // last. It would be taken for a new one for too long.
        let is_timely = id.born <= now && now <= id.born.after(expiry);
        if !self.sessions.contains_key(&id) && !is_timely {
            return Outcome::Expired;
        }
        let new = || Session { floor: 1, responses: BTreeMap::new(), used: now };
        let session = self.sessions.entry(id).or_insert_with(new);
        session.used = now;
        if bugs.has(Bug::ApplyTwice) {
            return Outcome::Done(carry_out(&proposal.command));
        }
        if number < session.floor {
            return Outcome::Stale;
        }
        let response = session.responses.entry(number);
        let response = response.or_insert_with(|| carry_out(&proposal.command)).clone();
        if session.floor < proposal.floor {
            session.floor = proposal.floor;
            session.responses = session.responses.split_off(&proposal.floor);
        }
        Outcome::Done(response)
    }

    /// Forgets a session that has expired; now and then all of them.
    fn forget(&mut self, id: SessionId, now: LogTime, expiry: Duration) {
        let has_expired = |session: &Session<R>| session.used.after(expiry) < now;
        if self.swept.after(expiry / 8) < now {
            self.swept = now;
            self.sessions.retain(|_, session| !has_expired(session));
        } else if self.sessions.get(&id).is_some_and(has_expired) {
            self.sessions.remove(&id);
        }
    }

    /// What became of a command that was carried out.
    pub(crate) fn outcome(&self, id: CommandId) -> Option<Outcome<R>> {
        self.sessions.get(&id.session)?.responses.get(&id.number).cloned().map(Outcome::Done)
    }

    /// Whether a command need not come into the log again: it was carried out.
    pub(crate) fn has_seen(&self, id: CommandId) -> bool {
        self.sessions.get(&id.session).is_some_and(|session| {
            id.number < session.floor || session.responses.contains_key(&id.number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn proposal(born: u64, number: u64, floor: u64) -> Proposal<i64> {
        let born = LogTime::default().after(Duration::from_millis(born));
        let id = CommandId { session: SessionId { born, unique: 7 }, number };
        Proposal { id, floor, command: 1 }
    }

    fn run(
        sessions: &mut Sessions<i64>,
        proposal: &Proposal<i64>,
        at: Duration,
        sum: &mut i64,
    ) -> Outcome<i64> {
        let now = LogTime::default().after(at);
        sessions.apply(proposal, now, HOUR, Bugs::default(), |delta| {
            *sum += delta;
            *sum
        })
    }

    #[test]
    fn a_command_that_comes_again_gets_the_same_response_until_it_is_known() {
        let (mut sessions, mut sum) = (Sessions::default(), 0);
        let mut run = |proposal| run(&mut sessions, &proposal, Duration::ZERO, &mut sum);
        assert_eq!(run(proposal(0, 1, 1)), Outcome::Done(1));
        assert_eq!(run(proposal(0, 3, 1)), Outcome::Done(2));
        assert_eq!(run(proposal(0, 1, 1)), Outcome::Done(1));
        assert_eq!(run(proposal(0, 4, 3)), Outcome::Done(3));
        assert_eq!(run(proposal(0, 1, 1)), Outcome::Stale);
        assert_eq!(run(proposal(0, 3, 1)), Outcome::Done(2));
        assert_eq!(sum, 3);
    }

    #[test]
    fn a_session_that_is_to_begin_later_does_not_begin() {
        let (mut sessions, mut sum) = (Sessions::default(), 0);
        let early = Duration::from_millis(9);
        assert_eq!(run(&mut sessions, &proposal(10, 1, 1), early, &mut sum), Outcome::Expired);
    }

    #[test]
    fn a_command_of_a_session_that_was_forgotten_is_not_carried_out() {
        let (mut sessions, mut sum) = (Sessions::default(), 0);
        assert_eq!(
            run(&mut sessions, &proposal(0, 1, 1), Duration::ZERO, &mut sum),
            Outcome::Done(1)
        );
        let late = HOUR + Duration::from_secs(1);
        assert_eq!(run(&mut sessions, &proposal(0, 1, 1), late, &mut sum), Outcome::Expired);
        assert_eq!(
            run(&mut sessions, &proposal(3_600_000, 1, 1), late, &mut sum),
            Outcome::Done(2)
        );
    }
}
