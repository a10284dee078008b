//! Bits that are others, and ends that are missing.

use std::collections::BTreeMap;

use maelstrom::journal::{Fault, Journal, Log as _, OpenError, Options};

use super::{Scratch, Texts, append, open, options, snapshot};
use crate::faulty::Faulty;

type Files = BTreeMap<String, Vec<u8>>;

/// A journal with a snapshot and two segments, on a disk that can be told that the machine
/// has died.
fn journal(scratch: &Scratch) -> (Faulty, Files) {
    let faulty = Faulty::new(scratch.disk());
    let small = || Options { segment_bytes: 330, ..options() };
    let (mut journal, _) = open(faulty.disk(), small()).unwrap();
    for _ in 0..8 {
        append(&mut journal, &["zero"]);
    }
    snapshot(&mut journal, &["piece", "of", "it"]).unwrap();
    append(&mut journal, &["one"]);
    append(&mut journal, &["two"]);
    append(&mut journal, &["three"]);
    append(&mut journal, &["four"]);
    append(&mut journal, &["five"]);
    drop(journal);
    let files = scratch.files();
    assert_eq!((files.len(), segments(&files).len()), (3, 2), "{:?}", files.keys());
    (faulty, files)
}

const FRAME: usize = 28;

/// What ends where another segment begins: the mark behind the last record counts no more.
fn counts(files: &Files, name: &str, place: usize) -> bool {
    name != segments(files)[0] || place < files[name].len() - FRAME
}

/// The segments' names, in order.
fn segments(files: &Files) -> Vec<&String> {
    files.keys().filter(|name| name.starts_with("segment")).collect()
}

const WHOLE: [&str; 8] =
    ["piece piece", "piece of", "piece it", "8 one", "9 two", "10 three", "11 four", "12 five"];

fn fault(opened: Result<(Journal, Texts), OpenError>) -> Option<Fault> {
    match opened {
        Ok(_) => None,
        Err(OpenError::Corrupt { fault, .. }) => Some(fault),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_nothing_is_changed() {
    let scratch = Scratch::new("flip");
    let (faulty, files) = journal(&scratch);
    assert_eq!(open(faulty.disk(), options()).unwrap().1, WHOLE);
    for (name, bytes) in &files {
        for place in (0..bytes.len()).filter(|place| counts(&files, name, *place)) {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[place] ^= 1 << (place % 8);
            scratch.write(&flipped);
            match open(faulty.disk(), options()) {
                Err(OpenError::Version { .. }) if place < 20 => {}
                opened => {
                    let fault = fault(opened).unwrap_or_else(|| panic!("{name} at {place}"));
                    assert_eq!(&fault.file, name);
                    assert!(fault.offset <= place as u64, "{fault} is behind {place}");
                }
            }
            assert!(scratch.files() == flipped);
        }
    }
}

/// Where the frames of a file end. The first is its head.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = b"maelstrom journal 1\n".len();
    while end < bytes.len() {
        let length: [u8; 4] = bytes[end..end + 4].try_into().unwrap();
        end += FRAME + u32::from_le_bytes(length) as usize;
        ends.push(end);
    }
    ends
}

#[test]
fn after_a_power_failure_a_flipped_bit_is_found_but_in_the_last_mark() {
    let scratch = Scratch::new("flip-power");
    let (faulty, files) = journal(&scratch);
    faulty.set(|faults| faults.boots += 1);
    let last = segments(&files)[1];
    let mark = files[last].len() - FRAME;
    for (name, bytes) in &files {
        for place in (20..bytes.len()).filter(|place| counts(&files, name, *place)) {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[place] ^= 1 << (place % 8);
            scratch.write(&flipped);
            if name == last && place >= mark {
                let (journal, texts) = open(faulty.disk(), options()).unwrap();
                assert_eq!(texts, WHOLE);
                assert_eq!(journal.torn().unwrap().offset, mark as u64);
            } else {
                let fault = fault(open(faulty.disk(), options()));
                assert_eq!(&fault.unwrap_or_else(|| panic!("{name} at {place}")).file, name);
            }
        }
    }
}

#[test]
fn damage_to_a_group_is_no_torn_end_once_its_mark_is_there() {
    let scratch = Scratch::new("group");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["one", "two", "three", "four"]);
    drop(journal);
    faulty.lose_power();
    let files = scratch.files();
    let (name, bytes) = files.first_key_value().unwrap();
    let ends = frames(bytes);
    // The mark was not synced: it is lost, and so is what told damage from a torn end.
    assert_eq!(ends.len(), 5, "{ends:?}");
    let incarnation = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut damaged = files.clone();
        damage(damaged.get_mut(name).unwrap());
        scratch.write(&damaged);
        let (journal, texts) = open(faulty.disk(), Options::new("n0", 2)).unwrap();
        assert_eq!((texts, journal.torn().is_some()), (vec!["0 one".to_owned()], true));
        journal.incarnation()
    };
    // A file that ends too soon was never synced so far; other bytes may have been.
    assert_eq!(incarnation(&|bytes| bytes.truncate(ends[2] - 1)), 1);
    assert_eq!(incarnation(&|bytes| bytes[ends[2] - 1] ^= 1), 2);
    assert_eq!(incarnation(&|bytes| bytes[ends[1]..].fill(0)), 2);

    scratch.write(&files);
    drop(open(faulty.disk(), options()).unwrap());
    let files = scratch.files();
    let mut damaged = files.clone();
    damaged.last_entry().unwrap().get_mut()[ends[1] + 5] ^= 1;
    scratch.write(&damaged);
    faulty.set(|faults| faults.boots += 1);
    assert!(fault(open(faulty.disk(), options())).is_some());
}

