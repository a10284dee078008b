//! Files of a node's own, behind an interface that a simulator can break.
//!
//! A [`Disk`] is one flat directory. A node gets it from [`Setup::disk`] or
//! [`Context::disk`]; it is a real directory in a process and one in memory in a
//! simulation, where it can lose what was not synced, flip bits and run full. It
//! has what a log needs and no more.
//!
//! ```
//! use maelstrom::disk::Disk;
//!
//! /// Appends a record that survives a power failure once this returned.
//! fn append(disk: &Disk, record: &[u8]) -> std::io::Result<()> {
//!     let log = disk.create("log")?;
//!     log.append(record)?;
//!     log.sync()?;
//!     disk.sync()
//! }
//! # let directory = std::env::temp_dir().join(format!("disk-doc-{}", std::process::id()));
//! # let disk = Disk::in_directory(&directory);
//! # append(&disk, b"one")?;
//! # append(&disk, b"two")?;
//! # assert_eq!(disk.open("log")?.read()?, b"onetwo");
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # What is durable when
//!
//! | what | survives the death of the process | survives the death of the machine |
//! | --- | --- | --- |
//! | contents: [`append`](File::append), [`write_at`](File::write_at), [`truncate`](File::truncate) | at once | after [`File::sync`] |
//! | names: [`create`](Disk::create), [`rename`](Disk::rename), [`remove`](Disk::remove) | at once | after [`Disk::sync`] |
//! | the lock: [`lock`](Disk::lock) | no | no |
//!
//! Until it is synced, each write may survive the machine's death without those
//! before it, and the last one in part. Changes of names, and of a file's length by
//! [`truncate`](File::truncate), survive in order, in a simulation and on file systems with
//! a journal. A new file therefore needs both
//! syncs, and a file that replaces another by a rename has to be synced before the
//! rename.
//!
//! Nothing here protects from a disk that returns other bytes than were written:
//! a node that wants to notice needs checksums.
//!
//! [`Setup::disk`]: crate::Setup::disk
//! [`Context::disk`]: crate::Context::disk

mod directory;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::sleep;

/// A directory of a node's own. Clones refer to the same one.
#[derive(Clone)]
pub struct Disk(Arc<dyn Storage>);

/// An open file. It stays the same file when it is renamed or removed.
pub struct File(Box<dyn Contents>);

/// The right to use a [`Disk`], held until it is dropped or its process ends.
pub struct Lock {
    _held: Box<dyn Send + Sync>,
}

/// What a host has to provide to be a node's [`Disk`]. Its text form says, in an
/// error message, which directory it is.
pub trait Storage: fmt::Display + Send + Sync {
    /// Opens a file for reading and writing; makes an empty one if there is none
    /// and `create` says so.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`].
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>>;

    /// See [`Disk::rename`].
    ///
    /// # Errors
    ///
    /// As [`Disk::rename`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// See [`Disk::remove`].
    ///
    /// # Errors
    ///
    /// As [`Disk::remove`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, in order.
    ///
    /// # Errors
    ///
    /// As [`Disk::list`].
    fn list(&self) -> io::Result<Vec<String>>;

    /// See [`Disk::sync`].
    ///
    /// # Errors
    ///
    /// As [`Disk::sync`].
    fn sync(&self) -> io::Result<()>;

    /// Takes the lock and returns what holds it until it is dropped.
    ///
    /// # Errors
    ///
    /// As [`Disk::lock`].
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;

    /// See [`Disk::boot`].
    fn boot(&self) -> Option<String>;

    /// On a disk in virtual time: how long what was done since the last call of this
    /// takes. `None` on a disk whose calls take their time themselves.
    fn elapsed(&self) -> Option<Duration> {
        None
    }
}

/// The contents of an open file, provided by a [`Storage`].
pub trait Contents: Send + Sync {
    /// The length, in bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    fn length(&self) -> io::Result<u64>;

    /// Reads some bytes from this position; 0 at the end.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at this position. After an error a part may be written.
    ///
    /// # Errors
    ///
    /// When the disk fails or is full.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file so long: cuts it off, or appends zeros.
    ///
    /// # Errors
    ///
    /// When the disk fails or is full.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// See [`File::sync`].
    ///
    /// # Errors
    ///
    /// When the disk fails.
    fn sync(&self) -> io::Result<()>;
}

