//! Nodes with a bug that was put in on purpose: the swarm has to find each, and
//! to say how to see it again.
//!
//! Bugs of nodes alone. Faults of the library have its own tests: panics in constructors,
//! `Deserialize`, `Serialize` and `Drop` (`panics.rs`, `bad_input.rs`), readers that do not
//! read (`flow.rs`), calls that end together, tasks that respawn, backoff without a pause
//! (`calls.rs`, `turns.rs`), and what a `cas` of unknown outcome is answered with (`kv.rs`).

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().unwrap()
}

/// A bug, within how many seeds the swarm has to find it, and what may show it.
struct Injected {
    bug: &'static str,
    seeds: u32,
    /// Seeds before this one take long, and are known not to show it.
    first: u32,
    findings: &'static [&'static str],
    /// An argument that brings out the code that has it.
    with: &'static str,
    /// Flags that draw the schedule that shows it more often than the swarm does.
    fixed: &'static str,
}

const fn injected(bug: &'static str, seeds: u32, findings: &'static [&'static str]) -> Injected {
    Injected { bug, seeds, first: 0, findings, with: "", fixed: "" }
}

/// What shows that a broadcast value is not everywhere; which of them comes first
/// depends on who reads last.
const LOSSES: &[&str] =
    &["lost", "missing-at-end", "settles-late", "never-settles", "not-everywhere"];
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
    Injected { fixed: SPLIT, ..injected("wait-for-parent", 500, HIDDEN) },
    Injected { fixed: BURSTS, with: "--fan-out=2", ..injected("renew-deadline", 500, HIDDEN) },
    Injected { fixed: JITTER, ..injected("lasting-churn", 500, &["wasteful"]) },
    Injected {
        fixed: DEATHS,
        with: "--sync=every-group",
        ..injected("unsafe-answer", 200, LOSSES)
    },
    Injected { fixed: DEATHS, with: "--sync=never", ..injected("keep-incarnation", 200, LOSSES) },
];

/// What shows that a value is not where it has to be while faults go on.
const HIDDEN: &[&str] = &["not-everywhere"];
/// Nodes are killed and start again while the root is on the other side of a partition.
const SPLIT: &str = "--node-count 25 --concurrency 25 --rate 20 --time-limit 20 --values integers \
                     --nemesis partition:200,kill:8 --links complete --intruder none";
/// A few messages up are lost, and many follow them that nobody else's values tell of.
const BURSTS: &str = "--node-count 63 --concurrency 63 --rate 30 --time-limit 30 --latency 1 \
                      --values integers --nemesis loss:0.3/15 --links complete --intruder none";
/// Answers come late now and then, and nothing is wrong.
const JITTER: &str = "--node-count 25 --concurrency 25 --rate 60 --time-limit 60 --latency 100 \
                      --latency-dist exponential --values integers --nemesis none \
                      --links complete --intruder none";

/// Nodes die with their machines now and then, while they write to slow disks.
const DEATHS: &str = "--node-count 5 --concurrency 5 --rate 60 --time-limit 15 --latency 10 \
                      --values integers --nemesis kill:1 --disk lose-unsynced,slow \
                      --links complete --intruder none";

const KAFKA_LOG: &[Injected] = &[
    injected("overwrite", 200, GAPS),
    injected("answer-unwritten", 200, GAPS),
    injected("reuse-indexes", 200, GAPS),
    injected("skip-segments", 200, GAPS),
    injected("show-unstable", 200, GAPS),
    Injected { first: 13, ..injected("no-failure-detector", 500, LATE) },
    Injected { fixed: LOSS, first: 284, ..injected("refuse-commits", 500, GAPS) },
    Injected { with: "--snapshot-every=10", ..injected("snapshot-ahead", 500, GAPS) },
    Injected { with: "--snapshot-every=10", ..injected("skip-parts", 500, GAPS) },
    Injected { with: "--retain=committed", first: 13, ..injected("drop-uncommitted", 500, GAPS) },
];

/// Messages are lost for so long that a commit takes longer than its client waits.
const LOSS: &str = "--node-count 2 --concurrency 8 --rate 100 --time-limit 15 --latency 0 \
                    --values integers --nemesis loss:10 --links complete --intruder none";

