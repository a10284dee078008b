//! A general storage engine as a log: redb, a B-tree that is copied on write, in a file of
//! a node's disk.

use std::fmt;
use std::io;

use maelstrom::disk::{Disk, File, Lock};
use maelstrom::journal::{Entry, Index, Log};
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    TableDefinition, WriteTransaction,
};
use simulator::storage::{Failure, Recoverable};

const RECORDS: TableDefinition<'_, Index, &[u8]> = TableDefinition::new("records");
const PIECES: TableDefinition<'_, Index, &[u8]> = TableDefinition::new("pieces");
/// The index of the next record.
const END: TableDefinition<'_, (), Index> = TableDefinition::new("end");

const NAME: &str = "log.redb";
const UNFINISHED: &str = "log.redb.new";

/// A log in a database.
pub(crate) struct Engine {
    database: Database,
    end: Index,
    _lock: Lock,
}

impl Engine {
    pub(crate) fn open(disk: &Disk) -> Result<Self, Failure> {
        let lock = disk.lock()?;
        // It does not bear a crash while it makes its file.
        if !disk.list()?.iter().any(|name| name == NAME) {
            let file = disk.create(UNFINISHED)?;
            file.truncate(0)?;
            drop(Self::in_file(file)?);
            disk.rename(UNFINISHED, NAME)?;
            disk.sync()?;
        }
        let (database, end) = Self::in_file(disk.open(NAME)?)?;
        Ok(Self { database, end, _lock: lock })
    }

    /// The database in a file, and the index of the next record.
    fn in_file(file: File) -> Result<(Database, Index), redb::Error> {
        let database = Database::builder().create_with_backend(OnDisk(file))?;
        // What is seen from here on has to stay, so it is committed once more.
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(PIECES)?;
        let end = transaction.open_table(END)?.get(())?.map_or(0, |end| end.value());
        transaction.commit()?;
        Ok((database, end))
    }

    /// Commits a change of the tables and of the end.
    fn change(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&WriteTransaction, &mut Index) -> Result<(), redb::Error>,
    ) -> io::Result<()> {
        let mut end = self.end;
        let changed = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(durability)?;
            change(&transaction, &mut end)?;
            transaction.open_table(END)?.insert((), end)?;
            Ok(transaction.commit()?)
        };
        changed().map_err(io::Error::other)?;
        self.end = end;
        Ok(())
    }
}

impl Log for Engine {
    fn end(&self) -> Index {
        self.end
    }

    fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.change(Durability::None, |transaction, end| {
            let mut table = transaction.open_table(RECORDS)?;
            for record in records {
                table.insert(*end, *record)?;
                *end += 1;
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.change(Durability::Immediate, |_, _| Ok(()))
    }

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        self.change(Durability::Immediate, |transaction, _| {
            let mut table = transaction.open_table(PIECES)?;
            table.retain(|_, _| false)?;
            for (index, piece) in (0..).zip(pieces) {
                table.insert(index, piece.as_slice())?;
            }
            transaction.open_table(RECORDS)?.retain(|_, _| false)?;
            Ok(())
        })
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        let transaction = self.database.begin_read().map_err(io::Error::other)?;
        let pieces = transaction.open_table(PIECES).map_err(io::Error::other)?;
        for piece in pieces.iter().map_err(io::Error::other)? {
            visit(Entry::Piece(piece.map_err(io::Error::other)?.1.value()))?;
        }
        let records = transaction.open_table(RECORDS).map_err(io::Error::other)?;
        for record in records.iter().map_err(io::Error::other)? {
            let (index, record) = record.map_err(io::Error::other)?;
            visit(Entry::Record(index.value(), record.value()))?;
        }
        Ok(())
    }
}

impl Recoverable for Engine {
    fn incarnation(&self) -> u64 {
        // It loses nothing, or does not open.
        0
    }
}

/// A file of a node's disk.
struct OnDisk(File);

impl fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of a node's disk")
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < out.len() {
            match self.0.read_at(offset + done as u64, &mut out[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
