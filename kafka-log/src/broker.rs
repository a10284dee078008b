//! The node as a [`Machine`]: requests of clients around the [`Log`], and its registers.
//!
//! A request that comes before the node has read what there is, or for messages that are
//! yet to be read, waits and is served as soon as it can be.
//!
//! A request is refused with a definite error only if it had no effect and will have
//! none. A commit never is; the [crate's front page](crate) says why.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;

use maelstrom::machine::{Client, Input, Machine, Outputs, Time};
use maelstrom::{Error, NodeId};
use serde_json::value::RawValue;

use crate::announce::Segments;
use crate::injected_bugs::Bug;
use crate::log::{Answer, Command, Log};
use crate::options::Options;
use crate::registers::{Known, Registers};

/// A client's request.
#[derive(Debug)]
pub struct Request {
    /// Whose it is.
    pub from: NodeId,
    /// What it asks.
    pub what: Asked,
}

/// What clients ask.
#[derive(Debug)]
pub enum Asked {
    /// To append a message to a key's log.
    Send(String, Box<RawValue>),
    /// For messages, from these offsets on.
    Poll(BTreeMap<String, u64>),
    /// To note that messages were processed up to these offsets.
    Commit(BTreeMap<String, u64>),
    /// Up to where messages of these keys were.
    ListCommitted(Vec<String>),
}

/// What they are answered.
#[derive(Debug)]
pub enum Reply {
    /// The message has this offset.
    Sent(u64),
    /// Messages, as the JSON text that they are on the network.
    Page(Box<RawValue>),
    /// It is noted.
    Committed,
    /// Offsets, by key.
    Offsets(BTreeMap<String, u64>),
}

/// A node of the log.
pub struct Broker {
    log: Log,
    registers: Registers,
    /// Requests that cannot be served yet.
    early: BTreeMap<Client, Request>,
    /// Those who wait for a segment; whether with a commit.
    appending: BTreeMap<Client, bool>,
    /// What is wrong with the log in the service.
    alarm: Option<String>,
    /// What early requests wait for, when they were looked at.
    looked_at: Progress,
    options: Options,
}

/// Whether the node serves, whether it never will, and how much it has read for polls.
type Progress = (bool, bool, u64);

impl Broker {
    /// The node of rank `me` among `nodes`, in an incarnation of this name.
    pub(crate) fn new(me: usize, nodes: usize, incarnation: String, options: Options) -> Self {
        let overwrites = options.bugs.has(Bug::Overwrite) || options.bugs.has(Bug::ReuseIndexes);
        Self {
            log: Log::new(me, nodes, incarnation, options),
            registers: Registers::new(overwrites),
            early: BTreeMap::new(),
            appending: BTreeMap::new(),
            alarm: None,
            looked_at: Progress::default(),
            options,
        }
    }

