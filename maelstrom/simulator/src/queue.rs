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

    /// Takes out those that are such, in no order.
    pub(crate) fn extract(&mut self, is_such: impl Fn(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(&mut self.0).into_iter();
        let (such, others) = all.partition::<Vec<_>, _>(|entry| is_such(&entry.value));
        self.0 = others.into();
        such.into_iter().map(|entry| entry.value).collect()
    }

    /// All of them, in no order.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|entry| entry.value)
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
