//! What a node keeps on its disk: a log of what took effect, from which a
//! restart makes the same database again.
//!
//! The file `txn-kv.log` is a sequence of entries, each `length, checksum,
//! JSON`: two 32-bit little-endian integers (the checksum is CRC-32) and that
//! many bytes. It begins with the [`Owner`] that writes it. A record of everything
//! begins the file anew, which is put in the old one's place by a rename.
//!
//! Always: what was flushed survives the death of the process. It survives the
//! death of the machine only if the log is synchronous; else the file may then
//! lack its end. A file that lacks something (an entry is broken), or that may
//! (it is of before the machine started), ends the node's incarnation: what is left of
//! it is taken over into a new one.

use std::io::{self, BufReader, BufWriter, Read, Write};

use anyhow::{Context, ensure};
use maelstrom::disk::{Disk, File, Lock};
use maelstrom::machine::Storage;
use serde::{Deserialize, Serialize};

use crate::database::{Database, MAX_JOURNAL_BYTES, Record};
use crate::injected_bugs::Bugs;
use crate::vector::Incarnation;

const NAME: &str = "txn-kv.log";
const NEW_NAME: &str = "txn-kv.log.new";
/// How much of a file is read or written at a time.
const BUFFER: usize = 1 << 20;

/// A part of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    // As files that are there already name it; `origin` below as well.
    #[serde(rename = "life")]
    Owner(Owner),
    Data(Record),
}

/// Who writes from here on.
#[derive(Clone, Serialize, Deserialize)]
struct Owner {
    #[serde(rename = "origin")]
    incarnation: Incarnation,
    /// What tells one start of the machine from the others.
    boot: Option<String>,
}

/// See the [module's documentation](self).
pub(crate) struct Log {
    disk: Disk,
    file: File,
    owner: Owner,
    /// Appended, not flushed.
    buffer: Vec<u8>,
    /// Of the file when it was opened.
    bytes: u64,
    synchronous: bool,
    /// Keeps other processes away, as long as this one runs.
    pub(crate) lock: Option<Lock>,
}

/// What was found in a file.
struct Found {
    owner: Option<Owner>,
    database: Database,
    /// How many bytes from the beginning make sense.
    sound: u64,
    /// And how many there are.
    bytes: u64,
}

impl Log {
    /// Opens the log on a node's disk, and returns with it the database that it
    /// describes. An incarnation that cannot go on is followed by `fresh`.
    pub(crate) fn open(
        disk: Disk,
        node: &str,
        fresh: Incarnation,
        synchronous: bool,
        bugs: Bugs,
    ) -> anyhow::Result<(Self, Database)> {
        let file = disk.create(NAME).with_context(|| format!("cannot open {NAME} in {disk}"))?;
        let found = read(&file, bugs).with_context(|| format!("cannot read {NAME} in {disk}"))?;
        if let Some(owner) = &found.owner {
            let of = &owner.incarnation;
            ensure!(of.is_of(node), "{disk} is of {of}, not of {node}: is this the directory?");
        }
        if found.sound < found.bytes {
            let lost = found.bytes - found.sound;
            tracing::warn!(%disk, "the last {lost} bytes of {NAME} are broken");
            file.truncate(found.sound).context("cannot cut off the log's broken end")?;
        }
        let boot = disk.boot();
        let intact = found.sound == found.bytes && boot.is_some();
        let continued = found.owner.filter(|owner| intact && owner.boot == boot);
        let continues = continued.is_some();
        let owner = continued.unwrap_or(Owner { incarnation: fresh, boot });
        let (bytes, buffer) = (found.sound, Vec::new());
        let mut log = Self { disk, file, owner, buffer, bytes, synchronous, lock: None };
        if !continues {
            encode(&mut log.buffer, &Entry::Owner(log.owner.clone()))?;
            log.flush().context("cannot write the log")?;
            if synchronous {
                log.disk.sync().context("cannot sync the log's directory")?;
            }
        }
        Ok((log, found.database))
    }

    /// The incarnation that goes on, or begins, with this log.
    pub(crate) fn incarnation(&self) -> &Incarnation {
        &self.owner.incarnation
    }

