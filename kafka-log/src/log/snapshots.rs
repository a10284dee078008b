//! Snapshots: beginning with the last one, and writing the next.
//!
//! *Safety.* What a snapshot says was stable at its writer, so it is what every replica
//! shows sooner or later; and it says all that stands below the segments that it sends its
//! readers to, for its writer took that [cut](crate::replica::Replica::cut) first, and the
//! messages after. The head is proposed when all parts stand in the service. So whoever
//! reads it can rely on them, and a writer that is killed leaves parts that nobody names.
//! Heads stand in registers 0, 1, 2, … and are written once, so of two writers one wins,
//! and it does not matter which. No segment is ever removed: readers that are half way
//! through old ones go on, and a snapshot that cannot be read is passed over for the one
//! before it, or for none.
//!
//! *Cost.* A snapshot is written after so many segments ([`Options::snapshot_every`]) or
//! bytes, but not before the log has grown by as much as the index has, so all indexes
//! together are no larger than the log. The node that wrote the last one writes the next.
//! The others look whether it did, each a quarter later than the one before it, and step
//! in if not. Parts are written two at a time, and a send never waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::mem;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::{Command, Log, Register};
use crate::injected_bugs::Bug;
use crate::poll::Page;
use crate::replica::Replica;
use crate::sequence::Sequence;
use crate::snapshot::{self, Head, PART, Part};

/// A snapshot is written after so many bytes of segments, too.
const BYTES: u64 = 1024 * 1024;
/// How many parts of an index are read at a time.
const READS: usize = 16;
/// How many parts are written at a time.
const WRITES: usize = 2;

/// What this node knows and does of snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// Names the parts of this life.
    life: u64,
    count: u64,
    /// How many snapshots there are, as far as it is known.
    known: u64,
    /// The last of them, if it can be read.
    last: Option<Head>,
    /// What it says of parts is known here.
    is_adopted: bool,
    stage: Stage,
    /// What was applied since the last one.
    segments: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Stage {
    /// Looks for the last one; `high` is not there, `text` is that of the last found.
    Seeking {
        high: Option<u64>,
        text: Option<Arc<str>>,
    },
    /// Reads the head of an earlier one, as later ones could not be read.
    Earlier,
    /// Reads the index of snapshot `n` to begin with it.
    Restoring(u64, Index),
    Idle,
    /// Looks whether there is another one; `found` when there was.
    Looking {
        found: bool,
    },
    /// Reads the index of the last one before it writes the next.
    Adopting(Index),
    Writing(Writing),
    Proposing(Head, Arc<str>),
}

/// An index that is being read.
#[derive(Debug)]
struct Index {
    head: Head,
    unread: Vec<Part>,
    reading: BTreeSet<Part>,
    texts: Vec<Arc<str>>,
}

/// A snapshot that is being written.
#[derive(Debug)]
struct Writing {
    from: Vec<u64>,
    /// The key that comes next.
    key: usize,
    index: Vec<Part>,
    /// Of all parts of the index.
    bytes: u64,
    /// Records that are in no part yet.
    records: Vec<String>,
    waiting: BTreeMap<Part, Arc<str>>,
}

impl Snapshots {
    pub(super) fn new(life: &str) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(life.as_bytes());
        Self {
            life: hasher.finish(),
            count: 0,
            known: 0,
            last: None,
            is_adopted: true,
            stage: Stage::Seeking { high: None, text: None },
            segments: 0,
            bytes: 0,
        }
    }

    /// A segment was applied.
    pub(super) fn grew(&mut self, bytes: usize) {
        self.segments += 1;
        self.bytes += bytes as u64;
    }

    /// Whether it is yet to be found out what to begin with.
    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.stage, Stage::Seeking { .. } | Stage::Earlier | Stage::Restoring(..))
    }

    fn name(&mut self) -> Part {
        self.count += 1;
        Part(self.life, self.count)
    }

    fn became(&mut self, head: Option<Head>, is_adopted: bool) {
        self.is_adopted = is_adopted;
        self.last = head;
        self.stage = Stage::Idle;
    }
}

