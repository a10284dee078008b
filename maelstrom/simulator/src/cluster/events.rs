//! What happens: messages, alarms, faults; and what machines want done.

use std::io::{self, ErrorKind};
use std::time::Duration;

use maelstrom::Error;
use maelstrom::machine::{Client, Input, Machine, Output, Rank, ServiceCall, Time};

use super::agenda::Due;
use super::journal::WriteFault;
use super::node::{Call, Node};
use super::{Body, Cluster, Step};
use crate::net::{Address, Message, ServiceName};

/// The granularity of timers, as of a node that runs in real time.
const GRANULARITY: Duration = Duration::from_millis(1);
/// Steps at the same time above which it will not go on.
const CROWD: u64 = 1_000_000;

impl<M: Machine> Cluster<M> {
    /// Lets the next thing happen, if it is due by `end`.
    pub(super) fn next(&mut self, end: Time) -> bool {
        let times = [self.net.next_due(), self.agenda.next(), self.nemesis.due()];
        let Some(at) = times.into_iter().flatten().min().filter(|&at| at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        let is_due = |time: Option<Time>| time.is_some_and(|time| time <= at);
        if is_due(times[0]) {
            if let Some(message) = self.net.receive(self.now) {
                self.arrive(message);
            }
        } else if is_due(times[1]) {
            self.let_be_due();
        } else if let Some(action) = self.nemesis.next() {
            self.apply(action.effect);
        }
        true
    }

    fn arrive(&mut self, Message { id, src, dest, body }: Message<Body<M>>) {
        match (dest, src, body) {
            (Address::Node(node), Address::Node(from), Body::Message(message)) => {
                self.deliver(node, Input::Message(from, message));
            }
            (Address::Node(node), _, Body::Answer(call, answer)) => {
                if let Some(call) = self.nodes[node].calls.remove(&call) {
                    self.deliver(node, Input::Returned(call.tag, *answer));
                }
            }
            (Address::Service(_), Address::Node(_), Body::Call(number, call)) => {
                let answer = Box::new(self.services.call(&call, src, id));
                self.post(dest, src, Body::Answer(number, answer));
            }
            _ => unreachable!("nodes and services say nothing else to each other"),
        }
    }

    fn let_be_due(&mut self) {
        let Some(entry) = self.agenda.pop() else { return };
        let (rank, node) = (entry.node, &mut self.nodes[entry.node]);
        if node.incarnation != entry.incarnation || node.machine.is_none() {
            return;
        }
        match entry.due {
            // An earlier alarm may have been set since, and have rung.
            Due::Wake if node.alarm != Some(entry.at) => {}
            Due::Wake => self.ring(rank),
            Due::GiveUp(client) => self.deliver(rank, Input::GiveUp(client)),
            Due::Call(number, call) => self.send_call(rank, number, call),
            Due::Timeout(number) => {
                if let Some(call) = node.calls.remove(&number) {
                    self.deliver(rank, Input::Returned(call.tag, call.unanswered));
                }
            }
            Due::Written(records) => {
                let more = node.journal.written(records);
                self.deliver(rank, Input::Written(more));
                if self.nodes[rank].journal.is_bloated(self.snapshot_every) {
                    self.deliver(rank, Input::Compact);
                }
            }
            Due::Stalled => self.deliver(rank, Input::Stalled(ErrorKind::StorageFull.into())),
            Due::WriteFailed => self.deliver(rank, Input::WriteFailed(io::Error::other("broken"))),
            Due::Compacted => node.journal.compacted(),
        }
    }

    /// Wakes a machine if it still wants that, and sets its next alarm.
    fn ring(&mut self, rank: Rank) {
        let node = &mut self.nodes[rank];
        node.alarm = None;
        if node.is_paused {
            return;
        }
        if node.deadline.is_some_and(|deadline| deadline <= node.clock.read(self.now)) {
            node.not_before = self.now + GRANULARITY;
            return self.handle(rank, Input::Wake);
        }
        self.set_alarm(rank);
    }

    pub(super) fn set_alarm(&mut self, rank: Rank) {
        let node = &mut self.nodes[rank];
        let Some(deadline) = node.deadline else { return };
        let at = node.clock.when(deadline).max(node.not_before);
        if node.alarm.is_none_or(|alarm| at < alarm) {
            node.alarm = Some(at);
            self.agenda.add(at, rank, node.incarnation, Due::Wake);
        }
    }

    /// Has a node handle an input now, or when it goes on.
    pub(super) fn deliver(&mut self, rank: Rank, input: Input<M>) {
        let node = &mut self.nodes[rank];
        if node.is_paused {
            node.backlog.push_back(input);
        } else {
            self.handle(rank, input);
        }
    }

    /// A paused node goes on: what waits comes first.
    pub(super) fn go_on(&mut self, rank: Rank) {
        let node = &mut self.nodes[rank];
        node.is_paused = false;
        while let Some(input) = self.nodes[rank].backlog.pop_front() {
            self.handle(rank, input);
        }
        self.set_alarm(rank);
    }

    fn handle(&mut self, rank: Rank, input: Input<M>) {
        let gives_up = match input {
            Input::GiveUp(client) if self.reply(client).is_some() => return,
            Input::GiveUp(client) => Some(client),
            _ => None,
        };
        let node = &mut self.nodes[rank];
        let Some(machine) = &mut node.machine else { return };
        let now = node.clock.read(self.now);
        machine.handle(now - node.started, input, &mut self.outputs);
        node.deadline = machine.deadline().map(|deadline| node.started + deadline);
        self.count_step();
        self.consult(rank);
        self.carry_out(rank);
        self.set_alarm(rank);
        if let Some(client) = gives_up.filter(|&client| self.reply(client).is_none()) {
            self.fail(format_args!("n{rank} does not reply to {client:?}, who gives up"));
        }
    }

    fn count_step(&mut self) {
        self.steps += 1;
        if self.crowd.0 != self.now {
            self.crowd = (self.now, self.steps);
        } else if self.steps - self.crowd.1 > CROWD {
            self.fail("time does not go on");
        }
    }

    fn consult(&mut self, node: Rank) {
        let Node { machine: Some(machine), journal, .. } = &self.nodes[node] else { return };
        let (safe, outputs) = (journal.safe_records(), self.outputs.as_slice());
        let step = Step { now: self.now, node, machine, safe, outputs };
        let verdict = self.oracles.iter_mut().try_for_each(|oracle| oracle(&step));
        if let Err(what) = verdict {
            self.fail(what);
        }
    }

    fn carry_out(&mut self, rank: Rank) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain() {
            match output {
                Output::Reply(client, reply) => self.note_reply(rank, client, reply),
                Output::Send(to, message) => {
                    self.post(Address::Node(rank), Address::Node(to), Body::Message(message));
                }
                Output::Call(tag, call) => self.call(rank, tag, Box::new(call)),
                Output::Write(record) => self.write(rank, record),
                Output::Snapshot(pieces) => {
                    let node = &mut self.nodes[rank];
                    let begun = node.journal.begin_snapshot(pieces, self.now, self.write_time);
                    self.add_all(rank, begun);
                }
            }
        }
        self.outputs = outputs;
    }

