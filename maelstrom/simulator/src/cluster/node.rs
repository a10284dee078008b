//! A node of a cluster: its machine, and what belongs to one of its incarnations.

use std::collections::{BTreeMap, VecDeque};

use maelstrom::CallError;
use maelstrom::machine::{Answer, Input, Machine, Operation, ServiceCall, Time};

pub(super) struct Node<M: Machine> {
    /// `None` while it is down.
    pub(super) machine: Option<M>,
    pub(super) incarnation: u64,
    pub(super) started: Time,
    pub(super) is_paused: bool,
    /// What it will handle when it goes on.
    pub(super) backlog: VecDeque<Input<M>>,
    pub(super) deadline: Option<Time>,
    /// The earliest alarm that is set.
    pub(super) alarm: Option<Time>,
    /// Its timers are not finer than this.
    pub(super) not_before: Time,
    pub(super) calls: BTreeMap<u64, Call<M>>,
    /// Survive it.
    pub(super) records: Vec<M::Record>,
    /// The first so many of them.
    pub(super) safe: usize,
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
            started: Time::ZERO,
            is_paused: false,
            backlog: VecDeque::new(),
            deadline: None,
            alarm: None,
            not_before: Time::ZERO,
            calls: BTreeMap::new(),
            records: Vec::new(),
            safe: 0,
        }
    }
}

impl<M: Machine> Node<M> {
    /// It is killed: all that is left are the records that were safe.
    pub(super) fn kill(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.truncate(self.safe);
        *self = Self { incarnation: self.incarnation, records, safe: self.safe, ..Self::default() };
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
