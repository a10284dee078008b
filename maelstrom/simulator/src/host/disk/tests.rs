use std::io;

use maelstrom::disk::Storage;

use super::calls::{BYTE, CALL, SLOWNESS, SYNC, WRITE};
use super::*;

/// A disk of some seed.
fn disk(seed: u64) -> (SimulatedDisk, Disk) {
    let simulated = SimulatedDisk::new(0, seed);
    (simulated.clone(), simulated.disk())
}

fn text(disk: &Disk, name: &str) -> Option<String> {
    let file = disk.open(name).ok()?;
    Some(String::from_utf8_lossy(&file.read().unwrap()).into_owned())
}

/// What is left of a file after a fault, over many seeds.
fn left(fault: DiskFault, write: impl Fn(&Disk)) -> BTreeMap<Option<String>, u32> {
    let mut left = BTreeMap::new();
    for seed in 0..300 {
        let (simulated, disk) = disk(seed);
        write(&disk);
        simulated.damage(fault);
        *left.entry(text(&disk, "log")).or_default() += 1;
    }
    left
}

#[test]
fn what_is_synced_by_content_and_name_survives_everything_but_a_flip() {
    let synced = |disk: &Disk| {
        let log = disk.create("log").unwrap();
        log.append(b"one").unwrap();
        log.sync().unwrap();
        disk.sync().unwrap();
    };
    for fault in [DiskFault::LoseUnsynced, DiskFault::Torn, DiskFault::Full, DiskFault::Locked] {
        let left: Vec<_> = left(fault, synced).into_keys().collect();
        assert_eq!(left, [Some("one".to_owned())], "{fault:?}");
    }
    let flipped = left(DiskFault::Flip, synced);
    assert!(flipped.len() > 10 && flipped[&Some("one".to_owned())] > 100, "{flipped:?}");
}

#[test]
fn each_unsynced_write_is_lost_or_not_and_the_last_in_part() {
    let left = left(DiskFault::LoseUnsynced, |disk| {
        let log = disk.create("log").unwrap();
        log.append(b"sync").unwrap();
        log.sync().unwrap();
        disk.sync().unwrap();
        log.append(b"ab").unwrap();
        log.append(b"cd").unwrap();
    });
    let left: Vec<String> = left.into_keys().flatten().collect();
    // A length without its bytes is zeros.
    let expected =
        ["sync", "sync\0\0", "sync\0\0c", "sync\0\0cd", "synca", "syncab", "syncabc", "syncabcd"];
    assert_eq!(left, expected);
}

#[test]
fn an_overwrite_and_a_cut_are_taken_back() {
    let left = left(DiskFault::LoseUnsynced, |disk| {
        let log = disk.create("log").unwrap();
        log.append(b"abcdef").unwrap();
        log.sync().unwrap();
        disk.sync().unwrap();
        log.write_at(1, b"X").unwrap();
        log.truncate(4).unwrap();
    });
    let left: Vec<String> = left.into_keys().flatten().collect();
    assert_eq!(left, ["aXcd", "aXcdef", "abcd", "abcdef"]);
}

#[test]
fn names_survive_in_order_and_need_a_sync_of_the_directory() {
    let renamed = |sync: bool| {
        left(DiskFault::LoseUnsynced, move |disk| {
            disk.create("log").unwrap().append(b"old").unwrap();
            disk.open("log").unwrap().sync().unwrap();
            disk.sync().unwrap();
            let new = disk.create("log.new").unwrap();
            new.append(b"new").unwrap();
            if sync {
                new.sync().unwrap();
            }
            disk.rename("log.new", "log").unwrap();
        })
    };
    let left: Vec<_> = renamed(true).into_keys().flatten().collect();
    assert_eq!(left, ["new", "old"]);
    let left: Vec<_> = renamed(false).into_keys().flatten().collect();
    assert_eq!(left, ["", "n", "ne", "new", "old"], "the new name, without its contents");
    let unsynced = self::left(DiskFault::LoseUnsynced, |disk| {
        let log = disk.create("log").unwrap();
        log.append(b"one").unwrap();
        log.sync().unwrap();
    });
    assert_eq!(unsynced.into_keys().collect::<Vec<_>>(), [None, Some("one".to_owned())]);
}

#[test]
fn a_torn_write_lacks_its_end_and_only_that() {
    let left = left(DiskFault::Torn, |disk| {
        let log = disk.create("log").unwrap();
        log.append(b"one").unwrap();
        log.append(b"two").unwrap();
    });
    let left: Vec<String> = left.into_keys().flatten().collect();
    assert_eq!(left, ["one", "onet", "onetw"]);
}

#[test]
fn a_full_disk_takes_a_part_at_most_and_can_be_read() {
    let (simulated, disk) = disk(1);
    let log = disk.create("log").unwrap();
    log.append(b"one").unwrap();
    simulated.upset(DiskFault::Full, true);
    let error = log.append(b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.create("new").unwrap_err().kind(), io::ErrorKind::StorageFull);
    let found = text(&disk, "log").unwrap();
    assert!("onesecond".starts_with(&found) && found.len() < 9, "{found}");
    log.truncate(3).unwrap();
    simulated.upset(DiskFault::Full, false);
    log.append(b"third").unwrap();
    assert_eq!(text(&disk, "log").unwrap(), "onethird");
}