impl Index {
    fn new(head: Head) -> Self {
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
    pub(super) fn seek(&mut self) {
        if self.options.bugs.has(Bug::ReuseIndexes) {
            self.begin_without();
        } else {
            self.commands.push(Command::Read(Register::Snapshot(0)));
        }
    }

    /// What the head of snapshot `n` says.
    pub(super) fn found_snapshot(&mut self, n: u64, found: Option<Arc<str>>) {
        let snapshots = &mut self.snapshots;
        match &mut snapshots.stage {
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
                    self.commands.push(Command::Read(Register::Snapshot(next)));
                }
            }
            Stage::Earlier => self.restore(n + 1, found),
            Stage::Looking { found: any } => match found {
                Some(text) => {
                    *any = true;
                    self.is_there(n, &text);
                    self.snapshots.stage = Stage::Looking { found: true };
                    self.commands.push(Command::Read(Register::Snapshot(n + 1)));
                }
                None if *any => snapshots.stage = Stage::Idle,
                None => self.adopt_last(),
            },
            _ => {}
        }
    }

    /// There is a snapshot `n`, and this is its head.
    fn is_there(&mut self, n: u64, text: &str) {
        let head = self.head(text);
        let snapshots = &mut self.snapshots;
        snapshots.known = n + 1;
        (snapshots.segments, snapshots.bytes) = (0, 0);
        snapshots.became(head, false);
    }

    fn head(&self, text: &str) -> Option<Head> {
        let head: Option<Head> = serde_json::from_str(text).ok();
        let lanes = self.sources.len();
        head.filter(|head| head.from.len() == lanes && head.until.len() == lanes)
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
                self.commands.push(Command::Read(Register::Snapshot(n)));
            }
        }
    }

    /// Begins with the lanes' beginnings.
    fn begin_without(&mut self) {
        self.snapshots.became(None, true);
        self.follow_lanes();
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
            source.segments = Sequence::starting_at(from);
        }
        self.snapshots.became(Some(head), true);
        self.follow_lanes();
    }

    fn read_index(&mut self) {
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
    pub(super) fn found_part(&mut self, part: Part, text: Option<Arc<str>>) {
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

    /// Writes snapshots when it is time.
    pub(super) fn snapshot(&mut self) {
        match &self.snapshots.stage {
            Stage::Idle if self.is_snapshot_due() => {
                let next = Register::Snapshot(self.snapshots.known);
                self.snapshots.stage = Stage::Looking { found: false };
                self.commands.push(Command::Read(next));
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
        let saved = cut.iter().enumerate().map(|(lane, &cut)| {
            let before = before.map_or(0, |before| before[lane]);
            cut.checked_sub(before)
        });
        saved.sum::<Option<u64>>().is_some_and(|saved| saved > segments)
    }

    /// Makes sure that it is known which parts there are; then writes.
    fn adopt_last(&mut self) {
        match &self.snapshots.last {
            Some(head) if !self.snapshots.is_adopted => {
                self.snapshots.stage = Stage::Adopting(Index::new(head.clone()));
                self.read_index();
            }
            _ => self.write(),
        }
    }

    fn write(&mut self) {
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
        self.commands.push(Command::Settle(Register::Part(name), text));
    }

    /// A part says this for good.
    pub(super) fn wrote_part(&mut self, part: Part, text: &str) {
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
            self.commands.push(Command::Settle(register, Arc::clone(&text)));
            self.snapshots.stage = Stage::Proposing(head, text);
        }
    }

    /// Snapshot `n` is this for good.
    pub(super) fn proposed(&mut self, n: u64, text: &str) {
        match mem::replace(&mut self.snapshots.stage, Stage::Idle) {
            Stage::Proposing(head, ours) if *ours == *text => {
                self.snapshots.known = n + 1;
                self.snapshots.became(Some(head), true);
            }
            _ => self.is_there(n, text),
        }
    }
}

impl Writing {
    /// Whether nothing is to be written any more.
    fn is_written(&self, keys: usize) -> bool {
        self.key >= keys
    }
}
