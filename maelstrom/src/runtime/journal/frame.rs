//! Frames: how records stand in a file, and how far a file can be trusted.
//!
//! A frame is a header of 28 bytes, all integers little-endian, and the record's content:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the content |
//! | 4 | CRC-32 of the content |
//! | 8 | index of the record |
//! | 8 | `safe`: all records with a smaller index were durable when this was written |
//! | 4 | CRC-32 of the header before this field |
//!
//! Both checksums begin with the file's seal, which comes from its head. So a frame of
//! another file, or one that somebody keeps in a record, is none here.
//!
//! `safe` is what tells a torn tail from damage after the machine died: a write that was
//! not synced may be lost although a later one is there, but none that a later frame
//! calls safe. So that the last records are called so, too, a frame without content, a
//! [`MARK`], stands behind each group once it is synced. It is synced with what comes next.

use std::io::{self, BufRead as _, BufReader, Read as _};

use crc32fast::Hasher;

use super::{Index, MAX_RECORD_BYTES};
use crate::disk::File;

pub(super) const HEADER: usize = 28;
/// The index of a frame that is no record, and only says what is safe.
pub(super) const MARK: Index = Index::MAX - 1;
/// How much of a file is read at a time.
const BUFFER: usize = 256 * 1024;

/// What stands before a record's content.
#[derive(Clone, Copy)]
pub(super) struct Header {
    length: u32,
    checksum: u32,
    pub(super) index: Index,
    pub(super) safe: Index,
}

pub(super) fn checksum(seal: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seal);
    hasher.update(bytes);
    hasher.finalize()
}

/// Refuses a record, or a piece of a snapshot, that is longer than [`MAX_RECORD_BYTES`].
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput), with a sentence that says how long it is.
pub fn check_length(content: &[u8]) -> io::Result<()> {
    length(content).map(drop)
}

fn length(content: &[u8]) -> io::Result<u32> {
    let length = u32::try_from(content.len()).ok().filter(|&length| length <= MAX_RECORD_BYTES);
    length.ok_or_else(|| {
        let bytes = content.len();
        let text =
            format!("a record of {bytes} bytes is too long: the limit is {MAX_RECORD_BYTES}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

/// Appends a frame to a buffer, unless its content is too long.
pub(super) fn encode(
    out: &mut Vec<u8>,
    seal: u32,
    index: Index,
    safe: Index,
    content: &[u8],
) -> io::Result<()> {
    let length = length(content)?;
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(seal, content).to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&safe.to_le_bytes());
    let of_header = checksum(seal, &out[start..]);
    out.extend_from_slice(&of_header.to_le_bytes());
    out.extend_from_slice(content);
    Ok(())
}

impl Header {
    /// `None` when it is not sound.
    fn decode(seal: u32, bytes: &[u8; HEADER]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |place: usize| u32::from_le_bytes(words[place]);
        let long = |place: usize| u64::from(word(place)) | u64::from(word(place + 1)) << 32;
        // The checksum last: a search tries every byte of a file as a beginning.
        let is_sound = word(0) <= MAX_RECORD_BYTES && word(6) == checksum(seal, &bytes[..24]);
        let header = || Self { length: word(0), checksum: word(1), index: long(2), safe: long(4) };
        is_sound.then(header)
    }
}

/// Reads the frames of a file one by one.
pub(super) struct Frames {
    reader: BufReader<Source>,
    seal: u32,
    /// Where the next frame begins.
    pub(super) offset: u64,
    /// Of the file, when this began.
    pub(super) bytes: u64,
    /// Of the frame that was read last.
    pub(super) content: Vec<u8>,
    /// Up to where records are durable, by what was read.
    pub(super) safe: Index,
}

/// What comes next in a file.
pub(super) enum Next {
    /// A sound frame, whose content is in [`Frames::content`].
    Frame(Header),
    /// The file ends here.
    End,
    /// No sound frame, but some bytes.
    Broken(Broken),
}

/// Why there is no sound frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// What is there may be the beginning of one.
    Cut,
    /// Its header is not what was written.
    Header,
    /// Its content is not what was written.
    Content,
    /// It is sound, but not the next one.
    Order,
}

impl Broken {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Cut => "the file ends within a record",
            Self::Header => "the checksum of a record's header is wrong",
            Self::Content => "the checksum of a record is wrong",
            Self::Order => "a record is not the one that was due",
        }
    }
}

