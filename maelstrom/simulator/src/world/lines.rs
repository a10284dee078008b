//! What nodes print, line by line: messages, or faults of theirs.

use std::time::Duration;

use serde_json::Value;

use super::fault::{FaultKind, NodeFault, Printed, shorten};
use super::quirks::Quirk;
use super::wire::{Owner, Presence};
use super::{Command, World};
use crate::net::{Address, Line};

impl World {
    /// Takes a line that a node printed, without its line break. What is left of
    /// a node that was killed is ignored. Returns the id of a message that others carry.
    ///
    /// # Errors
    ///
    /// When the line is not a message that the node may send.
    pub fn node_line(
        &mut self,
        node: usize,
        line: &[u8],
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<Option<u64>, NodeFault> {
        if !self.nodes[node].status.is_up() {
            return Ok(None);
        }
        self.nodes[node].lines += 1;
        if let Ok(line) = std::str::from_utf8(line) {
            return self.message_line(node, line, now, out);
        }
        let line = String::from_utf8_lossy(line);
        self.note_line(Quirk::NotUtf8, node, &line);
        self.message_line(node, &line, now, out)
    }

    fn message_line(
        &mut self,
        node: usize,
        line: &str,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<Option<u64>, NodeFault> {
        let number = self.nodes[node].lines;
        let printed = || Printed::new(number, line.as_bytes());
        let message =
            Line::parse(line).map_err(|error| FaultKind::of_line(error, printed()).of(node))?;
        if !message.rest.is_empty() {
            self.note_line(Quirk::TrailingText, node, line);
        }
        let Some(src) = Address::parse(&message.src).filter(|&src| self.is_registered(src)) else {
            let kind = FaultKind::UnknownSource { line: printed(), src: message.src.into_owned() };
            return Err(kind.of(node));
        };
        if src != Address::Node(node) {
            self.note_line(Quirk::ForgedSource, node, line);
        }
        let (body, dest) = (message.body, Address::parse(&message.dest));
        if let Some(dest) = dest {
            self.note_astray(node, dest, body);
        }
        match dest {
            Some(dest) if self.wire.net.has(dest) => {
                if !self.is_registered(dest) {
                    let dest = dest.to_string();
                    return Err(FaultKind::TooEarly { line: printed(), dest }.of(node));
                }
                self.nodes[node].is_heard |= dest != Address::Node(node);
                let message = self.wire.net.register(src, dest, body.to_owned(), now);
                self.count_if_idle(&message);
                let left = self.wire.net.is_left(src, dest).then_some(message.id);
                self.wire.net.post(message, now);
                Ok(left)
            }
            Some(dest @ Address::Client(id)) if self.wire.presence(id) != Presence::Never => {
                self.note_foreign_reply(id, node);
                self.hand_to_client(id, src, dest, body, now, out)?;
                Ok(None)
            }
            _ => {
                let dest = message.dest.into_owned();
                Err(FaultKind::UnknownDestination { line: printed(), dest }.of(node))
            }
        }
    }

    /// Whether somebody of that name takes part now: only such names may send.
    fn is_registered(&self, address: Address) -> bool {
        match address {
            Address::Client(id) => matches!(self.wire.presence(id), Presence::Open(_)),
            Address::Node(_) | Address::Service(_) => {
                self.wire.net.has(address) && self.was_started(address)
            }
        }
    }

    fn note_line(&mut self, quirk: Quirk, node: usize, line: &str) {
        let number = self.nodes[node].lines;
        self.wire
            .quirks
            .note(quirk, || format!("by n{node}: {}", Printed::new(number, line.as_bytes())));
    }

    /// Notes that a client hears from a node which it did not ask.
    fn note_foreign_reply(&mut self, client: u64, node: usize) {
        let asked = match self.wire.presence(client) {
            Presence::Open(Owner::Node(asked)) => asked,
            Presence::Open(Owner::Thread(thread)) => thread % self.nodes.len(),
            _ => return,
        };
        if asked != node {
            let example = || format!("by n{node} to c{client}, who had asked n{asked}");
            self.wire.quirks.note(Quirk::ForeignReply, example);
        }
    }

    /// Takes what a node printed after its last line break, at the end of a test.
    pub fn end_of_output(&mut self, node: usize, rest: &[u8]) {
        if let Ok(line) = std::str::from_utf8(rest)
            && Line::parse(line).is_ok()
        {
            self.nodes[node].lines += 1;
            self.note_line(Quirk::UnendedLine, node, line);
        }
    }

    /// Notes that a node said that one of its threads ended with an exception.
    pub fn thread_ended(&mut self, node: usize, reason: &str) {
        let example = || format!("in n{node}: {}", Value::from(shorten(reason)));
        self.wire.quirks.note(Quirk::ThreadEnded, example);
    }
}