const G_COUNTER: &[Injected] = &[
    injected("early-acknowledgement", 200, SUMS),
    injected("recomputed-retry", 200, SUMS),
    injected("blind-fence", 500, SUMS),
    injected("same-incarnation", 500, SUMS),
    injected("narrow-sums", 200, &["unanswered", "settles-late", "never-settles"]),
];

const TXN_KV: &[Injected] = &[
    injected("two-steps", 200, ANOMALIES),
    Injected { fixed: LOSSY, ..injected("out-of-order", 500, ANOMALIES) },
    injected("deaf-clock", 200, ANOMALIES),
    Injected { fixed: LOSSY, ..injected("forget-unacknowledged", 200, &["divergent-final-read"]) },
    Injected { fixed: CUTS, ..injected("partial-answer", 500, &["chatters", "never-settles"]) },
    Injected { fixed: SLOW_DISKS, ..injected("early-answer", 200, ANOMALIES) },
];

/// Nodes come back after a restart in a partition, among messages that are lost.
const CUTS: &str = "--node-count 5 --concurrency 5 --rate 50 --time-limit 10 \
                    --nemesis loss,kill,partition --links complete --intruder none";

/// Messages are lost, and no node starts again: where there are many incarnations, a run that
/// this bug disturbs takes a minute of the processor's time.
const LOSSY: &str = "--node-count 5 --concurrency 5 --nemesis partition,loss --intruder none";

/// Nodes are killed now and then, while they write to slow disks.
const SLOW_DISKS: &str = "--node-count 2 --concurrency 4 --rate 100 --time-limit 10 \
                          --nemesis kill:1 --disk slow --links complete --intruder none";

/// Bugs that the swarm cannot see, with their nodes, and which test finds them instead.
const FOUND_ELSEWHERE: &[(&str, &str)] = &[
    // `a_node_that_has_just_started_offers_no_path_that_nobody_confirmed`. A node has such a
    // path for one timeout, 0.3 s. Whoever is lured finds another parent after a timeout and a
    // round trip more, long before the 2 s and 8 latencies that values may take.
    ("unconfirmed-path", "broadcast"),
    // `a_farewell_that_comes_after_the_next_question_to_join_ends_nothing`. It has to be later
    // than a message that leaves a round trip after it. The link that it ends is made again
    // with the child's next value, or with its lease: 1.5 s while there are values.
    ("any-farewell", "broadcast"),
    // `who_only_reads_is_up_to_date_without_both_hubs_and_without_who_added`. Reads are stale
    // while both hubs are dead. The swarm asks when all are up, and hubs tell everybody.
    ("never-ask", "g-counter"),
];

/// Asserts that the swarm finds a node's bugs, each within its seeds, and that what it
/// prints repeats the failure.
fn are_found<B>(node: &str, injected: &[Injected], all: &[(&str, B)]) {
    let is_here = |name: &&str| !FOUND_ELSEWHERE.contains(&(*name, node));
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).filter(is_here).collect();
    let tested: Vec<&str> = injected.iter().map(|injected| injected.bug).collect();
    assert_eq!(tested, names, "each bug of {node} has its row");
    for injected in injected {
        is_found_and_repeats(node, injected);
    }
}

fn is_found_and_repeats(node: &str, injected: &Injected) {
    let Injected { bug, seeds, first, findings, with, fixed } = injected;
    let (rest, inject) = ((seeds - first).to_string(), format!("--inject={bug}"));
    let seeds_from = ["swarm", node, "--first", &first.to_string(), "--seeds", &rest];
    let run = ["--fixed", fixed, "--", &inject, with];
    let arguments = [&seeds_from[..], &run].concat();
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
    for Injected { fixed, with, .. } in BROADCAST.iter().filter(|row| !row.fixed.is_empty()) {
        let with = if with.is_empty() { "--fan-out=32" } else { with };
        let output =
            simulate(&["swarm", "broadcast", "--seeds", "8", "--fixed", fixed, "--", with]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
