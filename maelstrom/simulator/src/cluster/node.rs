//! A node of a cluster: its machine, and what belongs to one of its incarnations.

use std::collections::{BTreeMap, VecDeque};

use maelstrom::CallError;
use maelstrom::machine::{Answer, Input, Machine, Operation, ServiceCall, Time};
use rand::rngs::StdRng;

use super::clock::Clock;
use super::journal::Journal;

pub(super) struct Node<M: Machine> {
    /// `None` while it is down.
    pub(super) machine: Option<M>,
    pub(super) incarnation: u64,
    pub(super) clock: Clock,
    /// By its clock.
    pub(super) started: Time,
    pub(super) is_paused: bool,
    /// What it will handle when it goes on.
    pub(super) backlog: VecDeque<Input<M>>,
    /// By its clock.
    pub(super) deadline: Option<Time>,
    /// The earliest alarm that is set.
    pub(super) alarm: Option<Time>,
    /// Its timers are not finer than this.
    pub(super) not_before: Time,
    pub(super) calls: BTreeMap<u64, Call<M>>,
    /// Survives it.
    pub(super) journal: Journal<M>,
    /// The next record that is written ends the journal.
    pub(super) disk_fails: bool,
}

pub(super) struct Call<M: Machine> {
    pub(super) tag: M::Call,
    /// What comes of it without an answer.
    pub(super) unanswered: Answer,
}

impl<M: Machine> Default for Node<M> {
    fn default() -> Self {
        Self {
            machine: None,
            incarnation: 0,
            clock: Clock::default(),
            started: Time::ZERO,
            is_paused: false,
            backlog: VecDeque::new(),
            deadline: None,
            alarm: None,
            not_before: Time::ZERO,
            calls: BTreeMap::new(),
            journal: Journal::default(),
            disk_fails: false,
        }
    }
}

impl<M: Machine> Node<M> {
    /// It is killed: all that is left are its clock and its journal.
    pub(super) fn kill(&mut self, rng: &mut StdRng) {
        let mut journal = std::mem::take(&mut self.journal);
        journal.kill(rng);
        let Self { incarnation, clock, .. } = *self;
        *self = Self { incarnation, clock, journal, ..Self::default() };
    }
}

impl<M: Machine> Call<M> {
    pub(super) fn new(tag: M::Call, call: &ServiceCall) -> Self {
        let dest = call.service.name().to_owned();
        let error = CallError::Timeout { dest, after: call.timeout };
        let unanswered = match call.operation {
            Operation::Read => Answer::Read(Err(error)),
            Operation::Write(_) | Operation::Cas { .. } => Answer::Changed(Err(error)),
        };
        Self { tag, unanswered }
    }
}
