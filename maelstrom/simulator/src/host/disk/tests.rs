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
    simulated.fill(true);
    let error = log.append(b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.create("new").unwrap_err().kind(), io::ErrorKind::StorageFull);
    let found = text(&disk, "log").unwrap();
    assert!("onesecond".starts_with(&found) && found.len() < 9, "{found}");
    log.truncate(3).unwrap();
    simulated.fill(false);
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
