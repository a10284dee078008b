//! Nodes with a bug that was put in on purpose: the swarm has to find each, and
//! to say how to see it again.

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().unwrap()
}

/// A bug, within how many seeds the swarm has to find it, and what may show it.
struct Injected {
    bug: &'static str,
    seeds: u32,
    findings: &'static [&'static str],
    /// An argument that brings out the code that has it.
    with: &'static str,
}

const fn injected(bug: &'static str, seeds: u32, findings: &'static [&'static str]) -> Injected {
    Injected { bug, seeds, findings, with: "" }
}

/// What shows that a broadcast value is not everywhere; which of them comes first
/// depends on who reads last.
const LOSSES: &[&str] = &["lost", "missing-at-end", "settles-late", "never-settles"];
/// What shows that a message of the log is gone, or hidden for a while.
const GAPS: &[&str] =
    &["panic", "never-settles", "shown-late", "unseen", "lost-write", "int-poll-skip", "poll-skip"];
/// What shows that a message of the log is shown late somewhere.
const LATE: &[&str] = &["shown-late", "unseen"];
/// What shows that a counter is wrong.
const SUMS: &[&str] = &["wrong-sum", "reads-differ", "never-settles"];
/// What shows that transactions are not atomic, not causal, or not everywhere.
const ANOMALIES: &[&str] =
    &["fractured-read", "OTV", "causality-violation", "divergent-final-read", "never-settles"];

const BROADCAST: &[Injected] = &[
    injected("early-answer", 200, LOSSES),
    injected("skip-last", 200, LOSSES),
    injected("give-up", 200, LOSSES),
];

const KAFKA_LOG: &[Injected] = &[
    injected("overwrite", 200, GAPS),
    injected("answer-unwritten", 200, GAPS),
    injected("reuse-indexes", 200, GAPS),
    injected("skip-segments", 200, GAPS),
    injected("show-unstable", 200, GAPS),
    injected("trust-silence", 500, LATE),
    Injected { with: "--snapshot-every=10", ..injected("snapshot-ahead", 500, GAPS) },
    Injected { with: "--snapshot-every=10", ..injected("skip-parts", 500, GAPS) },
    Injected { with: "--retain=committed", ..injected("drop-uncommitted", 500, GAPS) },
];

const G_COUNTER: &[Injected] = &[
    injected("early-acknowledgement", 200, SUMS),
    injected("recomputed-retry", 200, SUMS),
    injected("blind-fence", 500, SUMS),
    injected("same-nonce", 500, SUMS),
    injected("narrow-sums", 200, &["unanswered", "settles-late", "never-settles"]),
];

const TXN_KV: &[Injected] = &[
    injected("two-steps", 200, ANOMALIES),
    injected("out-of-order", 500, ANOMALIES),
    injected("deaf-clock", 200, ANOMALIES),
];

/// Bugs that the crate's own tests find, in schedules that the swarm does not draw.
const FOUND_ELSEWHERE: &[&str] =
    &["refuse-commits", "forget-unacknowledged", "partial-answer", "never-ask"];

/// Asserts that the swarm finds a node's bugs, each within its seeds, and that what it
/// prints repeats the failure.
fn are_found<B>(node: &str, injected: &[Injected], all: &[(&str, B)]) {
    let is_here = |name: &&str| !FOUND_ELSEWHERE.contains(name);
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).filter(is_here).collect();
    let tested: Vec<&str> = injected.iter().map(|injected| injected.bug).collect();
    assert_eq!(tested, names, "each bug of {node} has its row");
    for injected in injected {
        is_found_and_repeats(node, injected);
    }
}

fn is_found_and_repeats(node: &str, Injected { bug, seeds, findings, with }: &Injected) {
    let (seeds, inject) = (seeds.to_string(), format!("--inject={bug}"));
    let arguments = ["swarm", node, "--seeds", &seeds, "--", &inject, with];
    let count = arguments.len() - usize::from(with.is_empty());
    let output = simulate(&arguments[..count]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{bug} was not found in {seeds} seeds: {said}");
    let shows = |finding: &&str| said.lines().any(|line| line.starts_with(*finding));
    assert!(findings.iter().any(shows), "{bug}: {said}");
    let replay = said.lines().find_map(|line| line.split_once("/injected-bugs -- "));
    let (_, words) = replay.unwrap_or_else(|| panic!("no command to repeat {bug}: {said}"));
    let again = simulate(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stdout));
}

#[test]
fn the_bugs_of_broadcast_are_found() {
    are_found("broadcast", BROADCAST, broadcast::injected_bugs::Bug::ALL);
}

#[test]
fn the_bugs_of_the_log_are_found() {
    are_found("kafka-log", KAFKA_LOG, kafka_log::Bug::ALL);
}

#[test]
fn the_bugs_of_the_counter_are_found() {
    are_found("g-counter", G_COUNTER, g_counter::injected_bugs::Bug::ALL);
}

#[test]
fn the_bugs_of_transactions_are_found() {
    are_found("txn-kv", TXN_KV, txn_kv::injected_bugs::Bug::ALL);
}

#[test]
fn the_same_seeds_without_a_bug_are_well() {
    let output = simulate(&["swarm", "--seeds", "30"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
