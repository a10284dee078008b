//! Beginning with the last snapshot, and reading its parts when they are needed.
//!
//! Heads are searched twice as far each time until one is missing, and then by halves: as
//! they are written one after another, each is there that comes before one that is.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use super::{Index, Stage};
use crate::injected_bugs::Bug;
use crate::log::{Command, Log, Register};
use crate::replica::Replica;
use crate::snapshot::{self, Head, Part};

/// How many parts of an index are read at a time.
const READS: usize = 16;

impl Index {
    pub(super) fn new(head: Head) -> Self {
        let unread = head.index.iter().rev().copied().collect();
        Self { head, unread, reading: BTreeSet::new(), texts: Vec::new() }
    }

    fn reads(&mut self) -> Vec<Part> {
        let room = READS.saturating_sub(self.reading.len()).min(self.unread.len());
        let reads = self.unread.split_off(self.unread.len() - room);
        self.reading.extend(&reads);
        reads
    }

    /// Whether all is read, when this part says that; `None` if there is no such part.
    fn read(&mut self, part: Part, text: Option<Arc<str>>) -> Option<bool> {
        self.reading.remove(&part);
        self.texts.push(text?);
        Some(self.unread.is_empty() && self.reading.is_empty())
    }
}

impl Log {
    /// Looks for the last snapshot.
    pub(in crate::log) fn seek(&mut self) {
        if self.options.bugs.has(Bug::ReuseIndexes) {
            self.begin_without();
        } else {
            self.ask(0);
        }
    }

    pub(super) fn ask(&mut self, n: u64) {
        self.snapshots.asked = n;
        self.commands.push(Command::Read(Register::Snapshot(n)));
    }

    /// What the head of snapshot `n` says.
    pub(in crate::log) fn found_snapshot(&mut self, n: u64, found: Option<Arc<str>>) {
        let snapshots = &mut self.snapshots;
        match &mut snapshots.stage {
            _ if n != snapshots.asked => {}
            Stage::Seeking { high, text } => {
                match found {
                    None => *high = Some(n),
                    Some(_) => (snapshots.known, *text) = (n + 1, found),
                }
                // Twice as far while there are some, then by halves.
                let next = match *high {
                    None => snapshots.known * 2,
                    Some(high) => u64::midpoint(snapshots.known, high),
                };
                if *high == Some(snapshots.known) {
                    let (known, text) = (snapshots.known, text.take());
                    self.restore(known, text);
                } else {
                    self.ask(next);
                }
            }
            Stage::Earlier => self.restore(n + 1, found),
            Stage::Looking { found: any } => match found {
                Some(text) => {
                    *any = true;
                    self.is_there(n, &text);
                    self.snapshots.stage = Stage::Looking { found: true };
                    self.ask(n + 1);
                }
                None if *any => snapshots.stage = Stage::Idle,
                None => self.adopt_last(),
            },
            _ => {}
        }
    }

    /// There is a snapshot `n`, and this is its head.
    pub(super) fn is_there(&mut self, n: u64, text: &str) {
        let head = self.head(text);
        let snapshots = &mut self.snapshots;
        snapshots.known = n + 1;
        (snapshots.segments, snapshots.bytes) = (0, 0);
        snapshots.became(head, false);
    }

    fn head(&self, text: &str) -> Option<Head> {
        let head: Option<Head> = serde_json::from_str(text).ok();
        let partitions = self.sources.len();
        head.filter(|head| head.from.len() == partitions && head.until.len() == partitions)
    }

    /// Begins with the last of `count` snapshots, whose head says this, or with an
    /// earlier one.
    fn restore(&mut self, count: u64, text: Option<Arc<str>>) {
        let Some(n) = count.checked_sub(1) else { return self.begin_without() };
        match text.and_then(|text| self.head(&text)) {
            None => self.try_earlier(n),
            Some(head) => {
                self.snapshots.stage = Stage::Restoring(n, Index::new(head));
                self.read_index();
            }
        }
    }

    fn try_earlier(&mut self, n: u64) {
        self.commands.push(Command::Warn(format!("snapshot {n} in lin-kv cannot be read")));
        match n.checked_sub(1) {
            None => self.begin_without(),
            Some(n) => {
                self.snapshots.stage = Stage::Earlier;
                self.ask(n);
            }
        }
    }

    /// Begins with the partitions' beginnings.
    fn begin_without(&mut self) {
        self.snapshots.became(None, true);
        self.follow_partitions();
    }

    fn begin_with(&mut self, n: u64, Index { head, texts, .. }: Index) {
        let mut replica = Replica::restored(&head, self.options);
        for text in &texts {
            match snapshot::records(text) {
                Ok(records) => records.iter().for_each(|record| replica.restore(record)),
                Err(_) => return self.try_earlier(n),
            }
        }
        self.replica = replica;
        for (source, &from) in self.sources.iter_mut().zip(&head.from) {
            source.segments.go_on_at(from);
        }
        self.snapshots.became(Some(head), true);
        self.follow_partitions();
    }

    pub(super) fn read_index(&mut self) {
        let (Stage::Restoring(_, index) | Stage::Adopting(index)) = &mut self.snapshots.stage
        else {
            return;
        };
        let is_empty = index.head.index.is_empty();
        let reads = index.reads();
        self.commands.extend(reads.into_iter().map(|part| Command::Read(Register::Part(part))));
        if is_empty {
            self.index_is_read();
        }
    }

    /// What a part says.
    pub(in crate::log) fn found_part(&mut self, part: Part, text: Option<Arc<str>>) {
        let index = match &mut self.snapshots.stage {
            Stage::Restoring(_, index) | Stage::Adopting(index) => Some(index),
            _ => None,
        };
        let Some(index) = index.filter(|index| index.reading.contains(&part)) else {
            return self.load(part, text.as_deref());
        };
        match index.read(part, text) {
            Some(true) => self.index_is_read(),
            Some(false) => self.read_index(),
            None => match mem::replace(&mut self.snapshots.stage, Stage::Idle) {
                Stage::Restoring(n, _) => self.try_earlier(n),
                _ => self.write(),
            },
        }
    }

    fn index_is_read(&mut self) {
        match mem::replace(&mut self.snapshots.stage, Stage::Idle) {
            Stage::Restoring(n, index) => self.begin_with(n, index),
            Stage::Adopting(index) => {
                let records = index.texts.iter().filter_map(|text| snapshot::records(text).ok());
                records.flatten().for_each(|record| self.replica.adopt(&record));
                self.write();
            }
            _ => {}
        }
    }

    /// Takes messages in that a poll waits for.
    fn load(&mut self, part: Part, text: Option<&str>) {
        self.fetching.remove(&part);
        match text.map(snapshot::messages) {
            Some(Ok(messages)) => {
                self.replica.load(part, &messages);
                self.loaded += 1;
            }
            _ => self.commands.push(Command::Warn(format!(
                "{} in lin-kv cannot be read, and has messages",
                Register::Part(part)
            ))),
        }
    }
}