    /// How many bytes were found.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Writes the log anew, with these records. What was appended and not flushed is part
    /// of them.
    fn rewrite(&mut self, records: Vec<Record>) -> io::Result<()> {
        let file = self.disk.create(NEW_NAME)?;
        file.truncate(0)?;
        let mut writer = BufWriter::with_capacity(BUFFER, &file);
        let mut entry = Vec::new();
        encode(&mut entry, &Entry::Owner(self.owner.clone()))?;
        for record in records {
            writer.write_all(&entry)?;
            entry.clear();
            encode(&mut entry, &Entry::Data(record))?;
        }
        writer.write_all(&entry)?;
        writer.flush()?;
        drop(writer);
        // Or a rename might survive the machine's death, and the content not.
        file.sync()?;
        self.disk.rename(NEW_NAME, NAME)?;
        self.disk.sync()?;
        self.file = file;
        self.buffer.clear();
        Ok(())
    }
}

impl Storage<Record> for Log {
    fn append(&mut self, record: Record) -> io::Result<()> {
        match record {
            Record::All(records) => self.rewrite(records),
            record => encode(&mut self.buffer, &Entry::Data(record)),
        }
    }

    /// After an error nothing is known about the file any more, and it must not be used.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer)?;
        if self.synchronous {
            self.file.sync()?;
        }
        self.buffer.clear();
        Ok(())
    }
}

