//! A journal on a real disk: how fast records are appended, how long it takes to open, and
//! how long a snapshot holds up records.
//!
//! What a disk and a machine can do differs by the minute, so each is compared with plain
//! files in the same run: the same groups of bytes written and synced; the same records
//! while another file of a snapshot's size is written and synced piece by piece. Exits with
//! 1 when a threshold is missed.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Event, Journal, Log as _, Options, Writer};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const MIB: usize = 1 << 20;
const RECORD: usize = 200;
/// How many records are not reported as written at a time.
const IN_FLIGHT: u64 = 1000;
/// Journal and plain file take turns.
const TURNS: usize = 6;
const TURN: Duration = Duration::from_millis(500);
/// How many times as many records a plain file may take.
const MAX_RATIO: f64 = 2.0;
/// What a journal has to open.
const JOURNAL: usize = 250 * MIB;
const MAX_OPENING: Duration = Duration::from_millis(500);
const MAX_STALL: Duration = Duration::from_millis(20);
/// How many records are written without a snapshot.
const ALONE: usize = 2000;
/// What is synced at a time of a plain file.
const PIECE: usize = 64 << 10;

fn main() -> ExitCode {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("journal-bench");
    let measured = measure(&path);
    let _ = fs::remove_dir_all(&path);
    match measured {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => panic!("{error}"),
    }
}

/// Whether every threshold of the benches that are named was met; all of them, if none is.
fn measure(path: &Path) -> Result<bool> {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let is_asked = |name: &str| named.is_empty() || named.iter().any(|other| other == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    fs::create_dir_all(path)?;
    let mut is_met = true;
    if is_asked("append") {
        is_met &= runtime.block_on(appending(path))?;
    }
    if is_asked("open") {
        is_met &= opening(path)?;
    }
    if is_asked("compaction") {
        is_met &= runtime.block_on(compaction(path))?;
    }
    Ok(is_met)
}

/// Whether a journal takes records about as fast as a plain file.
async fn appending(path: &Path) -> Result<bool> {
    let (writer, work) = Writer::new(journal(&path.join("append"))?.0);
    tokio::spawn(work);
    let mut file = File::create(path.join("plain"))?;
    let (mut plain, mut kept) = (0.0, 0.0);
    for _ in 0..TURNS {
        plain += append_plainly(&mut file)? / TURNS as f64;
        kept += append(&writer).await? / TURNS as f64;
    }
    let ratio = plain / kept;
    println!("records of {RECORD} bytes, {IN_FLIGHT} in flight, synced in groups, a second:");
    println!("  {plain:.0} in a plain file, {kept:.0} in a journal: {ratio:.2} times as many");
    println!("  (at most {MAX_RATIO} times)");
    Ok(ratio <= MAX_RATIO)
}

/// Whether a journal opens fast enough, be it records or a snapshot.
fn opening(path: &Path) -> Result<bool> {
    let mut is_met = true;
    for (what, records, pieces) in [("records", JOURNAL, 0), ("a snapshot", 0, JOURNAL)] {
        let took = open(&path.join(what), records, pieces)?;
        println!("opening {} MiB of {what}: {took:.1?} (at most {MAX_OPENING:?})", JOURNAL / MIB);
        is_met &= took < MAX_OPENING;
    }
    Ok(is_met)
}

/// Whether a snapshot holds up records for no longer than it may, or than this machine holds up
/// whoever syncs a file, with a snapshot and without.
async fn compaction(path: &Path) -> Result<bool> {
    let [before, during] = stalls(&path.join("compaction")).await?;
    let [plain_before, plain_during] = plain_stalls(path)?;
    println!("records of {RECORD} bytes, each synced by itself:");
    let longest = [
        ("in a plain file alone", plain_before),
        ("in one, while another is written", plain_during),
        ("in a journal alone", before),
        ("in one, while a snapshot is written", during),
    ]
    .map(|(what, times)| describe(what, times));
    let [plain_before, plain_during, before, during] = longest;
    let ratio = |during: Duration, before: Duration| during.as_secs_f64() / before.as_secs_f64();
    let (of_plain, of_journal) = (ratio(plain_during, plain_before), ratio(during, before));
    println!(
        "the longest is {of_plain:.2} times that without in plain files, {of_journal:.2} in a journal"
    );
    let floor = plain_before.max(plain_during).max(before);
    println!(
        "while a snapshot is written at most {MAX_STALL:?}, or {floor:.1?}, the longest of the others"
    );
    Ok(during <= MAX_STALL.max(floor))
}

/// Prints how long records took. Returns the longest time.
fn describe(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 1000];
    let (median, most, longest) = (at(500), at(999), times[times.len() - 1]);
    println!(
        "{:5} {what:36} median {median:8.1?}, 99.9 % {most:8.1?}, longest {longest:8.1?}",
        times.len()
    );
    longest
}

