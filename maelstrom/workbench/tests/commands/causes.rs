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

pub(crate) fn a_run_that_loses_values_leads_to_the_message_that_was_lost() {
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
    assert!(told.ends_with("\n\nworkbench explain --finding NUM tells one with its messages.\n"));
    let name = fs::read_link(scratch.0.join("store/latest")).unwrap().display().to_string();
    for run in ["store/latest", "latest", "broadcast/latest", &name] {
        assert_eq!(workbench(&scratch, &["explain", run]), (Some(0), told.clone()), "{run}");
    }
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

pub(crate) fn a_run_without_findings_has_nothing_to_explain() {
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

pub(crate) fn a_trace_that_cannot_be_written_does_not_cost_the_verdict() {
    let scratch = Scratch::new("no-trace");
    let script = format!("rm ../../trace.jsonl; exec python3 {}", node("echo.py").display());
    let output = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["test", "-w", "echo", "--bin", "sh", "--node-count", "1", "--time-limit", "1"])
        .args(["--rate", "50", "--trace-limit", "5", "--", "-c", &script])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{warnings}");
    assert!(warnings.contains("warning: cannot write the trace: "), "{warnings}");
    let run = scratch.0.join("store/latest");
    assert!(run.join("results.json").is_file() && run.join("report.html").is_file());
}

pub(crate) fn a_history_beside_a_damaged_trace_has_its_report() {
    let scratch = Scratch::new("damaged");
    fs::write(scratch.0.join("history.jsonl"), "").unwrap();
    let check = ["check", "-w", "echo", "history.jsonl", "--report", "report.html"];
    let expected = workbench(&scratch, &check);
    for damaged in ["trace.jsonl", "why.json"] {
        fs::remove_file(scratch.0.join("report.html")).unwrap();
        fs::write(scratch.0.join(damaged), "{\n").unwrap();
        assert_eq!(workbench(&scratch, &check), expected, "{damaged}");
        assert!(scratch.0.join("report.html").is_file(), "{damaged}");
    }
}

pub(crate) fn findings_of_a_run_without_a_trace_are_told_all_the_same() {
    let scratch = Scratch::new("not-traced");
    let bin = node("once.py").display().to_string();
    let test = ["test", "-w", "echo", "--bin", &bin, "--node-count", "1", "--time-limit", "1"];
    let (code, text) = workbench(&scratch, &[&test[..], &["--trace-limit", "0"]].concat());
    assert_eq!(code, Some(1), "{text}");
    let (code, told) = workbench(&scratch, &["explain"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("1. never-ok: "), "{told}");
    assert!(told.contains("why: this run has no trace"), "{told}");
}

pub(crate) fn what_a_node_made_up_is_printed_without_control_characters() {
    let scratch = Scratch::new("escapes");
    let run = scratch.0.join("run");
    fs::create_dir(&run).unwrap();
    let why = r#"[{"kind":"lost","text":"\u001b[2J is lost","ops":[],"why":"\u001b]0;owned\u0007","messages":[0],"relevant_ops":[],"from":0,"to":0}]"#;
    fs::write(run.join("why.json"), why).unwrap();
    let body = "{\"type\":\"gossip\",\"\u{9b}\":\"\u{7f}\"}";
    let line = format!(
        "{{\"time\":1,\"event\":\"send\",\"id\":0,\"src\":\"n0\",\"dest\":\"n1\",\"body\":{body}}}\n"
    );
    fs::write(run.join("trace.jsonl"), line).unwrap();
    for words in [&["explain", "run", "--finding", "1"][..], &["messages", "run"]] {
        let (code, told) = workbench(&scratch, words);
        assert_eq!(code, Some(0));
        assert!(!told.chars().any(|char| char.is_control() && char != '\n'), "{told:?}");
    }
}