fn encode(out: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    serde_json::to_writer(&mut *out, entry)?;
    let length = u32::try_from(out.len() - start - 8).map_err(io::Error::other)?;
    let checksum = crc32fast::hash(&out[start + 8..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads as far as entries are sound.
fn read(file: &File, bugs: Bugs) -> io::Result<Found> {
    let bytes = file.length()?;
    let mut found =
        Found { owner: None, database: Database::new(MAX_JOURNAL_BYTES, bugs), sound: 0, bytes };
    let mut reader = BufReader::with_capacity(BUFFER, file.reader());
    while let Some((entry, length)) = next_entry(&mut reader, bytes - found.sound)? {
        match entry {
            Entry::Owner(owner) => found.owner = Some(owner),
            Entry::Data(record) => found.database.replay(&record),
        }
        found.sound += length;
    }
    Ok(found)
}

/// The next entry and how many bytes of the file it takes; `None` when there is
/// none that is sound.
fn next_entry(reader: &mut impl Read, left: u64) -> io::Result<Option<(Entry, u64)>> {
    let mut header = [0; 8];
    if left < 8 {
        return Ok(None);
    }
    reader.read_exact(&mut header)?;
    let [a, b, c, d, checksum @ ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    if u64::from(length) > left - 8 {
        return Ok(None);
    }
    let mut json = vec![0; length as usize];
    reader.read_exact(&mut json)?;
    if crc32fast::hash(&json) != u32::from_le_bytes(checksum) {
        return Ok(None);
    }
    let entry = serde_json::from_slice(&json).ok();
    Ok(entry.map(|entry| (entry, 8 + u64::from(length))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::{env, fs};

    use super::*;
    use crate::json::{Key, Value};
    use crate::vector::Vector;

    /// A directory that goes away with the test.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("txn-kv-log-{}-{count}", std::process::id());
            let directory = Self(env::temp_dir().join(name));
            let _ = fs::remove_dir_all(&directory.0);
            directory
        }

        fn open(&self) -> (Log, Database) {
            Log::open(self.disk(), "n0", fresh(), false, Bugs::default()).unwrap()
        }

        fn disk(&self) -> Disk {
            Disk::in_directory(&self.0)
        }

        fn bytes(&self) -> Vec<u8> {
            fs::read(self.0.join(NAME)).unwrap()
        }

        fn set_bytes(&self, bytes: &[u8]) {
            fs::write(self.0.join(NAME), bytes).unwrap();
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn fresh() -> Incarnation {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Incarnation::new("n0", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    fn json(number: u64) -> Value {
        serde_json::from_str(&number.to_string()).unwrap()
    }

    /// Commits `key: value` and has it flushed.
    fn commit(log: &mut Log, database: &mut Database, key: u64, value: u64) {
        let incarnation = log.incarnation().clone();
        let writes = BTreeMap::from([(Key::new(&json(key)).unwrap(), json(value))]);
        let mut batch = crate::journal::Batch::default();
        batch.push(&incarnation, database.commit(&incarnation, writes));
        log.append(Record::Commits(batch)).unwrap();
        log.flush().unwrap();
    }

    fn contents(database: &Database) -> String {
        let entries: Vec<String> = database
            .contents()
            .map(|(key, value, stamp)| format!("{}={}@{}", key.text(), value.text(), stamp.time))
            .collect();
        entries.join(" ")
    }

    #[test]
    fn a_restart_finds_what_was_flushed_and_continues_the_incarnation() {
        let directory = Directory::new();
        let (mut log, mut database) = directory.open();
        assert_eq!(contents(&database), "");
        commit(&mut log, &mut database, 1, 10);
        commit(&mut log, &mut database, 2, 20);

        let (mut again, mut found) = directory.open();
        assert_eq!(again.incarnation(), log.incarnation());
        assert_eq!(found.have(), database.have());
        commit(&mut again, &mut found, 1, 11);
        let (_, found) = directory.open();
        assert_eq!(contents(&found), "1=11@3 2=20@2");
        assert_eq!(found.journal().len(), 3, "others may lack them");
    }

    #[test]
    fn whatever_is_missing_at_the_end_the_rest_is_found_and_a_new_incarnation_begins() {
        let directory = Directory::new();
        let (mut log, mut database) = directory.open();
        commit(&mut log, &mut database, 1, 10);
        let first = directory.bytes().len();
        commit(&mut log, &mut database, 2, 20);
        let whole = directory.bytes();
        for length in first + 1..whole.len() {
            directory.set_bytes(&whole[..length]);
            let (mut after, mut found) = directory.open();
            assert_eq!(contents(&found), "1=10@1");
            assert_ne!(
                after.incarnation(),
                log.incarnation(),
                "time 2 was taken, and may be known"
            );
            commit(&mut after, &mut found, 3, 30);
            let (again, found) = directory.open();
            assert_eq!(contents(&found), "1=10@1 3=30@2");
            assert_eq!(again.incarnation(), after.incarnation());
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let directory = Directory::new();
        let (mut log, mut database) = directory.open();
        commit(&mut log, &mut database, 1, 10);
        let first = directory.bytes().len();
        commit(&mut log, &mut database, 2, 20);
        let whole = directory.bytes();
        for position in first..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x10;
            directory.set_bytes(&bytes);
            let (after, found) = directory.open();
            assert_eq!(contents(&found), "1=10@1", "at {position}");
            assert_ne!(after.incarnation(), log.incarnation());
        }
    }

    #[test]
    fn a_log_of_before_the_machine_started_ends_the_incarnation() {
        let directory = Directory::new();
        let (log, _) = directory.open();
        let mut bytes = Vec::new();
        let boot = Some("another".to_owned());
        encode(&mut bytes, &Entry::Owner(Owner { boot, ..log.owner.clone() })).unwrap();
        directory.set_bytes(&bytes);
        assert_ne!(directory.open().0.incarnation(), log.incarnation());
    }

    #[test]
    fn a_rewritten_log_is_short_and_describes_the_same() {
        let directory = Directory::new();
        let (mut log, mut database) = directory.open();
        for value in 0..1_000 {
            commit(&mut log, &mut database, value % 3, value);
        }
        let everywhere: Vector = database.have().clone();
        database.forget(&everywhere);
        commit(&mut log, &mut database, 9, 9);
        log.append(database.snapshot()).unwrap();
        assert!(directory.bytes().len() < 1_000);
        commit(&mut log, &mut database, 8, 8);

        let (again, found) = directory.open();
        assert_eq!(again.incarnation(), log.incarnation());
        assert_eq!(contents(&found), contents(&database));
        assert_eq!(found.have(), database.have());
        assert_eq!(found.journal().len(), 2);
        assert_eq!(found.journal().omitted(), database.journal().omitted());
    }

    #[test]
    fn the_directory_of_another_node_is_refused() {
        let directory = Directory::new();
        drop(directory.open());
        let other = Log::open(directory.disk(), "n1", fresh(), false, Bugs::default());
        let error = format!("{:#}", other.err().unwrap());
        assert!(error.contains("not of n1"), "{error}");
    }
}
