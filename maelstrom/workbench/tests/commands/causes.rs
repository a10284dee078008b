//! From a run that failed to the message that was lost.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Scratch, node, one_line};

/// What a command prints, and its exit code.
fn workbench(scratch: &Scratch, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    let output =
        command.args(words).current_dir(&scratch.0).env_remove("COLUMNS").output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_run_that_loses_values_leads_to_the_message_that_was_lost() {
    let scratch = Scratch::new("causes");
    let bin = node("once.py");
    let test = format!(
        "test -w broadcast --bin {} --node-count 3 --rate 50 --time-limit 4 --nemesis loss \
         --nemesis-interval 2 --seed 1",
        bin.display()
    );
    let (code, text) = workbench(&scratch, &test.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code, Some(1), "{text}");
    let cause = "; the lossy network dropped that; nobody sent it again.";
    let text = one_line(&text);
    let (_, why) = text.split_once("why: n").unwrap();
    let (why, _) = why.split_once(" again.").unwrap();
    assert!(format!("n{why} again.").ends_with(cause), "{why}");

    let (code, told) = workbench(&scratch, &["explain"]);
    assert_eq!(code, Some(0));
    assert!(one_line(&told).contains(&format!("why: n{why} again.")), "{told}");
    let (_, first) = workbench(&scratch, &["explain", "store/latest", "--finding", "1"]);
    assert!(first.contains(r#""type": "gossip""#) && first.contains("dropped at"), "{first}");
    let (_, dropped) =
        workbench(&scratch, &["messages", "--dropped", "--type", "gossip", "--node", "n1"]);
    let lines: Vec<&str> = dropped.lines().collect();
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.contains("n1") && line.ends_with("by loss")), "{dropped}");
    let (_, none) = workbench(&scratch, &["messages", "--around", "1000s"]);
    assert_eq!(none, "");
    assert_kept(&scratch.0.join("store/latest"), why);
}

/// What is in the store for whoever draws it.
fn assert_kept(run: &Path, why: &str) {
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(run.join(name)).unwrap()).unwrap()
    };
    let first = &json("why.json")[0];
    assert_eq!(first["why"], format!("n{why} again."));
    assert!(!first["messages"].as_array().unwrap().is_empty(), "{first}");
    assert_eq!(json("results.json")["workload"]["findings"][0]["why"], first["why"]);
    let trace = fs::read_to_string(run.join("trace.jsonl")).unwrap();
    assert!(trace.contains(r#""event":"log","node":"n0","line":"ready"}"#));
}

#[test]
fn a_run_without_findings_has_nothing_to_explain() {
    let scratch = Scratch::new("no-causes");
    let bin = node("echo.py").display().to_string();
    let test = ["test", "-w", "echo", "--bin", &bin, "--node-count", "1", "--time-limit", "1"];
    assert_eq!(workbench(&scratch, &test).0, Some(0));
    assert_eq!(
        workbench(&scratch, &["explain"]),
        (Some(1), "Nothing was found in this run.\n".to_owned())
    );
    assert_eq!(workbench(&scratch, &["explain", "elsewhere"]).0, Some(255));
}
