//! Tests that are run many times, and what programs are told of them.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::{Scratch, node, one_line};

fn workbench(scratch: &Scratch, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    command.args(words.split_whitespace()).current_dir(&scratch.0).env_remove("COLUMNS");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A node that ends at once.
fn broken(scratch: &Scratch) -> String {
    scratch.write_script("broken", "#!/bin/sh\necho no disk >&2\nexit 3\n").display().to_string()
}

pub(crate) fn a_test_is_run_many_times_with_a_seed_for_each() {
    let scratch = Scratch::new("test-count");
    let bin = node("echo.py").display().to_string();
    let flags = "--nodes n0,n1 --time-limit 0.3 --rate 30 --seed 5 --test-count 2";
    let output = workbench(&scratch, &format!("test -w echo --bin {bin} {flags}"));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (_, table) = said.split_once("seed  verdict").unwrap();
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows[..2], [["5", "valid"], ["6", "valid"]], "{said}");
    assert!(said.ends_with("2 runs: 2 valid\n"), "{said}");
    let runs = fs::read_dir(scratch.0.join("store/echo")).unwrap().count();
    assert_eq!(runs, 3, "two runs and the link to the latest");
    assert!(said.contains("echo, 2 nodes, seed 6"), "{said}");
}

pub(crate) fn all_runs_are_made_whatever_comes_of_them() {
    let scratch = Scratch::new("all-runs");
    let bin = broken(&scratch);
    let flags = "--node-count 1 --test-count 2 --seed 7";
    let output = workbench(&scratch, &format!("test -w echo --bin {bin} {flags}"));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("2 runs: 2 invalid"), "{said}");
    assert!(said.ends_with("--seed 7\n"), "the first failure can be had again: {said}");
}

pub(crate) fn until_fails_ends_with_the_first_run_that_is_not_valid() {
    let scratch = Scratch::new("until-fails");
    let bin = broken(&scratch);
    let flags = "--node-count 1 --until-fails --format json --junit verdicts.xml --seed 7";
    let output = workbench(&scratch, &format!("test -w echo --bin {bin} {flags}"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let line: Value = serde_json::from_str(lines.trim_end()).expect("one line for one run");
    assert_eq!(line["title"], "echo, 1 node, seed 7");
    assert_eq!(line["results"]["valid?"], false);
    assert!(line["command"].as_str().unwrap().contains("--seed 7"), "{line}");
    assert!(scratch.0.join(line["folder"].as_str().unwrap()).join("results.json").exists());
    let verdicts = fs::read_to_string(scratch.0.join("verdicts.xml")).unwrap();
    assert!(verdicts.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{verdicts}");
    assert!(verdicts.contains("<failure type=\"node-failure\" message=\""), "{verdicts}");
    assert!(verdicts.contains("no disk"), "{verdicts}");
}

pub(crate) fn a_workflow_is_told_what_was_found() {
    let scratch = Scratch::new("github");
    let bin = broken(&scratch);
    let flags = "--node-count 1 --format github --seed 7";
    let output = workbench(&scratch, &format!("test -w echo --bin {bin} {flags}"));
    let said = text(&output.stdout);
    assert!(said.starts_with("Invalid: echo"), "{said}");
    let expected = "\n::error title=echo%2C 1 node%2C seed 7%3A node-failure::";
    assert!(said.contains(expected), "{said}");

    let challenge = format!("challenge 1 --bin {bin} --junit verdicts.xml --format json");
    let output = workbench(&scratch, &challenge);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).lines().count(), 1, "{}", text(&output.stdout));
    let verdicts = fs::read_to_string(scratch.0.join("verdicts.xml")).unwrap();
    assert!(
        verdicts.contains("name=\"challenge 1\" time=\"") && verdicts.contains("<failure"),
        "{verdicts}"
    );
}

pub(crate) fn flags_of_the_original_work_or_say_why_not() {
    let scratch = Scratch::new("originals-flags");
    let bin = broken(&scratch);
    let refused = |flags: &str| {
        let output = workbench(&scratch, &format!("test -w echo --bin {bin} {flags}"));
        assert_eq!(output.status.code(), Some(255), "{flags}");
        one_line(&text(&output.stderr))
    };
    let named = refused("--nodes a,b,c");
    assert!(named.contains("nodes are called n0,n1,n2 here"), "{named}");
    assert!(named.contains("--node-count 3 does"), "{named}");
    let both = refused("--nodes n0 --node-count 1");
    assert!(both.contains("cannot be used with"), "{both}");
    let left = refused("--leave-db-running");
    assert!(left.contains("none can go on without it"), "{left}");
    assert!(refused("--test-count 0").contains("at least 1"));
}
