//! A journal on a real disk: how fast records are appended, how long it takes to open, and
//! how long a snapshot holds up records. Fails when a bar is missed.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Event, Journal, Log as _, Options, Writer};

const MIB: usize = 1 << 20;
const RECORD: usize = 200;
/// How many records are not reported as written at a time.
const IN_FLIGHT: u64 = 1000;
const SECONDS: Duration = Duration::from_secs(3);
/// What a journal has to open.
const JOURNAL: usize = 250 * MIB;
const MAX_OPENING: Duration = Duration::from_millis(500);
const MAX_STALL: Duration = Duration::from_millis(20);

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

/// Whether every bar of the benches that are named was met; all of them, if none is.
fn measure(path: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let is_asked = |name: &str| named.is_empty() || named.iter().any(|other| other == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    fs::create_dir_all(path)?;
    let mut sync = syncs(path)?;
    println!(
        "a sync of this disk: median {:.1?}, longest {:.1?}",
        median(&mut sync),
        longest(&sync)
    );
    let mut is_met = true;
    if is_asked("append") {
        let appended = runtime.block_on(append(&path.join("append")))?;
        println!("records of {RECORD} bytes, synced in groups: {appended:.0} a second");
    }
    if is_asked("open") {
        for (what, records, pieces) in [("records", JOURNAL, 0), ("a snapshot", 0, JOURNAL)] {
            let took = open(&path.join(what), records, pieces)?;
            println!(
                "opening {} MiB of {what}: {took:.1?} (at most {MAX_OPENING:?})",
                JOURNAL / MIB
            );
            is_met &= took < MAX_OPENING;
        }
    }
    if is_asked("compaction") {
        is_met &= runtime.block_on(compaction(&path.join("compaction")))?;
    }
    Ok(is_met)
}

/// Whether a snapshot holds up records for no longer than it may, or than this disk does
/// without one.
async fn compaction(path: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let (mut before, mut during) = stalls(path).await?;
    for (when, times) in
        [("without a snapshot", &mut before), ("while one is written", &mut during)]
    {
        let (median, longest) = (median(times), longest(times));
        println!("{} records {when}: median {median:.1?}, longest {longest:.1?}", times.len());
    }
    println!("at most {MAX_STALL:?}, or the longest without");
    Ok(longest(&during) < MAX_STALL.max(longest(&before)))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn longest(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

/// How long the disk takes to sync a few bytes.
fn syncs(path: &Path) -> io::Result<Vec<Duration>> {
    let mut file = File::create(path.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[0; RECORD])?;
        let began = now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn journal(path: &Path) -> Result<(Journal, usize), Box<dyn std::error::Error>> {
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

/// Records a second.
async fn append(path: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let (writer, work) = Writer::new(journal(path)?.0);
    tokio::spawn(work);
    let (began, mut asked, mut written) = (now(), 0, 0);
    while began.elapsed() < SECONDS {
        while asked < written + IN_FLIGHT {
            writer.append(vec![0; RECORD]);
            asked += 1;
        }
        match writer.next().await {
            Event::Written(more) => written += more,
            Event::Failed(error) => return Err(error.into()),
        }
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

/// How long it takes to open a journal of so many bytes.
fn open(
    path: &Path,
    records: usize,
    pieces: usize,
) -> Result<Duration, Box<dyn std::error::Error>> {
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
async fn stalls(path: &Path) -> Result<(Vec<Duration>, Vec<Duration>), Box<dyn std::error::Error>> {
    let (writer, work) = Writer::new(journal(path)?.0);
    tokio::spawn(work);
    let one = || async {
        let began = now();
        writer.append(vec![0; RECORD]);
        match writer.next().await {
            Event::Written(_) => Ok(began.elapsed()),
            Event::Failed(error) => Err(error),
        }
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for _ in 0..800 {
        before.push(one().await?);
    }
    let pieces = (0..JOURNAL / 1000).map(|_| vec![b'x'; 1000]);
    let snapshot = tokio::spawn(writer.snapshot(pieces));
    while !snapshot.is_finished() {
        during.push(one().await?);
    }
    snapshot.await??;
    Ok((before, during))
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn now() -> Instant {
    Instant::now()
}
