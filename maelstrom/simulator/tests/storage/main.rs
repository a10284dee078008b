//! The test suite for storages, and what passes it.

mod engine;

use std::fs;
use std::path::PathBuf;

use engine::Engine;
use maelstrom::disk::Disk;
use maelstrom::journal::{Journal, Log, Memory, Options};
use simulator::storage::{Failure, Open, Script, behaves, survives_crashes};

fn open(disk: Disk) -> Result<Box<dyn Log>, Failure> {
    let options = Options { segment_bytes: 2 << 10, ..Options::new("n0", 1) };
    let (journal, ()) = Journal::open(disk, options, || (), |(), _| Ok(()))?;
    Ok(Box::new(journal))
}

/// A directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let directory = Self(path.join(format!("storage-{name}-{}", std::process::id())));
        let _ = fs::remove_dir_all(&directory.0);
        fs::create_dir_all(&directory.0).unwrap();
        directory
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_behaves() {
    for seed in 0..20 {
        behaves(&Script::new(seed, 200), &mut Memory::default()).unwrap();
    }
}

#[test]
fn a_journal_in_memory_survives_a_crash_at_every_operation() {
    for (seed, calls) in [(0, 230), (4, 230), (1, 50), (2, 50), (3, 50)] {
        let tried = survives_crashes(&Script::new(seed, calls), open).unwrap();
        assert!(tried.disk_operations > calls * 2, "{tried:?}");
    }
}

#[test]
fn a_journal_in_a_directory_survives_a_crash_at_every_operation() {
    let directory = Directory::new("crashes");
    let script = Script { directory: Some(directory.0.clone()), ..Script::new(0, 230) };
    let tried = survives_crashes(&script, open).unwrap();
    assert!(tried.disk_operations > 500, "{tried:?}");
}

#[test]
fn an_engine_survives_a_crash_at_every_operation() {
    let open: Open = |disk| Ok(Box::new(Engine::open(&disk)?));
    let tried = survives_crashes(&Script::new(0, 12), open).unwrap();
    assert!(tried.disk_operations > 100, "{tried:?}");
}
