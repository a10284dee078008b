//! What numbered records need of their storage, so that one can be compared with another.

use std::io;

use super::frame::check_length;
use super::{Entry, Index};

/// A storage of numbered records: a [`Journal`](super::Journal), which a node writes to through
/// a [`Writer`](super::Writer), memory, or somebody's engine.
///
/// It is opened with all that is safe, and perhaps more. Its calls block. After one that
/// failed, what it was about may be there or not; whether more can be appended is for
/// [`append`](Self::append) to say.
pub trait Log: Send {
    /// The index of the next record.
    fn end(&self) -> Index;

    /// Appends records. They are safe after the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// When one is too long, of which nothing is written then, and when the disk fails.
    fn append(&mut self, records: &[&[u8]]) -> io::Result<()>;

    /// Makes safe what was appended.
    ///
    /// # Errors
    ///
    /// When it may not be.
    fn sync(&mut self) -> io::Result<()>;

    /// Puts pieces of a snapshot in the place of the former one and of all records; all of
    /// it or nothing, and safe when this returns. Without pieces it just drops records.
    ///
    /// # Errors
    ///
    /// When a piece is too long, and when the disk fails.
    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()>;

    /// Reads all of it: pieces of the snapshot, then records. Ends with the first error of
    /// `visit`.
    ///
    /// # Errors
    ///
    /// When the disk fails, or what it has is corrupt.
    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()>;
}

/// A log in memory: nothing of it survives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pieces: Vec<Vec<u8>>,
    /// The index of the first record.
    first: Index,
    records: Vec<Vec<u8>>,
}

impl Log for Memory {
    fn end(&self) -> Index {
        self.first + self.records.len() as u64
    }

    fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        records.iter().try_for_each(|record| check_length(record))?;
        self.records.extend(records.iter().map(|record| record.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let pieces: Vec<_> = pieces.collect();
        pieces.iter().try_for_each(|piece| check_length(piece))?;
        self.pieces = pieces;
        self.first = self.end();
        self.records.clear();
        Ok(())
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        self.pieces.iter().try_for_each(|piece| visit(Entry::Piece(piece)))?;
        let mut records = (self.first..).zip(&self.records);
        records.try_for_each(|(index, record)| visit(Entry::Record(index, record)))
    }
}