#[test]
fn one_holds_the_lock_until_it_lets_go() {
    let (simulated, disk) = disk(1);
    let lock = disk.lock().unwrap();
    let error = simulated.disk().lock().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(error.to_string(), "another process uses the disk of n0");
    drop(lock);
    simulated.disk().lock().unwrap();
}

#[test]
fn the_machine_starts_anew_when_something_was_lost() {
    let (simulated, disk) = disk(1);
    let boot = disk.boot();
    simulated.damage(DiskFault::Flip);
    assert_eq!(disk.boot(), boot);
    simulated.damage(DiskFault::LoseUnsynced);
    assert_ne!(disk.boot(), boot);
}

#[test]
fn the_same_seed_breaks_the_same_bytes() {
    let broken = || {
        let (simulated, disk) = disk(7);
        for _ in 0..20 {
            disk.create("log").unwrap().append(b"some bytes").unwrap();
            simulated.damage(DiskFault::LoseUnsynced);
            simulated.damage(DiskFault::Flip);
        }
        simulated.files()
    };
    assert!(broken() == broken() && !broken().is_empty());
}

#[test]
fn a_slow_disk_takes_longer_and_says_so() {
    let (simulated, disk) = disk(1);
    let elapsed = || Storage::elapsed(&simulated).unwrap();
    let log = disk.create("log").unwrap();
    log.append(b"one").unwrap();
    log.sync().unwrap();
    let usual = elapsed();
    assert_eq!((usual, elapsed()), (CALL + WRITE + BYTE * 3 + SYNC, Duration::ZERO));
    simulated.upset(DiskFault::Slow, true);
    disk.create("other").unwrap();
    log.append(b"two").unwrap();
    log.sync().unwrap();
    assert_eq!(elapsed(), usual * SLOWNESS);
    simulated.upset(DiskFault::Slow, false);
    assert_eq!(disk.list().unwrap().len(), 2);
    log.read_at(0, &mut [0; 5]).unwrap();
    drop(disk.lock().unwrap());
    assert_eq!(elapsed(), CALL * 3 + BYTE * 5, "to find out what there is");
}

#[test]
fn a_sync_that_failed_may_have_lost_what_it_was_to_make_durable_whatever_comes_later() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        let (simulated, disk) = disk(seed);
        let log = disk.create("log").unwrap();
        disk.sync().unwrap();
        log.append(b"one").unwrap();
        simulated.fail_next(false);
        log.sync().unwrap_err();
        log.append(b"two").unwrap();
        log.sync().unwrap();
        assert_eq!(text(&disk, "log").unwrap(), "onetwo");
        simulated.damage(DiskFault::LoseUnsynced);
        let left = text(&disk, "log").unwrap();
        assert!(left.ends_with("two") && left.len() == 6, "{left:?}");
        *if left == "onetwo" { &mut kept } else { &mut lost } += 1;
    }
    assert!(lost > 10 && kept > 5, "{lost} {kept}");
}

#[test]
fn what_is_written_anew_after_a_failed_sync_is_durable_with_the_next() {
    let (simulated, disk) = disk(1);
    let log = disk.create("log").unwrap();
    disk.sync().unwrap();
    log.append(b"one").unwrap();
    simulated.fail_next(false);
    log.sync().unwrap_err();
    log.truncate(0).unwrap();
    log.append(b"two").unwrap();
    log.sync().unwrap();
    simulated.forget_unsynced();
    assert_eq!(text(&disk, "log").unwrap(), "two");
}

#[test]
fn a_call_of_any_kind_fails_once() {
    type Call = fn(&Disk) -> io::Result<()>;
    let calls: [(&str, Call); 8] = [
        ("open", |disk| disk.open("log").map(drop)),
        ("create", |disk| disk.create("new").map(drop)),
        ("rename", |disk| disk.rename("log", "log")),
        ("list", |disk| disk.list().map(drop)),
        ("sync", Disk::sync),
        ("lock", |disk| disk.lock().map(drop)),
        ("remove", |disk| disk.remove("other")),
        ("open and read", |disk| disk.open("log")?.read().map(drop)),
    ];
    for (name, call) in calls {
        let (simulated, disk) = disk(1);
        disk.create("log").unwrap().append(b"one").unwrap();
        for is_full in [false, true] {
            disk.create("other").unwrap();
            simulated.fail_next(is_full);
            let error = call(&disk).unwrap_err();
            assert_eq!(maelstrom::disk::is_full(&error), is_full, "{name}: {error}");
            disk.create("other").unwrap();
            call(&disk).unwrap();
        }
    }
}

