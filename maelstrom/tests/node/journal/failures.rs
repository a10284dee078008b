//! Disks that fail, and disks that are full.

use std::io;

use maelstrom::journal::{Garbage, Journal, Log as _, Options, Snapshot, Sync};

use super::{Scratch, Texts, append, open, options, snapshot};
use crate::faulty::{Faults, Faulty};

#[test]
fn a_failed_snapshot_on_a_full_disk_leaves_nothing_behind_and_records_go_on() {
    let scratch = Scratch::new("full");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["a", "b"]);
    for room in [0, 10, 200, 250] {
        faulty.set(|faults| faults.full = Some(("snapshot", room)));
        let error = snapshot(&mut journal, &["ab", &"x".repeat(100)]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let files = scratch.files();
        assert!(files.keys().all(|name| name.starts_with("segment")), "{:?}", files.keys());
        append(&mut journal, &["c"]);
    }
    drop(journal);
    let (mut journal, texts) = open(faulty.disk(), options()).unwrap();
    assert_eq!(texts, ["0 a", "1 b", "2 c", "3 c", "4 c", "5 c"]);
    faulty.set(|faults| faults.full = None);
    snapshot(&mut journal, &["all"]).unwrap();
    drop(journal);
    assert_eq!(open(faulty.disk(), options()).unwrap().1, ["piece all"]);
}