#[test]
fn a_sound_header_behind_a_torn_end_counts_if_there_is_room_for_what_it_says() {
    let scratch = Scratch::new("chance");
    let faulty = Faulty::new(scratch.disk());
    let (mut journal, _) = open(faulty.disk(), options()).unwrap();
    append(&mut journal, &["one"]);
    drop(journal);
    faulty.set(|faults| faults.boots += 1);
    let files = scratch.files();
    let (name, bytes) = files.first_key_value().unwrap();
    let head = &bytes[20 + FRAME..frames(bytes)[0]];
    let is_damage = |safe: u64| {
        let mut mark = [0; 8].to_vec();
        mark.extend([u64::MAX - 1, safe].iter().flat_map(|field| field.to_le_bytes()));
        let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(head));
        hasher.update(&mark);
        mark.extend(hasher.finalize().to_le_bytes());
        scratch.write(&Files::from([(name.clone(), [bytes, &[0; FRAME][..], &mark].concat())]));
        fault(open(faulty.disk(), options())).is_some()
    };
    assert_eq!([0, 1, 2, 3, 4, 1 << 40].map(is_damage), [false, false, true, true, false, false]);
}

#[test]
fn a_record_that_is_cut_is_dropped_at_the_end_and_corruption_anywhere_else() {
    let scratch = Scratch::new("cut");
    let (faulty, files) = journal(&scratch);
    let last = segments(&files)[1];
    let ends = frames(&files[last]);
    // Behind each record there is a mark.
    let records: Vec<usize> = ends.iter().skip(1).step_by(2).copied().collect();
    for (name, bytes) in &files {
        for length in (0..bytes.len()).filter(|length| counts(&files, name, *length)) {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(length);
            scratch.write(&cut);
            if name == last && length >= ends[0] {
                let missing = records.iter().filter(|end| **end > length).count();
                let (journal, texts) = open(faulty.disk(), options()).unwrap();
                assert_eq!(texts, WHOLE[..8 - missing], "{length}");
                assert_eq!(journal.torn().is_some(), !ends.contains(&length));
            } else {
                let fault = fault(open(faulty.disk(), options()));
                assert_eq!(&fault.unwrap_or_else(|| panic!("{name} cut to {length}")).file, name);
            }
        }
    }
}

#[test]
fn what_a_snapshot_stands_for_may_be_damaged() {
    let scratch = Scratch::new("garbage");
    let (mut journal, _) = open(scratch.disk(), options()).unwrap();
    append(&mut journal, &["a"]);
    let mut files = scratch.files();
    snapshot(&mut journal, &["all"]).unwrap();
    append(&mut journal, &["b"]);
    drop(journal);
    for place in 0..files["segment-0000000000"].len() {
        files.get_mut("segment-0000000000").unwrap()[place] ^= 1;
        let mut all = scratch.files();
        all.extend(files.clone());
        scratch.write(&all);
        assert_eq!(open(scratch.disk(), options()).unwrap().1, ["piece all", "1 b"]);
        assert!(!scratch.files().contains_key("segment-0000000000"));
    }
}

