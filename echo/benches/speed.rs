//! How fast the library is: the echo node against a floor, in one run.
//!
//! The floor is the least that a node in Rust can do without giving up typed
//! messages: one thread, blocking reads, `serde_json` into a borrowed struct,
//! a typed reply into a buffer that is flushed when the input buffer is empty.
//! It is this very program, started with `floor` as its argument.
//!
//! Two measures, floor and node in turn, so that noise of the machine hits
//! both; the medians of the rounds are compared:
//!
//! - throughput: 1,000,000 requests through a pipe, as fast as they are taken;
//! - round trip: 20,000 requests, each after the reply to the one before.
//!
//! Every reply is checked: none missing, none twice, in order, payload intact.
//! Exits with 1 when a threshold is missed.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]
#![allow(clippy::disallowed_methods, reason = "a bench measures the wall clock")]

use std::env;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const REQUESTS: u64 = 1_000_000;
const ROUND_TRIPS: u64 = 20_000;
const ROUNDS: usize = 5;

/// At least this share of the floor's throughput.
const LEAST_THROUGHPUT: f64 = 0.85;
/// At most this many times the floor's median round trip.
const MOST_ROUND_TRIP: f64 = 1.15;
/// Peak resident memory, in MiB.
const MOST_MEMORY: f64 = 32.0;

fn main() -> ExitCode {
    let result = match env::args().nth(1).as_deref() {
        Some("floor") => floor().map(|()| true),
        _ => compare(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The floor: a node without a library.
fn floor() -> Result<()> {
    #[derive(Deserialize)]
    struct Request<'a> {
        src: &'a str,
        dest: &'a str,
        #[serde(borrow)]
        body: Body<'a>,
    }
    #[derive(Serialize, Deserialize)]
    struct Body<'a> {
        r#type: &'a str,
        #[serde(skip_serializing)]
        msg_id: u64,
        #[serde(skip_deserializing)]
        in_reply_to: u64,
        #[serde(borrow)]
        echo: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Reply<'a> {
        src: &'a str,
        dest: &'a str,
        body: Body<'a>,
    }

    let mut input = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(output.flush()?);
        }
        let Request { src, dest, body } = serde_json::from_str(&line)?;
        let r#type = if body.r#type == "echo" { "echo_ok" } else { "init_ok" };
        let body = Body { r#type, msg_id: 0, in_reply_to: body.msg_id, echo: body.echo };
        serde_json::to_writer(&mut output, &Reply { src: dest, dest: src, body })?;
        output.write_all(b"\n")?;
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
}

struct Measured {
    /// Requests a second.
    throughput: f64,
    /// Median, in microseconds.
    round_trip: f64,
    /// Peak resident memory after the throughput run, in MiB.
    memory: f64,
}

fn compare() -> Result<bool> {
    let floor = || {
        let mut command = Command::new(env::current_exe().expect("the path of this program"));
        command.arg("floor");
        command
    };
    // Built on its own, the node lacks what the tests' dependencies switch on.
    let binary = env::var_os("ECHO").unwrap_or_else(|| env!("CARGO_BIN_EXE_echo").into());
    let node = || Command::new(&binary);
    let (mut floors, mut nodes) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        floors.push(measure(floor()).context("the floor")?);
        nodes.push(measure(node()).context("the echo node")?);
    }
    let (floor, node) = (medians(&floors), medians(&nodes));
    let throughput = node.throughput / floor.throughput;
    let round_trip = node.round_trip / floor.round_trip;
    println!("                      floor        node       ratio   threshold");
    println!(
        "requests/s       {:>10.0}  {:>10.0}  {throughput:>10.2}   at least {LEAST_THROUGHPUT}",
        floor.throughput, node.throughput
    );
    println!(
        "round trip, µs   {:>10.1}  {:>10.1}  {round_trip:>10.2}   at most {MOST_ROUND_TRIP}",
        floor.round_trip, node.round_trip
    );
    println!(
        "memory, MiB      {:>10.1}  {:>10.1}               node at most {MOST_MEMORY}",
        floor.memory, node.memory
    );
    let met = throughput >= LEAST_THROUGHPUT
        && round_trip <= MOST_ROUND_TRIP
        && node.memory <= MOST_MEMORY;
    println!("{}", if met { "all thresholds met" } else { "a threshold was missed" });
    Ok(met)
}

