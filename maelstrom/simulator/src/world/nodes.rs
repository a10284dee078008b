//! What the world knows of nodes, and how it prepares them.
//!
//! A node is initialised whenever it is started, and set up after that if the
//! workload has something to set up: all together at the beginning of a test, one
//! by one when they come back after a kill.

use std::time::Duration;

use super::fault::{FaultKind, NodeFault};
use super::record::ErrorReply;
use super::wire::{Connection, Owner, Wire};
use super::{Command, Phase, World};
use crate::net::{Address, Message};
use crate::request::Request;
use crate::workload::fields;
use maelstrom::protocol::{ERROR, INIT, LooseHeader, is_reply_to, reply_type};
use serde_json::value::RawValue;

/// How long a node may take to answer a request of the workload's setup.
const SETUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A node, as the world sees it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) status: Status,
    pub(super) is_paused: bool,
    /// The bench's own connection, while the node is being prepared.
    pub(super) connection: Option<Connection>,
    /// Whether it ever sent something to another node or to a service.
    pub(super) is_heard: bool,
    /// How many lines it printed since it was started.
    pub(super) lines: u64,
    /// How many it had printed when it was asked last, while it was being prepared.
    lines_before: u64,
    /// To whom it sent the answer to that, if not to who had asked.
    astray: Option<Address>,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was never started, and nobody knows its name.
    Absent,
    /// It does not run any more.
    Down,
    /// The machine that it ran on is gone.
    Lost,
    /// It was asked to initialise.
    Initialising,
    /// It was asked what the workload asks before a test.
    SettingUp,
    /// It does what clients ask.
    Ready,
}

impl Status {
    /// Whether there is a process.
    pub(super) fn is_up(self) -> bool {
        !matches!(self, Self::Absent | Self::Down | Self::Lost)
    }
}

impl Node {
    pub(super) fn absent() -> Self {
        Self {
            status: Status::Absent,
            is_paused: false,
            connection: None,
            is_heard: false,
            lines: 0,
            lines_before: 0,
            astray: None,
        }
    }

    /// Whether it does what clients ask now.
    pub(super) fn is_serving(&self) -> bool {
        self.status == Status::Ready && !self.is_paused
    }

    /// The same node, when a process of it begins or ends.
    fn reborn(&self, status: Status) -> Self {
        Self { status, is_heard: self.is_heard, ..Self::absent() }
    }
}

impl World {
    /// Starts a node and asks it to initialise.
    pub(super) fn start_node(&mut self, node: usize, now: Duration, out: &mut Vec<Command>) {
        out.push(Command::Start(node));
        self.trace_node("start", node, now);
        self.wire.net.connect(node);
        self.services.begin_incarnation(Address::Node(node), self.wire.net.next_id());
        self.nodes[node] = self.nodes[node].reborn(Status::Initialising);
        self.prepare(node, &self.init(node), self.settings.init_timeout, now);
    }

    fn init(&self, node: usize) -> Request {
        let names: Vec<String> =
            (0..self.nodes.len()).map(|node| Address::Node(node).to_string()).collect();
        Request::new(INIT).with("node_id", &names[node]).with("node_ids", &names)
    }

    /// The message that initialises a second process of a node, which is not on the
    /// network.
    pub(super) fn twins_init(&self, node: usize) -> Message {
        let (src, dest) = (Address::Client(0), Address::Node(node));
        Message { id: 0, src, dest, body: self.init(node).body(1) }
    }

    /// Kills a node: what is under way to it is lost.
    pub(super) fn kill_node(&mut self, node: usize, now: Duration, out: &mut Vec<Command>) {
        out.push(Command::Kill(node));
        let faults = self.settings.disk.iter().filter(|fault| fault.strikes_at_kills());
        out.extend(faults.map(|&fault| Command::Damage(node, fault)));
        self.end_node(node, Status::Down, now);
    }

    /// A node runs no more.
    pub(super) fn end_node(&mut self, node: usize, status: Status, now: Duration) {
        self.trace_node("kill", node, now);
        self.wire.net.disconnect(node, now);
        let down = self.nodes[node].reborn(status);
        let killed = std::mem::replace(&mut self.nodes[node], down);
        if let Some(connection) = killed.connection {
            self.wire.close(connection);
        }
    }

