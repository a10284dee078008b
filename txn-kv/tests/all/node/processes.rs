//! The node as a process on a real directory, which is killed and whose files are damaged.
//!
//! No journal is opened in the tests' own process: what that holds while it starts another
//! one, the other one holds for a moment, too.

#![allow(clippy::disallowed_methods, reason = "a process of its own takes real time")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use super::{INIT, INIT_OK, ok};

const BINARY: &str = env!("CARGO_BIN_EXE_txn-kv");

/// A directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let directory = Self(env::temp_dir().join(format!("txn-kv-{}-{name}", std::process::id())));
        let _ = fs::remove_dir_all(&directory.0);
        directory
    }

    /// The files of its journal whose names contain this.
    fn files(&self, part: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.to_string_lossy().contains(part));
        files.sort();
        files
    }

    /// What its files have.
    fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = self.files("").into_iter();
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary, started in a directory.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where standard error is not the tests' own.
    log: Option<BufReader<ChildStderr>>,
}

impl Process {
    fn start(directory: &Directory, args: &[&str]) -> Self {
        let mut process = Self::spawn(directory, args);
        assert_eq!(process.ask(INIT), INIT_OK);
        process
    }

    /// One that was not initialised.
    fn spawn(directory: &Directory, args: &[&str]) -> Self {
        Self::of(Command::new(BINARY).args(args), directory)
    }

