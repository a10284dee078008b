//! What the trace costs: processor time of the bench and its node for each operation of echo
//! at 20,000 a second, with a trace and without. The least of several runs counts, taken in
//! turn, since all that disturbs a run adds to it.
//!
//! `ECHO` is the node; without it, one that was built before is taken from beside the bench.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::disallowed_methods, reason = "there is no node here to block")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::Value;

const ROUNDS: usize = 5;
/// So much more may a run with a trace cost.
const MOST: f64 = 0.10;

fn main() -> ExitCode {
    let mut least = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        for (least, limit) in least.iter_mut().zip(["0", "300000"]) {
            *least = least.min(cost(limit));
        }
    }
    let [without, with] = least;
    let more = with / without - 1.0;
    println!("without a trace  {without:6.2} µs of processor time for each operation");
    println!("with a trace     {with:6.2} µs, {:.1} % more", more * 100.0);
    if more > MOST { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Microseconds of processor time for each operation of a run, up to its end: what is made
/// of the trace after that costs no throughput.
fn cost(limit: &str) -> f64 {
    let store = env::temp_dir().join(format!("bench-trace-{}", std::process::id()));
    let mut bench = begin(&store, limit);
    let mut spent = spent(&bench);
    while !spent.is_over {
        thread::sleep(Duration::from_millis(10));
        spent = self::spent(&bench);
    }
    assert!(bench.wait().expect("it can be waited for").success(), "the run is valid");
    let results = fs::read(store.join("latest/results.json")).expect("a run has results");
    let results: Value = serde_json::from_slice(&results).expect("which are JSON");
    let count = results["stats"]["ok-count"].as_f64().expect("and count operations");
    fs::remove_dir_all(&store).expect("the store can be removed");
    spent.micros / count
}

fn begin(store: &Path, limit: &str) -> Child {
    let bench = env!("CARGO_BIN_EXE_workbench");
    let beside = || Path::new(bench).with_file_name("echo");
    let node = env::var_os("ECHO").map_or_else(beside, PathBuf::from);
    Command::new(bench)
        .args(["test", "-w", "echo", "--node-count", "1", "--concurrency", "200", "--seed", "7"])
        .args(["--rate", "20000", "--time-limit", "5", "--trace-limit", limit])
        .arg("--bin")
        .arg(node)
        .arg("--store")
        .arg(store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the bench can be started")
}

/// What a bench and its node have used.
struct Spent {
    micros: f64,
    /// Whether the node has ended, with which the run has.
    is_over: bool,
}

/// From the kernel's account of a process: ticks of a hundredth of a second, its own and
/// those of children that have ended.
fn spent(bench: &Child) -> Spent {
    let stat = fs::read_to_string(format!("/proc/{}/stat", bench.id()));
    let stat = stat.expect("Linux tells what a process has used");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    let [user, system, of_children @ ..] = &ticks[..] else { panic!("a line of {stat}") };
    let of_children: f64 = of_children.iter().sum();
    Spent { micros: (user + system + of_children) * 1e4, is_over: of_children > 0.0 }
}
