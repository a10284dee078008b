//! This node's own key: taking it over at the start of an incarnation, and writing
//! adds to it, a batch at a time.
//!
//! At most one request of the slot is under way, and it is one of two: a
//! compare-and-set of a [`Step`], or a read that asks what became of it.
//!
//! ```text
//!                 done                      found what was to be written
//!        ┌─────────────────────┐   ┌────────────────────────────────────┐
//!        ▼                     │   ▼                                    │
//!      idle ──a batch──▶ writing ─────not done, or no answer─────▶ checking
//!                              ▲                                        │
//!                              └────────────found anything else─────────┘
//! ```
//!
//! Always:
//!
//! - Only `confirmed` is ever told to anybody, and it was in the service.
//! - A step is repeated unchanged until it is known to have happened. It can
//!   happen once only: every value written is new, so the value that it expects
//!   is gone for good afterwards. Whatever delayed or doubled copies of it are
//!   still on their way find nothing to replace.
//! - The value that it writes contains this incarnation's number and is written by no
//!   other step, so to find it proves that the step has happened, however old
//!   the state of the service that was looked at. To find anything else proves
//!   nothing, nor does a refused compare-and-set: both may be answers from the
//!   past, or the refusal that of a second copy.
//! - An incarnation's first step is a fence: the sum that the key is found to have, in a
//!   new epoch. It can replace the newest value only: a key is changed by
//!   nothing but a compare-and-set from one value to a new one, so each value but
//!   the newest has been replaced already, and in no order of the operations could
//!   it be replaced twice. So once the fence is in, it contains all that former
//!   incarnations were told is done; and what they still have on its way expects a value
//!   from before the fence, and fails. Before that nothing is counted.
//!
//! What is left to others: carrying the requests out, and everything about the
//! other nodes.

use std::mem;
use std::time::Duration;

use maelstrom::machine::{Client, Members, Outputs, Rank, RoundTrip, Service, ServiceCall, Time};
use maelstrom::{Backoff, Error};

use crate::contribution::Contribution;
use crate::counter::{Call, Counter, Reply};
use crate::injected_bugs::{Bug, Bugs};
use crate::integer::Integer;

/// How long a request waits for its answer at least. (With less, the long tail
/// of exponentially distributed latencies would cause repetitions.)
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(8);
/// The pauses before attempts that follow on two that got nowhere.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

type Out = Outputs<Counter>;

/// The key that holds a node's contribution.
pub(crate) fn key(members: &Members, node: Rank) -> String {
    format!("counter/{}", members.id(node))
}

/// No usable answer came: the request may have been carried out, or not, or may
/// yet be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer;

/// A change of the key.
#[derive(Clone, Debug)]
struct Step {
    from: Contribution,
    to: Contribution,
}

impl Step {
    fn is_fence(&self) -> bool {
        self.to.epoch != self.from.epoch
    }
}

#[derive(Clone, Debug)]
enum Phase {
    Idle,
    Writing(Step),
    Checking(Step),
}

/// The state of this node's own key.
#[derive(Debug)]
pub(crate) struct Slot {
    key: String,
    /// This incarnation's own, see [`Contribution::incarnation`].
    incarnation: u64,
    phase: Phase,
    /// What certainly is in the service; nothing before the fence.
    confirmed: Option<Contribution>,
    /// The adds that the present step contains.
    in_flight: Vec<Client>,
    /// The adds that the next one will contain.
    gathered: Vec<(Client, Integer)>,
    /// Answers in a row that were of no use.
    failures: u32,
    /// When the request under way was made.
    asked: Time,
    /// How long answers take.
    round_trip: RoundTrip,
    bugs: Bugs,
}

impl Slot {
    pub(crate) fn new(key: String, incarnation: u64, bugs: Bugs) -> Self {
        Self {
            key,
            incarnation,
            phase: Phase::Idle,
            confirmed: None,
            in_flight: Vec::new(),
            gathered: Vec::new(),
            failures: 0,
            asked: Time::ZERO,
            round_trip: RoundTrip::default(),
            bugs,
        }
    }

    /// Begins this incarnation, with the guess that there was none before.
    pub(crate) fn start(&mut self, now: Time, out: &mut Out) {
        if self.bugs.has(Bug::BlindFence) {
            let from = Contribution::unwritten();
            return self.check(Step { to: from.fenced(self.incarnation), from }, now, out);
        }
        self.fence(Contribution::unwritten(), now, out);
    }

    /// This incarnation's own number.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// What certainly is in the service; nothing before the fence.
    pub(crate) fn confirmed(&self) -> Option<&Contribution> {
        self.confirmed.as_ref()
    }

    /// Counts an add in with the next write.
    pub(crate) fn add(&mut self, client: Client, delta: Integer) {
        self.gathered.push((client, delta));
    }

    /// Writes what was gathered, unless a write is under way. What changes nothing is
    /// safe without one.
    pub(crate) fn flush(&mut self, now: Time, out: &mut Out) {
        let (Phase::Idle, Some(from)) = (&self.phase, &self.confirmed) else { return };
        let from = from.clone();
        let (mut sum, mut counted) = (from.sum.clone(), Vec::new());
        for (client, delta) in mem::take(&mut self.gathered) {
            sum += &delta;
            counted.push(client);
        }
        if sum == from.sum {
            return acknowledge(counted, out);
        }
        self.in_flight = counted;
        if self.bugs.has(Bug::EarlyAcknowledgement) {
            acknowledge(mem::take(&mut self.in_flight), out);
        }
        self.write(Step { to: from.advanced(sum), from }, now, out);
    }