    /// Asks a node what the workload asks before a test; a workload that asks
    /// nothing finds it ready.
    pub(super) fn set_up(&mut self, node: usize, now: Duration) {
        match self.workload.setup().cloned() {
            Some(request) => {
                self.nodes[node].status = Status::SettingUp;
                self.prepare(node, &request, SETUP_TIMEOUT, now);
            }
            None => self.ready(node, now),
        }
    }

    fn ready(&mut self, node: usize, now: Duration) {
        self.nodes[node].status = Status::Ready;
        self.trace_node("ready", node, now);
    }

    pub(super) fn all_ready(&self) -> bool {
        self.nodes.iter().all(|node| node.status == Status::Ready)
    }

    fn prepare(&mut self, node: usize, request: &Request, timeout: Duration, now: Duration) {
        if let Some(old) = self.nodes[node].connection.take() {
            self.wire.close(old);
        }
        let asked = &mut self.nodes[node];
        asked.lines_before = asked.lines;
        let connection = asked.connection.insert(self.wire.open(Owner::Node(node)));
        self.wire.request(connection, node, request, None, timeout, now);
    }

    /// A node answered what it was asked before it is ready.
    pub(super) fn answered(
        &mut self,
        node: usize,
        reply: &Message,
        now: Duration,
    ) -> Result<(), NodeFault> {
        let request = self.preparation(node);
        if let Err(problem) = self.check_answer(node, reply, request) {
            let body = reply.body.get().to_owned();
            return Err(FaultKind::Unwilling { request, body, problem }.of(node));
        }
        match (self.nodes[node].status, self.phase) {
            (Status::Initialising, Phase::Init) => self.nodes[node].status = Status::Ready,
            (Status::SettingUp, _) => self.ready(node, now),
            _ => self.set_up(node, now),
        }
        self.end_preparation_if_done(now);
        Ok(())
    }

    /// Notes whether a node that is being prepared sends its answer to somebody else.
    pub(super) fn note_astray(&mut self, node: usize, dest: Address, body: &RawValue) {
        let Node { status, connection: Some(asker), .. } = &self.nodes[node] else { return };
        if matches!(status, Status::Initialising | Status::SettingUp) && asker.address() != dest {
            let header = LooseHeader::read(body.get()).unwrap_or_default();
            if is_reply_to(&header.kind(), self.preparation(node)) {
                self.nodes[node].astray = Some(dest);
            }
        }
    }

    /// As in the original: of an `init_ok` the type is all that matters, whatever
    /// else it carries; a reply to the workload's own request has to be right.
    fn check_answer(
        &self,
        node: usize,
        reply: &Message,
        request: &'static str,
    ) -> Result<(), String> {
        let header = LooseHeader::read(reply.body.get()).unwrap_or_default();
        if header.kind() == ERROR {
            return Err(ErrorReply::read(&reply.body).to_string());
        }
        if self.nodes[node].status == Status::SettingUp {
            let checked = fields(&reply.body, request, []);
            return checked.map(drop).map_err(|malformed| malformed.problem().to_owned());
        }
        match header.kind() {
            kind if is_reply_to(&kind, request) => Ok(()),
            kind if kind.is_empty() => Err("`type` is missing".to_owned()),
            kind => Err(format!("its type is {kind:?}")),
        }
    }

    /// That a node did not answer.
    pub(super) fn silent(&self, node: usize) -> NodeFault {
        let request = self.preparation(node);
        let timeout = match self.nodes[node].status {
            Status::SettingUp => SETUP_TIMEOUT,
            _ => self.settings.init_timeout,
        };
        let Node { lines, lines_before, connection, astray, .. } = &self.nodes[node];
        let asker = connection.as_ref();
        let astray = astray.zip(asker).map(|(dest, asker)| {
            let (reply, src) = (reply_type(request), asker.address());
            format!(
                ". It sent its `{reply}` to {dest}, and not to {src}, from whom the request was"
            )
        });
        let instead = asker.and_then(Wire::instead).or(astray);
        let (seconds, printed) = (timeout.as_secs(), lines - lines_before);
        FaultKind::Silent { request, seconds, printed, instead }.of(node)
    }

    /// The type of what a node is asked before it is ready.
    fn preparation(&self, node: usize) -> &'static str {
        match (self.nodes[node].status, self.workload.setup()) {
            (Status::SettingUp, Some(request)) => request.kind(),
            _ => INIT,
        }
    }
}
