//! Messages that others carry, and nodes whose machine is gone: where nodes run on machines
//! of their own, messages between them need not pass by here.
//!
//! Their senders' lines come here all the same, to be counted and checked, and later what
//! became of them.

use std::time::Duration;

use super::nodes::{Node, Status};
use super::quirks::Quirk;
use super::{Command, FaultKind, NodeFault, Phase, World};
use crate::net::{Address, Elsewhere, Line, ServiceName, What};

impl World {
    /// Leaves these messages to others. The faults of the network are theirs as well, then:
    /// see [`Command::Network`].
    pub fn leave(&mut self, elsewhere: Elsewhere) {
        self.wire.net.leave(elsewhere);
    }

    pub(super) fn tell_network(&self, out: &mut Vec<Command>) {
        let (src, dest) = (Address::Node(0), Address::Node(1));
        if self.wire.net.is_left(src, dest) {
            out.push(Command::Network(self.wire.net.conditions().clone()));
        }
    }

    /// A service that is elsewhere sent this line to a node. Returns the message's id, unless
    /// the line is no such message.
    pub fn service_line(
        &mut self,
        service: ServiceName,
        line: &[u8],
        now: Duration,
    ) -> Option<u64> {
        let line = Line::parse(str::from_utf8(line).ok()?).ok()?;
        let (src, dest) = (Address::Service(service), Address::parse(&line.dest)?);
        let message = self.wire.net.register(src, dest, line.body.to_owned(), now);
        self.count_if_idle(&message);
        Some(message.id)
    }

    /// What became of a message that others carry.
    pub fn became(&mut self, what: What, now: Duration) {
        self.wire.net.became(what, now);
    }

    /// What carries messages between machines did not do so for a while.
    pub fn outage(&mut self, what: &str, now: Duration, out: &mut Vec<Command>) {
        self.wire.quirks.note(Quirk::Outage, || what.to_owned());
        self.prepare_again(now, out);
    }

    /// Whoever has the services could not reach them.
    pub fn services_away(&mut self, what: &str) {
        self.wire.quirks.note(Quirk::ServicesAway, || what.to_owned());
    }

    /// Starts those nodes again that are being prepared: what they were asked, or their answer,
    /// may be lost in an outage, which is no fault of theirs.
    pub fn prepare_again(&mut self, now: Duration, out: &mut Vec<Command>) {
        let is_prepared =
            |node: &Node| !matches!(node.status, Status::Initialising | Status::SettingUp);
        for node in 0..self.nodes.len() {
            if !is_prepared(&self.nodes[node]) {
                out.push(Command::Kill(node));
                self.end_node(node, Status::Down, now);
                self.start_node(node, now, out);
            }
        }
    }

    /// The machine of a node is gone, and the node with it. The test goes on without it.
    ///
    /// # Errors
    ///
    /// When the test has not begun yet, and so cannot begin.
    pub fn lose(&mut self, node: usize, why: &str, now: Duration) -> Result<(), NodeFault> {
        if matches!(self.phase, Phase::Init | Phase::Setup) {
            return Err(FaultKind::Lost { why: why.to_owned() }.of(node));
        }
        if self.nodes[node].status != Status::Lost {
            self.end_node(node, Status::Lost, now);
            self.wire.quirks.note(Quirk::NodeLost, || format!("n{node}: {why}"));
        }
        Ok(())
    }
}
