//! A line of input: what it asks for is started or refused.
//!
//! Always: no line ends the node, and every request that has a `msg_id` and a sender
//! is answered exactly once, by its handler or here.

use std::fmt::Display;
use std::task::Context as Wakeup;

use super::{Core, Phase};
use crate::protocol::{
    Definite, Envelope, Error, Header, INIT, KEEP, Number, Salvaged, brief, salvage,
};
use crate::runtime::context::Running;
use crate::runtime::job::Job;
use crate::runtime::message::NodeId;
use crate::runtime::node::{Registered, Senders, refuse};

/// Some programs begin their output with it. It means nothing in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// A line above this is given back before its handler runs, so that the handler's answer
/// can take its place in memory.
const LONG: usize = KEEP;
/// What stands for bytes that are no UTF-8: as short as they are, and allowed in JSON.
const UNREADABLE: char = '\u{7f}';

impl Core {
    /// Handles one line; `false` when something else comes before the next one.
    pub(super) fn line(&mut self, line: &[u8], cx: &mut Wakeup<'_>) -> bool {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            self.stats.received += 1;
            match str::from_utf8(line) {
                Ok(text) => self.text(text, cx),
                Err(error) => self.malformed(&readable(line), &error),
            }
        }
        self.turn.step();
        !self.turn.is_over() && !self.outbox.is_full() && line.len() <= LONG
    }

    fn text(&mut self, line: &str, cx: &mut Wakeup<'_>) {
        let envelope = match Envelope::read(line) {
            Ok(envelope) => envelope,
            Err(error) => return self.malformed(line, &error),
        };
        if self.hold.is_some() && envelope.header.kind != INIT {
            self.release();
        }
        if let Some(id) = envelope.header.in_reply_to {
            if !self.calls.resolve(id, envelope, line) {
                self.stats.stray_replies += 1;
                tracing::debug!(line = brief(line), "a reply that no call waits for");
            }
        } else if let Err(error) = self.message(&envelope, line, cx) {
            self.refuse(&envelope, &error);
        }
    }

    /// Starts what the message asks for; an error is to be answered.
    fn message(
        &mut self,
        envelope: &Envelope<'_>,
        line: &str,
        cx: &mut Wakeup<'_>,
    ) -> Result<(), Error> {
        if envelope.header.kind == INIT {
            return self.init(envelope, line, cx);
        }
        let (Some(running), Phase::Serving) = (&self.running, &self.phase) else {
            return Err(Error::unavailable("this node has not been initialised yet"));
        };
        check_dest(running, envelope)?;
        let kind = &*envelope.header.kind;
        let registered = self.handlers.get(kind).or(self.fallback.as_ref());
        let Registered { senders, handler } = registered.ok_or_else(|| {
            Error::new(Definite::NotSupported, format_args!("no handler for `{}`", brief(kind)))
        })?;
        check_sender(running, *senders, envelope)?;
        if self.jobs.are_too_many() {
            return Err(Error::unavailable("too many requests are waiting here"));
        }
        if self.source != *envelope.src {
            self.source = NodeId::from(&*envelope.src);
        }
        let (place, mut task) = handler(running, self.source.clone(), envelope, line)
            .map_err(|error| Error::malformed(format_args!("`{kind}`: {error}")))?;
        let panics = running.panics();
        let waits = line.len() > LONG
            || panics.catch(place, || task.as_mut().poll(cx)).is_ok_and(|poll| poll.is_pending());
        if waits {
            self.jobs.add_handler(Job::new(task, line.len(), place, panics.clone()));
        }
        Ok(())
    }

    /// Answers a message with an error, or logs it when no answer is wanted.
    fn refuse(&mut self, envelope: &Envelope<'_>, error: &Error) {
        self.stats.refused += 1;
        let Envelope { src, header: Header { kind, msg_id, .. }, .. } = envelope;
        tracing::warn!(src = brief(src), kind = brief(kind), %error, "refused");
        if let Some(msg_id) = msg_id {
            let own = self.running.as_ref().map_or(&*envelope.dest, |running| running.setup.id());
            refuse(&self.outbox, own, src, Number::Reply(*msg_id), error);
        }
    }

    /// Answers a line that is no message of the protocol if it can be made out
    /// who wants an answer, and logs it.
    fn malformed(&mut self, line: &str, problem: &dyn Display) {
        self.stats.malformed += 1;
        tracing::warn!(%problem, line = brief(line), "no message");
        let Some(Salvaged { src, dest, msg_id }) = salvage(line) else { return };
        let running = self.running.as_ref().map(|running| running.setup.id().as_str());
        let Some(own) = running.or(dest.as_deref()) else { return };
        if !src.contains(UNREADABLE) {
            let error = Error::malformed(problem);
            refuse(&self.outbox, own, &src, Number::ReplyAsIs(msg_id), &error);
        }
    }
}

/// A line with what is no UTF-8 replaced, and no longer for that.
fn readable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend((!chunk.invalid().is_empty()).then_some(UNREADABLE));
    }
    text
}

/// A message must be for this node.
fn check_dest(running: &Running, envelope: &Envelope<'_>) -> Result<(), Error> {
    let id = running.setup.id();
    if *id == *envelope.dest {
        return Ok(());
    }
    let text = format_args!("this is {id}, not {}", brief(&envelope.dest));
    Err(Error::new(Definite::NodeNotFound, text))
}

/// What is between nodes must come from one of them.
fn check_sender(running: &Running, senders: Senders, envelope: &Envelope<'_>) -> Result<(), Error> {
    let is_node = || running.setup.node_ids().iter().any(|id| *id == *envelope.src);
    if senders == Senders::Anyone || is_node() {
        return Ok(());
    }
    let Envelope { src, header: Header { kind, .. }, .. } = envelope;
    let src = brief(src);
    let text = format_args!("`{kind}` is between nodes, and {src} is none of the cluster's");
    Err(Error::new(Definite::NotSupported, text))
}
