//! A real directory as a node's disk.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use maelstrom::disk::Disk;

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(path.join(format!("disk-{name}-{}", std::process::id())))
    }

    fn disk(&self) -> Disk {
        Disk::in_directory(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_written_is_read_again() {
    let scratch = Scratch::new("write");
    let disk = scratch.disk();
    assert_eq!(disk.list().unwrap(), [""; 0]);
    assert_eq!(disk.open("log").unwrap_err().kind(), ErrorKind::NotFound);
    let log = disk.create("log").unwrap();
    log.append(b"hello ").unwrap();
    (&log).write_all(b"world").unwrap();
    log.write_at(0, b"J").unwrap();
    log.sync().unwrap();
    disk.sync().unwrap();
    let again = scratch.disk().open("log").unwrap();
    assert_eq!((again.read().unwrap(), again.length().unwrap()), (b"Jello world".to_vec(), 11));
    again.truncate(5).unwrap();
    let mut rest = String::new();
    log.reader().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "Jello");
}

#[test]
fn a_file_stays_open_when_its_name_changes() {
    let scratch = Scratch::new("names");
    let disk = scratch.disk();
    let (old, new) = (disk.create("log").unwrap(), disk.create("log.new").unwrap());
    new.append(b"new").unwrap();
    disk.rename("log.new", "log").unwrap();
    old.append(b"old").unwrap();
    new.append(b"er").unwrap();
    assert_eq!(disk.open("log").unwrap().read().unwrap(), b"newer");
    assert_eq!(disk.list().unwrap(), ["log"]);
    disk.remove("log").unwrap();
    assert_eq!(disk.list().unwrap(), [""; 0]);
}

#[test]
fn names_do_not_lead_out_of_the_directory() {
    let scratch = Scratch::new("outside");
    for name in ["", ".", "..", "../log", "/log", "a/b", "a\0b"] {
        let error = scratch.disk().create(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
}

#[test]
fn one_holds_the_lock_whatever_is_renamed() {
    let scratch = Scratch::new("lock");
    let lock = scratch.disk().lock().unwrap();
    let disk = scratch.disk();
    disk.create("a").unwrap();
    disk.rename("a", "b").unwrap();
    let error = disk.lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().starts_with("another process uses the directory "), "{error}");
    drop(lock);
    disk.lock().unwrap();
}

#[test]
fn what_is_locked_is_what_is_used_whatever_becomes_of_the_directorys_name() {
    let scratch = Scratch::new("moved");
    let path = scratch.0.join("data");
    let disk = Disk::in_directory(&path);
    let _lock = disk.lock().unwrap();
    disk.create("log").unwrap().append(b"one").unwrap();
    let moved = scratch.0.join("moved");
    std::fs::rename(&path, &moved).unwrap();

    // Another one takes its name: it is another node's, with a lock of its own.
    let other = Disk::in_directory(&path);
    let _other_lock = other.lock().unwrap();
    other.create("log").unwrap().append(b"other").unwrap();
    assert!(Disk::in_directory(&moved).lock().is_err());

    disk.open("log").unwrap().append(b" two").unwrap();
    disk.create("new").unwrap().append(b"three").unwrap();
    disk.rename("new", "newer").unwrap();
    disk.create("gone").unwrap();
    disk.remove("gone").unwrap();
    disk.sync().unwrap();
    assert_eq!(disk.list().unwrap(), ["log", "newer"]);
    assert_eq!(other.list().unwrap(), ["log"]);
    assert_eq!(other.open("log").unwrap().read().unwrap(), b"other");
    assert_eq!(std::fs::read(moved.join("log")).unwrap(), b"one two");
}

#[test]
fn a_directory_that_was_removed_is_not_made_again_without_its_lock() {
    let scratch = Scratch::new("removed");
    let disk = scratch.disk();
    let _lock = disk.lock().unwrap();
    std::fs::remove_dir_all(&scratch.0).unwrap();
    assert_eq!(disk.create("log").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!scratch.0.exists());
}

#[test]
fn directories_are_made_with_those_that_they_are_in() {
    let scratch = Scratch::new("deep");
    let path = scratch.0.join("a/b/c");
    Disk::in_directory(&path).lock().unwrap();
    assert!(path.is_dir());
    // A file is in the way of another one.
    std::fs::write(scratch.0.join("a/file"), "").unwrap();
    let error = Disk::in_directory(&scratch.0.join("a/file/d")).lock().unwrap_err();
    assert!(error.to_string().starts_with("cannot make the directory "), "{error}");
}

#[test]
fn no_space_and_no_quota_are_the_same() {
    for full in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        assert!(maelstrom::disk::is_full(&full.into()));
    }
    assert!(!maelstrom::disk::is_full(&ErrorKind::WriteZero.into()));
}
