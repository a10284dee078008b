//! What a node wants to have sent and started, until the run loop takes it.
//!
//! Lines are written into one buffer as they are made, so a burst of messages
//! costs one write. The run loop polls every handler and task of the node
//! itself and looks here afterwards; only what comes from elsewhere (a thread,
//! a task that the handler gave to the runtime) has to wake it.
//!
//! At first, until [`Outbox::release`], requests and one-way messages to other
//! nodes and to services are held: Maelstrom sets nodes up in parallel, and a
//! message to a name that it has not registered yet ends the sender's output for
//! good. Replies are not held, for whoever sent a message exists, nor is anything
//! for a client.

use std::convert::Infallible;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use serde::Serialize;
use tokio::sync::oneshot;

use crate::protocol::{Number, Outgoing, encode};
use crate::runtime::job::Job;

/// Output waiting to be written above which nothing else is done.
const HIGH_WATER: usize = 64 * 1024;
/// Tasks waiting to be started above which nothing else is done.
const MANY_TASKS: usize = 1024;

pub(crate) struct Outbox(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    lines: Vec<u8>,
    /// `None` once everybody may be talked to.
    held: Option<Held>,
    tasks: Vec<Job>,
    /// Set by the run loop when it goes to sleep, taken by the first who puts
    /// something in.
    sleeper: Option<Waker>,
}

/// What is for others than clients, before they may be talked to.
#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    /// Dropped at the release, which those who wait for it notice.
    calls: Vec<oneshot::Sender<Infallible>>,
}

/// Ends, with an error, when nothing is held any more.
pub(crate) type Release = oneshot::Receiver<Infallible>;

impl Outbox {
    /// An empty outbox that holds what is for other nodes and services.
    pub(crate) fn holding() -> Self {
        Self(Mutex::new(Contents { held: Some(Held::default()), ..Contents::default() }))
    }

    /// Adds a message; an error leaves the outbox as it was.
    pub(crate) fn push<P: Serialize>(
        &self,
        src: &str,
        dest: &str,
        message: &Outgoing<'_, P>,
    ) -> serde_json::Result<()> {
        self.lock().add(src, dest, message)
    }

    /// As [`Outbox::push`]; what comes back ends when the message leaves, if it is
    /// held.
    pub(crate) fn push_request<P: Serialize>(
        &self,
        src: &str,
        dest: &str,
        message: &Outgoing<'_, P>,
    ) -> serde_json::Result<Option<Release>> {
        let mut contents = self.lock();
        contents.add(src, dest, message)?;
        Ok(contents.hold(dest, message.number).map(Held::until_released))
    }

    /// What ends with the hold, if there is one.
    pub(crate) fn until_released(&self) -> Option<Release> {
        self.lock().held.as_mut().map(Held::until_released)
    }

    /// Lets go what is held, in the order in which it was added, and holds
    /// nothing from now on.
    pub(crate) fn release(&self) {
        let mut contents = self.lock();
        if let Some(mut held) = contents.held.take() {
            contents.lines.append(&mut held.lines);
            contents.wake();
        }
    }

    /// How many bytes are held.
    pub(crate) fn held(&self) -> usize {
        self.lock().held.as_ref().map_or(0, |held| held.lines.len())
    }

    /// Adds a task.
    pub(crate) fn spawn(&self, task: Job) {
        let mut contents = self.lock();
        contents.tasks.push(task);
        contents.wake();
    }

    /// How many bytes wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Whether so much waits to be written that this comes first.
    pub(crate) fn is_high(&self) -> bool {
        self.len() >= HIGH_WATER
    }

    /// Whether so much waits here that it comes before more input.
    pub(crate) fn is_full(&self) -> bool {
        let contents = self.lock();
        contents.lines.len() >= HIGH_WATER || contents.tasks.len() >= MANY_TASKS
    }

    /// Exchanges the waiting lines for an empty buffer.
    pub(crate) fn swap_lines(&self, buffer: &mut Vec<u8>) {
        debug_assert!(buffer.is_empty(), "what was taken before has been written");
        mem::swap(&mut self.lock().lines, buffer);
    }

    /// Whether tasks wait to be started.
    pub(crate) fn has_tasks(&self) -> bool {
        !self.lock().tasks.is_empty()
    }

    /// Takes the waiting tasks.
    pub(crate) fn take_tasks(&self) -> Vec<Job> {
        mem::take(&mut self.lock().tasks)
    }

    /// Has `waker` woken at the next addition; `false` when something waits
    /// already, and the caller should look again instead of sleeping.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut contents = self.lock();
        if !contents.lines.is_empty() || !contents.tasks.is_empty() {
            return false;
        }
        match &mut contents.sleeper {
            Some(sleeper) => sleeper.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        true
    }

    /// The run loop is awake again and will look by itself.
    pub(crate) fn awake(&self) {
        self.lock().sleeper = None;
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn add<P: Serialize>(
        &mut self,
        src: &str,
        dest: &str,
        message: &Outgoing<'_, P>,
    ) -> serde_json::Result<()> {
        let lines = match self.hold(dest, message.number) {
            Some(held) => &mut held.lines,
            None => &mut self.lines,
        };
        encode(lines, src, dest, message)?;
        self.wake();
        Ok(())
    }

    /// Where such a message is held, if it is.
    fn hold(&mut self, dest: &str, number: Number<'_>) -> Option<&mut Held> {
        self.held.as_mut().filter(|_| !number.is_reply() && !is_client(dest))
    }

    fn wake(&mut self) {
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
    }
}

impl Held {
    fn until_released(&mut self) -> Release {
        let (sender, release) = oneshot::channel();
        self.calls.push(sender);
        release
    }
}

/// A client is whoever has a name that begins like this, by Maelstrom's definition.
fn is_client(name: &str) -> bool {
    name.starts_with('c')
}
