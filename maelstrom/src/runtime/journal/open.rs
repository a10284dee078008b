//! Opening a journal: what becomes of what is found.

use std::io;
use std::sync::{Arc, Weak};

use super::file::{CHUNK, Growing, Head, Kind, Opened, parse, path, remove};
use super::found::{Found, is_same_boot, walk};
use super::frame::Frames;
use super::segments::Journal;
use super::{Entry, OpenError, Options, Sync};
use crate::disk::{Disk, Lock};

/// What the names of files begin with that were set aside.
const CORRUPT: &str = "corrupt-";

impl Journal {
    /// Opens the journal on a disk, an empty one if there is none, and makes with `make`
    /// and `replay` the state that it describes. That state is worth something only if
    /// this succeeds: of a journal that turns out to be damaged, `replay` has seen a part,
    /// and if it is set aside, `make` is called again.
    ///
    /// # Errors
    ///
    /// When another process has it, when it is another node's, in another format, or
    /// damaged, and when the disk fails.
    pub fn open<S>(
        disk: Disk,
        options: Options,
        make: impl Fn() -> S,
        mut replay: impl FnMut(&mut S, Entry<'_>) -> io::Result<()>,
    ) -> Result<(Self, S), OpenError> {
        let lock = lock(&disk)?;
        refuse(&disk, options.refuse)?;
        let mut discarded = Vec::new();
        loop {
            let mut state = make();
            match Found::read(&disk, &options.owner, &mut |entry| replay(&mut state, entry)) {
                Ok(found) => {
                    let journal = Self::of(found, disk, options, lock, discarded)?;
                    return Ok((journal, state));
                }
                Err(OpenError::Corrupt { fault, .. }) if options.discard_corrupt => {
                    tracing::warn!(%disk, %fault, "the journal is corrupt, and is set aside");
                    let named = discard(&disk).map_err(|error| io_error("set aside", &disk, error));
                    discarded.extend(named?);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn of(
        found: Found,
        disk: Disk,
        options: Options,
        lock: Lock,
        discarded: Vec<String>,
    ) -> Result<Self, OpenError> {
        let has_all = |head: &Head| is_same_boot(&disk, head) || head.sync == Sync::EveryGroup;
        let former = found.segments.last().map(|last| &last.head);
        let may_have_lost = former.is_some_and(|head| !has_all(head));
        let kept = former
            .filter(|head| is_same_boot(&disk, head) || has_all(head) && !found.may_lack)
            .map(|head| head.incarnation);
        let mut journal = Self {
            incarnation: kept.unwrap_or(options.fresh_incarnation),
            next: found.next,
            under_way: Weak::new(),
            snapshot: found.snapshot,
            segments: found.segments,
            current: None,
            end: found.end,
            safe: found.safe,
            bytes: found.bytes,
            failed: None,
            torn: found.torn,
            may_have_lost,
            discarded,
            disk,
            options,
            lock: Arc::new(lock),
        };
        journal.secure().map_err(|error| io_error("continue", &journal.disk, error))?;
        // What crashes left behind, now that what replaced it is durable.
        found.garbage.iter().for_each(|name| remove(&journal.disk, name));
        Ok(journal)
    }

    /// Writes the records that may not be durable to a new segment, so that nothing gets lost
    /// after it was shown to somebody. To sync them where they are proves nothing: a sync
    /// may have failed before. The names of files may not be durable either: a file says
    /// what is safe as soon as it has its name.
    fn secure(&mut self) -> io::Result<()> {
        self.disk.sync()?;
        let Some(last) = self.segments.last().filter(|_| self.safe < self.end) else {
            return Ok(());
        };
        let (name, safe) = (last.name.clone(), last.head.first..self.safe);
        let mut frames = Opened::open(&self.disk, &name).map_err(io::Error::other)?.frames;
        walk(&mut frames, safe, |_, _, _| Ok(()))?;
        let from = frames.offset;
        match self.rewrite(&mut frames) {
            Err(error) if is_full(&error) => rewrite_in_place(&self.disk, &name, from)?,
            done => done?,
        }
        self.safe = self.end;
        Ok(())
    }

    /// Writes the records that these frames begin with to a new segment.
    fn rewrite(&mut self, frames: &mut Frames) -> io::Result<()> {
        let (from, end) = (self.safe, self.end);
        let head = self.head(Kind::Segment, from, end);
        let mut file = Growing::create(&self.disk, &head)?;
        let copied = walk(frames, from..end, |header, _, content| {
            file.push(header.index, from, content).map(drop)
        });
        let copied = copied.and_then(|(index, _)| match index == end {
            true => file.flush(),
            false => Err(io::Error::other("what was read before cannot be read again")),
        });
        if let Err(error) = copied {
            file.abandon(&self.disk);
            return Err(error);
        }
        self.continue_in(head, file)
    }
}

fn lock(disk: &Disk) -> Result<Lock, OpenError> {
    disk.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(error.to_string()),
        _ => io_error("lock", disk, error),
    })
}

fn io_error(doing: &str, disk: &Disk, error: io::Error) -> OpenError {
    OpenError::Io { doing: format!("{doing} the journal in {disk}"), error }
}

/// Refuses a disk with files that somebody else left.
fn refuse(disk: &Disk, files: &[(&str, &str)]) -> Result<(), OpenError> {
    let names = disk.list().map_err(|error| io_error("look for", disk, error))?;
    match files.iter().find(|(file, _)| names.iter().any(|name| name == file)) {
        Some((file, why)) => {
            Err(OpenError::Refused { file: path(disk, file), why: (*why).to_owned() })
        }
        None => Ok(()),
    }
}

/// Writes a file from an offset on over itself, which takes no room, and syncs it.
fn rewrite_in_place(disk: &Disk, name: &str, mut offset: u64) -> io::Result<()> {
    let file = disk.open(name)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read_at(offset, &mut buffer)?;
        if count == 0 {
            return file.sync();
        }
        file.write_at(offset, &buffer[..count])?;
        offset += count as u64;
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Gives all files of a corrupt journal other names, and returns those. If it is interrupted,
/// what is left is no journal: first go the records from the first one on, of which none but
/// the last can be missing, and then the snapshots, which do not stand alone. The newest one
/// is last, so that no older one takes its place.
fn discard(disk: &Disk) -> io::Result<Vec<String>> {
    let mut names = disk.list()?;
    let rounds = (1..).map(|round: u32| format!("{CORRUPT}{round}-"));
    let is_free = |prefix: &String| !names.iter().any(|name| name.starts_with(prefix));
    let prefix = rounds.into_iter().find(is_free).unwrap_or_default();
    names.retain(|name| parse(name).is_some());
    names.sort_by_key(|name| parse(name).map(|(kind, number)| (kind == Kind::Snapshot, number)));
    let mut renamed = Vec::new();
    for name in names {
        renamed.push(format!("{prefix}{name}"));
        disk.rename(&name, &format!("{prefix}{name}"))?;
        disk.sync()?;
    }
    Ok(renamed)
}
