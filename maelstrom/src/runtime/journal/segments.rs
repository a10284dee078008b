//! A journal at work: where the next record goes.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use super::file::{Growing, Head, Kind, Number, remove};
use super::found::{Found, Info, take_replaced};
use super::frame::{MARK, check_length};
use super::log::Log;
use super::snapshot::{Claim, Garbage, Snapshot, Written};
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
    /// The last segment, unless it was found.
    pub(super) current: Option<Growing>,
    pub(super) end: Index,
    /// All records before this one are durable.
    pub(super) safe: Index,
    /// What the records take that are not part of the snapshot.
    pub(super) bytes: u64,
    /// Whether a snapshot is under way.
    pub(super) under_way: Weak<Claim>,
    /// Why nothing can be written until it is opened again.
    pub(super) failed: Option<String>,
    pub(super) torn: Option<Fault>,
    pub(super) may_have_lost: bool,
    pub(super) discarded: Vec<String>,
    pub(super) lock: Arc<Lock>,
}

impl Journal {
    /// The node's incarnation: the former one as long as nothing that was reported as
    /// written can have been lost, and otherwise the [fresh
    /// one](Options::fresh_incarnation).
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Whether records that were reported as written may be missing, on a disk that returns
    /// what it has synced: not every group was synced, and the machine may have died since.
    /// Of a journal that ends in what was not whole the incarnation is another one even
    /// where this cannot be, for on other disks it can.
    pub fn may_have_lost(&self) -> bool {
        self.may_have_lost
    }

    /// Whoever was told that records [may be lost](Self::may_have_lost) has written down what
    /// follows from that. A journal that [remembers](Options::remembers_loss) it does so no
    /// more.
    ///
    /// # Errors
    ///
    /// When the disk fails. The loss may be told again then.
    pub fn accept_loss(&mut self) -> io::Result<()> {
        self.may_have_lost = false;
        let begun = self.begin_segment();
        self.may_have_lost = begun.is_err();
        begun
    }

    /// What was promised.
    pub fn sync_policy(&self) -> Sync {
        self.options.sync
    }

    /// The record at the end that was not whole when the journal was opened.
    pub fn torn(&self) -> Option<&Fault> {
        self.torn.as_ref()
    }

    /// What became of a corrupt journal that was [set aside](Options::discard_corrupt):
    /// its files, as they are called now.
    pub fn discarded(&self) -> &[String] {
        &self.discarded
    }

    /// Whether nothing can be written any more until the journal is opened again: a sync has
    /// failed. After other errors it goes on.
    pub fn is_dead(&self) -> bool {
        self.failed.is_some()
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
        let is_empty = self.segments.last().is_some_and(|last| last.head.first == self.end);
        if !is_empty {
            self.begin_segment()?;
        }
        let head = self.head(Kind::Snapshot, self.end, self.end);
        let file = Some(Growing::create(&self.disk, &head)?);
        let claim = Arc::new(Claim { _lock: Arc::clone(&self.lock) });
        self.under_way = Arc::downgrade(&claim);
        let (disk, bytes_before) = (self.disk.clone(), self.bytes);
        Ok(Snapshot { disk, head, file, pieces: 0, bytes_before, claim })
    }

    /// Makes a snapshot that was written the journal's. Returns the files that are not
    /// needed any more, which are for the caller to remove.
    ///
    /// # Errors
    ///
    /// When it was not begun by this journal.
    pub fn adopt(&mut self, written: Written) -> io::Result<Garbage> {
        let Written { info, bytes_before, claim } = written;
        if !self.under_way.ptr_eq(&Arc::downgrade(&claim)) {
            return Err(io::Error::other("the snapshot is another journal's"));
        }
        let former = self.snapshot.replace(info);
        let mut names: Vec<String> = former.map(|former| former.name).into_iter().collect();
        self.bytes = self.bytes.saturating_sub(bytes_before);
        names.extend(self.take_replaced());
        Ok(Garbage { disk: self.disk.clone(), names, _lock: Arc::clone(&self.lock) })
    }

    /// The segment to which records can be appended, if there is one.
    fn open_segment(&mut self) -> Option<&mut Growing> {
        self.current.as_mut().filter(|file| !file.is_closed)
    }

    /// Begins a segment, once all records before it are durable.
    fn begin_segment(&mut self) -> io::Result<()> {
        self.make_safe()?;
        // Even if this fails, it may be there after a restart.
        if let Some(former) = &mut self.current {
            former.is_closed = true;
        }
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

    /// Makes durable what was appended, unless it is.
    fn make_safe(&mut self) -> io::Result<bool> {
        self.check()?;
        let Some(file) = self.current.as_ref().filter(|_| self.safe < self.end) else {
            return Ok(false);
        };
        if let Err(error) = file.file.sync() {
            self.failed = Some(format!("cannot sync records: {error}"));
            return Err(error);
        }
        self.safe = self.end;
        Ok(true)
    }

    pub(super) fn head(&mut self, kind: Kind, first: Index, safe: Index) -> Head {
        let number = self.next;
        self.next += 1;
        let Options { owner, sync, remembers_loss, .. } = &self.options;
        // What promises nothing, and is of no known start of the machine, may have lost
        // something whenever it is opened.
        let (sync, boot) = match self.may_have_lost && *remembers_loss {
            true => (Sync::Never, None),
            false => (*sync, self.disk.boot()),
        };
        Head {
            kind,
            number,
            owner: owner.clone(),
            incarnation: self.incarnation,
            first,
            safe,
            sync,
            boot,
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
        records.iter().try_for_each(|record| check_length(record))?;
        let limit = self.options.segment_bytes;
        if self.open_segment().is_none_or(|file| file.bytes >= limit) {
            self.begin_segment()?;
        }
        let (end, safe) = (self.end, self.safe);
        let Some(file) = self.open_segment() else { return Ok(()) };
        let before = file.bytes;
        for (record, index) in records.iter().zip(end..) {
            file.push(index, safe, record)?;
        }
        file.flush()?;
        self.bytes += file.bytes - before;
        self.end += records.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let (is_news, end) = (self.make_safe()?, self.end);
        if let Some(file) = self.open_segment().filter(|_| is_news) {
            // The records are safe whether this is written or not.
            let _ = file.push(MARK, end, b"").and_then(|_| file.flush());
        }
        Ok(())
    }

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let mut snapshot = self.begin_snapshot()?;
        for piece in pieces {
            snapshot.push(&piece)?;
        }
        self.adopt(snapshot.finish()?)?.remove();
        Ok(())
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        let found = Found::read(&self.disk, &self.options.owner, visit);
        found.map(drop).map_err(io::Error::other)
    }
}
