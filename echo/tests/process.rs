//! The node as a process: how it ends, and what a long line costs.

#![allow(clippy::disallowed_methods, reason = "what a process does takes real time")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
const ECHO: &str = r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":2,"echo":"hello"}}"#;

fn start() -> (Child, ChildStdin, ChildStdout) {
    let mut node = Command::new(env!("CARGO_BIN_EXE_echo"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = node.stdin.take().unwrap();
    let output = node.stdout.take().unwrap();
    writeln!(input, "{INIT}").unwrap();
    (node, input, output)
}

/// A node whose output nobody reads, and what keeps its input full.
fn stuck() -> (Child, Child, ChildStdout) {
    let (node, input, output) = start();
    let mut endless = Command::new("yes");
    let writer = endless.arg(ECHO).stdout(input).stderr(Stdio::null()).spawn().unwrap();
    // Much longer than it takes until nothing moves any more.
    thread::sleep(Duration::from_millis(500));
    (node, writer, output)
}

/// Waits for the node's end, which comes when the time for output is over. How long that
/// is at most, the library's own tests say, whose clock nothing else slows down.
fn assert_ends(mut node: Child) {
    let begun = Instant::now();
    let status = loop {
        match node.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > Duration::from_secs(60) => {
                node.kill().unwrap();
                panic!("it still ran a minute later");
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() > Duration::from_secs(4), "it did not wait for its output");
}

#[test]
fn sigterm_ends_a_node_whose_output_nobody_reads() {
    let (node, mut writer, _unread) = stuck();
    kill(Pid::from_raw(i32::try_from(node.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_ends(node);
    // It has no reader any more.
    writer.wait().unwrap();
}

#[test]
fn the_end_of_input_ends_a_node_whose_output_nobody_reads() {
    let (node, mut writer, _unread) = stuck();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_ends(node);
}

#[test]
fn a_node_whose_output_is_read_late_answers_all_that_came_before_the_end_of_input() {
    let (mut node, mut input, mut output) = start();
    let requests = format!("{ECHO}\n").repeat(10_000);
    let writer = thread::spawn(move || input.write_all(requests.as_bytes()));
    thread::sleep(Duration::from_millis(500));
    let mut answers = String::new();
    output.read_to_string(&mut answers).unwrap();
    writer.join().unwrap().unwrap();
    assert!(node.wait().unwrap().success());
    assert_eq!(answers.lines().count(), 1 + 10_000);
}

/// The most memory that a node had while it answered a line like this, in lines.
fn memory(line: &str) -> f64 {
    let (mut node, mut input, output) = start();
    let mut output = BufReader::new(output);
    let mut answer = Vec::new();
    output.read_until(b'\n', &mut answer).unwrap();
    answer.clear();
    input.write_all(line.as_bytes()).unwrap();
    input.write_all(b"\n").unwrap();
    output.read_until(b'\n', &mut answer).unwrap();
    assert!(answer.starts_with(br#"{"src":"n0","dest":"c1""#), "{} bytes", answer.len());
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u32 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    drop(input);
    assert!(node.wait().unwrap().success());
    f64::from(kib) * 1024.0 / line.len() as f64
}

#[test]
fn a_long_line_takes_twice_its_length_whatever_is_in_it() {
    let long = "x".repeat(64 << 20);
    let message =
        |rest: String| format!(r#"{{"src":"c1","dest":"n0","body":{{"msg_id":2,{rest}}}}}"#);
    let lines = [
        ("echoed", message(format!(r#""type":"echo","echo":"{long}""#))),
        ("of a long type", message(format!(r#""type":"{long}""#))),
        ("of a wrong type", message(format!(r#""type":["{long}"]"#))),
        ("lacking a field", message(format!(r#""type":"echo","other":"{long}""#))),
    ];
    for (what, line) in lines {
        let times = memory(&line);
        assert!(times < 2.2, "a line {what}: {times:.2} times its length");
    }
}