#[test]
fn a_file_that_is_missing_is_noticed() {
    let scratch = Scratch::new("missing");
    let (faulty, files) = journal(&scratch);
    for name in files.keys().filter(|name| *name != segments(&files)[1]) {
        let mut fewer = files.clone();
        fewer.remove(name);
        scratch.write(&fewer);
        let fault = fault(open(faulty.disk(), options()));
        assert!(fault.is_some(), "{name}");
    }
}

#[test]
fn a_corrupt_journal_says_what_to_do_and_is_set_aside_when_asked_to() {
    let scratch = Scratch::new("discard");
    let (faulty, mut files) = journal(&scratch);
    let name = segments(&files)[0].clone();
    let length = files[&name].len();
    files.get_mut(&name).unwrap()[length - FRAME - 1] ^= 1;
    scratch.write(&files);
    let error = open(faulty.disk(), options()).unwrap_err().to_string();
    assert!(error.contains(&format!("is corrupt: {name} at byte ")), "{error}");
    assert!(error.contains("Nothing was changed. Restore the file, or"), "{error}");

    let (mut journal, texts) = open(faulty.disk(), discarding()).unwrap();
    assert_eq!((texts, journal.incarnation(), journal.end()), (Texts::new(), 2, 0));
    let aside: Files =
        files.iter().map(|(name, bytes)| (format!("corrupt-1-{name}"), bytes.clone())).collect();
    assert!(scratch.files() == aside);
    assert_eq!(journal.discarded().len(), 3);
    append(&mut journal, &["new"]);
    drop(journal);
    let (journal, texts) = open(faulty.disk(), discarding()).unwrap();
    assert_eq!((texts, journal.incarnation()), (vec!["0 new".to_owned()], 2));
    assert!(journal.discarded().is_empty());
}

fn discarding() -> Options {
    Options { discard_corrupt: true, ..Options::new("n0", 2) }
}

/// A journal with three segments and no snapshot.
fn journal_of_segments(scratch: &Scratch) -> (Faulty, Files) {
    let faulty = Faulty::new(scratch.disk());
    let small = Options { segment_bytes: 250, ..options() };
    let (mut journal, _) = open(faulty.disk(), small).unwrap();
    while scratch.files().len() < 3 {
        append(&mut journal, &["one", "more"]);
    }
    drop(journal);
    (faulty, scratch.files())
}

/// Some journals that are corrupt: each file is damaged in the head, at its end, and in the
/// middle, and cut off behind each record.
fn corrupt(faulty: &Faulty, scratch: &Scratch, files: &Files) -> Vec<Files> {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let flips = [30, bytes.len() / 2, bytes.len() - 40].map(|place| {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            flipped
        });
        let cuts = frames(bytes).into_iter().map(|end| bytes[..end].to_vec());
        for damaged in flips.into_iter().chain(cuts) {
            let mut files = files.clone();
            files.insert(name.clone(), damaged);
            scratch.write(&files);
            if fault(open(faulty.disk(), options())).is_some() {
                all.push(files);
            }
        }
    }
    all
}

#[test]
fn a_journal_that_is_partly_set_aside_is_still_corrupt() {
    let scratch = Scratch::new("partly");
    let (faulty, files) = journal(&scratch);
    let mut all = corrupt(&faulty, &scratch, &files);
    let scratch = Scratch::new("partly-segments");
    let (faulty, files) = journal_of_segments(&scratch);
    all.extend(corrupt(&faulty, &scratch, &files));
    let mut tried = 0;
    for files in all {
        for dies_after in 0.. {
            scratch.write(&files);
            let dies_after = faulty.operations() + dies_after;
            faulty.set(|faults| faults.dies_after = Some(dies_after));
            let is_done = open(faulty.disk(), discarding()).is_ok();
            faulty.set(|faults| faults.dies_after = None);
            if is_done {
                break;
            }
            tried += 1;
            let has_any = scratch.files().keys().any(|name| !name.starts_with("corrupt-"));
            assert_eq!(fault(open(faulty.disk(), options())).is_some(), has_any);
            let (journal, texts) = open(faulty.disk(), discarding()).unwrap();
            assert_eq!((texts, journal.incarnation()), (Texts::new(), 2));
            let mut aside: Vec<_> = scratch.files().into_values().collect();
            let mut all: Vec<_> = files.values().cloned().collect();
            aside.sort();
            all.sort();
            assert!(aside == all);
        }
    }
    assert!(tried > 50, "{tried}");
}
