//! A million commands to three nodes, and then a fresh one: memory, and how long clients of
//! the others wait meanwhile.
//!
//! The nodes are processes with directories; this program is their network and their
//! clients. After each hundred thousand writes the most memory that a node has had is taken.
//! Then clients write at a steady rate, first to the three alone, then while a fourth node,
//! which knows nothing, is added: it gets a snapshot and what was written since, and then votes.
//! Exits with 1 when a threshold is missed.
//!
//! `cargo bench -p lin-kv --bench million`; numbers as arguments are how many commands, how many
//! keys, and how many bytes a value has.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]
#![allow(clippy::disallowed_methods, reason = "a bench measures the wall clock")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The nodes that lead and vote; one more comes later.
const VOTERS: usize = 3;
const FRESH: usize = VOTERS;
/// Commands that are under way together in the first part.
const WINDOW: u64 = 300;
/// Commands a second in the second one, and for how long.
const RATE: u64 = 1_000;
const SECONDS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// So much memory a node may have had beyond what its state is as text, in MiB …
const MOST_MEMORY: f64 = 64.0;
/// … and so many times as long the slowest of a hundred may take while a node catches up.
const MOST_TIME: f64 = 2.0;

#[derive(Deserialize)]
struct Line<'a> {
    dest: &'a str,
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    r#type: &'a str,
    in_reply_to: Option<u64>,
}

struct Node {
    process: Child,
    input: Sender<String>,
}

/// The nodes, what they say, and which requests wait for a reply.
struct World {
    folder: PathBuf,
    nodes: Vec<Option<Node>>,
    said: Receiver<String>,
    says: Sender<String>,
    waiting: BTreeMap<u64, Instant>,
    /// The errors with which others were answered.
    failures: Vec<String>,
    last: u64,
    keys: u64,
    value: String,
}

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<bool> {
    let numbers: Vec<u64> = env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (commands, keys, bytes) = (number(0, 1_000_000), number(1, 10_000), number(2, 100));
    let mut world = World::new(keys, bytes)?;
    println!("commands  a second  failed  most memory of n0, n1, n2 (MiB)");
    for part in 1..=10 {
        let begun = Instant::now();
        world.write(commands / 10)?;
        let speed = (commands / 10) as f64 / begun.elapsed().as_secs_f64();
        let (memory, failed) = (world.memory()?, world.failures.len());
        println!("{:8}  {speed:8.0}  {failed:6}  {memory:.1?}", part * commands / 10);
    }
    let text = keys as f64 * (bytes as f64 + 16.0) / f64::from(1 << 20);
    let most = world.memory()?.into_iter().fold(0.0, f64::max) - text;
    println!("most memory beyond the state's {text:.1} MiB: {most:.1} MiB (at most {MOST_MEMORY})");
    let alone = slowest_of_a_hundred(world.write_steadily(None)?);
    world.start(FRESH)?;
    let catching_up = world.write_steadily(Some(FRESH))?;
    let samples = catching_up.len();
    let meanwhile = slowest_of_a_hundred(catching_up);
    let times = meanwhile.as_secs_f64() / alone.as_secs_f64();
    println!(
        "99 % of the others' clients wait {meanwhile:.1?} at most meanwhile ({samples} of them), \
         {alone:.1?} before: {times:.2} times (at most {MOST_TIME})"
    );
    let four = slowest_of_a_hundred(world.write_steadily(None)?);
    println!("and {four:.1?} with four that vote: three have to have a command then");
    let most_then = world.memory()?.into_iter().fold(0.0, f64::max) - text;
    println!("most memory then: {most_then:.1} MiB (at most {MOST_MEMORY})");
    println!("{} of {} requests failed", world.failures.len(), world.last);
    if let Some(failure) = world.failures.first() {
        println!("the first one with {failure}");
    }
    world.end()?;
    Ok(most_then <= MOST_MEMORY && times <= MOST_TIME)
}

