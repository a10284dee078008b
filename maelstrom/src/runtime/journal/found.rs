//! What a journal's files hold: reads and checks everything that counts.
//!
//! The snapshot with the highest number counts, the segment that begins where it ends, and
//! those with higher numbers; of each segment the records from its first to the first of
//! the next one. Whatever else is there is garbage, which a crash left behind before it was
//! removed.
//!
//! Only the last segment may end in a record that is not whole: each earlier one was
//! durable before the next one was made. Whether such an end is torn or damaged depends on
//! what can have happened to it:
//!
//! - The machine has not died since. A killed process leaves the beginning of what it
//!   wrote, so anything but a cut record is damage.
//! - It has, or nobody knows. Then writes that were not synced may be lost in any order,
//!   so it is damage if a record behind it says that it was durable.

use std::cmp::Reverse;
use std::io;
use std::ops::Range;

use super::file::{Head, Kind, Number, Opened, is_leftover, parse, reading};
use super::frame::{Broken, Frames, Header, Next};
use super::{Entry, Fault, Index, OpenError};
use crate::disk::Disk;

/// A file that counts.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) head: Head,
    pub(super) bytes: u64,
}

impl Info {
    fn read(disk: &Disk, name: &str, kind: Kind, number: Number) -> Result<Self, OpenError> {
        let Opened { head, frames } = Opened::open(disk, name)?;
        if (head.kind, head.number) != (kind, number) {
            let what = format!("its head says that it is {}", head.name());
            return Err(OpenError::corrupt(disk, name, 0, what));
        }
        Ok(Self { name: name.to_owned(), head, bytes: frames.bytes })
    }
}

/// What was read.
#[derive(Default)]
pub(super) struct Found {
    pub(super) snapshot: Option<Info>,
    pub(super) segments: Vec<Info>,
    /// Files that do not count.
    pub(super) garbage: Vec<String>,
    /// The first number that no file has.
    pub(super) next: Number,
    /// The index of the next record.
    pub(super) end: Index,
    /// All before this one are durable.
    pub(super) safe: Index,
    /// How many bytes the records take that are not part of the snapshot.
    pub(super) bytes: u64,
    /// A record at the end that is not whole, and is no damage for all that is known.
    pub(super) torn: Option<Fault>,
    /// It may be damage all the same: what was synced is as long as it was written, but if
    /// its bytes are others, nobody knows since when.
    pub(super) may_lack: bool,
}

type Visit<'a> = &'a mut dyn FnMut(Entry<'_>) -> io::Result<()>;

impl Found {
    /// Reads all files of the journal, and hands over what they hold.
    pub(super) fn read(disk: &Disk, owner: &str, visit: Visit<'_>) -> Result<Self, OpenError> {
        let mut found = Self::survey(disk)?;
        for info in found.snapshot.iter().chain(&found.segments) {
            if info.head.owner != owner {
                let (of, disk) = (info.head.owner.clone(), disk.to_string());
                return Err(OpenError::Foreign { disk, of, not: owner.to_owned() });
            }
        }
        if let Some(snapshot) = &found.snapshot {
            read_snapshot(disk, snapshot, visit)?;
            if found.segments.is_empty() {
                let what = "there is no segment beside it";
                return Err(OpenError::corrupt(disk, &snapshot.name, 0, what));
            }
        }
        (found.end, found.safe) = (found.from(), found.from());
        for place in 0..found.segments.len() {
            found.read_segment(disk, place, visit)?;
        }
        Ok(found)
    }

    /// Reads the heads of the files that count. The last snapshot does, and from the last
    /// segment back to the first one that begins where it ends. What is before them was
    /// replaced, and may be damaged.
    fn survey(disk: &Disk) -> Result<Self, OpenError> {
        let mut found = Self::default();
        let listing = |error| OpenError::Io { doing: format!("list {disk}"), error };
        let mut names = disk.list().map_err(listing)?;
        found.garbage = names.extract_if(.., |name| is_leftover(name)).collect();
        let files = names.iter().filter_map(|name| Some((name, parse(name)?)));
        let mut files: Vec<_> = files.collect();
        files.sort_by_key(|(_, (kind, number))| (*kind == Kind::Segment, Reverse(*number)));
        for (name, (kind, number)) in files {
            found.next = found.next.max(number + 1);
            let from = found.from();
            let counts = match kind {
                Kind::Snapshot => found.snapshot.is_none(),
                Kind::Segment => found.segments.last().is_none_or(|next| next.head.first > from),
            };
            match kind {
                _ if !counts => found.garbage.push(name.clone()),
                Kind::Snapshot => found.snapshot = Some(Info::read(disk, name, kind, number)?),
                Kind::Segment => found.segments.push(Info::read(disk, name, kind, number)?),
            }
        }
        found.segments.reverse();
        let from = found.from();
        let replaced = take_replaced(&mut found.segments, from);
        found.garbage.extend(replaced);
        Ok(found)
    }

    /// The index of the first record that the snapshot does not stand for.
    fn from(&self) -> Index {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.head.first)
    }

    fn read_segment(
        &mut self,
        disk: &Disk,
        place: usize,
        visit: Visit<'_>,
    ) -> Result<(), OpenError> {
        let next = self.segments.get(place + 1);
        let (is_last, until) = (next.is_none(), next.map_or(Index::MAX, |next| next.head.first));
        let Info { name, head, .. } = self.segments[place].clone();
        let mut frames = Opened::open(disk, &name)?.frames;
        if head.first != self.end {
            let what = format!("it begins with record {}, not {}", head.first, self.end);
            return Err(OpenError::corrupt(disk, &name, 0, what));
        }
        let walked = walk(&mut frames, head.first..until, |header, bytes, content| {
            (self.end, self.bytes) = (header.index + 1, self.bytes + bytes);
            visit(Entry::Record(header.index, content))
        });
        let (index, broken) = walked.map_err(|error| reading(disk, &name, error))?;
        let (offset, safe) = (frames.offset, head.safe.max(frames.safe));
        // What a later segment replaced may have been safe, too.
        self.safe = self.safe.max(safe).min(self.end);
        let is_short = if is_last { index < safe } else { index < until };
        let what = match broken {
            None if !is_short => return Ok(()),
            None => format!("it ends before record {index}, which was written"),
            Some(broken) => broken.text().to_owned(),
        };
        match broken {
            Some(broken)
                if is_last && !is_short && !is_corruption(disk, &head, index, broken, frames)? =>
            {
                self.torn = Some(Fault { file: name, offset, what });
                self.may_lack = broken != Broken::Cut;
                Ok(())
            }
            _ => Err(OpenError::corrupt(disk, &name, offset, what)),
        }
    }
}