#[test]
fn a_full_disk_fails_records_until_there_is_room_and_not_a_start() {
    let scratch = Scratch::new("room");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    faulty.set(|faults| faults.full = Some(("", 20)));
    for _ in 0..3 {
        let error = journal.append(&[b"lost, perhaps"]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
    drop(journal);
    let (mut journal, texts) = open(faulty.disk(), options()).unwrap();
    assert_eq!(texts, ["0 a"]);
    assert!(journal.append(&[b"lost"]).is_err());
    faulty.set(|faults| faults.full = None);
    append(&mut journal, &["b"]);
    drop(journal);
    assert_eq!(open(faulty.disk(), options()).unwrap().1, ["0 a", "1 b"]);
}

#[test]
fn what_was_not_synced_is_when_it_is_found_even_on_a_full_disk() {
    let scratch = Scratch::new("unsynced");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    journal.append(&[b"b"]).unwrap();
    drop(journal);
    faulty.set(|faults| faults.full = Some(("", 50)));
    let before = faulty.syncs();
    let (journal, texts) = open(faulty.disk(), options()).unwrap();
    assert_eq!(texts, ["0 a", "1 b"]);
    assert_eq!((faulty.syncs(), scratch.files().len()), (before + 1, 1));
    drop(journal);
    faulty.set(|faults| faults.full = None);
    open(faulty.disk(), options()).unwrap();
    assert_eq!(scratch.files().len(), 2);
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_what_was_not_synced_is_written_anew() {
    let scratch = Scratch::new("sync");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    journal.append(&[b"b"]).unwrap();
    faulty.set(|faults| faults.syncs_that_fail = 1);
    assert!(!journal.is_dead());
    journal.sync().unwrap_err();
    assert!(journal.is_dead());
    for done in [journal.sync(), journal.append(&[b"c"]), snapshot(&mut journal, &[])] {
        let error = done.unwrap_err().to_string();
        assert!(error.starts_with("the journal has to be opened again: cannot sync"), "{error}");
    }
    drop(journal);
    let before = scratch.files();
    let (mut journal, texts) = open(faulty.disk(), options()).unwrap();
    assert_eq!(texts, ["0 a", "1 b"]);
    append(&mut journal, &["c"]);
    drop(journal);
    // The record whose sync failed is in a file that did not exist then.
    let mut files = scratch.files();
    let (first, bytes) = before.first_key_value().unwrap();
    files.insert(first.clone(), bytes[..bytes.len() - 1].to_vec());
    scratch.write(&files);
    assert_eq!(open(faulty.disk(), options()).unwrap().1, ["0 a", "1 b", "2 c"]);
}

#[test]
fn after_a_failed_sync_a_full_disk_starts_and_what_it_shows_is_durable() {
    let scratch = Scratch::new("sync-full");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    journal.append(&[b"b"]).unwrap();
    faulty.set(|faults| (faults.syncs_that_fail, faults.full) = (1, Some(("", 0))));
    journal.sync().unwrap_err();
    drop(journal);
    assert_eq!(open(faulty.disk(), options()).unwrap().1, ["0 a", "1 b"]);
    faulty.lose_power();
    assert_eq!(open(faulty.disk(), options()).unwrap().1, ["0 a", "1 b"]);
}

#[test]
fn after_a_failed_sync_what_is_not_synced_may_still_lose_its_end_only() {
    let scratch = Scratch::new("sync-never");
    let faulty = Faulty::new(scratch.disk());
    let never = || Options { sync: Sync::Never, segment_bytes: 300, ..options() };
    let (mut journal, _) = open(faulty.disk(), never()).unwrap();
    journal.append(&[b"a"]).unwrap();
    faulty.set(|faults| faults.syncs_that_fail = 1);
    while journal.append(&[b"a"]).is_ok() {}
    let records = journal.end();
    drop(journal);
    let (mut journal, texts) = open(faulty.disk(), never()).unwrap();
    assert_eq!(texts.len() as u64, records);
    for _ in 0..20 {
        journal.append(&[b"b"]).unwrap();
    }
    assert!(scratch.files().len() > 2);
    drop(journal);
    faulty.lose_power();
    let (_, texts) = open(faulty.disk(), never()).unwrap();
    assert!(texts.len() as u64 >= records, "{texts:?}");
}

/// Records, and snapshots that are written beside them, as long as the disk lives. What the
/// journal should have in the end, and what failed last, of which one may be there, too.
fn run(faulty: &Faulty) -> (Texts, Texts) {
    let small = || Options { segment_bytes: 300, ..options() };
    let reopen = || (0..9).find_map(|_| open(faulty.disk(), small()).ok());
    let (mut state, mut failed) = (Texts::new(), Texts::new());
    let Some((mut journal, _)) = reopen() else { return (state, failed) };
    let mut under_way = None;
    for number in 0..12 {
        match number % 5 {
            0 => under_way = begin_snapshot(&mut journal, &state).ok(),
            3 => {
                let written = under_way.take().map(Snapshot::finish);
                let adopted = written.map(|written| written.and_then(|it| journal.adopt(it)));
                adopted.into_iter().flatten().for_each(Garbage::remove);
            }
            _ => {}
        }
        let record = number.to_string();
        match journal.append(&[record.as_bytes()]).and_then(|()| journal.sync()) {
            Ok(()) => {
                state.push(record);
                failed.clear();
            }
            Err(_) => failed.push(record),
        }
        if journal.is_dead() {
            drop((journal, under_way.take()));
            let Some((again, texts)) = reopen() else { break };
            (journal, state, failed) = (again, contents(&texts), Texts::new());
        }
    }
    (state, failed)
}

fn begin_snapshot(journal: &mut Journal, pieces: &Texts) -> io::Result<Snapshot> {
    let mut snapshot = journal.begin_snapshot()?;
    pieces.iter().try_for_each(|piece| snapshot.push(piece.as_bytes()))?;
    Ok(snapshot)
}

/// What was pushed and appended.
fn contents(texts: &Texts) -> Texts {
    texts.iter().map(|text| text.split_once(' ').unwrap().1.to_owned()).collect()
}

/// Runs on a disk that fails from each operation on, and compares.
fn fail_everywhere(what: &str, is_power_lost: bool, fail: impl Fn(&mut Faults, u32)) {
    for from in 0.. {
        let scratch = Scratch::new(what);
        let faulty = Faulty::new(scratch.disk());
        faulty.set(|faults| fail(faults, from));
        let (state, failed) = run(&faulty);
        if faulty.operations() <= from {
            assert!(from > 60, "{from}");
            return;
        }
        faulty.set(|faults| (faults.failing, faults.dies_after) = (0..0, None));
        if is_power_lost {
            faulty.lose_power();
        }
        let found = contents(&open(faulty.disk(), options()).unwrap().1);
        let is_one_more =
            |one: &String| found == [state.as_slice(), std::slice::from_ref(one)].concat();
        let is_right = found == state || failed.iter().any(is_one_more);
        assert!(is_right, "{what} from {from} on: {found:?} instead of {state:?} and {failed:?}");
    }
}

#[test]
fn whatever_operations_of_the_disk_fail_nothing_written_is_lost() {
    for is_power_lost in [false, true] {
        for count in [1, 2, 3] {
            let fail = |faults: &mut Faults, from| faults.failing = from..from + count;
            fail_everywhere("fails", is_power_lost, fail);
        }
    }
}

#[test]
fn wherever_a_process_dies_nothing_written_is_lost() {
    for is_power_lost in [false, true] {
        let fail = |faults: &mut Faults, from| faults.dies_after = Some(from);
        fail_everywhere("dies", is_power_lost, fail);
    }
}