impl World {
    /// Three nodes. A fourth, without which they do not begin, is no member any more.
    fn new(keys: u64, bytes: u64) -> Result<Self> {
        let folder = env::temp_dir().join(format!("raft-million-{}", std::process::id()));
        let (says, said) = mpsc::channel();
        let nodes = (0..=FRESH).map(|_| None).collect();
        let (waiting, value) = (BTreeMap::new(), "v".repeat(usize::try_from(bytes)?));
        let mut world =
            Self { folder, nodes, said, says, waiting, failures: Vec::new(), last: 0, keys, value };
        for node in 0..=FRESH {
            world.start(node)?;
        }
        world.wait_for_all()?;
        loop {
            world.ask(0, &format!(r#""type":"remove_node","node":"n{FRESH}""#))?;
            world.wait_for_all()?;
            if std::mem::take(&mut world.failures).is_empty() {
                break;
            }
        }
        world.kill(FRESH)?;
        fs::remove_dir_all(world.folder.join(FRESH.to_string()))?;
        Ok(world)
    }

    fn kill(&mut self, node: usize) -> Result<()> {
        if let Some(Node { mut process, input }) = self.nodes[node].take() {
            drop(input);
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<()> {
        let folder = self.folder.join(node.to_string());
        fs::create_dir_all(&folder)?;
        let mut process = Command::new(env!("CARGO_BIN_EXE_lin-kv"))
            .env("NODE_DIRECTORY", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = write_to(process.stdin.take().ok_or("no input")?);
        let output = BufReader::with_capacity(1 << 20, process.stdout.take().ok_or("no output")?);
        let says = self.says.clone();
        thread::spawn(move || {
            output.lines().map_while(std::result::Result::ok).try_for_each(|line| says.send(line))
        });
        self.nodes[node] = Some(Node { process, input });
        let ids = (0..=FRESH).map(|node| format!(r#""n{node}""#)).collect::<Vec<_>>().join(",");
        self.ask(node, &format!(r#""type":"init","node_id":"n{node}","node_ids":[{ids}]"#))
    }

    fn ask(&mut self, node: usize, body: &str) -> Result<()> {
        self.last += 1;
        let id = self.last;
        self.waiting.insert(id, Instant::now());
        let line = format!(r#"{{"src":"c1","dest":"n{node}","body":{{{body},"msg_id":{id}}}}}"#);
        self.tell(node, line + "\n")
    }

    /// Whoever is not there hears nothing.
    fn tell(&self, node: usize, line: String) -> Result<()> {
        self.nodes[node].as_ref().map_or(Ok(()), |node| Ok(node.input.send(line)?))
    }

    fn ask_to_write(&mut self) -> Result<()> {
        let (key, value) = (self.last % self.keys, &self.value);
        let body = format!(r#""type":"write","key":{key},"value":"{value}""#);
        self.ask((self.last % VOTERS as u64) as usize, &body)
    }

    /// Carries a line to where it goes. Returns the request that it replies to, and when that
    /// was made.
    fn carry(&mut self, mut line: String) -> Result<Option<(u64, Instant)>> {
        let Line { dest, body } = serde_json::from_str(&line)?;
        if let Some(node) = dest.strip_prefix('n') {
            let node: usize = node.parse()?;
            line.push('\n');
            self.tell(node, line)?;
            return Ok(None);
        }
        let (is_error, answered) = (body.r#type == "error", body.in_reply_to);
        if is_error {
            self.failures.push(line);
        }
        Ok(answered.and_then(|id| self.waiting.remove_entry(&id)))
    }

    fn wait(&mut self) -> Result<Option<(u64, Instant)>> {
        let line = self.said.recv_timeout(PATIENCE)?;
        self.carry(line)
    }

    fn wait_for_all(&mut self) -> Result<()> {
        while !self.waiting.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Writes as fast as they take it.
    fn write(&mut self, commands: u64) -> Result<()> {
        for _ in 0..commands {
            while self.waiting.len() as u64 >= WINDOW {
                self.wait()?;
            }
            self.ask_to_write()?;
        }
        self.wait_for_all()
    }

    /// Writes at a rate, for some time or until a node is added and votes; returns how long each
    /// client waited whose command was done by then.
    fn write_steadily(&mut self, added: Option<usize>) -> Result<Vec<Duration>> {
        let (begun, mut sent, mut took) = (Instant::now(), 0, Vec::new());
        let add = added.map(|node| format!(r#""type":"add_node","node":"n{node}""#));
        let mut adding = None;
        if let Some(add) = &add {
            self.ask(0, add)?;
            adding = Some(self.last);
        }
        while sent < RATE * SECONDS && adding.is_some() == add.is_some() {
            let due = begun + Duration::from_secs_f64(sent as f64 / RATE as f64);
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.ask_to_write()?;
                sent += 1;
                continue;
            }
            let Ok(line) = self.said.recv_timeout(left) else { continue };
            let failed = self.failures.len();
            match (self.carry(line)?, &add) {
                (Some((id, _)), Some(add)) if Some(id) == adding => {
                    adding = None;
                    // It did not vote in time, and is asked for again.
                    if failed < self.failures.len() {
                        self.failures.pop();
                        self.ask(0, add)?;
                        adding = Some(self.last);
                    }
                }
                (Some((_, at)), _) => took.push(at.elapsed()),
                (None, _) => {}
            }
        }
        if adding.is_some() {
            return Err("the fourth node never voted".into());
        }
        if added.is_some() {
            println!("the fourth node votes after {:.2?}", begun.elapsed());
        }
        self.wait_for_all()?;
        Ok(took)
    }

    /// The most resident memory that each node has had, in MiB.
    fn memory(&self) -> Result<Vec<f64>> {
        let most = |node: &Node| {
            let status = fs::read_to_string(format!("/proc/{}/status", node.process.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
            Ok(kib.parse::<f64>()? / 1024.0)
        };
        self.nodes.iter().flatten().map(most).collect()
    }

    fn end(mut self) -> Result<()> {
        (0..self.nodes.len()).try_for_each(|node| self.kill(node))?;
        Ok(fs::remove_dir_all(self.folder)?)
    }
}

fn slowest_of_a_hundred(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() * 99 / 100]
}

/// Writes what is sent, while others read: a node whose output is full does not read.
fn write_to(mut input: impl Write + Send + 'static) -> Sender<String> {
    let (sender, lines) = mpsc::channel::<String>();
    thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(line.as_bytes())));
    sender
}
