//! A journal on a real directory: what damages it, and what does not.

mod corruption;
mod failures;
mod writer;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Journal, Log, OpenError, Options, Sync};

use crate::faulty::Faulty;

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let scratch = Self(path.join(format!("journal-{name}-{}", std::process::id())));
        let _ = fs::remove_dir_all(&scratch.0);
        scratch
    }

    fn disk(&self) -> Disk {
        Disk::in_directory(&self.0)
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.disk().list().unwrap().into_iter();
        names.map(|name| (name.clone(), fs::read(self.0.join(name)).unwrap())).collect()
    }

    fn write(&self, files: &BTreeMap<String, Vec<u8>>) {
        for name in self.files().keys() {
            fs::remove_file(self.0.join(name)).unwrap();
        }
        for (name, bytes) in files {
            fs::write(self.0.join(name), bytes).unwrap();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options::new("n0", 1)
}

/// What a journal has, as text.
type Texts = Vec<String>;

fn open(disk: Disk, options: Options) -> Result<(Journal, Texts), OpenError> {
    Journal::open(disk, options, Vec::new, |texts, entry| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        texts.push(match entry {
            Entry::Piece(bytes) => format!("piece {}", text(bytes)),
            Entry::Record(index, bytes) => format!("{index} {}", text(bytes)),
        });
        Ok(())
    })
}

fn append(journal: &mut Journal, records: &[&str]) {
    let records: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    journal.append(&records).unwrap();
    journal.sync().unwrap();
}

fn snapshot(journal: &mut Journal, pieces: &[&str]) -> std::io::Result<()> {
    journal.snapshot(&mut pieces.iter().map(|piece| piece.as_bytes().to_vec()))
}

#[test]
fn what_was_appended_is_there_and_goes_on() {
    let scratch = Scratch::new("append");
    let (mut journal, texts) = open(scratch.disk(), options()).unwrap();
    assert_eq!((texts, journal.end()), (Texts::new(), 0));
    append(&mut journal, &["a", "", "c"]);
    snapshot(&mut journal, &["abc", ""]).unwrap();
    append(&mut journal, &["d", "e"]);
    drop(journal);
    let (journal, texts) = open(scratch.disk(), options()).unwrap();
    assert_eq!(texts, ["piece abc", "piece ", "3 d", "4 e"]);
    assert_eq!(journal.end(), 5);
}

#[test]
fn a_snapshot_removes_segments_as_files_and_copies_nothing() {
    let scratch = Scratch::new("segments");
    let small = Options { segment_bytes: 300, ..options() };
    let (mut journal, _) = open(scratch.disk(), small).unwrap();
    for _ in 0..20 {
        append(&mut journal, &["some record of some length"]);
    }
    let before = scratch.files();
    assert!(before.len() > 5, "{}", before.len());
    snapshot(&mut journal, &["all"]).unwrap();
    let after = scratch.files();
    assert_eq!(after.len(), 2, "{:?}", after.keys());
    assert!(after.keys().all(|name| !before.contains_key(name)), "{:?}", after.keys());
}

#[test]
fn a_snapshot_can_be_the_first_thing_that_a_journal_gets() {
    let scratch = Scratch::new("filled");
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    snapshot(&mut journal, &["of peers"]).unwrap();
    drop(journal);
    let (mut journal, texts) = open(scratch.disk(), options()).unwrap();
    assert_eq!(texts, ["piece of peers"]);
    append(&mut journal, &["a"]);
    drop(journal);
    assert_eq!(open(scratch.disk(), options()).unwrap().1, ["piece of peers", "0 a"]);
}

#[test]
fn one_snapshot_is_under_way_at_a_time_and_only_the_journals_own_is_adopted() {
    let (scratch, other) = (Scratch::new("older"), Scratch::new("others"));
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    let mut older = journal.begin_snapshot().unwrap();
    append(&mut journal, &["b"]);
    assert!(journal.begin_snapshot().is_err());
    older.push(b"a").unwrap();
    let older = older.finish().unwrap();
    assert!(journal.begin_snapshot().is_err());
    let (mut foreign, _) = open(other.disk(), options()).unwrap();
    assert!(foreign.adopt(older).is_err());
    // What was not adopted is in nobody's way.
    snapshot(&mut journal, &["ab"]).unwrap();
    drop(journal);
    assert_eq!(open(scratch.disk(), options()).unwrap().1, ["piece ab"]);
}

#[test]
fn a_record_that_is_too_long_is_refused_and_nothing_of_its_group_written() {
    let scratch = Scratch::new("long");
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    let long = vec![0; (64 << 20) + 1];
    let error = journal.append(&[b"b", &long]).unwrap_err().to_string();
    assert_eq!(error, "a record of 67108865 bytes is too long: the limit is 67108864");
    append(&mut journal, &["c"]);
    drop(journal);
    assert_eq!(open(scratch.disk(), options()).unwrap().1, ["0 a", "1 c"]);
}

