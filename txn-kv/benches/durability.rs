//! What durability costs: the node with everything in memory, with its
//! journal, and with its journal and `--sync=every-group`.
//!
//! Two measures of each, in turns, and their medians:
//!
//! - throughput: transactions through a pipe, as fast as they are taken, which
//!   lets the node flush many at once;
//! - round trip: transactions one after another, each flushed by itself.
//!
//! Every transaction reads one key and writes another, and its answer is
//! checked. The disk is the one that the system's temporary files are on, which
//! may be memory; `TMPDIR` names another.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]
#![allow(clippy::disallowed_methods, reason = "a bench measures the wall clock")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const TRANSACTIONS: u64 = 100_000;
const ROUND_TRIPS: usize = 1_000;
const ROUNDS: usize = 3;
const KEYS: u64 = 1_000;

const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;

fn main() -> Result<()> {
    let ways: [(&str, bool, &[&str]); 3] = [
        ("memory", false, &[]),
        ("journal", true, &[]),
        ("journal, synced", true, &["--sync=every-group"]),
    ];
    let mut measured = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (results, (_, log, args)) in measured.iter_mut().zip(ways) {
            results.push(measure(log, args)?);
        }
    }
    println!("{:>12}  {:>14}  {:>20}", "", "transactions/s", "round trip, median");
    for (results, (name, ..)) in measured.iter_mut().zip(ways) {
        let (throughput, round_trip) = (median(results, |m| m.0), median(results, |m| m.1));
        println!("{name:>12}  {throughput:>14.0}  {:>17.1} µs", round_trip * 1e6);
    }
    Ok(())
}

fn median(results: &[(f64, f64)], of: fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = results.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Transactions a second, and the median round trip in seconds.
fn measure(log: bool, args: &[&str]) -> Result<(f64, f64)> {
    let directory = env::temp_dir().join(format!("txn-kv-bench-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_txn-kv"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove("NODE_DIRECTORY");
    if log {
        command.env("NODE_DIRECTORY", &directory);
    }
    let mut child = command.spawn()?;
    let input = child.stdin.take().context("no standard input")?;
    let output = BufReader::new(child.stdout.take().context("no standard output")?);
    let result = exchange(input, output);
    child.kill()?;
    child.wait()?;
    remove(&directory)?;
    result
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(())
}

fn exchange(mut input: ChildStdin, mut output: BufReader<ChildStdout>) -> Result<(f64, f64)> {
    let mut line = String::new();
    writeln!(input, "{INIT}")?;
    output.read_line(&mut line)?;
    ensure!(line.contains("init_ok"), "answered {line} to init");

    let mut times: Vec<Duration> = Vec::new();
    for id in 0..ROUND_TRIPS as u64 {
        let start = Instant::now();
        input.write_all(request(id).as_bytes())?;
        line.clear();
        output.read_line(&mut line)?;
        times.push(start.elapsed());
        check(&line, id)?;
    }
    times.sort_unstable();

    let batch: String = (0..TRANSACTIONS).map(request).collect();
    let start = Instant::now();
    let writer = thread::spawn(move || input.write_all(batch.as_bytes()).map(|()| input));
    for id in 0..TRANSACTIONS {
        line.clear();
        output.read_line(&mut line)?;
        check(&line, id)?;
    }
    let elapsed = start.elapsed();
    drop(writer.join().ok().context("the writer panicked")??);
    let round_trip = times[ROUND_TRIPS / 2].as_secs_f64();
    Ok((TRANSACTIONS as f64 / elapsed.as_secs_f64(), round_trip))
}

fn request(id: u64) -> String {
    let (read, write) = (id % KEYS, (id + 1) % KEYS);
    format!(
        "{{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{{\"type\":\"txn\",\"msg_id\":{id},\
         \"txn\":[[\"r\",{read},null],[\"w\",{write},{id}]]}}}}\n"
    )
}

fn check(line: &str, id: u64) -> Result<()> {
    let write = format!("[\"w\",{},{id}]]}}}}\n", (id + 1) % KEYS);
    let head = format!("\"type\":\"txn_ok\",\"in_reply_to\":{id},");
    ensure!(line.contains(&head) && line.ends_with(&write), "answered {line} to {id}");
    Ok(())
}