    /// Takes the answer to a compare-and-set; returns what is newly confirmed.
    pub(crate) fn written(
        &mut self,
        answer: Result<bool, NoAnswer>,
        now: Time,
        out: &mut Out,
    ) -> Option<Contribution> {
        let Phase::Writing(step) = self.phase.clone() else { return None };
        self.measure(answer.is_ok(), now);
        if answer == Ok(true) {
            return Some(self.confirm(step.to, out));
        }
        self.failures += 1;
        self.check(step, now, out);
        None
    }

    /// Takes what the key was found to be; returns what is newly confirmed.
    pub(crate) fn found(
        &mut self,
        answer: Result<Contribution, NoAnswer>,
        now: Time,
        out: &mut Out,
    ) -> Option<Contribution> {
        let Phase::Checking(step) = self.phase.clone() else { return None };
        self.measure(answer.is_ok(), now);
        self.failures += 1;
        let found = answer.unwrap_or_else(|_| step.from.clone());
        if self.bugs.has(Bug::RecomputedRetry) && !step.is_fence() {
            let mut sum = found.sum.clone();
            sum += &step.to.sum;
            sum -= &step.from.sum;
            let to = found.advanced(sum);
            self.write(Step { from: found, to }, now, out);
            return None;
        }
        if found == step.to {
            return Some(self.confirm(found, out));
        }
        if step.is_fence() {
            if found.rank() > step.from.rank() {
                self.failures = 0;
            }
            self.fence(step.from.join(found), now, out);
        } else if found.rank() >= step.to.rank() {
            self.superseded(found, now, out);
        } else {
            self.write(step, now, out);
        }
        None
    }

    /// A client waits no longer. Its add is taken out, unless it may have been written.
    pub(crate) fn give_up(&mut self, client: Client, out: &mut Out) {
        if self.in_flight.contains(&client) {
            self.in_flight.retain(|&other| other != client);
            return out.fail(client, unknown());
        }
        self.gathered.retain(|(other, _)| *other != client);
        out.fail(client, Error::unavailable("the node is shutting down; nothing was added"));
    }

    fn fence(&mut self, from: Contribution, now: Time, out: &mut Out) {
        self.write(Step { to: from.fenced(self.incarnation), from }, now, out);
    }

    fn write(&mut self, step: Step, now: Time, out: &mut Out) {
        let (key, Step { from, to }) = (self.key.clone(), &step);
        let call = match self.bugs.has(Bug::BlindFence) && to.is_fence() {
            true => ServiceCall::write(Service::SeqKv, key, to),
            // The service runs on its newest state whatever changes that state, and a
            // key that an old state lacks would be created: so this is never refused
            // because some old state has no such key yet.
            false => ServiceCall::cas_or_create(Service::SeqKv, key, from, to),
        };
        self.phase = Phase::Writing(step);
        out.call(Call::Write, self.paced(call, now));
    }

    fn check(&mut self, step: Step, now: Time, out: &mut Out) {
        self.phase = Phase::Checking(step);
        let call = ServiceCall::read(Service::SeqKv, self.key.clone());
        out.call(Call::Check, self.paced(call, now));
    }

    fn confirm(&mut self, contribution: Contribution, out: &mut Out) -> Contribution {
        self.phase = Phase::Idle;
        self.confirmed = Some(contribution.clone());
        self.failures = 0;
        acknowledge(mem::take(&mut self.in_flight), out);
        contribution
    }

    /// Somebody else runs under this node's name, and began later. What was in
    /// flight may have come before that or not; the rest goes on once the key
    /// has been taken back.
    fn superseded(&mut self, by: Contribution, now: Time, out: &mut Out) {
        mem::take(&mut self.in_flight).into_iter().for_each(|client| out.fail(client, unknown()));
        self.confirmed = None;
        self.fence(by, now, out);
    }

    fn measure(&mut self, answered: bool, now: Time) {
        if answered {
            self.round_trip.sample(now.saturating_sub(self.asked));
        }
    }

    /// Doubles the patience with each failure, from what answers take at most, and
    /// pauses from the second failure on, so that a service that is stale, or
    /// refuses at once, is not asked in a busy loop.
    fn paced(&mut self, call: ServiceCall, now: Time) -> ServiceCall {
        let pause = match self.failures {
            0 | 1 => Duration::ZERO,
            failures => PAUSES.step(failures - 2),
        };
        let usual = self.round_trip.mean().unwrap_or_default();
        let first = PATIENCE.max(usual + self.round_trip.deviation() * 4);
        let patience = Backoff { first, longest: LONGEST_PATIENCE }.step(self.failures);
        self.asked = now + pause;
        call.after(pause).timeout(patience)
    }
}

fn acknowledge(clients: Vec<Client>, out: &mut Out) {
    clients.into_iter().for_each(|client| out.reply(client, Reply::Added));
}

fn unknown() -> Error {
    Error::crash("the node lost track of the write that contains this add; read the counter to see")
}

#[cfg(test)]
mod tests;