fn journal(path: &Path) -> Result<(Journal, usize)> {
    let opened = Journal::open(
        Disk::in_directory(path),
        Options::new("n0", 1),
        || 0,
        |bytes, entry| {
            let (Entry::Piece(content) | Entry::Record(_, content)) = entry;
            *bytes += content.len();
            Ok(())
        },
    );
    Ok(opened?)
}

/// Records a second, each as long as in a journal.
fn append_plainly(file: &mut File) -> io::Result<f64> {
    let group = vec![0; (RECORD + 28) * IN_FLIGHT as usize];
    let (began, mut written) = (now(), 0);
    while began.elapsed() < TURN {
        file.write_all(&group)?;
        file.sync_data()?;
        written += IN_FLIGHT;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

/// The same with a journal.
async fn append(writer: &Writer) -> Result<f64> {
    let (began, mut asked, mut written) = (now(), 0, 0);
    while began.elapsed() < TURN || written < asked {
        while began.elapsed() < TURN && asked < written + IN_FLIGHT {
            writer.append(vec![0; RECORD])?;
            asked += 1;
        }
        written += reported(writer).await?;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

async fn reported(writer: &Writer) -> Result<u64> {
    match writer.next().await {
        Event::Written(more) => Ok(more),
        Event::Stalled(error) | Event::Dead(error) => Err(error.into()),
    }
}

/// How long it takes to open a journal of so many bytes.
fn open(path: &Path, records: usize, pieces: usize) -> Result<Duration> {
    let (mut journal_before, _) = journal(path)?;
    let record = vec![b'x'; 1000];
    journal_before.append(&[&record])?;
    let piece = |_| record.clone();
    journal_before.snapshot(&mut (0..pieces / record.len()).map(piece))?;
    for _ in 0..records / MIB {
        journal_before.append(&vec![record.as_slice(); MIB / record.len()])?;
    }
    journal_before.sync()?;
    drop(journal_before);
    let began = now();
    let (_, bytes) = journal(path)?;
    let took = began.elapsed();
    assert!(bytes > (records + pieces) * 9 / 10, "{bytes}");
    Ok(took)
}

/// How long single records take, before and while a snapshot is written.
async fn stalls(path: &Path) -> Result<[Vec<Duration>; 2]> {
    let (writer, work) = Writer::new(journal(path)?.0);
    tokio::spawn(work);
    let one = || async {
        let began = now();
        writer.append(vec![0; RECORD])?;
        reported(&writer).await.map(|_| began.elapsed())
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for _ in 0..ALONE {
        before.push(one().await?);
    }
    let pieces = (0..JOURNAL / 1000).map(|_| Ok(vec![b'x'; 1000]));
    let snapshot = tokio::spawn(writer.snapshot(pieces));
    while !snapshot.is_finished() {
        during.push(one().await?);
    }
    snapshot.await??;
    Ok([before, during])
}

/// The same with plain files.
fn plain_stalls(path: &Path) -> io::Result<[Vec<Duration>; 2]> {
    let mut records = File::create(path.join("plain-records"))?;
    let mut one = || {
        let began = now();
        records.write_all(&[0; RECORD])?;
        records.sync_data().map(|()| began.elapsed())
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for _ in 0..ALONE {
        before.push(one()?);
    }
    let is_written = AtomicBool::new(false);
    let mut other = File::create(path.join("plain-snapshot"))?;
    let mut write = || {
        for _ in 0..JOURNAL / PIECE {
            other.write_all(&[b'x'; PIECE])?;
            other.sync_data()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let written: io::Result<()> = write();
            is_written.store(true, Ordering::Relaxed);
            written
        });
        while !is_written.load(Ordering::Relaxed) {
            during.push(one()?);
        }
        writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    Ok([before, during])
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn now() -> Instant {
    Instant::now()
}
