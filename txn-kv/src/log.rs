//! What a node keeps on its disk: a log of what took effect, from which a
//! restart makes the same database again.
//!
//! The file `txn-kv.log` is a sequence of entries, each `length, checksum,
//! JSON`: two 32-bit little-endian integers (the checksum is CRC-32) and that
//! many bytes. It begins with the [`Life`] that writes it. When it has grown to
//! several times its size, it is written anew with just what is there now, and
//! put in the old one's place by a rename.
//!
//! Always: what was flushed survives the death of the process. It survives the
//! death of the machine only if the log is synchronous; else the file may then
//! lack its end. A file that lacks something (an entry is broken), or that may
//! (it is of before the machine started), ends the node's life: what is left of
//! it is taken over into a new one.

use std::io::{self, BufReader, BufWriter, Read, Write};

use anyhow::{Context, ensure};
use maelstrom::disk::{Disk, File};
use serde::{Deserialize, Serialize};

use crate::database::{Database, MAX_JOURNAL_BYTES, Record};
use crate::injected_bugs::Bugs;
use crate::vector::Origin;

const NAME: &str = "txn-kv.log";
const NEW_NAME: &str = "txn-kv.log.new";
/// The log is written anew when it has at least this many bytes,
const MIN_REWRITE: u64 = 16 << 20;
/// and at least this many times as many as when it was written anew last.
const GROWTH: u64 = 3;
/// How much of a file is read or written at a time.
const BUFFER: usize = 1 << 20;

/// A part of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Life(Life),
    Data(Record),
}

/// Who writes from here on.
#[derive(Clone, Serialize, Deserialize)]
struct Life {
    origin: Origin,
    /// What tells one start of the machine from the others.
    boot: Option<String>,
}

/// See the [module's documentation](self).
pub(crate) struct Log {
    disk: Disk,
    file: File,
    life: Life,
    /// Appended, not flushed.
    buffer: Vec<u8>,
    /// Of the file.
    bytes: u64,
    /// When it was written anew, or 0.
    compact_bytes: u64,
    synchronous: bool,
}

/// What was found in a file.
struct Found {
    life: Option<Life>,
    database: Database,
    /// How many bytes from the beginning make sense.
    sound: u64,
    /// And how many there are.
    bytes: u64,
}

impl Log {
    /// Opens the log on a node's disk, and returns with it the database that it
    /// describes. A life that cannot go on is followed by `fresh`.
    pub(crate) fn open(
        disk: Disk,
        node: &str,
        fresh: Origin,
        synchronous: bool,
        bugs: Bugs,
    ) -> anyhow::Result<(Self, Database)> {
        let file = disk.create(NAME).with_context(|| format!("cannot open {NAME} in {disk}"))?;
        let found = read(&file, bugs).with_context(|| format!("cannot read {NAME} in {disk}"))?;
        if let Some(life) = &found.life {
            let of = &life.origin;
            ensure!(of.is_of(node), "{disk} is of {of}, not of {node}: is this the directory?");
        }
        if found.sound < found.bytes {
            let lost = found.bytes - found.sound;
            tracing::warn!(%disk, "the last {lost} bytes of {NAME} are broken");
            file.truncate(found.sound).context("cannot cut off the log's broken end")?;
        }
        let boot = disk.boot();
        let intact = found.sound == found.bytes && boot.is_some();
        let former = found.life.filter(|life| intact && life.boot == boot);
        let continues = former.is_some();
        let life = former.unwrap_or(Life { origin: fresh, boot });
        let (bytes, buffer) = (found.sound, Vec::new());
        let mut log = Self { disk, file, life, buffer, bytes, compact_bytes: 0, synchronous };
        if !continues {
            encode(&mut log.buffer, &Entry::Life(log.life.clone()))?;
            log.flush().context("cannot write the log")?;
            if synchronous {
                log.disk.sync().context("cannot sync the log's directory")?;
            }
        }
        Ok((log, found.database))
    }

    /// The life that goes on, or begins, with this log.
    pub(crate) fn origin(&self) -> &Origin {
        &self.life.origin
    }

    /// Adds a record, which is not safe before the next flush.
    pub(crate) fn append(&mut self, record: Record) -> io::Result<()> {
        encode(&mut self.buffer, &Entry::Data(record))
    }

