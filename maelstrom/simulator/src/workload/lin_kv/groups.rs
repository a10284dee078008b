//! Operations on many keys at once, each by a group of threads of its own.
//!
//! A group has two threads for each node: the first half of them read, the others
//! write (a third of the time) and cas. It works on one key until that key was
//! touched by [`PROCESSES`] processes, and takes the next one then: an operation
//! whose outcome nobody knows stays open for ever, and each of them makes the
//! search for a linear order longer. Operations are spread over groups, and in a
//! group over readers and writers, as evenly as free threads allow.
//!
//! This is Jepsen's `linearizable-register` test, with one thing mended: there,
//! groups after the first have no readers, because the part of the generator that
//! sets readers aside counts threads from the first group's on.

use std::collections::BTreeSet;
use std::ops::Range;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::workload::{Context, Generator, Next, Operation};

/// How many processes may touch a key.
const PROCESSES: usize = 20;
/// Values written are below this, so that a cas has a chance.
const VALUES: u64 = 5;

#[derive(Debug)]
pub(super) struct Groups {
    readers: usize,
    groups: Vec<Group>,
    next_key: u64,
}

#[derive(Debug)]
struct Group {
    key: u64,
    processes: BTreeSet<u64>,
}

impl Groups {
    pub(super) fn new(groups: usize, readers: usize) -> Self {
        let next_key = groups as u64;
        Self { readers, groups: (0..next_key).map(Group::new).collect(), next_key }
    }

    /// The threads of a group: those that read, and those that write.
    fn threads(&self, group: usize) -> (Range<usize>, Range<usize>) {
        let first = 2 * self.readers * group;
        let middle = first + self.readers;
        (first..middle, middle..middle + self.readers)
    }

    /// A group's key; a new one if too many processes have touched the old.
    fn key_of(&mut self, group: usize, processes: &[u64]) -> u64 {
        let (reading, writing) = self.threads(group);
        let processes = &processes[reading.start..writing.end];
        let limit = PROCESSES.max(processes.len());
        let state = &mut self.groups[group];
        state.processes.extend(processes);
        if state.processes.len() > limit {
            *state = Group::new(self.next_key);
            state.processes.extend(processes);
            self.next_key += 1;
        }
        state.key
    }
}

impl Group {
    fn new(key: u64) -> Self {
        Self { key, processes: BTreeSet::new() }
    }
}

impl Generator for Groups {
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next {
        let Context { free, processes, .. } = *context;
        let group_of = |thread| thread / (2 * self.readers);
        let mut candidates: Vec<usize> = free.iter().map(group_of).collect();
        candidates.dedup();
        let Some(&group) = candidates.choose(rng) else { return Next::Pending(None) };
        let key = self.key_of(group, processes);
        let (reading, writing) = self.threads(group);
        let (reader, writer) = (free.any_in(reading), free.any_in(writing));
        match (reader, writer) {
            (Some(reader), writer) if writer.is_none() || rng.random() => {
                Next::Invoke(reader, Operation::new("read", &(key, ())))
            }
            (_, Some(writer)) => Next::Invoke(writer, change(key, rng)),
            (_, None) => Next::Pending(None),
        }
    }
}

/// A write, or twice as often a cas.
fn change(key: u64, rng: &mut StdRng) -> Operation {
    let mut value = || rng.random_range(0..VALUES);
    let (from, to) = (value(), value());
    if rng.random_ratio(1, 3) {
        Operation::new("write", &(key, to))
    } else {
        Operation::new("cas", &(key, (from, to)))
    }
}
