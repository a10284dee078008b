//! A real directory as a node's disk.
//!
//! It is opened once, and everything in it is reached through that descriptor. So what is
//! locked is what is used, whatever becomes of the directory's name: if it is renamed, its
//! files are used where they are now, and if another one takes its name, nothing of that
//! one is touched.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::retry_on_intr;

use super::{Contents, Storage};

/// A directory of the operating system's.
pub(super) struct Directory {
    path: PathBuf,
    /// Where it is reached, once it was there.
    opened: OnceLock<File>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: OnceLock::new() }
    }

    /// Opens the directory if it was not open before.
    fn opened(&self) -> io::Result<&File> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = open_at(rustix::fs::CWD, &self.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        // If another thread was faster, all use what that one opened.
        Ok(self.opened.get_or_init(|| opened))
    }

    /// The same, and makes it if there is none.
    fn made(&self) -> io::Result<&File> {
        if self.opened.get().is_none() {
            make(&self.path).map_err(|error| {
                let problem = format!("cannot make the directory {}: {error}", self.path.display());
                io::Error::new(error.kind(), problem)
            })?;
        }
        self.opened()
    }

    fn is_file(&self, name: &std::ffi::CStr) -> io::Result<bool> {
        let directory = self.opened()?;
        let stat = retry_on_intr(|| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }
}

/// Makes a directory and those that it is in. Each is durable before there is something in
/// it, so that of those that are there, only the last can be one whose maker died before
/// that.
fn make(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    let sync = || File::open(parent)?.sync_all();
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(parent)?;
            fs::create_dir(path)?;
            sync()
        }
        Err(_) if path.is_dir() => match sync() {
            // Whoever may not read it did not make what is in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        },
        made => made.and_then(|()| sync()),
    }
}

fn open_at(directory: impl std::os::fd::AsFd, path: &Path, flags: OFlags) -> io::Result<File> {
    let mode = Mode::from_raw_mode(0o666);
    let opened = retry_on_intr(|| openat(&directory, path, flags | OFlags::CLOEXEC, mode))?;
    Ok(opened.into())
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Storage for Directory {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let (directory, flags) = match create {
            true => (self.made()?, OFlags::RDWR | OFlags::CREATE),
            false => (self.opened()?, OFlags::RDWR),
        };
        Ok(Box::new(open_at(directory, name.as_ref(), flags)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let directory = self.opened()?;
        Ok(retry_on_intr(|| renameat(directory, from, directory, to))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let directory = self.opened()?;
        Ok(retry_on_intr(|| unlinkat(directory, name, AtFlags::empty()))?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let directory = match self.opened() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let mut names = Vec::new();
        for entry in retry_on_intr(|| Dir::read_from(directory))? {
            let entry = entry?;
            let is_file = match entry.file_type() {
                FileType::Unknown => self.is_file(entry.file_name())?,
                known => known == FileType::RegularFile,
            };
            if is_file {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync(&self) -> io::Result<()> {
        self.opened()?.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        // Opened anew, for a lock ends when what it was taken with is closed.
        let held = open_at(self.made()?, ".".as_ref(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        loop {
            match held.try_lock() {
                Ok(()) => return Ok(Box::new(held)),
                Err(TryLockError::WouldBlock) => {
                    let path = self.path.display();
                    let problem = format!("another process uses the directory {path}");
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, problem));
                }
                Err(TryLockError::Error(error)) if is_interrupted(&error) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn boot(&self) -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(boot.trim_end().to_owned())
    }
}

fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

impl Contents for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::os::unix::fs::FileExt::read_at(self, buffer, offset) {
                Err(error) if is_interrupted(&error) => {}
                read => return read,
            }
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
