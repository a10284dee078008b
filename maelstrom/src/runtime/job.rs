//! A piece of the node's work that takes a while: a handler that waits, a task.
//!
//! It is the author's code, so it may panic: when it is polled, and when it is
//! dropped, be that because it ended or because the node did. Each such panic ends
//! the job alone, and is told.

use std::pin::Pin;
use std::task::{Context as Wakeup, Poll};

use futures_util::future::BoxFuture;

use crate::runtime::panics::{Panics, Place};

/// A task of the node itself, dropped with the node.
pub(crate) type Task = BoxFuture<'static, ()>;

/// A task that is guarded. Ends with the bytes of the message that it is about.
pub(crate) struct Job {
    task: Option<Task>,
    bytes: usize,
    place: Place<'static>,
    panics: Panics,
}

impl Job {
    pub(crate) fn new(task: Task, bytes: usize, place: Place<'static>, panics: Panics) -> Self {
        Self { task: Some(task), bytes, place, panics }
    }

    /// The bytes of the message that it is about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            // What is to be said of a panic has been said.
            let _ = self.panics.catch(self.place, || drop(task));
        }
    }
}

impl Future for Job {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Wakeup<'_>) -> Poll<usize> {
        let Self { task: Some(task), place, panics, bytes } = &mut *self else {
            return Poll::Ready(0);
        };
        let bytes = *bytes;
        match panics.catch(*place, || task.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) | Err(_) => {
                self.end();
                Poll::Ready(bytes)
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.end();
    }
}
