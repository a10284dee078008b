//! A journal at work: where the next record goes.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use super::file::{Growing, Head, Kind, Number, remove};
use super::found::{Found, Info, take_replaced};
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
    /// Whether a snapshot is under way.
    pub(super) under_way: Weak<()>,
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

    /// Begins a snapshot that stands for all records until now. More can be appended while
    /// it is written, to a segment that begins here: those before it are removed as files
    /// once the snapshot is [adopted](Self::adopt).
    ///
    /// # Errors
    ///
    /// When another one is under way, and when the disk fails.
    pub fn begin_snapshot(&mut self) -> io::Result<Snapshot> {
        self.check()?;
        if self.under_way.strong_count() > 0 {
            return Err(io::Error::other("another snapshot is under way"));
        }
        let has_begun = |last: &Info| last.head.first == self.end && self.current.is_some();
        if !self.segments.last().is_some_and(has_begun) {
            self.begin_segment()?;
        }
        let head = self.head(Kind::Snapshot, self.end, self.end);
        let file = Growing::create(&self.disk, &head)?;
        let claim = Arc::new(());
        self.under_way = Arc::downgrade(&claim);
        Ok(Snapshot::new(self.disk.clone(), head, file, self.bytes, claim))
    }

    /// Makes a snapshot that was written the journal's. Returns the files that are not
    /// needed any more, which are for the caller to remove.
    ///
    /// # Errors
    ///
    /// When it was not begun by this journal.
    pub fn adopt(&mut self, written: Written) -> io::Result<Vec<String>> {
        let Written { info, bytes_before, claim } = written;
        if !self.under_way.ptr_eq(&Arc::downgrade(&claim)) {
            return Err(io::Error::other("the snapshot is another journal's"));
        }
        let former = self.snapshot.replace(info);
        let mut garbage: Vec<String> = former.map(|former| former.name).into_iter().collect();
        self.bytes = self.bytes.saturating_sub(bytes_before);
        garbage.extend(self.take_replaced());
        Ok(garbage)
    }

    /// Begins a segment, once all records before it are durable.
    fn begin_segment(&mut self) -> io::Result<()> {
        self.sync()?;
        self.current = None;
        let head = self.head(Kind::Segment, self.end, self.end);
        let file = Growing::create(&self.disk, &head)?;
        self.continue_in(head, file)
    }

    /// Finishes a segment, and appends to it from now on.
    pub(super) fn continue_in(&mut self, head: Head, mut file: Growing) -> io::Result<()> {
        if let Err(error) = file.finish(&self.disk) {
            file.abandon(&self.disk);
            return Err(error);
        }
        let info = Info { name: head.name(), head, bytes: file.bytes };
        self.segments.push(info);
        self.current = Some(file);
        self.take_replaced().iter().for_each(|name| remove(&self.disk, name));
        Ok(())
    }

    /// Takes out the segments of which nothing counts any more, and returns their names.
    fn take_replaced(&mut self) -> Vec<String> {
        let from = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.head.first);
        take_replaced(&mut self.segments, from)
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
            self.begin_segment()?;
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

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let mut snapshot = self.begin_snapshot()?;
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