    fn of(command: &mut Command, directory: &Directory) -> Self {
        let mut child = command
            .env("NODE_DIRECTORY", &directory.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let log = child.stderr.take().map(BufReader::new);
        Self { child, input, output, log }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        self.line()
    }

    /// What it says next.
    fn line(&mut self) -> String {
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn txn(&mut self, txn: &str) -> String {
        self.send(txn);
        self.line()
    }

    /// Asks for a transaction.
    fn send(&mut self, txn: &str) {
        let body = format!(r#"{{"type":"txn","msg_id":2,"txn":{txn}}}"#);
        writeln!(self.input, r#"{{"src":"c1","dest":"n0","body":{body}}}"#).unwrap();
    }

    /// The next line that it logs with these words.
    fn logs(&mut self, words: &str) -> String {
        let log = self.log.as_mut().expect("standard error is a pipe");
        log.lines().map(Result::unwrap).find(|line| line.contains(words)).unwrap_or_default()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends its input, and waits until it has ended.
    fn end(self) {
        let Self { mut child, input, output: _output, log: _ } = self;
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

/// What a process in this directory answers to its `init`.
fn init(directory: &Directory, args: &[&str]) -> String {
    let mut process = Process::spawn(directory, args);
    let answer = process.ask(INIT);
    process.kill();
    answer
}

/// A process commits so many transactions, each with a value of so many bytes, and is killed.
fn fill(directory: &Directory, transactions: usize, bytes: usize) {
    let mut process = Process::start(directory, &["--sync=every-group"]);
    for number in 0..transactions {
        let write = format!(r#"[["w",{number},"{}"]]"#, "x".repeat(bytes));
        assert_eq!(process.txn(&write), ok(&write));
    }
    process.kill();
}

/// Has a process that wants to take a snapshot write until there is one, or was before.
fn write_until_snapshot(process: &mut Process, directory: &Directory) {
    let started = Instant::now();
    let is_there = || {
        let files = directory.files("snapshot");
        matches!(&files[..], [file] if !file.to_string_lossy().ends_with(".new"))
    };
    while !is_there() && started.elapsed() < Duration::from_secs(20) {
        process.txn(r#"[["w","more",1]]"#);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(is_there(), "{:?}", directory.files(""));
}

/// Flips a bit of a file.
fn flip(path: &PathBuf, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_killed_process_has_everything_that_it_answered() {
    for args in [&[][..], &["--sync=every-group"], &["--interval", "10"]] {
        let directory = Directory::new("killed");
        for round in 0..5 {
            let mut process = Process::start(&directory, args);
            if round > 0 {
                let last = round * 100 - 1;
                let read = format!(r#"[["r",1,{last}]]"#);
                assert_eq!(process.txn(r#"[["r",1,null]]"#), ok(&read));
            }
            for value in round * 100..(round + 1) * 100 {
                let write = format!(r#"[["w",1,{value}]]"#);
                assert_eq!(process.txn(&write), ok(&write));
            }
            process.kill();
        }
    }
}

#[test]
fn a_process_whose_input_has_ended_left_what_it_answered() {
    let directory = Directory::new("ended");
    let mut process = Process::start(&directory, &[]);
    assert_eq!(process.txn(r#"[["w",1,7]]"#), ok(r#"[["w",1,7]]"#));
    process.end();
    let mut process = Process::start(&directory, &[]);
    assert_eq!(process.txn(r#"[["r",1,null]]"#), ok(r#"[["r",1,7]]"#));
    process.end();
}

#[test]
fn a_second_process_in_the_same_directory_fails_init_and_the_first_loses_nothing() {
    for args in [&[][..], &["--sync=every-group"]] {
        let directory = Directory::new("twice");
        let mut first = Process::start(&directory, args);
        for value in 0..100 {
            if value % 10 == 5 {
                let before = directory.contents();
                let refusal = init(&directory, args);
                let error = r#""type":"error","in_reply_to":1,"code":13"#;
                assert!(refusal.contains(error), "{refusal}");
                assert!(refusal.contains("another process uses the directory "), "{refusal}");
                assert_eq!(directory.contents(), before, "the second one touches nothing");
            }
            let write = format!(r#"[["w",{value},{value}]]"#);
            assert_eq!(first.txn(&write), ok(&write));
        }
        first.kill();
        let mut next = Process::start(&directory, args);
        for value in 0..100 {
            let read = format!(r#"[["r",{value},{value}]]"#);
            assert_eq!(next.txn(&format!(r#"[["r",{value},null]]"#)), ok(&read));
        }
        next.kill();
    }
}

#[test]
fn the_flag_that_syncs_had_another_name_and_its_new_one_is_told() {
    let refused = |argument: &str| {
        let mut node = Command::new(env!("CARGO_BIN_EXE_txn-kv"));
        let output = node.arg(argument).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{argument}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("--fsync").contains("there is no `--fsync`: write `--sync=every-group`"));
    assert!(refused("--sync=20").contains("20 ms are `every-20ms`"));
}

#[test]
fn a_flipped_bit_in_a_record_with_others_behind_it_is_refused_and_nothing_is_changed() {
    let directory = Directory::new("flipped");
    fill(&directory, 20, 10);
    let [file] = &directory.files("segment")[..] else { panic!("one segment") };
    let whole = fs::read(file).unwrap();
    let head = whole.len() - 20 * (whole.len() / 21);
    for place in [head + 10, whole.len() / 2] {
        flip(file, place);
        let damaged = fs::read(file).unwrap();
        let refusal = init(&directory, &["--sync=every-group"]);
        assert!(refusal.contains(r#""type":"error","in_reply_to":1,"code":13"#), "{refusal}");
        let name = file.file_name().unwrap().to_str().unwrap();
        for part in ["is corrupt", name, "at byte", "--discard-corrupt"] {
            assert!(refusal.contains(part), "{part} is missing: {refusal}");
        }
        assert_eq!(fs::read(file).unwrap(), damaged);
        fs::write(file, &whole).unwrap();
    }
    // As it was, it is read; damaged, it is set aside by who is told to do so.
    let mut process = Process::start(&directory, &["--sync=every-group"]);
    assert_eq!(process.txn(r#"[["r",19,null]]"#), ok(r#"[["r",19,"xxxxxxxxxx"]]"#));
    process.kill();
    flip(file, head + 10);
    let mut process = Process::start(&directory, &["--sync=every-group", "--discard-corrupt"]);
    assert_eq!(process.txn(r#"[["r",19,null]]"#), ok(r#"[["r",19,null]]"#));
    process.kill();
    assert!(!directory.files("corrupt-").is_empty(), "it is kept, under another name");
}

#[test]
fn a_flipped_bit_in_a_compacted_part_is_refused() {
    let directory = Directory::new("compacted");
    fill(&directory, 40, 1 << 19);
    let mut process = Process::start(&directory, &[]);
    write_until_snapshot(&mut process, &directory);
    process.kill();
    let [file] = &directory.files("snapshot")[..] else { panic!("a snapshot") };
    flip(file, 1 << 20);
    let refusal = init(&directory, &[]);
    assert!(refusal.contains("is corrupt") && refusal.contains("snapshot"), "{refusal}");
}

/// A disk that is full for the files of these numbers whose names begin so: what is written
/// there goes to a device that has no space, without anybody's privileges. Each link goes away
/// when its file is given up.
fn fill_up(directory: &Directory, kind: &str, numbers: Range<u64>) {
    fs::create_dir_all(&directory.0).unwrap();
    for number in numbers {
        let name = format!("{kind}-{number:010}.new");
        symlink("/dev/full", directory.0.join(name)).unwrap();
    }
}

/// A process commits 20 MiB, which is worth a snapshot, until it logs that this has failed,
/// and is killed.
fn fail_to_snapshot(mut process: Process, round: u64, value: &str, why: &str) {
    assert_eq!(process.ask(INIT), INIT_OK);
    for key in 0..40 {
        let write = format!(r#"[["w",{key},"{value}"],["w","round",{round}]]"#);
        assert_eq!(process.txn(&write), ok(&write));
    }
    let logged = process.logs("a snapshot failed; the journal goes on without it");
    assert!(logged.contains(why), "{logged}");
    assert_eq!(process.txn(r#"[["w","after",1]]"#), ok(r#"[["w","after",1]]"#));
    process.kill();
}

#[test]
fn a_snapshot_that_the_disk_does_not_take_costs_nothing_but_room() {
    // Segments are shorter than this. A snapshot is not: it has values and transactions, which
    // are not forgotten before the first tick.
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", (18 << 20) / 512);
    let limited = ["sh", "-c", &limit, BINARY, "--interval=60000"];
    let value = "x".repeat(1 << 19);
    // The first snapshots fail at the end, the others at the beginning.
    for (command, why) in [(&limited[..], "os error 27"), (&[BINARY], "os error 28")] {
        let directory = Directory::new("full");
        for round in 0..3 {
            if why == "os error 28" {
                fill_up(&directory, "snapshot", round * 100..(round + 1) * 100);
            }
            let mut process = Command::new(command[0]);
            process.args(&command[1..]).stderr(Stdio::piped());
            let process = Process::of(&mut process, &directory);
            fail_to_snapshot(process, round, &value, why);
            let files = directory.files("snapshot");
            assert!(files.iter().all(|file| file.is_symlink()), "{files:?}");
        }
        directory.files(".new").iter().for_each(|link| fs::remove_file(link).unwrap());
        let mut process = Process::start(&directory, &[]);
        assert_eq!(process.txn(r#"[["r","round",null]]"#), ok(r#"[["r","round",2]]"#));
        assert!(process.txn(r#"[["r",39,null]]"#).contains(&value));
        // There is room now.
        write_until_snapshot(&mut process, &directory);
        process.kill();
    }
}

#[test]
fn a_full_disk_refuses_transactions_and_answers_those_before_when_there_is_room() {
    let directory = Directory::new("no-room");
    fill_up(&directory, "segment", 0..4);
    let mut command = Command::new(BINARY);
    let mut process = Process::of(command.stderr(Stdio::piped()), &directory);
    assert_eq!(process.ask(INIT), INIT_OK);
    process.send(r#"[["w",1,1]]"#);
    let logged = process.logs("the journal cannot be written now, and is tried again");
    assert!(logged.contains("No space left on device (os error 28)"), "{logged}");
    let refusal = process.txn(r#"[["w",1,2]]"#);
    assert!(refusal.contains(r#""code":11"#) && refusal.contains("No space left"), "{refusal}");
    // It is tried again and again, and the fourth time there is room.
    assert_eq!(process.line(), ok(r#"[["w",1,1]]"#));
    assert_eq!(process.txn(r#"[["w",2,2]]"#), ok(r#"[["w",2,2]]"#));
    process.kill();
    let mut process = Process::start(&directory, &[]);
    let read = r#"[["r",1,1],["r",2,2]]"#;
    assert_eq!(process.txn(r#"[["r",1,null],["r",2,null]]"#), ok(read));
    process.kill();
}

#[test]
fn a_log_of_an_earlier_version_is_refused() {
    let directory = Directory::new("former");
    fs::create_dir(&directory.0).unwrap();
    fs::write(directory.0.join("txn-kv.log"), b"anything").unwrap();
    let refusal = init(&directory, &[]);
    assert!(
        refusal.contains("txn-kv.log: it is in a format") && refusal.contains("move the file away"),
        "{refusal}"
    );
    assert_eq!(directory.files("").len(), 1, "nothing is begun beside it");
}
