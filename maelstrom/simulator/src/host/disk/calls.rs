//! The calls of a disk in memory: what they do, how long they take, and how they fail.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::disk::{self, Contents, Storage};
use rand::RngExt as _;

use super::{SharedInode, SimulatedDisk, State, lock};

/// How long a write takes, a sync, and any other call; what each byte adds to it that is
/// read or written; and how many times as long it takes on a slow disk.
pub(super) const WRITE: Duration = Duration::from_micros(20);
pub(super) const SYNC: Duration = Duration::from_millis(2);
pub(super) const CALL: Duration = Duration::from_micros(5);
pub(super) const BYTE: Duration = Duration::from_nanos(1);
pub(super) const SLOWNESS: u32 = 100;
/// What the operating system says when a disk fails, and when it is full.
pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;

/// Keeps the lock until it is dropped.
pub(super) struct Held;

impl State {
    /// A call begins, which takes so long. Fails if it is its turn to.
    fn begin(&mut self, time: Duration) -> io::Result<()> {
        self.elapsed += if self.is_slow { time * SLOWNESS } else { time };
        match &mut self.fails_in {
            None => Ok(()),
            Some((0, error)) => {
                let failed = io::Error::from_raw_os_error(*error);
                self.fails_in = None;
                Err(failed)
            }
            Some((calls, _)) => {
                *calls -= 1;
                Ok(())
            }
        }
    }

    /// Begins a call that changes names. One that fails may have been carried out, unless
    /// that takes space which is not there.
    fn begin_change(&mut self) -> (bool, io::Result<()>) {
        let begun = self.begin(CALL);
        let is_full = begun.as_ref().is_err_and(disk::is_full);
        (begun.is_ok() || (!is_full && self.rng.random()), begun)
    }
}

impl fmt::Display for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of n{}", self.state().node)
    }
}

impl Storage for SimulatedDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let mut state = self.state();
        state.begin(CALL)?;
        let inode = match state.find(name) {
            Err(_) if create && state.is_full => return Err(full()),
            Err(_) if create => {
                let inode = SharedInode::default();
                state.change([(name.to_owned(), Some(inode.clone()))]);
                inode
            }
            found => found?,
        };
        drop(state);
        Ok(Box::new(Open { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(from)?;
        let (is_done, done) = state.begin_change();
        // It may need another block of the directory.
        if done.is_ok() && state.is_full && state.rng.random() {
            return Err(full());
        }
        if is_done && from != to {
            state.change([(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        }
        done
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        let (is_done, done) = state.begin_change();
        if is_done {
            state.change([(name.to_owned(), None)]);
        }
        done
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(CALL)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(SYNC)?;
        state.unsynced.clear();
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        state.begin(CALL)?;
        if state.lock.strong_count() > 0 {
            let problem = format!("another process uses the disk of n{}", state.node);
            return Err(io::Error::new(io::ErrorKind::WouldBlock, problem));
        }
        let held = Arc::new(Held);
        state.lock = Arc::downgrade(&held);
        state.is_used = true;
        Ok(Box::new(held))
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.state().boots))
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(std::mem::take(&mut self.state().elapsed))
    }
}

/// An open file. The disk and the inode are never locked at the same time, but by
/// [`State`].
struct Open {
    disk: SimulatedDisk,
    inode: SharedInode,
}

impl Open {
    /// Begins a write of so many bytes; how many of them reach the file, and why not all.
    fn begin(&self, length: usize) -> (usize, io::Result<()>) {
        let mut state = self.disk.state();
        state.is_used = true;
        state.newest = Arc::downgrade(&self.inode);
        let begun = state.begin(WRITE + transfer(length));
        let begun = if state.is_full { begun.and_then(|()| Err(full())) } else { begun };
        let room = if begun.is_ok() { length } else { state.rng.random_range(0..=length / 2) };
        (room, begun)
    }
}

impl Contents for Open {
    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.inode).bytes().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inode = lock(&self.inode);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(inode.bytes().len());
        let rest = &inode.bytes()[offset..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        drop(inode);
        self.disk.state().begin(CALL + transfer(count))?;
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let (room, begun) = self.begin(bytes.len());
        if room > 0 {
            lock(&self.inode).write(offset, &bytes[..room]);
        }
        begun
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let present = lock(&self.inode).bytes().len();
        let (_, begun) = self.begin(0);
        match begun {
            Err(error) if length > present || !disk::is_full(&error) => return Err(error),
            _ => {}
        }
        lock(&self.inode).truncate(length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let begun = self.disk.state().begin(SYNC);
        let mut inode = lock(&self.inode);
        match &begun {
            Ok(()) => inode.sync(),
            // As Linux does it: what could not be written counts as written.
            Err(_) => inode.forsake(),
        }
        begun
    }
}

/// How much longer a call takes with so many bytes.
fn transfer(bytes: usize) -> Duration {
    BYTE * u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}