impl Frames {
    pub(super) fn new(file: File, seal: u32) -> io::Result<Self> {
        let bytes = file.length()?;
        let most = usize::try_from(bytes).map_or(BUFFER, |bytes| bytes.clamp(1, BUFFER));
        let reader = BufReader::with_capacity(most, Source { file, offset: 0 });
        Ok(Self { reader, seal, offset: 0, bytes, content: Vec::new(), safe: 0 })
    }

    /// What stands before the frames, up to the end of a line of so many bytes at most.
    pub(super) fn line(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(most).read_until(b'\n', &mut line)?;
        self.offset += line.len() as u64;
        Ok(line)
    }

    /// The next frame that is not a [`MARK`].
    pub(super) fn next(&mut self) -> io::Result<Next> {
        loop {
            match self.next_frame()? {
                Next::Frame(header) if header.index == MARK => {}
                next => return Ok(next),
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<Next> {
        let mut left = self.bytes.saturating_sub(self.offset);
        if left < HEADER as u64 {
            return Ok(if left == 0 { Next::End } else { Next::Broken(Broken::Cut) });
        }
        let mut header = [0; HEADER];
        self.reader.read_exact(&mut header)?;
        let Some(header) = Header::decode(self.seal, &header) else {
            return Ok(Next::Broken(Broken::Header));
        };
        left -= HEADER as u64;
        if left < u64::from(header.length) {
            return Ok(Next::Broken(Broken::Cut));
        }
        self.content.clear();
        self.content.shrink_to(BUFFER.max(header.length as usize));
        self.content.resize(header.length as usize, 0);
        self.reader.read_exact(&mut self.content)?;
        if checksum(self.seal, &self.content) != header.checksum {
            return Ok(Next::Broken(Broken::Content));
        }
        self.offset += HEADER as u64 + u64::from(header.length);
        self.safe = self.safe.max(header.safe);
        Ok(Next::Frame(header))
    }

    /// The frame that was read is the file's head, from which its seal comes.
    pub(super) fn reseal(&mut self) {
        self.seal = checksum(self.seal, &self.content);
    }

    /// Whether a sound header, which may begin anywhere behind the last sound frame, says
    /// that the record at this index was durable. It does not count if it speaks of more
    /// records than there is room for: then it is one by chance.
    pub(super) fn says_safe(self, index: Index) -> io::Result<bool> {
        let most = self.bytes.saturating_sub(self.offset) / HEADER as u64;
        let (file, seal) = (self.reader.into_inner().file, self.seal);
        let mut reader = BufReader::with_capacity(BUFFER, Source { file, offset: self.offset });
        let mut window = Vec::new();
        loop {
            let kept = window.len().min(HEADER - 1);
            window.drain(..window.len() - kept);
            let count = reader.by_ref().take(BUFFER as u64).read_to_end(&mut window)?;
            if count == 0 {
                return Ok(false);
            }
            let places = window.windows(HEADER).filter_map(<[u8]>::first_chunk);
            let mut sound = places.filter_map(|bytes| Header::decode(seal, bytes));
            if sound.any(|header| (1..=most).contains(&header.safe.saturating_sub(index))) {
                return Ok(true);
            }
        }
    }
}

/// A file, read from an offset on.
pub(super) struct Source {
    pub(super) file: File,
    pub(super) offset: u64,
}

impl io::Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.offset, buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}
