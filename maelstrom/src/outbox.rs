//! What a node wants to have sent and started, until the run loop takes it.
//!
//! Lines are written into one buffer as they are made, so a burst of messages
//! costs one write. The run loop polls every handler and task of the node
//! itself and looks here afterwards; only what comes from elsewhere (a thread,
//! a task that the handler gave to the runtime) has to wake it.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::message::{Outgoing, encode};

/// A task of the node itself, dropped with the node.
pub(crate) type Task = BoxFuture<'static, ()>;

#[derive(Default)]
pub(crate) struct Outbox(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    lines: Vec<u8>,
    tasks: Vec<Task>,
    /// Set by the run loop when it goes to sleep, taken by the first who puts
    /// something in.
    sleeper: Option<Waker>,
}

impl Outbox {
    /// Adds a message; an error leaves the outbox as it was.
    pub(crate) fn push<P: Serialize>(
        &self,
        src: &str,
        dest: &str,
        message: &Outgoing<'_, P>,
    ) -> serde_json::Result<()> {
        let mut contents = self.lock();
        encode(&mut contents.lines, src, dest, message)?;
        contents.wake();
        Ok(())
    }

    /// Adds a task.
    pub(crate) fn spawn(&self, task: Task) {
        let mut contents = self.lock();
        contents.tasks.push(task);
        contents.wake();
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().lines.len()
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
    pub(crate) fn take_tasks(&self) -> Vec<Task> {
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
    fn wake(&mut self) {
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
    }
}
