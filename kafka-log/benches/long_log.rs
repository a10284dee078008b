//! Ten million messages on one key: what one more costs, in time and memory, and
//! what a poll costs.
//!
//! The node's binary runs as a process of its own; this program is its client and
//! its `lin-kv` (which says yes to everything and keeps nothing, so that it is the
//! node that is measured). Every acknowledgement is checked: offsets must be
//! 0, 1, 2, … After each million the node's processor time and resident memory
//! are taken, and pages are polled from the beginning, the middle and the end of the
//! log; their content is checked, too. Exits with 1 when a bar is missed.
//!
//! `cargo bench -p kafka-log --bench long_log`; a number as its argument is the
//! number of millions.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]
#![allow(clippy::disallowed_methods, reason = "a bench measures the wall clock")]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

const MILLION: u64 = 1_000_000;
/// Requests that are under way together.
const BATCH: u64 = 500;
const POLLS: usize = 50;

/// The last million may take this many times as long as the first …
const TIME_BAR: f64 = 1.5;
/// … a message this many bytes beside its text …
const MEMORY_BAR: f64 = 48.0;
/// … and a page from the middle as many times as long as one from the beginning.
const POLL_BAR: f64 = 1.5;

#[derive(Deserialize)]
struct Line<'a> {
    dest: &'a str,
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    r#type: &'a str,
    msg_id: Option<u64>,
    in_reply_to: Option<u64>,
    offset: Option<u64>,
    #[serde(default)]
    msgs: BTreeMap<String, Vec<(u64, u64)>>,
}

struct Node {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
    buffer: String,
}

fn main() -> ExitCode {
    let millions = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10);
    match measure(millions) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(millions: u64) -> Result<bool> {
    let mut node = Node::start()?;
    let empty = node.memory()?;
    let mut times = Vec::new();
    println!("millions  µs/message  MiB  bytes/message  page from: start  middle  end (ms)");
    let mut pages = (0.0, 0.0);
    for million in 0..millions {
        let before = node.processor_time()?;
        for batch in 0..MILLION / BATCH {
            node.send(million * MILLION + batch * BATCH)?;
        }
        let time = node.processor_time()? - before;
        times.push(time);
        let len = (million + 1) * MILLION;
        let memory = node.memory()?;
        let (start, middle, end) = (node.poll(0)?, node.poll(len / 2)?, node.poll(len - 4000)?);
        pages = (start, middle);
        let per_message = (memory - empty) as f64 / len as f64;
        println!(
            "{:8}  {time:10.2}  {:3}  {per_message:13.1}  {start:16.2}  {middle:6.2}  {end:.2}",
            million + 1,
            memory >> 20,
        );
    }
    let slower = times.last().context("no million")? / times.first().context("no million")?;
    let text = (millions * MILLION).to_string().len() as f64;
    let overhead = (node.memory()? - empty) as f64 / (millions * MILLION) as f64 - text;
    let farther = pages.1 / pages.0;
    node.stop()?;
    println!("last million / first: {slower:.2} (at most {TIME_BAR})");
    println!("bytes beside the text: {overhead:.1} (at most {MEMORY_BAR})");
    println!("page from the middle / from the start: {farther:.2} (at most {POLL_BAR})");
    Ok(slower <= TIME_BAR && overhead <= MEMORY_BAR && farther <= POLL_BAR)
}

impl Node {
    fn start() -> Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_kafka-log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the node")?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::with_capacity(1 << 20, process.stdout.take().context("no output")?);
        let mut node = Self { process, input, output, line: String::new(), buffer: String::new() };
        node.buffer += r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
        node.buffer.push('\n');
        node.exchange(1, |_| Ok(()))?;
        Ok(node)
    }

    /// Sends a batch of messages and waits until all are acknowledged.
    fn send(&mut self, first: u64) -> Result<()> {
        for n in first..first + BATCH {
            writeln!(
                self.buffer,
                r#"{{"src":"c1","dest":"n0","body":{{"type":"send","msg_id":{n},"key":"k","msg":{n}}}}}"#
            )?;
        }
        self.exchange(BATCH, |body| {
            let offset = body.offset.with_context(|| format!("a {} to a send", body.r#type))?;
            ensure!(
                body.in_reply_to == Some(offset),
                "message {:?} has offset {offset}",
                body.in_reply_to
            );
            Ok(())
        })
    }

    /// The shortest time of a page, in milliseconds.
    fn poll(&mut self, from: u64) -> Result<f64> {
        let mut shortest = f64::INFINITY;
        for _ in 0..POLLS {
            let begun = Instant::now();
            writeln!(
                self.buffer,
                r#"{{"src":"c1","dest":"n0","body":{{"type":"poll","msg_id":1,"offsets":{{"k":{from}}}}}}}"#
            )?;
            self.exchange(1, |body| {
                let page = body.msgs.get("k").context("an empty page")?;
                ensure!(page.len() >= 4000, "a page of {}", page.len());
                ensure!(
                    page.iter().zip(from..).all(|(&(at, n), from)| at == from && n == from),
                    "a wrong page"
                );
                Ok(())
            })?;
            shortest = shortest.min(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(shortest)
    }

    /// Sends what is buffered, plays the service, and waits for so many replies.
    fn exchange(&mut self, replies: u64, check: impl Fn(&Body<'_>) -> Result<()>) -> Result<()> {
        let mut missing = replies;
        self.flush()?;
        while missing > 0 {
            self.line.clear();
            ensure!(self.output.read_line(&mut self.line)? > 0, "the node ended");
            let line: Line<'_> = serde_json::from_str(&self.line)?;
            match (line.dest, line.body.r#type, line.body.msg_id) {
                ("lin-kv", "cas", Some(id)) => writeln!(
                    self.buffer,
                    r#"{{"src":"lin-kv","dest":"n0","body":{{"type":"cas_ok","in_reply_to":{id}}}}}"#
                )?,
                ("lin-kv", "read", Some(id)) => writeln!(
                    self.buffer,
                    r#"{{"src":"lin-kv","dest":"n0","body":{{"type":"error","code":20,"in_reply_to":{id}}}}}"#
                )?,
                (_, "error", _) | ("lin-kv", ..) => bail!("unexpected: {}", self.line),
                _ => {
                    check(&line.body)?;
                    missing -= 1;
                }
            }
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.input.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }

    /// Resident memory, in bytes.
    fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? << 10)
    }

    /// What the node has used so far, in seconds.
    fn processor_time(&self) -> Result<f64> {
        // See proc_pid_stat(5): user and system time, in hundredths of a second.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat.rsplit_once(')').context("no process name")?.1.split_whitespace();
        let times: Vec<f64> = fields.skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
        ensure!(times.len() == 2, "no times in {stat}");
        Ok(times.iter().sum::<f64>() / 100.0)
    }

    fn stop(mut self) -> Result<()> {
        drop(self.input);
        ensure!(self.process.wait()?.success(), "the node failed");
        Ok(())
    }
}
