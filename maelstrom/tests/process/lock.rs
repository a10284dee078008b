//! Two processes and one journal. No other test of this binary has one: what a process holds
//! while it starts another one, that one holds for a moment, too.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use std::fs;
use std::path::{Path, PathBuf};

use maelstrom::disk::Disk;
use maelstrom::journal::{Journal, Log as _, OpenError, Options};

const DIRECTORY: &str = "JOURNAL_OF_ANOTHER_PROCESS";

/// The journal in a directory, and how many records it has.
fn open(directory: &Path) -> Result<(Journal, u64), OpenError> {
    let disk = Disk::in_directory(directory);
    Journal::open(
        disk,
        Options::new("n0", 1),
        || 0,
        |records, _| {
            *records += 1;
            Ok(())
        },
    )
}

/// What the other process does, and nothing when the tests run.
#[test]
fn another_process() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let said = match open(directory.as_ref()) {
        Ok((mut journal, _)) => {
            journal.append(&[b"of another process"]).unwrap();
            journal.sync().unwrap();
            println!("\nopen");
            // Until it is killed.
            std::io::stdin().lines().for_each(drop);
            return;
        }
        Err(error) => error.to_string(),
    };
    println!("\n{said}");
    std::io::stdout().flush().unwrap();
}

/// Starts it; what it says.
fn start(directory: &Path) -> (Child, String) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "lock::another_process", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let said = lines.find(|line| line == "open" || line.contains(" uses the "));
    let said = said.unwrap_or_default();
    (child, said)
}

#[test]
fn a_second_process_gets_a_sentence_and_the_lock_ends_with_the_first() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("journal-lock");
    let _ = fs::remove_dir_all(&directory);
    let (mut first, said) = start(&directory);
    assert_eq!(said, "open");
    let (mut second, said) = start(&directory);
    assert!(said.starts_with("another process uses the directory "), "{said}");
    assert!(said.ends_with(": a journal belongs to one process at a time"), "{said}");
    assert!(open(&directory).is_err());
    second.wait().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let (mut journal, records) = open(&directory).unwrap();
    assert_eq!(records, 1);
    // Renames and removals do not touch the lock.
    journal.snapshot(&mut std::iter::empty()).unwrap();
    let (mut third, said) = start(&directory);
    assert!(said.starts_with("another process uses the directory "), "{said}");
    third.wait().unwrap();
    fs::remove_dir_all(&directory).unwrap();
}
