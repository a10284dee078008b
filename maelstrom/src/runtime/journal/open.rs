//! Opening a journal: what becomes of what is found.

use std::io;
use std::sync::Weak;

use super::file::{Growing, Kind, Opened, remove};
use super::found::{Found, is_same_boot, walk};
use super::log::Log as _;
use super::segments::Journal;
use super::{Entry, Fault, OpenError, Options, Sync};
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
                    let named = discard(&disk, &fault);
                    discarded.extend(named.map_err(|error| io_error("set aside", &disk, error))?);
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
        let former = found.segments.last().map(|last| &last.head);
        let kept = former
            .filter(|head| head.sync == Sync::EveryGroup || is_same_boot(&disk, head))
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
            discarded,
            disk,
            options,
            _lock: lock,
        };
        let secured = journal.secure().and_then(|()| journal.tidy(&found.garbage));
        secured.map_err(|error| io_error("continue", &journal.disk, error))?;
        Ok(journal)
    }

    /// Makes durable all that was found, so that nothing gets lost after it was shown to
    /// somebody, if that was promised.
    fn secure(&mut self) -> io::Result<()> {
        if self.options.sync == Sync::Never || self.safe == self.end {
            return Ok(());
        }
        match self.rewrite_end() {
            // Better than not to start at all: it is wrong only if a sync has failed.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => self.sync(),
            done => done,
        }
    }

    /// Writes the records that may not be durable to a new segment. To sync them where
    /// they are proves nothing: a sync may have failed before.
    fn rewrite_end(&mut self) -> io::Result<()> {
        let Some(last) = self.segments.last().cloned() else { return Ok(()) };
        let (from, end) = (self.safe, self.end);
        let mut frames = Opened::open(&self.disk, &last.name).map_err(io::Error::other)?.frames;
        let head = self.head(Kind::Segment, from, end);
        let mut file = Growing::create(&self.disk, &head)?;
        let copied = walk(&mut frames, last.head.first..end, |header, _, content| {
            let is_copied = header.index >= from;
            if is_copied { file.push(header.index, from, content).map(drop) } else { Ok(()) }
        });
        let copied = copied.and_then(|(index, _)| match index == end {
            true => file.flush(),
            false => Err(io::Error::other("what was read before cannot be read again")),
        });
        if let Err(error) = copied {
            file.abandon(&self.disk);
            return Err(error);
        }
        self.continue_in(head, file)?;
        self.safe = end;
        Ok(())
    }

    /// Removes what crashes left behind, once what replaced it is durable.
    fn tidy(&self, garbage: &[String]) -> io::Result<()> {
        if !garbage.is_empty() {
            self.disk.sync()?;
            garbage.iter().for_each(|name| remove(&self.disk, name));
        }
        Ok(())
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

/// Gives all files of a corrupt journal other names, and returns those. The file with the
/// fault comes last, so that what is left after a crash is still found to be damaged.
fn discard(disk: &Disk, fault: &Fault) -> io::Result<Vec<String>> {
    let mut names = disk.list()?;
    names.retain(|name| super::file::parse(name).is_some());
    names.sort_by_key(|name| *name == fault.file);
    let taken = disk.list()?;
    let rounds = (1..).map(|round: u32| format!("{CORRUPT}{round}-"));
    let is_free = |prefix: &String| !taken.iter().any(|name| name.starts_with(prefix));
    let prefix = rounds.into_iter().find(is_free).unwrap_or_default();
    let mut renamed = Vec::new();
    for name in names {
        renamed.push(format!("{prefix}{name}"));
        disk.rename(&name, &format!("{prefix}{name}"))?;
    }
    disk.sync()?;
    Ok(renamed)
}
