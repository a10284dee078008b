//! A small log in one file, that can have bugs: what the suite has to find.

use std::io;

use maelstrom::disk::{Disk, File, Lock};
use maelstrom::journal::{Entry, Index, Log, Sync};
use simulator::storage::{Failure, Opening, Recoverable};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// Syncs of the file are left out.
    SyncsNothing,
    /// Syncs of the directory are.
    ForgetsNames,
    /// A file takes the place of another one before it is durable.
    RenamesTooEarly,
    /// A record of which the end is missing is taken for a shorter one.
    TakesHalves,
    /// The former file is removed before the new one has its name.
    RemovesTooEarly,
    /// Records wait in memory for a sync.
    Buffers,
    /// What is found is not made durable.
    ShowsUnsynced,
    /// After a sync that failed, another one is believed.
    SyncsAgain,
    /// What a failed write left behind stays before the next record.
    KeepsGarbage,
    /// A full disk ends it.
    EndsWhenFull,
    /// Contents are not checked.
    ChecksNothing,
    /// Whatever is behind a broken record is dropped, and nobody is told.
    DropsSilently,
    /// Two can have it at a time.
    LocksNothing,
    /// It goes on as the same incarnation, whatever was lost.
    KeepsIncarnation,
    /// It begins another one each time.
    ForgetsIncarnation,
    /// A snapshot stands for what was appended while it was written, too.
    SnapshotsTooMuch,
}

const NAME: &str = "log";
const UNFINISHED: &str = "log.new";
const HEADER: usize = 12;

pub(crate) struct Plain {
    disk: Disk,
    bug: Bug,
    incarnation: u64,
    file: File,
    /// Of the file, as far as it counts.
    bytes: u64,
    /// Behind that is something else.
    is_dirty: bool,
    is_over: bool,
    waiting: Vec<u8>,
    first: Index,
    end: Index,
    _lock: Option<Lock>,
}

/// What is in the file.
#[derive(Default)]
struct Found {
    incarnation: u64,
    boot: String,
    first: Index,
    pieces: Vec<Vec<u8>>,
    records: Vec<Vec<u8>>,
    is_torn: bool,
}

impl Plain {
    pub(crate) fn open(disk: Disk, opening: Opening, bug: Bug) -> Result<Self, Failure> {
        let lock = if bug == Bug::LocksNothing { None } else { Some(disk.lock()?) };
        let boot = disk.boot().unwrap_or_default();
        let has_one = disk.list()?.iter().any(|name| name == NAME);
        let mut found = match has_one {
            true => read(&disk.open(NAME)?.read()?, &boot, bug).map(Some),
            false => Ok(None),
        };
        if opening.discard_corrupt && found.is_err() {
            found = Ok(None);
        }
        let fresh = || Found { incarnation: opening.fresh_incarnation, ..Found::default() };
        let mut found = found?.unwrap_or_else(fresh);
        let is_same_boot = found.boot.is_empty() || found.boot == boot;
        let may_be_lost = found.is_torn || opening.sync != Sync::EveryGroup;
        let is_lost = !is_same_boot && may_be_lost && bug != Bug::KeepsIncarnation;
        if is_lost || bug == Bug::ForgetsIncarnation {
            found.incarnation = opening.fresh_incarnation;
        }
        found.boot = boot;
        let end = found.first + found.records.len() as u64;
        let (file, bytes) = match bug {
            Bug::ShowsUnsynced if has_one && !found.is_torn => {
                let file = disk.open(NAME)?;
                let bytes = file.length()?;
                (file, bytes)
            }
            _ => {
                let written = write_beside(&disk, &found, bug)?;
                take_name(&disk, bug)?;
                written
            }
        };
        Ok(Self {
            disk,
            bug,
            incarnation: found.incarnation,
            file,
            bytes,
            is_dirty: false,
            is_over: false,
            waiting: Vec::new(),
            first: found.first,
            end,
            _lock: lock,
        })
    }

    fn check(&self) -> io::Result<()> {
        if self.is_over { Err(io::Error::other("it has to be opened again")) } else { Ok(()) }
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.is_dirty && self.bug != Bug::KeepsGarbage {
            self.file.truncate(self.bytes)?;
        }
        self.is_dirty = true;
        if self.bug == Bug::KeepsGarbage {
            self.file.append(frames)?;
        } else {
            self.file.write_at(self.bytes, frames)?;
        }
        self.is_dirty = false;
        self.bytes += frames.len() as u64;
        Ok(())
    }

    fn found(&self) -> io::Result<Found> {
        let mut bytes = self.file.read()?;
        bytes.truncate(usize::try_from(self.bytes).map_err(io::Error::other)?);
        bytes.extend_from_slice(&self.waiting);
        read(&bytes, &self.disk.boot().unwrap_or_default(), self.bug).map_err(io::Error::other)
    }
}

