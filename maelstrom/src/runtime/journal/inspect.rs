//! Looking at a journal without opening it.

use std::io;

use serde::Serialize;

use super::file::{Kind, Opened, parse};
use super::found::{END_OF_SNAPSHOT, Found};
use super::frame::{Frames, Next};
use super::{Fault, Index, OpenError, Sync};
use crate::disk::Disk;

/// Something that a journal has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding<'a> {
    /// A file, and what its head says.
    File {
        /// Its name.
        file: &'a str,
        /// How long it is.
        bytes: u64,
        /// Whose journal it is of.
        owner: &'a str,
        /// The incarnation that wrote it.
        incarnation: u64,
        /// The first record, or, of a snapshot, the first one that is not part of it.
        first: Index,
        /// What was promised of its records.
        sync: Sync,
        /// The start of the machine at which it was written.
        boot: Option<&'a str>,
    },
    /// A sound record of that file.
    Record {
        /// Where it begins.
        offset: u64,
        /// Its index.
        index: Index,
        /// How long its content is.
        bytes: usize,
        /// Its content, as far as it is text.
        content: &'a str,
    },
    /// A sound piece of that snapshot.
    Piece {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        bytes: usize,
        /// Its content, as far as it is text.
        content: &'a str,
    },
    /// Where the rest of a file cannot be read. In the last segment it may be a record that
    /// was never whole, and in any other it may concern records that were replaced.
    Broken(Fault),
    /// The journal can be opened.
    Sound {
        /// Up to which record the snapshot stands, if there is one.
        snapshot: Option<Index>,
        /// The index of the next record.
        end: Index,
        /// A record at the end that is not whole, and is dropped.
        torn: Option<Fault>,
    },
    /// The first thing that keeps it from being opened.
    Corrupt(Fault),
}

/// Reads all files of a journal and says what they have, file by file, and at last whether
/// the journal can be opened. Changes nothing, and may look at a journal in use, whose end
/// it then may find torn.
///
/// # Errors
///
/// When the disk fails, and where there is no journal.
pub fn inspect(
    disk: &Disk,
    visit: &mut dyn FnMut(Finding<'_>) -> io::Result<()>,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io { doing: format!("inspect {disk}"), error };
    let mut names = disk.list().map_err(failed)?;
    names.retain(|name| parse(name).is_some());
    names.sort_by_key(|name| parse(name).map(|(_, number)| number));
    let mut owner = String::new();
    for name in &names {
        match Opened::open(disk, name) {
            Ok(file) => {
                owner.clone_from(&file.head.owner);
                show(name, file, visit).map_err(failed)?;
            }
            Err(OpenError::Corrupt { fault, .. }) => {
                visit(Finding::Broken(fault)).map_err(failed)?;
            }
            Err(error) => return Err(error),
        }
    }
    if names.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "there is no journal")));
    }
    let verdict = match Found::read(disk, &owner, &mut |_| Ok(())) {
        Ok(found) => Finding::Sound {
            snapshot: found.snapshot.map(|snapshot| snapshot.head.first),
            end: found.end,
            torn: found.torn,
        },
        Err(OpenError::Corrupt { fault, .. }) => Finding::Corrupt(fault),
        Err(error) => return Err(error),
    };
    visit(verdict).map_err(failed)
}

fn show(
    name: &str,
    Opened { head, mut frames }: Opened,
    visit: &mut dyn FnMut(Finding<'_>) -> io::Result<()>,
) -> io::Result<()> {
    visit(Finding::File {
        file: name,
        bytes: frames.bytes,
        owner: &head.owner,
        incarnation: head.incarnation,
        first: head.first,
        sync: head.sync,
        boot: head.boot.as_deref(),
    })?;
    loop {
        let offset = frames.offset;
        let header = match frames.next()? {
            Next::Frame(header) => header,
            Next::End => return Ok(()),
            Next::Broken(broken) => {
                let what = broken.text().to_owned();
                return visit(Finding::Broken(Fault { file: name.to_owned(), offset, what }));
            }
        };
        let (bytes, content) = (frames.content.len(), text(&frames));
        match head.kind {
            Kind::Segment => {
                visit(Finding::Record { offset, index: header.index, bytes, content })?;
            }
            Kind::Snapshot if header.index == END_OF_SNAPSHOT => {}
            Kind::Snapshot => visit(Finding::Piece { offset, bytes, content })?,
        }
    }
}

/// The beginning of a content that is text.
fn text(frames: &Frames) -> &str {
    match std::str::from_utf8(&frames.content) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(&frames.content[..error.valid_up_to()]).unwrap_or_default()
        }
    }
}
