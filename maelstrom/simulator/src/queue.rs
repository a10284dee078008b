//! What is due at some time, soonest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Things that are due at the same time come in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Queue<T>(BinaryHeap<Entry<T>>);

#[derive(Debug)]
struct Entry<T> {
    due: Duration,
    number: u64,
    value: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, due: Duration, number: u64, value: T) {
        self.0.push(Entry { due, number, value });
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.peek().map(|entry| entry.due)
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, T)> {
        self.0.pop().map(|entry| (entry.due, entry.value))
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.0.retain(|entry| keep(&entry.value));
    }
}

/// A heap has its greatest on top.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}
