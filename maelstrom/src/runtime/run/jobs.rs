//! The jobs of a node: what of its work waits for something, and how much that may be.
//!
//! Handlers and tasks are bounded together. Requests are what makes work, so they are
//! turned away when there is too much of it; a task that the node starts by itself
//! cannot be refused.

use std::task::{Context as Wakeup, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::turn::Turn;
use crate::runtime::job::Job;
use crate::runtime::outbox::Outbox;

/// Jobs above which requests are turned away, and the bytes of the messages that they
/// are about above which they are.
const MOST: usize = 16 * 1024;
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// The jobs that have begun and not ended.
#[derive(Default)]
pub(super) struct Jobs {
    handlers: FuturesUnordered<Job>,
    tasks: FuturesUnordered<Job>,
    bytes: usize,
}

impl Jobs {
    pub(super) fn are_too_many(&self) -> bool {
        self.handlers.len() + self.tasks.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// How many handlers wait.
    pub(super) fn handlers(&self) -> usize {
        self.handlers.len()
    }

    pub(super) fn add_handler(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.handlers.push(job);
    }

    pub(super) fn add_task(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.tasks.push(job);
    }

    /// Takes the tasks that wait to be started.
    pub(super) fn take_tasks(&mut self, outbox: &Outbox) {
        outbox.take_tasks().into_iter().for_each(|task| self.add_task(task));
    }

    /// Polls jobs, new ones included, until all of them wait or the turn is over.
    pub(super) fn poll(&mut self, outbox: &Outbox, turn: &mut Turn, cx: &mut Wakeup<'_>) {
        // Asked in vain again and again, an empty set costs as much as a full one.
        while !turn.is_over()
            && !self.handlers.is_empty()
            && let Poll::Ready(Some(bytes)) = self.handlers.poll_next_unpin(cx)
        {
            self.bytes -= bytes;
            turn.step();
        }
        while !turn.is_over() {
            if outbox.has_tasks() {
                self.take_tasks(outbox);
                turn.generation();
            }
            if self.tasks.is_empty() {
                break;
            }
            match self.tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(bytes)) => {
                    self.bytes -= bytes;
                    turn.step();
                }
                _ if outbox.has_tasks() => {}
                _ => break,
            }
        }
    }
}
