//! Ten million messages on one key: what one more costs, in time and memory, what a
//! poll costs, and a restart.
//!
//! The node's binary runs as a process of its own; this program is its client and its
//! `lin-kv`. Every acknowledgement is checked: offsets must be 0, 1, 2, … After each
//! million the node's processor time and resident memory are taken, and pages are polled
//! from the beginning, the middle and the end of the log; their content is checked, too.
//! In the end the node is killed and another incarnation begins: how long until it has
//! answered a poll of the log's end, and of its beginning? Exits with 1 when a threshold is
//! missed.
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
use std::mem;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

const MILLION: u64 = 1_000_000;
/// Requests that are under way together.
const BATCH: u64 = 500;
const POLLS: usize = 50;

/// The last million may take this many times as long as the first …
const MOST_TIME: f64 = 1.5;
/// … a message this many bytes beside its text …
const MOST_MEMORY: f64 = 48.0;
/// … and a page from the middle as many times as long as one from the beginning.
const MOST_POLL: f64 = 1.5;
/// A restart may take so many seconds until the node serves.
const MOST_RESTART: f64 = 2.0;

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
    key: Option<&'a str>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(default)]
    msgs: BTreeMap<String, Vec<(u64, u64)>>,
}

struct Node {
    process: Child,
    input: Sender<String>,
    output: BufReader<ChildStdout>,
    line: String,
    buffer: String,
    service: Service,
}

/// What `lin-kv` has, and how often it was asked for it.
#[derive(Default)]
struct Service {
    registers: BTreeMap<String, Box<RawValue>>,
    reads: u64,
    bytes: usize,
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
    let mut node = Node::start(Service::default())?;
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
    let restart = node.restart(millions * MILLION)?;
    println!("last million / first: {slower:.2} (at most {MOST_TIME})");
    println!("bytes beside the text: {overhead:.1} (at most {MOST_MEMORY})");
    println!("page from the middle / from the start: {farther:.2} (at most {MOST_POLL})");
    println!("restart, until a poll is answered: {restart:.2} s (at most {MOST_RESTART})");
    let is_fast = slower <= MOST_TIME && farther <= MOST_POLL && restart <= MOST_RESTART;
    Ok(is_fast && overhead <= MOST_MEMORY)
}

impl Node {
    fn start(service: Service) -> Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_kafka-log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the node")?;
        let input = write_to(process.stdin.take().context("no input")?);
        let output = BufReader::with_capacity(1 << 20, process.stdout.take().context("no output")?);
        let (line, buffer) = (String::new(), String::new());
        let mut node = Self { process, input, output, line, buffer, service };
        node.buffer += r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
        node.buffer.push('\n');
        node.exchange(1, |_| Ok(()))?;
        Ok(node)
    }

    /// Kills the node and starts another; the seconds until that has answered.
    fn restart(mut self, len: u64) -> Result<f64> {
        self.process.kill()?;
        self.process.wait()?;
        let begun = Instant::now();
        let service = Service { reads: 0, bytes: 0, ..self.service };
        let mut node = Self::start(service)?;
        node.poll_once(len - 4000)?;
        let served = begun.elapsed().as_secs_f64();
        let (reads, mib) = (node.service.reads, node.service.bytes >> 20);
        println!("restart: {reads} reads of {mib} MiB, {} MiB of memory", node.memory()? >> 20);
        let first = node.poll(0)?;
        println!("then a page from the start: {first:.2} ms at best");
        node.stop()?;
        Ok(served)
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
            self.poll_once(from)?;
            shortest = shortest.min(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(shortest)
    }

    fn poll_once(&mut self, from: u64) -> Result<()> {
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
        })
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
                ("lin-kv", "cas" | "read", Some(id)) => {
                    let reply = self.service.answer(&line.body)?;
                    writeln!(
                        self.buffer,
                        r#"{{"src":"lin-kv","dest":"n0","body":{{{reply},"in_reply_to":{id}}}}}"#
                    )?;
                }
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
        self.input.send(mem::take(&mut self.buffer)).context("the node has ended")
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

/// Writes what is sent, while others read: a node whose output is full does not read.
fn write_to(mut input: ChildStdin) -> Sender<String> {
    let (sender, lines) = mpsc::channel::<String>();
    thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(line.as_bytes())));
    sender
}

impl Service {
    /// The reply to a cas, which only ever creates a key here, or to a read.
    fn answer(&mut self, body: &Body<'_>) -> Result<String> {
        let key = body.key.context("no key")?;
        if let Some(to) = body.to {
            let former = self.registers.insert(key.to_owned(), to.to_owned());
            ensure!(former.is_none(), "{key} is written twice");
            return Ok(r#""type":"cas_ok""#.to_owned());
        }
        self.reads += 1;
        Ok(match self.registers.get(key) {
            None => r#""type":"error","code":20"#.to_owned(),
            Some(value) => {
                self.bytes += value.get().len();
                format!(r#""type":"read_ok","value":{value}"#)
            }
        })
    }
}
