//! Writing the next snapshot, a few parts at a time.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::{Index, Snapshots, Stage, Writing};
use crate::injected_bugs::Bug;
use crate::log::{Command, Log, Register};
use crate::polled::Page;
use crate::snapshot::{Head, PART, Part};

/// A snapshot is written after so many bytes of segments, too.
const BYTES: u64 = 1024 * 1024;
/// How many parts are written at a time.
const WRITES: usize = 2;

impl Log {
    /// Writes snapshots when it is time.
    pub(in crate::log) fn snapshot(&mut self) {
        match &self.snapshots.stage {
            Stage::Idle if self.is_snapshot_due() => {
                self.snapshots.stage = Stage::Looking { found: false };
                self.ask(self.snapshots.known);
            }
            Stage::Writing(_) => self.go_on_writing(),
            _ => {}
        }
    }

    fn is_snapshot_due(&self) -> bool {
        let Snapshots { last, segments, bytes, .. } = &self.snapshots;
        let nodes = self.sources.len();
        let writer = last.as_ref().map_or(0, |last| last.writer % nodes);
        let rank = ((self.me + nodes - writer) % nodes) as u64;
        let is_enough = |grown: u64, every: u64| grown.saturating_mul(4) >= every * (4 + rank);
        let has_grown =
            is_enough(*segments, self.options.snapshot_every) || is_enough(*bytes, BYTES);
        let index = last.as_ref().map_or(0, |last| last.bytes);
        has_grown && *bytes >= index && self.would_save(segments / 2)
    }

    /// Whether a snapshot would spare its readers so many segments and takes back none.
    fn would_save(&self, segments: u64) -> bool {
        let cut = self.replica.cut();
        let before = self.snapshots.last.as_ref().map(|last| &last.from);
        let saved = cut.iter().enumerate().map(|(partition, &cut)| {
            let before = before.map_or(0, |before| before[partition]);
            cut.checked_sub(before)
        });
        saved.sum::<Option<u64>>().is_some_and(|saved| saved > segments)
    }

    /// Makes sure that it is known which parts there are; then writes.
    pub(super) fn adopt_last(&mut self) {
        match &self.snapshots.last {
            Some(head) if !self.snapshots.is_adopted => {
                self.snapshots.stage = Stage::Adopting(Index::new(head.clone()));
                self.read_index();
            }
            _ => self.write(),
        }
    }

    pub(super) fn write(&mut self) {
        let snapshots = &mut self.snapshots;
        (snapshots.segments, snapshots.bytes, snapshots.is_adopted) = (0, 0, true);
        let mut from = self.replica.cut();
        if self.options.bugs.has(Bug::SnapshotAhead) {
            from = self.replica.applied().iter().map(|applied| applied.saturating_sub(1)).collect();
        }
        self.snapshots.stage = Stage::Writing(Writing {
            from,
            key: 0,
            index: Vec::new(),
            bytes: 0,
            records: Vec::new(),
            waiting: BTreeMap::new(),
        });
        self.go_on_writing();
    }

    fn go_on_writing(&mut self) {
        let Stage::Writing(mut writing) = mem::replace(&mut self.snapshots.stage, Stage::Idle)
        else {
            return;
        };
        while writing.waiting.len() < WRITES && !writing.is_written(self.replica.keys()) {
            if let Err(error) = self.write_parts(&mut writing) {
                return self.commands.push(Command::Warn(format!("no snapshot: {error}")));
            }
        }
        if writing.is_written(self.replica.keys()) && writing.waiting.is_empty() {
            self.propose(writing);
        } else {
            self.snapshots.stage = Stage::Writing(writing);
        }
    }

    /// Writes the next messages and records, one part of each at most.
    fn write_parts(&mut self, writing: &mut Writing) -> serde_json::Result<()> {
        let name = self.snapshots.name();
        let mut page = Page::new(PART);
        let mut size = 0;
        while writing.key < self.replica.keys() && size < PART {
            let is_all = self.replica.fill(writing.key, &mut page)?;
            if let Some(last) = page.last() {
                self.replica.store(writing.key, name, last);
            }
            if !is_all {
                break;
            }
            if let Some(record) = self.replica.record(writing.key) {
                writing.records.push(serde_json::to_string(&record)?);
                size += writing.records.last().map_or(0, String::len);
            }
            writing.key += 1;
        }
        if !page.is_empty() {
            self.write_part(writing, name, page.finish());
        }
        if !writing.records.is_empty() {
            let name = self.snapshots.name();
            let text = format!("[{}]", mem::take(&mut writing.records).join(","));
            writing.bytes += text.len() as u64;
            writing.index.push(name);
            self.write_part(writing, name, text);
        }
        Ok(())
    }

    fn write_part(&mut self, writing: &mut Writing, name: Part, text: String) {
        if self.options.bugs.has(Bug::SkipParts) && !writing.index.contains(&name) {
            return;
        }
        let text: Arc<str> = text.into();
        writing.waiting.insert(name, Arc::clone(&text));
        self.commands.push(Command::Propose(Register::Part(name), text));
    }

    /// A part says this for good.
    pub(in crate::log) fn wrote_part(&mut self, part: Part, text: &str) {
        let Stage::Writing(writing) = &mut self.snapshots.stage else { return };
        let is_ours = writing.waiting.remove(&part).is_some_and(|ours| *ours == *text);
        if !is_ours {
            self.snapshots.stage = Stage::Idle;
            let register = Register::Part(part);
            self.commands.push(Command::Warn(format!("{register} has another's value")));
        }
    }

    fn propose(&mut self, writing: Writing) {
        let mut until = self.replica.applied();
        if let Some(last) = &self.snapshots.last {
            until.iter_mut().zip(&last.until).for_each(|(until, &last)| *until = last.max(*until));
        }
        let Writing { from, index, bytes, .. } = writing;
        let head = Head { by: self.sign(), writer: self.me, from, until, index, bytes };
        if let Some(text) = self.encoded(serde_json::to_string(&head)) {
            let register = Register::Snapshot(self.snapshots.known);
            self.commands.push(Command::Propose(register, Arc::clone(&text)));
            self.snapshots.stage = Stage::Proposing(head, text);
        }
    }

    /// Snapshot `n` is this for good.
    pub(in crate::log) fn proposed(&mut self, n: u64, text: &str) {
        let Stage::Proposing(head, ours) = &mut self.snapshots.stage else { return };
        if **ours == *text {
            let head = head.clone();
            self.snapshots.known = n + 1;
            self.snapshots.became(Some(head), true);
        } else {
            self.is_there(n, text);
        }
    }
}

impl Writing {
    /// Whether nothing is to be written any more.
    fn is_written(&self, keys: usize) -> bool {
        self.key >= keys
    }
}