/// Reads records as long as they are sound and follow each other. Returns the index of the
/// next one, and what is in its place, if there is something.
pub(super) fn walk(
    frames: &mut Frames,
    range: Range<Index>,
    mut visit: impl FnMut(&Header, u64, &[u8]) -> io::Result<()>,
) -> io::Result<(Index, Option<Broken>)> {
    for index in range.clone() {
        let offset = frames.offset;
        match frames.next()? {
            Next::Frame(header) if header.index == index => {
                visit(&header, frames.offset - offset, &frames.content)?;
            }
            Next::Frame(_) => {
                frames.offset = offset;
                return Ok((index, Some(Broken::Order)));
            }
            Next::End => return Ok((index, None)),
            Next::Broken(broken) => return Ok((index, Some(broken))),
        }
    }
    Ok((range.end, None))
}

/// Takes out the segments that have no record from this one on before the next segment
/// takes over, and returns their names. The last one stays.
pub(super) fn take_replaced(segments: &mut Vec<Info>, from: Index) -> Vec<String> {
    let nexts: Vec<Index> = segments.iter().skip(1).map(|info| info.head.first).collect();
    let mut nexts = nexts.into_iter();
    let is_replaced =
        |info: &mut Info| nexts.next().is_some_and(|next| next <= from.max(info.head.first));
    segments.extract_if(.., is_replaced).map(|info| info.name).collect()
}

fn is_corruption(
    disk: &Disk,
    head: &Head,
    index: Index,
    broken: Broken,
    frames: Frames,
) -> Result<bool, OpenError> {
    if is_same_boot(disk, head) {
        return Ok(broken != Broken::Cut);
    }
    frames.says_safe(index).map_err(|error| reading(disk, &head.name(), error))
}

/// Whether the machine has certainly not died since a file was begun.
pub(super) fn is_same_boot(disk: &Disk, head: &Head) -> bool {
    head.boot.is_some() && head.boot == disk.boot()
}

/// The index of the frame at the end of a snapshot, which says how many pieces it has.
pub(super) const END_OF_SNAPSHOT: Index = Index::MAX;

fn read_snapshot(disk: &Disk, info: &Info, visit: Visit<'_>) -> Result<(), OpenError> {
    let mut frames = Opened::open(disk, &info.name)?.frames;
    let (mut pieces, mut is_whole) = (0, false);
    let what = loop {
        match frames.next().map_err(|error| reading(disk, &info.name, error))? {
            Next::End if is_whole => return Ok(()),
            Next::End => break Broken::Cut.text(),
            Next::Broken(broken) => break broken.text(),
            Next::Frame(header) if header.index == pieces && !is_whole => {
                visit(Entry::Piece(&frames.content))
                    .map_err(|error| reading(disk, &info.name, error))?;
                pieces += 1;
            }
            Next::Frame(header) if header.index == END_OF_SNAPSHOT && header.safe == pieces => {
                is_whole = true;
            }
            Next::Frame(_) => break "a piece of it is missing",
        }
    };
    Err(OpenError::corrupt(disk, &info.name, frames.offset, what))
}
