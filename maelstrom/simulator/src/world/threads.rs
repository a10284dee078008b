//! Client processes: which operation each has open, and how it goes on.
//!
//! A thread is bound to a node and runs one process at a time. After an
//! indeterminate operation its process is over (it may still be waiting for that
//! operation, for all anybody knows) and the next one gets a new number.

use std::time::Duration;

use checkers::history::{Op, OpType};
use maelstrom::protocol::{ERROR, LooseHeader};

use super::Command;
use super::record::{ErrorReply, Outcome, Recorder};
use super::wire::{Connection, Owner, Wire};
use crate::net::Message;
use crate::workload::{Client, Completion, Context, FreeThreads, Operation, Step, Workload};

pub(super) struct Threads {
    node_count: usize,
    threads: Vec<Thread>,
    processes: Vec<u64>,
    free: FreeThreads,
}

#[derive(Default)]
struct Thread {
    session: Option<Session>,
    operation: Option<Operation>,
    /// Its index, or that of the last one.
    index: u64,
}

/// A process's connection to its node. Opened when the process performs its
/// first operation, as in the original.
struct Session {
    process: u64,
    connection: Connection,
    client: Box<dyn Client>,
}

pub(super) struct Ended {
    pub(super) thread: usize,
    pub(super) operation: Operation,
    pub(super) op: Op,
}

impl Ended {
    pub(super) fn completion(&self) -> Completion<'_> {
        Completion { kind: self.op.kind, value: &self.op.value }
    }
}

/// What the world lends a thread.
pub(super) struct Effects<'a> {
    pub(super) workload: &'a dyn Workload,
    pub(super) wire: &'a mut Wire,
    pub(super) recorder: &'a mut Recorder,
    pub(super) now: Duration,
}

impl Threads {
    pub(super) fn new(concurrency: usize, node_count: usize) -> Self {
        Self {
            node_count,
            threads: std::iter::repeat_with(Thread::default).take(concurrency).collect(),
            processes: (0..concurrency as u64).collect(),
            free: FreeThreads::all(concurrency),
        }
    }

    pub(super) fn context(&self, now: Duration) -> Context<'_> {
        Context { now, free: &self.free, processes: &self.processes }
    }

    pub(super) fn all_free(&self) -> bool {
        self.free.len() == self.threads.len()
    }

    pub(super) fn invoke(
        &mut self,
        thread: usize,
        operation: Operation,
        effects: &mut Effects<'_>,
        out: &mut Vec<Command>,
    ) -> Option<Ended> {
        let process = self.processes[thread];
        let op = effects.recorder.invoke(process, &operation, effects.now);
        self.free.take(thread);
        let state = &mut self.threads[thread];
        state.index = op.index;
        out.push(Command::Record(op));
        let session = state.session_of(thread, process, effects);
        let step = session.client.invoke(&operation);
        state.operation = Some(operation);
        self.go_on(thread, step, effects)
    }

    /// Hands a message to the client on a thread.
    pub(super) fn receive(
        &mut self,
        thread: usize,
        message: Message,
        effects: &mut Effects<'_>,
    ) -> Option<Ended> {
        let Thread { session, operation, .. } = &mut self.threads[thread];
        let Session { connection, client, .. } = session.as_mut()?;
        let message = effects.wire.hand_over(connection, message, effects.now)?;
        let operation = operation.as_ref()?;
        match read_error(&message) {
            Some(error) => {
                let outcome = Outcome::error(operation.f, &error, effects.workload.errors());
                self.end(thread, outcome, effects)
            }
            None => match client.reply(operation, &message.body) {
                Ok(step) => self.go_on(thread, step, effects),
                Err(malformed) => {
                    self.end(thread, Outcome::raised(&malformed.to_string()), effects)
                }
            },
        }
    }

    /// Looks whether the client on a thread waited too long.
    pub(super) fn check_deadline(
        &mut self,
        thread: usize,
        effects: &mut Effects<'_>,
    ) -> Option<Ended> {
        let Thread { session, operation, .. } = &mut self.threads[thread];
        let connection = &mut session.as_mut()?.connection;
        if !effects.wire.timed_out(connection, effects.now) {
            return None;
        }
        let f = operation.as_ref()?.f;
        effects.wire.give_up(connection, f, effects.now);
        let outcome = Outcome::timeout(f, effects.workload.errors());
        self.end(thread, outcome, effects)
    }

    fn go_on(&mut self, thread: usize, step: Step, effects: &mut Effects<'_>) -> Option<Ended> {
        match step {
            Step::Request(request) => {
                let Thread { session, index, .. } = &mut self.threads[thread];
                let connection = &mut session.as_mut()?.connection;
                let (node, timeout) = (thread % self.node_count, effects.workload.timeout());
                let op = Some(*index);
                effects.wire.request(connection, node, &request, op, timeout, effects.now);
                None
            }
            Step::Ok(value) => self.end(thread, Outcome::ok(value), effects),
            Step::Info => self.end(thread, Outcome::info(), effects),
        }
    }

    fn end(&mut self, thread: usize, outcome: Outcome, effects: &mut Effects<'_>) -> Option<Ended> {
        let operation = self.threads[thread].operation.take()?;
        let op =
            effects.recorder.complete(self.processes[thread], &operation, outcome, effects.now);
        if op.kind == OpType::Info {
            self.processes[thread] += self.threads.len() as u64;
        }
        self.free.give_back(thread);
        Some(Ended { thread, operation, op })
    }
}

impl Thread {
    /// The session of a process: a new one if the process is new, unless the
    /// workload lets it inherit its predecessor's.
    fn session_of(
        &mut self,
        thread: usize,
        process: u64,
        effects: &mut Effects<'_>,
    ) -> &mut Session {
        let Effects { workload, wire, .. } = effects;
        let kept = |session: &Session| session.process == process || workload.reuses_clients();
        if let Some(old) = self.session.take_if(|session| !kept(session)) {
            wire.close(old.connection);
        }
        self.session.get_or_insert_with(|| Session {
            process,
            connection: wire.open(Owner::Thread(thread)),
            client: workload.client(),
        })
    }
}

fn read_error(message: &Message) -> Option<ErrorReply> {
    let header = LooseHeader::read(message.body.get()).ok()?;
    if header.kind() == ERROR { serde_json::from_str(message.body.get()).ok() } else { None }
}