#[test]
fn another_nodes_journal_and_another_format_are_refused_with_a_sentence() {
    let scratch = Scratch::new("foreign");
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    drop(journal);
    let error = open(scratch.disk(), Options::new("n1", 1)).unwrap_err().to_string();
    assert!(error.contains("is of n0, not of n1: is this the directory?"), "{error}");
    let files = scratch.files();
    let (name, bytes) = files.first_key_value().unwrap();
    let rest = bytes.strip_prefix(b"maelstrom journal 1").unwrap();
    for version in ["2", "10"] {
        let other = [b"maelstrom journal ", version.as_bytes(), rest].concat();
        scratch.write(&BTreeMap::from([(name.clone(), other)]));
        let discarding = Options { discard_corrupt: true, ..options() };
        let error = open(scratch.disk(), discarding).unwrap_err().to_string();
        let text = format!("is written in version {version} of the format; this program knows 1");
        assert!(error.ends_with(&text), "{error}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_with_its_sentence() {
    let scratch = Scratch::new("refuse");
    let refusing = || Options { refuse: &[("old.log", "an older version's")], ..options() };
    drop(open(scratch.disk(), refusing()).unwrap());
    scratch.disk().create("old.log").unwrap();
    let error = open(scratch.disk(), refusing()).unwrap_err().to_string();
    assert!(error.ends_with("/old.log: an older version's"), "{error}");
}

#[test]
fn nobody_else_has_the_journal_while_a_snapshot_is_under_way_or_files_are_removed() {
    let scratch = Scratch::new("claim");
    let is_locked = || matches!(open(scratch.disk(), options()), Err(OpenError::Locked(_)));
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    let snapshot = journal.begin_snapshot().unwrap();
    drop(journal);
    assert!(is_locked());
    let written = snapshot.finish().unwrap();
    assert!(is_locked());
    drop(written);
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    let written = journal.begin_snapshot().unwrap().finish().unwrap();
    let garbage = journal.adopt(written).unwrap();
    drop(journal);
    assert!(is_locked());
    garbage.remove();
    assert!(!is_locked());
}

#[test]
fn a_snapshot_of_which_a_piece_has_failed_cannot_be_finished() {
    let scratch = Scratch::new("piece");
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    let mut snapshot = journal.begin_snapshot().unwrap();
    snapshot.push(b"one").unwrap();
    snapshot.push(&vec![0; (64 << 20) + 1]).unwrap_err();
    snapshot.push(b"two").unwrap_err();
    assert!(snapshot.finish().is_err());
    assert_eq!(scratch.files().len(), 1);
}

#[test]
fn an_incarnation_goes_on_unless_something_reported_may_be_lost() {
    let continues = |sync, machine_died| {
        let scratch = Scratch::new("incarnation");
        let faulty = Faulty::new(scratch.disk());
        let first = Options { sync, ..Options::new("n0", 1) };
        let (mut journal, _) = open(faulty.disk(), first).unwrap();
        append(&mut journal, &["a"]);
        drop(journal);
        faulty.set(|faults| faults.boots += u32::from(machine_died));
        let (journal, _) = open(faulty.disk(), Options::new("n0", 2)).unwrap();
        assert_eq!(journal.may_have_lost(), journal.incarnation() == 2);
        journal.incarnation() == 1
    };
    let interval = Sync::Interval(std::time::Duration::from_secs(1));
    for sync in [Sync::Never, interval, Sync::EveryGroup] {
        assert!(continues(sync, false), "{sync:?}");
        assert_eq!(continues(sync, true), sync == Sync::EveryGroup, "{sync:?}");
    }
}

#[test]
fn a_loss_is_told_again_until_it_is_accepted_whatever_the_policy_is_then() {
    let scratch = Scratch::new("loss");
    let faulty = Faulty::new(scratch.disk());
    let reopen = |fresh, sync| {
        let options = Options { sync, remembers_loss: true, ..Options::new("n0", fresh) };
        open(faulty.disk(), options).unwrap().0
    };
    append(&mut reopen(1, Sync::Never), &["a"]);
    faulty.set(|faults| faults.boots += 1);
    // Nothing is written, and then something that does not say so.
    assert!(reopen(2, Sync::EveryGroup).may_have_lost());
    append(&mut reopen(3, Sync::EveryGroup), &["b"]);
    for sync in [Sync::Never, Sync::EveryGroup] {
        let journal = reopen(4, sync);
        assert_eq!((journal.may_have_lost(), journal.incarnation()), (true, 4));
    }
    reopen(5, Sync::EveryGroup).accept_loss().unwrap();
    let journal = reopen(6, Sync::EveryGroup);
    assert_eq!((journal.may_have_lost(), journal.incarnation()), (false, 5));
}
