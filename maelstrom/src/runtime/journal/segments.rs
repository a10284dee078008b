//! A journal at work: where the next record goes.

use std::fmt;
use std::io;

use super::file::{Growing, Head, Kind, Number, remove};
use super::found::{Found, Info, mark_replaced};
use super::frame::check_length;
use super::log::Log;
use super::snapshot::{Snapshot, Written};
use super::{Entry, Fault, Index, Options, Sync};
use crate::disk::{Disk, Lock};

/// A journal compacts itself no sooner than when its records have so many bytes.
const MIN_COMPACTION: u64 = 16 << 20;
/// Nor before they have so many times those of the snapshot.
const GROWTH: u64 = 2;

/// A node's journal; see the [module's documentation](super). Its calls block.
pub struct Journal {
    pub(super) disk: Disk,
    pub(super) options: Options,
    pub(super) incarnation: u64,
    /// The first number that no file has had.
    pub(super) next: Number,
    pub(super) snapshot: Option<Info>,
    /// The last of them has the last record.
    pub(super) segments: Vec<Info>,
    /// The last segment, if records can be appended to it: not if it was found, nor after
    /// a write to it that failed.
    pub(super) current: Option<Growing>,
    pub(super) end: Index,
    /// All records before this one are durable.
    pub(super) safe: Index,
    /// What the records take that are not part of the snapshot.
    pub(super) bytes: u64,
    /// No snapshot may begin below: one that does may be under way.
    pub(super) snapshots_from: Index,
    /// Why nothing can be written until it is opened again.
    pub(super) failed: Option<String>,
    pub(super) torn: Option<Fault>,
    pub(super) discarded: Vec<String>,
    pub(super) _lock: Lock,
}

impl Journal {
    /// The node's incarnation: the former one as long as nothing that was reported as
    /// written can have been lost, and otherwise the [fresh
    /// one](Options::fresh_incarnation).
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// What was promised.
    pub fn sync_policy(&self) -> Sync {
        self.options.sync
    }

    /// The record at the end that was not whole when the journal was opened, and never
    /// reported as written.
    pub fn torn(&self) -> Option<&Fault> {
        self.torn.as_ref()
    }

    /// What became of a corrupt journal that was [set aside](Options::discard_corrupt):
    /// its files, as they are called now.
    pub fn discarded(&self) -> &[String] {
        &self.discarded
    }

