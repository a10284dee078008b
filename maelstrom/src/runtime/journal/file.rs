//! The files of a journal: their names, their heads, and how they come to be.
//!
//! A file begins with a line of text that names the format, and a frame with its [`Head`]
//! as JSON. It has its name only once both are durable, so a file with that name and
//! without a sound head is corrupt. Nothing that a file has is ever changed.

use std::io;

use serde::{Deserialize, Serialize};

use super::frame::{Broken, Frames, Next, checksum, encode};
use super::{Index, OpenError, Sync};
use crate::disk::{Disk, File};

/// The first line of a file.
const FORMAT: &[u8] = b"maelstrom journal 1\n";
/// All versions of it begin with this,
const FAMILY: &[u8] = b"maelstrom journal ";
/// and are no longer.
const MAX_LINE: u64 = 64;
/// The seal of the head itself.
const HEAD_SEAL: u32 = 0;
/// What a name ends with until the file is whole.
const UNFINISHED: &str = ".new";

/// Counts the files of a journal, in the order in which they were made.
pub(super) type Number = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Records, from some index on.
    Segment,
    /// What stands in the place of all records before some index.
    Snapshot,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What a file says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) number: Number,
    /// Whose journal it is.
    pub(super) owner: String,
    pub(super) incarnation: u64,
    /// Of a segment: the first record; it replaces what earlier segments have from there
    /// on. Of a snapshot: the first record that is not part of it.
    pub(super) first: Index,
    /// All records before this one were durable when the file got its name.
    pub(super) safe: Index,
    /// What was promised about the records.
    pub(super) sync: Sync,
    /// The start of the machine at which it was written.
    pub(super) boot: Option<String>,
}

impl Head {
    pub(super) fn name(&self) -> String {
        format!("{}-{:010}", self.kind.name(), self.number)
    }
}

/// Kind and number of the file that has this name, if it is one of a journal's.
pub(super) fn parse(name: &str) -> Option<(Kind, Number)> {
    let (kind, number) = name.split_once('-')?;
    let kind = [Kind::Segment, Kind::Snapshot].into_iter().find(|known| known.name() == kind)?;
    let is_number = number.len() >= 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((kind, number.parse().ok().filter(|_| is_number)?))
}

/// Whether this is the name of a file that was never finished.
pub(super) fn is_leftover(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).is_some_and(|name| parse(name).is_some())
}

/// A file that has a sound head.
pub(super) struct Opened {
    pub(super) head: Head,
    pub(super) frames: Frames,
}

impl Opened {
    /// Opens a file for reading.
    pub(super) fn open(disk: &Disk, name: &str) -> Result<Self, OpenError> {
        let file = disk.open(name).map_err(|error| reading(disk, name, error))?;
        Self::read(file).map_err(|error| reading(disk, name, error))?.map_err(|fault| match fault {
            Bad::Version(version) => OpenError::Version { file: path(disk, name), version },
            Bad::Head(what, offset) => OpenError::corrupt(disk, name, offset, what),
        })
    }

    fn read(file: File) -> io::Result<Result<Self, Bad>> {
        let mut frames = Frames::new(file, HEAD_SEAL)?;
        let line = frames.line(MAX_LINE)?;
        if line != FORMAT {
            return Ok(Err(Bad::line(&line)));
        }
        let offset = frames.offset;
        let what = match frames.next()? {
            Next::Frame(_) => match serde_json::from_slice(&frames.content) {
                Ok(head) => {
                    frames.reseal();
                    return Ok(Ok(Self { head, frames }));
                }
                Err(_) => "the head is not what a head has to be",
            },
            Next::End => Broken::Cut.text(),
            Next::Broken(broken) => broken.text(),
        };
        Ok(Err(Bad::Head(what, offset)))
    }
}

/// Why a head cannot be read.
enum Bad {
    Version(String),
    Head(&'static str, u64),
}

impl Bad {
    fn line(line: &[u8]) -> Self {
        match line.strip_prefix(FAMILY) {
            Some(version) if line.ends_with(b"\n") && version.is_ascii() => {
                Self::Version(String::from_utf8_lossy(version).trim().to_owned())
            }
            _ => Self::Head("the first line is not that of a journal", 0),
        }
    }
}

/// How much is written at a time. A snapshot syncs so much: a record that comes meanwhile
/// waits for it, twice as long at 256 KiB, and nothing gets faster by that.
pub(super) const CHUNK: usize = 64 << 10;

/// A file that is written.
pub(super) struct Growing {
    pub(super) file: File,
    pub(super) name: String,
    seal: u32,
    /// Of the file.
    pub(super) bytes: u64,
    /// Frames that are not written yet.
    buffer: Vec<u8>,
    /// Nothing more is appended: a write has failed, or another segment may have taken over.
    pub(super) is_closed: bool,
}

impl Growing {
    /// Makes a file that has its name only after [`finish`](Self::finish).
    pub(super) fn create(disk: &Disk, head: &Head) -> io::Result<Self> {
        let json = serde_json::to_vec(head)?;
        let name = head.name();
        let file = disk.create(&unfinished(&name))?;
        if file.length()? > 0 {
            file.truncate(0)?;
        }
        let buffer = FORMAT.to_vec();
        let mut growing = Self { file, name, seal: HEAD_SEAL, bytes: 0, buffer, is_closed: false };
        let written = growing.push(0, 0, &json).and_then(|_| growing.flush());
        growing.seal = checksum(HEAD_SEAL, &json);
        match written {
            Ok(()) => Ok(growing),
            Err(error) => {
                growing.abandon(disk);
                Err(error)
            }
        }
    }

    /// Adds a frame, which is written with the next [`flush`](Self::flush) at the latest.
    /// Returns whether a chunk was written.
    pub(super) fn push(&mut self, index: Index, safe: Index, content: &[u8]) -> io::Result<bool> {
        encode(&mut self.buffer, self.seal, index, safe, content)?;
        let is_chunk = self.buffer.len() >= CHUNK;
        if is_chunk {
            self.flush()?;
        }
        Ok(is_chunk)
    }

    /// Writes all that was added. After an error nobody knows what is in the file.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_at(self.bytes, &self.buffer);
        self.is_closed |= written.is_err();
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * CHUNK);
        written
    }

    /// Makes the file durable, gives it its name, and makes that durable.
    pub(super) fn finish(&mut self, disk: &Disk) -> io::Result<()> {
        self.flush()?;
        self.file.sync()?;
        disk.rename(&unfinished(&self.name), &self.name)?;
        disk.sync()
    }

    /// Removes what was not finished; it may have its name already.
    pub(super) fn abandon(self, disk: &Disk) {
        remove(disk, &unfinished(&self.name));
        remove(disk, &self.name);
    }
}

fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Removes a file that does not count. If it cannot be removed, it is in nobody's way: the
/// next time that the journal is opened tries again.
pub(super) fn remove(disk: &Disk, name: &str) {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, file = path(disk, name), "cannot remove what is not needed");
        }
        _ => {}
    }
}

pub(super) fn path(disk: &Disk, name: &str) -> String {
    format!("{disk}/{name}")
}

pub(super) fn reading(disk: &Disk, name: &str, error: io::Error) -> OpenError {
    OpenError::Io { doing: format!("read {}", path(disk, name)), error }
}
