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
    let small = || Options { segment_bytes: 250, ..options() };
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
        for place in 0..bytes.len() {
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

#[test]
fn after_a_power_failure_a_flipped_bit_is_found_but_in_the_last_record() {
    let scratch = Scratch::new("flip-power");
    let (faulty, files) = journal(&scratch);
    faulty.set(|faults| faults.boots += 1);
    let last = segments(&files)[1];
    let last_record = files[last].len() - 28 - "five".len();
    for (name, bytes) in &files {
        for place in 20..bytes.len() {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[place] ^= 1 << (place % 8);
            scratch.write(&flipped);
            if name == last && place >= last_record {
                let (journal, texts) = open(faulty.disk(), options()).unwrap();
                assert_eq!(texts, WHOLE[..7]);
                assert_eq!(journal.torn().unwrap().offset, last_record as u64);
            } else {
                let fault = fault(open(faulty.disk(), options()));
                assert_eq!(&fault.unwrap_or_else(|| panic!("{name} at {place}")).file, name);
            }
        }
    }
}

#[test]
fn a_record_that_is_cut_is_dropped_at_the_end_and_corruption_anywhere_else() {
    let scratch = Scratch::new("cut");
    let (faulty, files) = journal(&scratch);
    let last = segments(&files)[1];
    let bytes = &files[last];
    // Where the head ends: two records are behind it, or three.
    let records = WHOLE.iter().rev().take_while(|text| !text.starts_with("piece"));
    let sizes = records.map(|text| 28 + text.split_once(' ').unwrap().1.len()).scan(
        bytes.len(),
        |left, size| {
            *left = left.checked_sub(size).filter(|left| *left > 150)?;
            Some(*left)
        },
    );
    let mut whole: Vec<usize> = sizes.collect();
    whole.insert(0, bytes.len());
    let head = *whole.last().unwrap();
    for (name, bytes) in &files {
        for length in 0..bytes.len() {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(length);
            scratch.write(&cut);
            if name == last && length >= head {
                let missing = whole.iter().filter(|whole| **whole > length).count();
                let (journal, texts) = open(faulty.disk(), options()).unwrap();
                assert_eq!(texts, WHOLE[..8 - missing], "{length}");
                assert_eq!(journal.torn().is_some(), !whole.contains(&length));
            } else {
                assert!(fault(open(faulty.disk(), options())).is_some(), "{name} cut to {length}");
            }
        }
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
    files.get_mut(&name).unwrap()[length - 1] ^= 1;
    scratch.write(&files);
    let error = open(faulty.disk(), options()).unwrap_err().to_string();
    assert!(error.contains(&format!("is corrupt: {name} at byte ")), "{error}");
    assert!(error.contains("Nothing was changed. Restore the file, or"), "{error}");

    let discarding = || Options { discard_corrupt: true, ..Options::new("n0", 2) };
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