    /// Whether the records take several times as much as the snapshot, and enough to be
    /// worth another one. What they take is known at once when a journal is opened.
    pub fn is_bloated(&self) -> bool {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes);
        self.bytes >= MIN_COMPACTION.max(GROWTH.saturating_mul(snapshot))
    }

    /// Begins a snapshot that stands for all records before `at`. It may lie behind the
    /// end: then the journal goes on there when the snapshot is [adopted](Self::adopt).
    ///
    /// # Errors
    ///
    /// When there is a snapshot that stands for more, and when the disk fails.
    pub fn begin_snapshot(&mut self, at: Index) -> io::Result<Snapshot> {
        self.check()?;
        if at < self.snapshots_from {
            let from = self.snapshots_from;
            return Err(invalid(format!("a snapshot at {at} is older than that at {from}")));
        }
        let head = self.head(Kind::Snapshot, at, at);
        let file = Growing::create(&self.disk, &head)?;
        self.snapshots_from = at;
        Ok(Snapshot::new(self.disk.clone(), head, file, self.bytes))
    }

    /// Makes a snapshot that was written the journal's. Returns the files that are not
    /// needed any more, which are for the caller to remove.
    ///
    /// # Errors
    ///
    /// When the journal cannot go on behind the snapshot. It has to be opened again.
    pub fn adopt(&mut self, Written { info, bytes_before }: Written) -> io::Result<Vec<String>> {
        let at = info.head.first;
        let former = self.snapshot.replace(info);
        let mut garbage: Vec<String> = former.map(|former| former.name).into_iter().collect();
        self.bytes = self.bytes.saturating_sub(bytes_before);
        if at > self.end {
            self.jump(at)?;
        }
        garbage.extend(mark_replaced(&mut self.segments, self.snapshot.as_ref()));
        Ok(garbage)
    }

    /// Continues at another index than the end, in a segment that replaces what is there
    /// from that index on.
    fn jump(&mut self, to: Index) -> io::Result<()> {
        self.sync()?;
        if let Err(error) = self.begin_segment(to) {
            // Whether the segment has its name, and counts, is unknown.
            return Err(self.fail("continue at another record", error));
        }
        (self.end, self.safe) = (to, to);
        Ok(())
    }

    /// Begins a segment, once all records before it are durable.
    fn begin_segment(&mut self, first: Index) -> io::Result<()> {
        self.sync()?;
        self.current = None;
        let head = self.head(Kind::Segment, first, first);
        let file = Growing::create(&self.disk, &head)?;
        self.continue_in(head, file)
    }

    /// Finishes a segment, and appends to it from now on.
    pub(super) fn continue_in(&mut self, head: Head, mut file: Growing) -> io::Result<()> {
        if let Err(error) = file.finish(&self.disk) {
            file.abandon(&self.disk);
            return Err(error);
        }
        let info = Info { name: head.name(), head, bytes: file.bytes, until: Index::MAX };
        self.segments.push(info);
        self.current = Some(file);
        for name in mark_replaced(&mut self.segments, self.snapshot.as_ref()) {
            remove(&self.disk, &name);
        }
        Ok(())
    }

    /// Writes to the current segment; after an error another one has to be begun.
    fn write(&mut self, records: &[&[u8]]) -> io::Result<()> {
        let Some(mut file) = self.current.take() else { return Ok(()) };
        let before = file.bytes;
        for (record, index) in records.iter().zip(self.end..) {
            file.push(index, self.safe, record)?;
        }
        file.flush()?;
        self.bytes += file.bytes - before;
        self.end += records.len() as u64;
        self.current = Some(file);
        Ok(())
    }

    pub(super) fn head(&mut self, kind: Kind, first: Index, safe: Index) -> Head {
        let number = self.next;
        self.next += 1;
        let Options { owner, sync, .. } = &self.options;
        Head {
            kind,
            number,
            owner: owner.clone(),
            incarnation: self.incarnation,
            first,
            safe,
            sync: *sync,
            boot: self.disk.boot(),
        }
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some(why) => {
                Err(io::Error::other(format!("the journal has to be opened again: {why}")))
            }
            None => Ok(()),
        }
    }

    fn fail(&mut self, doing: &str, error: io::Error) -> io::Error {
        self.failed = Some(format!("cannot {doing}: {error}"));
        error
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({}, {} records)", self.disk, self.end)
    }
}

impl Log for Journal {
    fn end(&self) -> Index {
        self.end
    }

    fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.check()?;
        records.iter().try_for_each(|record| check_length(record).map(drop))?;
        let limit = self.options.segment_bytes;
        if self.current.as_ref().is_none_or(|file| file.bytes >= limit) {
            self.begin_segment(self.end)?;
        }
        self.write(records)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check()?;
        if self.safe == self.end {
            return Ok(());
        }
        let synced = match (&self.current, self.segments.last()) {
            (Some(file), _) => file.file.sync(),
            (None, Some(last)) => self.disk.open(&last.name).and_then(|file| file.sync()),
            (None, None) => Ok(()),
        };
        synced.map_err(|error| self.fail("sync records", error))?;
        self.safe = self.end;
        Ok(())
    }

    fn truncate(&mut self, end: Index) -> io::Result<()> {
        self.check()?;
        let from = self.snapshots_from;
        if !(from..=self.end).contains(&end) {
            let held = format!("records {from} to {} can be cut off", self.end);
            return Err(invalid(format!("{held}, not {end}")));
        }
        if end < self.end { self.jump(end) } else { Ok(()) }
    }

    fn snapshot(&mut self, at: Index, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let mut snapshot = self.begin_snapshot(at)?;
        for piece in pieces {
            if let Err(error) = snapshot.push(&piece) {
                snapshot.abandon();
                return Err(error);
            }
        }
        let garbage = self.adopt(snapshot.finish()?)?;
        garbage.iter().for_each(|name| remove(&self.disk, name));
        Ok(())
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        let found = Found::read(&self.disk, &self.options.owner, visit);
        found.map(drop).map_err(io::Error::other)
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