    fn take(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Request(client, request) => self.serve(now, client, request, out),
            Input::GiveUp(client) => self.give_up(client, out),
            Input::Message(from, segments) => self.log.receive(now, from, segments),
            Input::Returned(attempt, answer) => {
                match self.registers.answered(now, attempt, answer, out) {
                    Some(Known::Read(register, text)) => self.log.found(register, text),
                    Some(Known::Decided(register, text)) => self.log.decided(now, register, &text),
                    None => {}
                }
            }
            Input::Start
            | Input::Wake
            | Input::Written(_)
            | Input::Stalled(_)
            | Input::WriteFailed(_)
            | Input::Compact => {}
        }
    }

    fn serve(&mut self, now: Time, client: Client, request: Request, out: &mut Outputs<Self>) {
        if let Some(alarm) = &self.alarm {
            return self.refuse(client, &request.what, Error::unavailable(alarm), out);
        }
        if !self.log.is_serving() {
            self.early.insert(client, request);
            return;
        }
        let Request { from, what } = request;
        match what {
            Asked::Send(key, message) => {
                self.log.heard_from(now, &from);
                match self.log.send(now, client.0, from, key, message) {
                    Ok(()) => drop(self.appending.insert(client, false)),
                    Err(refused) => out.fail(client, Error::unavailable(refused)),
                }
            }
            Asked::Commit(offsets) => {
                self.log.heard_from(now, &from);
                match self.log.commit(now, client.0, from, offsets) {
                    Ok(true) => drop(self.appending.insert(client, true)),
                    Ok(false) => out.reply(client, Reply::Committed),
                    Err(refused) => self.in_doubt(client, Error::unavailable(refused), out),
                }
            }
            Asked::Poll(offsets) => self.poll(now, client, from, offsets, out),
            Asked::ListCommitted(keys) => {
                let committed = |key: String| self.log.committed(&key).map(|offset| (key, offset));
                out.reply(client, Reply::Offsets(keys.into_iter().filter_map(committed).collect()));
            }
        }
    }

    fn poll(
        &mut self,
        now: Time,
        client: Client,
        from: NodeId,
        offsets: BTreeMap<String, u64>,
        out: &mut Outputs<Self>,
    ) {
        self.log.heard_from(now, &from);
        match self.log.poll(&offsets) {
            Ok(Some(page)) => out.reply(client, Reply::Page(page)),
            Ok(None) => {
                self.early.insert(client, Request { from, what: Asked::Poll(offsets) });
            }
            Err(error) => out.fail(client, Error::crash(error)),
        }
    }

    fn give_up(&mut self, client: Client, out: &mut Outputs<Self>) {
        if let Some(request) = self.early.remove(&client) {
            let text = match self.log.is_serving() {
                true => "these messages are yet to be read from lin-kv",
                false => "this node has yet to read what lin-kv has",
            };
            return self.refuse(client, &request.what, Error::unavailable(text), out);
        }
        let Some(is_commit) = self.appending.remove(&client) else { return };
        let error = if self.log.withdraw(client.0) {
            let text = "lin-kv does not answer; nothing was written, and nothing will be";
            Error::unavailable(text)
        } else {
            Error::timeout("lin-kv does not answer; this may have been written, or may be yet")
        };
        if is_commit { self.in_doubt(client, error, out) } else { out.fail(client, error) }
    }

    fn refuse(&self, client: Client, what: &Asked, error: Error, out: &mut Outputs<Self>) {
        match what {
            Asked::Commit(_) => self.in_doubt(client, error, out),
            _ => out.fail(client, error),
        }
    }

    /// Fails a commit, without the certainty that nothing happened: a poll did.
    fn in_doubt(&self, client: Client, error: Error, out: &mut Outputs<Self>) {
        if !error.code().is_definite() || self.options.bugs.has(Bug::RefuseCommits) {
            return out.fail(client, error);
        }
        let text = error.text();
        let text = format_args!("not committed, but what was polled is with you: {text}");
        out.fail(client, Error::timeout(text));
    }

    /// Does what is due, and serves those who waited for what that brought.
    fn advance(&mut self, now: Time, out: &mut Outputs<Self>) {
        self.registers.retry(now, out);
        loop {
            for command in self.log.advance(now) {
                self.carry_out(now, command, out);
            }
            let progress = (self.log.is_serving(), self.alarm.is_some(), self.log.loaded());
            if self.early.is_empty() || progress == self.looked_at {
                break;
            }
            self.looked_at = progress;
            for (client, request) in std::mem::take(&mut self.early) {
                self.serve(now, client, request, out);
            }
        }
    }

    fn carry_out(&mut self, now: Time, command: Command, out: &mut Outputs<Self>) {
        match command {
            Command::Read(register) => self.registers.read(now, register, out),
            Command::Propose(register, text) => self.registers.propose(now, register, text, out),
            Command::Announce(node, segments) => out.send(node, segments),
            Command::Answer(ticket, answer) => {
                // Whoever gave up was answered then.
                if self.appending.remove(&Client(ticket)).is_some() {
                    out.reply(
                        Client(ticket),
                        match answer {
                            Answer::Sent(offset) => Reply::Sent(offset),
                            Answer::Committed => Reply::Committed,
                        },
                    );
                }
            }
            Command::Alarm(alarm) => {
                tracing::error!("{alarm}");
                self.alarm = Some(alarm);
            }
            Command::Warn(warning) => tracing::error!("{warning}"),
        }
    }
}

impl Machine for Broker {
    type Request = Request;
    type Reply = Reply;
    type Message = Segments;
    type Call = u64;
    type Record = Infallible;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        self.take(now, input, out);
        self.advance(now, out);
    }

    fn deadline(&self) -> Option<Time> {
        [self.log.deadline(), self.registers.deadline()].into_iter().flatten().min()
    }
}