impl Disk {
    /// A real directory. It is made when something in it is created or locked, and it stays
    /// this one whatever becomes of its name.
    pub fn in_directory(path: &Path) -> Self {
        Self::new(directory::Directory::new(path))
    }

    /// A disk that somebody else provides.
    pub fn new(storage: impl Storage + 'static) -> Self {
        Self(Arc::new(storage))
    }

    /// Opens a file that exists.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) when it does not exist;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when the name is no plain
    /// file name.
    pub fn open(&self, name: &str) -> io::Result<File> {
        check_name(name)?;
        self.0.open(name, false).map(File)
    }

    /// Opens a file; an empty one if it does not exist.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be made; as [`open`](Self::open).
    pub fn create(&self, name: &str) -> io::Result<File> {
        check_name(name)?;
        self.0.open(name, true).map(File)
    }

    /// Gives a file another name. A file that has that name is replaced.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        self.0.rename(from, to)
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.0.remove(name)
    }

    /// The names of all files, in order; none when the directory does not exist.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    /// Makes the names of files durable, as [`File::sync`] does with contents.
    ///
    /// # Errors
    ///
    /// When the disk fails. What is durable is unknown then.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    /// Locks the directory, so that no other process takes it for its own. The
    /// lock is on the directory itself: no file has to be left behind for it, none
    /// is in the way after a crash, and renames do not touch it.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), with a sentence, when somebody
    /// holds the lock; otherwise when the directory cannot be made or opened.
    pub fn lock(&self) -> io::Result<Lock> {
        self.0.lock().map(|held| Lock { _held: held })
    }

    /// What tells one start of the machine from the others, where it can be had:
    /// when it differs from what it was, everything that was not synced may be
    /// lost.
    pub fn boot(&self) -> Option<String> {
        self.0.boot()
    }

    /// Makes calls that block without blocking the event loop: on a thread of their own,
    /// and in a simulation at once, after which as much virtual time passes as they take,
    /// and those before them that nobody has waited for.
    /// Whoever awaits one before the next has them carried out in order. They are carried
    /// out even when nobody awaits the end any more, unless the process ends before.
    ///
    /// # Errors
    ///
    /// When they panic.
    pub async fn run<T: Send + 'static>(
        &self,
        calls: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let Some(before) = self.0.elapsed() else {
            return task::spawn_blocking(calls).await.map_err(io::Error::other);
        };
        let done = calls();
        pass(before + self.0.elapsed().unwrap_or_default()).await;
        Ok(done)
    }

    /// Lets as much virtual time pass as the calls took that were not made by
    /// [`run`](Self::run), as while a node's state is made. On a disk whose calls take their
    /// time themselves, it has passed.
    pub async fn catch_up(&self) {
        pass(self.0.elapsed().unwrap_or_default()).await;
    }
}

async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disk({self})")
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

impl File {
    /// The length, in bytes.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    /// Appends bytes. After an error a part of them may be there.
    ///
    /// # Errors
    ///
    /// When the disk fails, or [is full](is_full).
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(self.0.length()?, bytes)
    }

    /// Writes bytes at a position, over those that are there. Behind the end of
    /// the file, zeros fill the gap. After an error a part of them may be there.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    /// Reads some bytes from a position, and says how many; none at the end.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the file from its beginning on, piece by piece.
    pub fn reader(&self) -> impl Read + '_ {
        Reader { file: self, offset: 0 }
    }

    /// Makes the file so long: cuts off its end, or appends zeros.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    /// Makes the contents durable: what was written before survives the death of
    /// the machine once this returned.
    ///
    /// # Errors
    ///
    /// When the disk fails. What is durable is unknown then, and another sync that
    /// succeeds does not change that.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

/// Appends.
impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Reader<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.offset, buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Whether a call has failed because there is no space left, or none that this user may
/// have. It may succeed later. (After a [sync](File::sync) that failed for that reason,
/// what is durable is as unknown as after any other.)
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn check_name(name: &str) -> io::Result<()> {
    let is_plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    if is_plain {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no plain file name")))
}