/// Writes another file beside the former one.
fn write_beside(disk: &Disk, found: &Found, bug: Bug) -> io::Result<(File, u64)> {
    let head = [found.incarnation, found.first, found.pieces.len() as u64];
    let mut head: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
    head.extend_from_slice(found.boot.as_bytes());
    let mut bytes = Vec::new();
    let frames = [&head].into_iter().chain(&found.pieces).chain(&found.records);
    frames.for_each(|content| encode(&mut bytes, content));
    let file = disk.create(UNFINISHED)?;
    file.truncate(0)?;
    file.append(&bytes)?;
    if !matches!(bug, Bug::RenamesTooEarly | Bug::SyncsNothing) {
        file.sync()?;
    }
    Ok((file, bytes.len() as u64))
}

/// Puts it in the place of that.
fn take_name(disk: &Disk, bug: Bug) -> io::Result<()> {
    if bug == Bug::RemovesTooEarly && disk.list()?.iter().any(|name| name == NAME) {
        disk.remove(NAME)?;
    }
    disk.rename(UNFINISHED, NAME)?;
    if bug == Bug::ForgetsNames { Ok(()) } else { disk.sync() }
}

fn encode(out: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(&length).to_le_bytes());
    out.extend_from_slice(&checksum(content).to_le_bytes());
    out.extend_from_slice(content);
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    let mix = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, mix)
}

/// Reads the frames. The head has to be whole; the end may be missing that was written
/// last, and if the machine has died, anything that was not synced.
fn read(mut bytes: &[u8], boot: &str, bug: Bug) -> Result<Found, Failure> {
    let head = next(&mut bytes, bug)?.ok_or("there is no head")?;
    let number =
        |at: usize| head[at * 8..][..8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    let boot_before = String::from_utf8_lossy(head.get(24..).ok_or("the head is too short")?);
    let mut found = Found {
        incarnation: number(0),
        first: number(1),
        boot: boot_before.into_owned(),
        ..Found::default()
    };
    let is_tolerant = found.boot != boot || bug == Bug::DropsSilently;
    for _ in 0..number(2) {
        found.pieces.push(next(&mut bytes, bug)?.ok_or("a piece is missing")?);
    }
    while !bytes.is_empty() {
        match next(&mut bytes, bug) {
            Ok(Some(record)) => found.records.push(record),
            Err(_) if !is_tolerant => return Err("a record is damaged".into()),
            _ => {
                found.is_torn = true;
                break;
            }
        }
    }
    Ok(found)
}

/// The next frame; `None` when its end is missing.
fn next(bytes: &mut &[u8], bug: Bug) -> Result<Option<Vec<u8>>, Failure> {
    let word = |at: usize| [0, 1, 2, 3].map(|byte| bytes[at + byte]);
    if bytes.len() < HEADER {
        return Ok(None);
    }
    let length = u32::from_le_bytes(word(0)) as usize;
    if checksum(&word(0)).to_le_bytes() != word(4) {
        return Err("a length is damaged".into());
    }
    let is_whole = bytes.len() >= HEADER + length;
    if !is_whole && bug != Bug::TakesHalves {
        return Ok(None);
    }
    let content = bytes[HEADER..bytes.len().min(HEADER + length)].to_vec();
    let is_checked = is_whole && bug != Bug::ChecksNothing;
    if is_checked && checksum(&content).to_le_bytes() != word(8) {
        return Err("a content is damaged".into());
    }
    *bytes = &bytes[HEADER + content.len()..];
    Ok(Some(content))
}

impl Log for Plain {
    fn end(&self) -> Index {
        self.end
    }

    fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.check()?;
        let mut frames = Vec::new();
        records.iter().for_each(|record| encode(&mut frames, record));
        if self.bug == Bug::Buffers {
            self.waiting.extend_from_slice(&frames);
        } else {
            let written = self.write(&frames);
            self.is_over = written.is_err() && self.bug == Bug::EndsWhenFull;
            written?;
        }
        self.end += records.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check()?;
        let waiting = std::mem::take(&mut self.waiting);
        self.write(&waiting)?;
        if self.bug == Bug::SyncsNothing {
            return Ok(());
        }
        let synced = self.file.sync();
        if self.bug == Bug::SyncsAgain {
            return synced.or_else(|_| self.file.sync());
        }
        self.is_over = synced.is_err();
        synced
    }

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        self.check()?;
        let found = Found {
            incarnation: self.incarnation,
            boot: self.disk.boot().unwrap_or_default(),
            first: self.end,
            pieces: pieces.collect(),
            ..Found::default()
        };
        let written = write_beside(&self.disk, &found, self.bug)?;
        // Which one is there if this fails is unknown.
        self.is_over = true;
        take_name(&self.disk, self.bug)?;
        self.is_over = false;
        (self.file, self.bytes) = written;
        (self.first, self.is_dirty) = (self.end, false);
        self.waiting.clear();
        Ok(())
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        let found = self.found()?;
        found.pieces.iter().try_for_each(|piece| visit(Entry::Piece(piece)))?;
        let mut records = (self.first..).zip(&found.records);
        records.try_for_each(|(index, record)| visit(Entry::Record(index, record)))
    }
}

impl Recoverable for Plain {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn snapshot_amid(
        &mut self,
        pieces: &mut dyn Iterator<Item = Vec<u8>>,
        amid: &mut dyn FnMut(&mut dyn Log),
    ) -> io::Result<()> {
        if self.bug == Bug::SnapshotsTooMuch {
            amid(self);
        }
        self.snapshot(pieces)
    }
}