#[test]
fn a_change_of_names_that_failed_may_have_happened() {
    let mut happened = BTreeMap::new();
    for seed in 0..20 {
        let (simulated, disk) = disk(seed);
        disk.create("log").unwrap();
        simulated.fail_next(false);
        disk.rename("log", "new").unwrap_err();
        *happened.entry(disk.list().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(happened.len(), 2, "{happened:?}");
}

#[test]
fn which_call_fails_is_drawn() {
    let fails = |seed| {
        let (simulated, disk) = disk(seed);
        simulated.upset(DiskFault::FailOnce, true);
        (0..50).filter(|_| disk.list().is_err()).collect::<Vec<_>>()
    };
    let mut first: Vec<i32> = (0..100)
        .map(fails)
        .map(|failed| {
            assert_eq!(failed.len(), 1);
            failed[0]
        })
        .collect();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), CALLS as usize);
}

#[test]
fn a_call_takes_time_even_if_it_is_waited_for_later() {
    let (_, disk) = disk(1);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        disk.sync().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        disk.catch_up().await;
        // Timers have milliseconds.
        assert_eq!(began.elapsed(), SYNC);
        disk.sync().unwrap();
        let again = disk.clone();
        disk.run(move || again.sync()).await.unwrap().unwrap();
        assert_eq!(began.elapsed(), SYNC * 3);
    });
}

#[test]
fn a_fork_has_a_fate_of_its_own() {
    let (simulated, disk) = disk(1);
    let log = disk.create("log").unwrap();
    disk.sync().unwrap();
    log.append(b"one").unwrap();
    let fork = simulated.fork(2);
    fork.forget_unsynced();
    assert_eq!(text(&fork.disk(), "log").unwrap(), "");
    let cut = simulated.fork(2);
    cut.cut(1);
    assert_eq!(text(&cut.disk(), "log").unwrap(), "o");
    assert_eq!(text(&disk, "log").unwrap(), "one");
}

/// A journal at work on a disk in virtual time, whose machine dies after so long: how many
/// records were reported as written, and how many are found.
fn dead_after(time: Duration, fault: Option<DiskFault>) -> (u64, u64) {
    use maelstrom::journal::{Event, Journal, Log as _, Options, Writer};
    let (simulated, disk) = disk(3);
    let open = || Journal::open(disk.clone(), Options::new("n0", 1), || (), |(), _| Ok(()));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let mut reported = 0;
    runtime.block_on(async {
        let (writer, work) = Writer::new(open().unwrap().0);
        tokio::spawn(work);
        fault.into_iter().for_each(|fault| simulated.upset(fault, true));
        let at_work = async {
            loop {
                writer.append(b"record".to_vec()).unwrap();
                match writer.next().await {
                    Event::Written(more) => reported += more,
                    Event::Stalled(_) => {}
                    Event::Dead(_) => break,
                }
            }
        };
        let _ = tokio::time::timeout(time, at_work).await;
    });
    drop(runtime);
    simulated.forget_unsynced();
    (reported, open().unwrap().0.end())
}

#[test]
fn a_writer_in_virtual_time_loses_nothing_that_it_reported_and_waits_for_its_disk() {
    let mut reported_at_all = 0;
    for micros in (0..40_000).step_by(310) {
        let (reported, found) = dead_after(Duration::from_micros(micros), None);
        assert!((reported..=reported + 1).contains(&found), "{reported} {found}");
        reported_at_all += reported;
    }
    assert!(reported_at_all > 400, "{reported_at_all}");
    let (slow, _) = dead_after(Duration::from_secs(4), Some(DiskFault::Slow));
    assert!((15..=20).contains(&slow), "{slow}");
    let (reported, found) = dead_after(Duration::from_secs(1), Some(DiskFault::FailOnce));
    assert!((reported..=reported + 2).contains(&found), "{reported} {found}");
}

/// How long each record takes in virtual time, before and while a snapshot is written that
/// takes a second or so.
async fn held_up() -> [Vec<Duration>; 2] {
    use maelstrom::journal::{Event, Journal, Options, Writer};
    let disk = disk(3).1;
    let (journal, ()) = Journal::open(disk, Options::new("n0", 1), || (), |(), _| Ok(())).unwrap();
    let (writer, work) = Writer::new(journal);
    tokio::spawn(work);
    let one = async || {
        let began = tokio::time::Instant::now();
        writer.append(b"record".to_vec()).unwrap();
        assert!(matches!(writer.next().await, Event::Written(1)));
        began.elapsed()
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    one().await;
    for _ in 0..20 {
        before.push(one().await);
    }
    let snapshot = tokio::spawn(writer.snapshot((0..20_000).map(|_| Ok(vec![0; 1000]))));
    while !snapshot.is_finished() {
        during.push(one().await);
    }
    snapshot.await.unwrap().unwrap();
    [before, during]
}

#[test]
fn a_snapshot_holds_up_one_record_by_two_syncs_and_no_other() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let [before, during] = runtime.block_on(held_up());
    let usual = *before.iter().max().unwrap();
    // A write and a sync, in whole milliseconds.
    assert!(usual <= SYNC * 2, "{before:?}");
    let late: Vec<_> = during.iter().filter(|took| **took > usual).collect();
    assert!(late.len() == 1 && *late[0] < usual + SYNC * 3, "{late:?}");
    assert!(during.len() > 100, "{}", during.len());
}