fn medians(rounds: &[Measured]) -> Measured {
    let median = |of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        throughput: median(|m| m.throughput),
        round_trip: median(|m| m.round_trip),
        memory: median(|m| m.memory),
    }
}

fn measure(mut command: Command) -> Result<Measured> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let input = child.stdin.take().context("no standard input")?;
    let output = BufReader::with_capacity(256 * 1024, child.stdout.take().context("no output")?);
    let measured = exchange(&child, input, output);
    if measured.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let measured = measured?;
    ensure!(status.success(), "ended with {status} at the end of input");
    Ok(measured)
}

fn exchange(
    child: &Child,
    mut input: ChildStdin,
    mut output: BufReader<ChildStdout>,
) -> Result<Measured> {
    let init = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
    writeln!(input, "{init}")?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    ensure!(line.contains("init_ok"), "answered {line:?} to init");

    let mut times = Vec::new();
    for id in 0..ROUND_TRIPS {
        let request = request(id);
        let start = Instant::now();
        input.write_all(&request)?;
        line.clear();
        output.read_line(&mut line)?;
        times.push(start.elapsed());
        check(line.as_bytes(), id)?;
    }
    times.sort_unstable();

    let batch: Vec<u8> = (0..REQUESTS).flat_map(request).collect();
    let start = Instant::now();
    // Comes back with the pipe still open: memory is read before it closes.
    let writer = thread::spawn(move || input.write_all(&batch).map(|()| input));
    let elapsed = read_replies(&mut output, start)?;
    let memory = peak_memory(child.id())?;
    drop(writer.join().ok().context("the writer panicked")??);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest)?;
    ensure!(rest.is_empty(), "more replies than requests");
    Ok(Measured {
        throughput: REQUESTS as f64 / elapsed.as_secs_f64(),
        round_trip: times[times.len() / 2].as_secs_f64() * 1e6,
        memory,
    })
}

fn request(id: u64) -> Vec<u8> {
    format!(
        r#"{{"id":{id},"src":"c1","dest":"n0","body":{{"echo":"Please echo {id}","type":"echo","msg_id":{id}}}}}"#
    )
    .into_bytes()
    .into_iter()
    .chain([b'\n'])
    .collect()
}

/// Reads all replies as fast as they come, and checks them afterwards: on two
/// cores a reader that thinks would take time from what is measured.
fn read_replies(output: &mut impl BufRead, start: Instant) -> Result<Duration> {
    let mut replies = Vec::with_capacity(128 << 20);
    let mut count = 0;
    while count < REQUESTS {
        let chunk = output.fill_buf()?;
        ensure!(!chunk.is_empty(), "only {count} replies to {REQUESTS} requests");
        count += memchr::memchr_iter(b'\n', chunk).count() as u64;
        replies.extend_from_slice(chunk);
        let length = chunk.len();
        output.consume(length);
    }
    let elapsed = start.elapsed();
    let mut lines = replies.split_inclusive(|&byte| byte == b'\n');
    for id in 0..REQUESTS {
        check(lines.next().context("a reply is missing")?, id)?;
    }
    ensure!(lines.next().is_none(), "more replies than requests");
    Ok(elapsed)
}

/// The reply to request `id` and no other, in whatever order its fields stand.
fn check(line: &[u8], id: u64) -> Result<()> {
    let contains = |part: String| memchr::memmem::find(line, part.as_bytes()).is_some();
    let number = |end| contains(format!("\"in_reply_to\":{id}{end}"));
    if (number(',') || number('}')) && contains(format!("\"Please echo {id}\"")) {
        return Ok(());
    }
    bail!("answered {:?} to request {id}", String::from_utf8_lossy(line))
}

fn peak_memory(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("no VmHWM in /proc/…/status")?.parse::<f64>()? / 1024.0)
}
