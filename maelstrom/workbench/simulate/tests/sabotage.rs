//! Nodes with a bug that was put in on purpose: the swarm has to find each, and
//! to say how to see it again.

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().unwrap()
}

/// The report of the first failure among 200 seeds, and the command that
/// repeats it.
fn found(node: &str, bug: &str) -> (String, String) {
    let sabotage = format!("--sabotage={bug}");
    let output = simulate(&["swarm", node, "--seeds", "200", "--", &sabotage]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{bug} was not found: {said}");
    let replay = said.lines().find_map(|line| line.split_once("to run again: "));
    let (_, replay) = replay.unwrap_or_else(|| panic!("no command to repeat it: {said}"));
    (said.clone(), replay.to_owned())
}

/// What shows that a broadcast value is not everywhere; which of them comes first
/// depends on who reads last.
const LOSSES: &[&str] = &["lost", "missing-at-end", "never-settles"];
/// What shows that a message of the log is gone, or hidden for a while.
const GAPS: &[&str] = &["unseen", "lost-write", "int-poll-skip", "poll-skip"];

fn is_found_and_repeats(node: &str, bug: &str, kinds: &[&str]) {
    let (said, replay) = found(node, bug);
    let is_shown = |kind: &&str| said.lines().any(|line| line.starts_with(&format!("{kind}: ")));
    assert!(kinds.iter().any(is_shown), "{bug}: {said}");
    let features = format!("--features {node}/sabotage -- ");
    let (_, words) = replay.split_once(&features).expect("a build with the bug");
    let words: Vec<&str> = words.split_whitespace().collect();
    let again = simulate(&words);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stdout));
}

#[test]
fn a_broadcast_answered_before_its_value_is_stored_is_found() {
    is_found_and_repeats("broadcast", "early-answer", LOSSES);
}

#[test]
fn a_repair_that_skips_the_last_value_is_found() {
    is_found_and_repeats("broadcast", "skip-last", LOSSES);
}

#[test]
fn a_retry_that_gives_up_is_found() {
    is_found_and_repeats("broadcast", "give-up", LOSSES);
}

#[test]
fn registers_of_the_log_that_can_be_overwritten_are_found() {
    is_found_and_repeats("kafka-log", "overwrite", GAPS);
}

#[test]
fn a_message_acknowledged_before_it_is_written_is_found() {
    is_found_and_repeats("kafka-log", "answer-unwritten", GAPS);
}

#[test]
fn segments_written_anew_after_a_restart_are_found() {
    is_found_and_repeats("kafka-log", "reuse-indexes", GAPS);
}

#[test]
fn a_replica_that_skips_segments_is_found() {
    is_found_and_repeats("kafka-log", "skip-segments", GAPS);
}

#[test]
fn the_same_seeds_without_a_bug_are_well() {
    let output = simulate(&["swarm", "broadcast", "kafka-log", "--seeds", "30"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