    /// Whether there is something to flush.
    pub(crate) fn is_behind(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes what was appended. After an error nothing is known about the file
    /// any more, and it must not be used.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer)?;
        if self.synchronous {
            self.file.sync()?;
        }
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// From now on there is no space left on the disk.
    #[cfg(test)]
    pub(crate) fn fill_disk(&mut self) {
        self.file = Disk::in_directory("/dev".as_ref()).open("full").unwrap();
    }

    /// Whether it is worthwhile to write the log anew.
    pub(crate) fn is_bloated(&self) -> bool {
        self.bytes >= MIN_REWRITE.max(self.compact_bytes.saturating_mul(GROWTH))
    }

    /// Writes the log anew, to describe this database. What was appended and
    /// not flushed is part of it.
    pub(crate) fn rewrite(&mut self, database: &Database) -> io::Result<()> {
        let file = self.disk.create(NEW_NAME)?;
        file.truncate(0)?;
        let mut writer = BufWriter::with_capacity(BUFFER, &file);
        let mut entry = Vec::new();
        encode(&mut entry, &Entry::Life(self.life.clone()))?;
        for record in database.records() {
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

        self.bytes = file.length()?;
        self.file = file;
        self.compact_bytes = self.bytes;
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
        Found { life: None, database: Database::new(MAX_JOURNAL_BYTES, bugs), sound: 0, bytes };
    let mut reader = BufReader::with_capacity(BUFFER, file.reader());
    while let Some((entry, length)) = next_entry(&mut reader, bytes - found.sound)? {
        match entry {
            Entry::Life(life) => found.life = Some(life),
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
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::{env, fs};

    use super::*;
    use crate::json::{Key, Value};
    use crate::vector::Vector;

    /// A directory that goes away with the test.
    pub(crate) struct Directory(pub(crate) PathBuf);

    impl Directory {
        pub(crate) fn new() -> Self {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("txn-kv-log-{}-{count}", std::process::id());
            let directory = Self(env::temp_dir().join(name));
            let _ = fs::remove_dir_all(&directory.0);
            directory
        }

        pub(crate) fn open(&self) -> (Log, Database) {
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

    fn fresh() -> Origin {
        static COUNT: AtomicU64 = AtomicU64::new(1 << 16);
        Origin::new("n0", COUNT.fetch_add(1 << 16, Ordering::Relaxed))
    }

    fn json(number: u64) -> Value {
        serde_json::from_str(&number.to_string()).unwrap()
    }

    /// Commits `key: value` and has it flushed.
    fn commit(log: &mut Log, database: &mut Database, key: u64, value: u64) {
        let origin = log.origin().clone();
        let writes = BTreeMap::from([(Key::new(&json(key)).unwrap(), json(value))]);
        let mut batch = crate::journal::Batch::default();
        batch.push(&origin, database.commit(&origin, writes));
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
    fn a_restart_finds_what_was_flushed_and_continues_the_life() {
        let directory = Directory::new();
        let (mut log, mut database) = directory.open();
        assert_eq!(contents(&database), "");
        commit(&mut log, &mut database, 1, 10);
        commit(&mut log, &mut database, 2, 20);

        let (mut again, mut found) = directory.open();
        assert_eq!(again.origin(), log.origin());
        assert_eq!(found.have(), database.have());
        commit(&mut again, &mut found, 1, 11);
        let (_, found) = directory.open();
        assert_eq!(contents(&found), "1=11@3 2=20@2");
        assert_eq!(found.journal().len(), 3, "others may lack them");
    }

    #[test]
    fn whatever_is_missing_at_the_end_the_rest_is_found_and_a_new_life_begins() {
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
            assert_ne!(after.origin(), log.origin(), "time 2 was taken, and may be known");
            commit(&mut after, &mut found, 3, 30);
            let (again, found) = directory.open();
            assert_eq!(contents(&found), "1=10@1 3=30@2");
            assert_eq!(again.origin(), after.origin());
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
            assert_ne!(after.origin(), log.origin());
        }
    }

    #[test]
    fn a_log_of_before_the_machine_started_ends_the_life() {
        let directory = Directory::new();
        let (log, _) = directory.open();
        let mut bytes = Vec::new();
        let boot = Some("another".to_owned());
        encode(&mut bytes, &Entry::Life(Life { boot, ..log.life.clone() })).unwrap();
        directory.set_bytes(&bytes);
        assert_ne!(directory.open().0.origin(), log.origin());
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
        log.rewrite(&database).unwrap();
        assert!(directory.bytes().len() < 1_000);
        assert_eq!(log.bytes, directory.bytes().len() as u64);
        commit(&mut log, &mut database, 8, 8);

        let (again, found) = directory.open();
        assert_eq!(again.origin(), log.origin());
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
