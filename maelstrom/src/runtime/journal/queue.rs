//! What a writer of a journal is asked for, in order, and what became of it.

use std::collections::VecDeque;
use std::io;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::frame::HEADER;
use super::{Snapshot, Sync};
use crate::Backoff;

/// How many bytes of records may wait before there is no room for more.
pub(super) const MAX_WAITING: usize = 8 << 20;
/// How many bytes of records are written at a time, if no single one is longer.
const MAX_GROUP: usize = 1 << 20;
/// How long it takes until records that could not be written are tried again.
const RETRY: Backoff = Backoff { first: Duration::from_millis(100), longest: MOST };
const MOST: Duration = Duration::from_secs(2);
/// How long it takes until a snapshot that failed is wanted again.
const RETRY_SNAPSHOT: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// What became of what a [`Writer`](super::Writer) was told to write.
#[derive(Debug)]
pub enum Event {
    /// So many more records, in their order, are as safe as the policy says.
    Written(u64),
    /// The next records cannot be written, for this reason: the disk is full, say. They are
    /// tried again and again; it is told once, until some are written.
    Stalled(io::Error),
    /// Nothing is written any more. Records that were not reported may or may not be there
    /// when the journal is opened again.
    Dead(io::Error),
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<Command>,
    /// What the records in the queue take.
    pub(super) bytes: usize,
    /// What could not be written, and comes before the queue.
    pub(super) stalled: Option<Stalled>,
    pub(super) events: VecDeque<Event>,
    /// How many records were asked for, and how many the caller knows to be written.
    pub(super) asked: u64,
    pub(super) known: u64,
    pub(super) is_dead: bool,
    /// When what was written has to be synced, if some time after it.
    pub(super) due: Option<Instant>,
    pub(super) is_bloated: bool,
    pub(super) is_snapshot_under_way: bool,
    /// How many snapshots have failed since the last that did not, and when another one
    /// may be tried.
    pub(super) failures: u32,
    pub(super) retry: Option<Instant>,
}

pub(super) struct Stalled {
    group: Group,
    attempts: u32,
    until: Instant,
}

/// Records that are written together.
pub(super) type Group = Arc<Vec<Vec<u8>>>;
pub(super) type Begun = oneshot::Sender<io::Result<Snapshot>>;

pub(super) enum Command {
    Append(Vec<u8>),
    Snapshot(Begun),
}

/// What is done at a time.
pub(super) enum Work {
    Write { group: Group, attempts: u32 },
    Sync,
    Snapshot(Begun),
}

impl State {
    pub(super) fn append(&mut self, record: Vec<u8>) {
        if !self.is_dead {
            self.asked += 1;
            self.bytes += cost(&record);
            self.queue.push_back(Command::Append(record));
        }
    }

    /// Whether it is taken: one at a time is.
    pub(super) fn ask_snapshot(&mut self, begun: Begun) -> bool {
        if self.is_dead || self.is_snapshot_under_way {
            return false;
        }
        self.is_snapshot_under_way = true;
        self.queue.push_back(Command::Snapshot(begun));
        true
    }

    pub(super) fn snapshot_ended(&mut self, is_written: bool) {
        self.retry = (!is_written).then(|| Instant::now() + RETRY_SNAPSHOT.step(self.failures));
        self.failures = if is_written { 0 } else { self.failures + 1 };
    }

    /// What is done next, if there is anything to do now.
    pub(super) fn next(&mut self) -> Option<Work> {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            return Some(Work::Sync);
        }
        if let Some(stalled) = self.stalled.take_if(|stalled| stalled.until <= now) {
            return Some(Work::Write { group: stalled.group, attempts: stalled.attempts });
        }
        if self.stalled.is_some() {
            return None;
        }
        self.next_in_queue()
    }

    /// As many records as make up a group, or a snapshot.
    fn next_in_queue(&mut self) -> Option<Work> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_GROUP {
            match self.queue.pop_front() {
                Some(Command::Append(record)) => {
                    bytes += cost(&record);
                    group.push(record);
                }
                Some(Command::Snapshot(begun)) if group.is_empty() => {
                    return Some(Work::Snapshot(begun));
                }
                Some(snapshot) => {
                    self.queue.push_front(snapshot);
                    break;
                }
                None => break,
            }
        }
        self.bytes -= bytes;
        (!group.is_empty()).then(|| Work::Write { group: Arc::new(group), attempts: 0 })
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let retry = self.stalled.as_ref().map(|stalled| stalled.until);
        [self.due, retry].into_iter().flatten().min()
    }

    pub(super) fn stall(&mut self, group: Group, attempts: u32, error: io::Error) {
        if self.is_dead {
            return;
        }
        if attempts == 0 {
            self.events.push_back(Event::Stalled(error));
        }
        let until = Instant::now() + RETRY.step(attempts);
        self.stalled = Some(Stalled { group, attempts: attempts + 1, until });
    }

    pub(super) fn written(&mut self, records: u64, sync: Sync) {
        if self.is_dead {
            return;
        }
        match self.events.back_mut() {
            Some(Event::Written(before)) => *before += records,
            _ => self.events.push_back(Event::Written(records)),
        }
        if let Sync::Interval(interval) = sync {
            // What would be due after the end of time never is.
            self.due = self.due.or(Instant::now().checked_add(interval));
        }
    }

    pub(super) fn is_settled(&self, until: u64) -> bool {
        self.is_dead || self.known >= until && self.due.is_none()
    }

    pub(super) fn die(&mut self, error: io::Error) {
        if !self.is_dead {
            self.is_dead = true;
            (self.stalled, self.bytes) = (None, 0);
            self.queue.clear();
            self.events.push_back(Event::Dead(error));
        }
    }
}

/// What a record takes in the queue, and about what it takes in a file.
fn cost(record: &[u8]) -> usize {
    record.len() + HEADER + size_of::<Command>()
}
