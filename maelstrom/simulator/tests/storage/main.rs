//! The test suite for storages: what passes it, and what it finds.

mod engine;
mod plain;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use engine::Engine;
use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Index, Journal, Log, Memory, Options, Sync};
use plain::{Bug, Plain};
use simulator::storage::{Failure, Open, Opening, Recoverable, Script, Tried};

const INTERVAL: Sync = Sync::Interval(Duration::from_secs(1));

fn open(disk: Disk, opening: Opening) -> Result<Box<dyn Recoverable>, Failure> {
    let options = Options {
        segment_bytes: 2 << 10,
        sync: opening.sync,
        discard_corrupt: opening.discard_corrupt,
        ..Options::new("n0", opening.fresh_incarnation)
    };
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

/// A log in memory, of which nothing can get lost before the end.
#[derive(Default)]
struct InMemory(Memory);

impl Log for InMemory {
    fn end(&self) -> Index {
        self.0.end()
    }

    fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.0.append(records)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn snapshot(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<()> {
        self.0.snapshot(pieces)
    }

    fn read(&self, visit: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        self.0.read(visit)
    }
}

impl Recoverable for InMemory {
    fn incarnation(&self) -> u64 {
        0
    }
}

/// How a test of the suite is called, for a script and a log.
type Test = fn(&Script, Open) -> Result<Tried, Failure>;

/// Does so, and prints how many states that were, and the processor time that they took.
fn pass(test: Test, script: &Script, open: Open) -> Tried {
    let before = processor_time();
    let tried = test(script, open).unwrap_or_else(|error| panic!("{error}"));
    let took = processor_time().zip(before).map(|(after, before)| after - before);
    eprintln!("{} calls, {:?}: {tried:?} in {took:?}", script.calls, script.sync);
    tried
}

/// Of this thread, where the system says so.
fn processor_time() -> Option<Duration> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

#[test]
fn memory_behaves() {
    for seed in 0..20 {
        Script::new(seed, 200).behaves(&mut InMemory::default()).unwrap();
    }
}

#[test]
fn a_journal_in_memory_survives_a_crash_at_every_operation() {
    let tried = pass(Script::survives_crashes, &Script::new(1, 500), open);
    assert!(tried.disk_operations > 1000, "{tried:?}");
    assert!(tried.in_recovery > 10_000, "{tried:?}");
}

#[test]
fn a_journal_keeps_what_each_policy_promises_and_begins_with_a_snapshot() {
    for (seed, sync) in [(0, Sync::EveryGroup), (2, INTERVAL), (4, Sync::Never)] {
        let tried = pass(Script::survives_crashes, &Script { sync, ..Script::new(seed, 90) }, open);
        assert!(tried.in_recovery > tried.disk_operations, "{tried:?}");
    }
}

#[test]
fn a_journal_in_a_directory_survives_a_crash_at_every_operation() {
    let directory = Directory::new("crashes");
    let script = Script { directory: Some(directory.0.clone()), ..Script::new(1, 500) };
    let tried = pass(Script::survives_crashes, &script, open);
    assert!(tried.disk_operations > 1000, "{tried:?}");
}

#[test]
fn a_journal_survives_a_failure_of_every_operation() {
    for (calls, sync) in [(500, Sync::EveryGroup), (100, INTERVAL), (100, Sync::Never)] {
        let tried =
            pass(Script::survives_failures, &Script { sync, ..Script::new(0, calls) }, open);
        assert!(tried.states > 3 * tried.disk_operations, "{tried:?}");
    }
}

#[test]
fn a_journal_notices_damage() {
    for (seed, sync) in [(0, Sync::EveryGroup), (1, INTERVAL), (2, Sync::Never)] {
        let tried = pass(Script::notices_damage, &Script { sync, ..Script::new(seed, 150) }, open);
        assert!(tried.refused > 1000, "{tried:?}");
    }
}

#[test]
fn an_engine_survives_a_crash_at_every_operation() {
    let open: Open = |disk, _| Ok(Box::new(Engine::open(&disk)?));
    let tried = pass(Script::survives_crashes, &Script::new(0, 30), open);
    assert!(tried.disk_operations > 300, "{tried:?}");
}

/// All tests of the suite with each policy; what they find.
fn findings(open: Open) -> Vec<String> {
    let tests: [Test; 3] =
        [Script::survives_crashes, Script::survives_failures, Script::notices_damage];
    let mut findings = Vec::new();
    for sync in [Sync::EveryGroup, INTERVAL, Sync::Never] {
        for test in tests {
            let script = Script { sync, ..Script::new(1, 30) };
            findings.extend(test(&script, open).err().map(|error| error.to_string()));
        }
    }
    findings
}

macro_rules! finds {
    ($($test:ident: $bug:ident, $finding:literal;)*) => {$(
        #[test]
        fn $test() {
            let found = findings(|disk, opening| {
                Ok(Box::new(Plain::open(disk, opening, Bug::$bug)?))
            });
            assert!(found.iter().any(|found| found.contains($finding)), "{found:#?}");
        }
    )*};
}

finds! {
    it_finds_that_nothing_is_synced: SyncsNothing, "everything unsynced lost";
    it_finds_that_names_are_not_synced: ForgetsNames, "everything unsynced lost";
    it_finds_a_rename_before_the_sync: RenamesTooEarly, "unsynced lost";
    it_finds_that_half_a_record_is_taken: TakesHalves, "within a write";
    it_finds_a_crash_while_a_log_is_opened: RemovesTooEarly, "while it was opened, ";
    it_finds_that_records_are_only_in_memory: Buffers, "killed";
    it_finds_that_what_was_shown_may_be_lost: ShowsUnsynced, " had been shown";
    it_finds_that_a_failed_sync_is_forgotten: SyncsAgain, "(Io, Some(Sync))";
    it_finds_what_a_failed_write_left_behind: KeepsGarbage, "Some(Write))";
    it_finds_that_a_full_disk_is_the_end: EndsWhenFull, "there is room again, and yet: ";
    it_finds_damage_that_is_not_noticed: ChecksNothing, "is another: ";
    it_finds_damage_of_which_nobody_is_told: DropsSilently, "as if nothing had happened";
    it_finds_two_who_have_it_open: LocksNothing, "two have it open at a time";
    it_finds_a_loss_of_which_nobody_is_told: KeepsIncarnation, "as if nothing had happened";
    it_finds_an_incarnation_for_nothing: ForgetsIncarnation, "there is a new incarnation";
    it_finds_a_snapshot_that_stands_for_too_much: SnapshotsTooMuch, "not snapshot";
}

#[test]
fn it_finds_nothing_where_there_is_nothing() {
    let found = findings(|disk, opening| Ok(Box::new(Plain::open(disk, opening, Bug::None)?)));
    assert!(found.is_empty(), "{found:#?}");
}