    fn note_reply(&mut self, node: Rank, client: Client, reply: Result<M::Reply, Error>) {
        let now = self.now;
        let Client(number) = client;
        match self.asked.get_mut(number as usize) {
            Some(asked) if asked.node == node && asked.reply.is_none() => {
                asked.reply = Some((now, reply));
            }
            _ => self.fail(format_args!("n{node} replies {reply:?} to {client:?}, who did not ask it or was replied to before")),
        }
    }

    pub(super) fn post(&mut self, src: Address, dest: Address, body: Body<M>) {
        let message = self.net.register(src, dest, body, self.now);
        self.net.post(message, self.now);
    }

    fn call(&mut self, rank: Rank, tag: M::Call, call: Box<ServiceCall>) {
        self.last_call += 1;
        let (number, node, sent) = (self.last_call, &mut self.nodes[rank], self.now + call.pause);
        node.calls.insert(number, Call::new(tag, &call));
        self.agenda.add(sent + call.timeout, rank, node.incarnation, Due::Timeout(number));
        if call.pause.is_zero() {
            self.send_call(rank, number, call);
        } else {
            self.agenda.add(sent, rank, node.incarnation, Due::Call(number, call));
        }
    }

    fn send_call(&mut self, rank: Rank, number: u64, call: Box<ServiceCall>) {
        let service = Address::Service(ServiceName::of(call.service));
        self.post(Address::Node(rank), service, Body::Call(number, call));
    }

    fn write(&mut self, rank: Rank, record: M::Record) {
        let fault = if std::mem::take(&mut self.nodes[rank].disk_fails) {
            WriteFault::Broken
        } else {
            WriteFault::draw(&mut self.rng, self.write_faults)
        };
        let journal = &mut self.nodes[rank].journal;
        let due = journal.write(record, self.now, self.write_time, fault);
        self.add_all(rank, due);
    }

    fn add_all(&mut self, rank: Rank, due: impl IntoIterator<Item = (Time, Due)>) {
        let incarnation = self.nodes[rank].incarnation;
        due.into_iter().for_each(|(at, due)| self.agenda.add(at, rank, incarnation, due));
    }
}
