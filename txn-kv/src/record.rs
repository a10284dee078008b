//! What a node has in its journal, from which a restart makes the same database again.
//!
//! Records say what took effect, in order. A snapshot says what there is: a base, the
//! versions of all keys, and the transactions that are kept for others.

use std::io;

use maelstrom::disk::Disk;
use maelstrom::journal::{self, Entry, Journal};
use maelstrom::machine::Record as _;
use maelstrom::{Error, machine};
use serde::{Deserialize, Serialize};

use crate::Options;
use crate::database::{Database, MAX_JOURNAL_BYTES, Version};
use crate::journal::Batch;
use crate::vector::Vector;

/// What earlier versions of this program kept their data in, and what is said of it.
const FORMER: (&str, &str) = (
    "txn-kv.log",
    "it is in a format that is not read any more. Run the version that wrote it, or move the \
     file away: what other nodes have comes back from them",
);

/// A record, or a piece of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// Transactions that took effect, closed under happens-before with those before.
    Commits(Batch),
    /// A page of what another node has, and its number, from 0 on. Versions take effect
    /// with the record of the whole, which follows on the last page.
    Page(u32, Vec<Version>),
    /// All transactions up to this vector took effect, which has this frontier.
    Whole(Vector, Vector),
    /// Of a snapshot: all transactions up to this vector took effect.
    Base(Vector),
    /// Of a snapshot: versions, of transactions up to the base or among those that follow.
    Versions(Vec<Version>),
}

impl machine::Record for Record {
    fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}

/// What is made of a journal, entry by entry.
#[derive(Debug)]
pub struct Recovery {
    database: Database,
    /// What a page belongs to that is not whole yet.
    pages: Vec<Version>,
}

impl Recovery {
    /// Begins with this database, an empty one.
    pub fn new(database: Database) -> Self {
        Self { database, pages: Vec::new() }
    }

    /// What it has come to. Pages of which not all are there are not a part of it.
    pub fn finish(self) -> Database {
        self.database
    }

    /// Takes a record, or a piece of a snapshot, from its bytes.
    ///
    /// # Errors
    ///
    /// When they are none.
    pub fn replay_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.replay(serde_json::from_slice(bytes)?);
        Ok(())
    }

    /// Takes the next record.
    pub fn replay(&mut self, record: Record) {
        match record {
            Record::Commits(batch) => self.database.repeat(&batch),
            Record::Page(number, versions) => {
                if number == 0 {
                    self.pages.clear();
                }
                self.pages.extend(versions);
            }
            Record::Whole(upto, frontier) => {
                self.database.install(&std::mem::take(&mut self.pages), &upto, &frontier);
            }
            Record::Base(base) => self.database.set_base(base),
            Record::Versions(versions) => self.database.put(&versions),
        }
    }
}

/// The pieces of a snapshot of a database as it is now. They are made one by one, later.
pub fn pieces(database: &Database) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static {
    let base = Record::Base(database.journal().omitted().clone());
    let versions = database.store().into_portions(Version::new).map(Record::Versions);
    let commits = database.journal().batches().map(Record::Commits);
    [base].into_iter().chain(versions).chain(commits).map(|record| record.encode())
}

/// Opens the journal on a node's disk, and makes a database of what it has.
pub(crate) fn open(
    disk: Disk,
    node: &str,
    fresh_incarnation: u64,
    options: &Options,
) -> Result<(Journal, Database), Error> {
    let journal = journal::Options {
        sync: options.sync,
        discard_corrupt: options.discard_corrupt,
        refuse: &[FORMER],
        ..journal::Options::new(node, fresh_incarnation)
    };
    let make = || Recovery::new(Database::new(MAX_JOURNAL_BYTES, options.bugs));
    let opened = Journal::open(disk, journal, make, |recovery, entry| match entry {
        Entry::Piece(bytes) | Entry::Record(_, bytes) => recovery.replay_bytes(bytes),
    });
    let (journal, recovery) = opened.map_err(Error::crash)?;
    Ok((journal, recovery.finish()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::injected_bugs::Bugs;
    use crate::json::{Key, Value};
    use crate::vector::Incarnation;

    fn recovery() -> Recovery {
        Recovery::new(Database::new(MAX_JOURNAL_BYTES, Bugs::default()))
    }

    fn json(number: u64) -> Value {
        serde_json::from_str(&number.to_string()).unwrap()
    }

    /// Commits `key: value`; the record of that.
    fn commit(database: &mut Database, key: u64, value: u64) -> Record {
        let incarnation = Incarnation::new("n0", 1);
        let writes = BTreeMap::from([(Key::new(&json(key)).unwrap(), json(value))]);
        let mut batch = Batch::default();
        batch.push(&incarnation, database.commit(&incarnation, writes));
        Record::Commits(batch)
    }

    fn contents(database: &Database) -> Vec<(String, String, u64)> {
        let contents = database.contents();
        let texts = contents.map(|(key, value, stamp)| {
            (key.text().to_owned(), value.text().to_owned(), stamp.time)
        });
        texts.collect()
    }

    #[test]
    fn a_snapshot_is_of_when_it_was_taken_and_comes_to_the_same() {
        let mut database = recovery().finish();
        for value in 0..1_000 {
            commit(&mut database, value % 700, value);
        }
        let everywhere = database.have().clone();
        database.forget(&everywhere);
        commit(&mut database, 9, 9);
        let (before, have) = (contents(&database), database.have().clone());
        let pieces = pieces(&database);
        let later = commit(&mut database, 8, 8);

        let mut again = recovery();
        pieces.for_each(|piece| again.replay_bytes(&piece.unwrap()).unwrap());
        assert_eq!((contents(&again.database), again.database.have()), (before, &have));
        assert_eq!(again.database.journal().len(), 1);
        assert_eq!(again.database.journal().omitted(), database.journal().omitted());
        again.replay_bytes(&later.encode().unwrap()).unwrap();
        assert_eq!(contents(&again.database), contents(&database));
    }

    #[test]
    fn pages_take_effect_with_the_last_record_of_theirs_or_never() {
        let mut other = recovery().finish();
        commit(&mut other, 1, 10);
        commit(&mut other, 2, 20);
        let page = || other.versions_after(&Vector::default());
        let whole = || Record::Whole(other.have().clone(), other.frontier());

        let mut recovery = recovery();
        // A process was killed between these two.
        recovery.replay(Record::Page(0, page().split_off(1)));
        assert_eq!(contents(&recovery.database), []);
        recovery.replay(Record::Page(0, page()));
        recovery.replay(whole());
        assert_eq!(contents(&recovery.database), contents(&other));
        assert!(recovery.pages.is_empty());
        assert_eq!(recovery.finish().have(), other.have());
    }
}
