//! The verdicts on recorded kafka histories are those of the original checker.
//!
//! The histories lie in the folder `kafka` of the one that `WORKBENCH_GOLDEN` names,
//! or of `shared/histories` beside the workspace. Each is a folder with
//! `history.jsonl.gz` and the original's `verdict.json`. Without them the test says
//! so and passes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use checkers::{Outcome, history, kafka};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("WORKBENCH_GOLDEN") {
        return Some(Path::new(&root).join("kafka"));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories/kafka");
    beside.is_dir().then_some(beside)
}

fn check(case: &Path) -> Outcome {
    let mut checker = kafka::checker(true);
    for op in history::read(File::open(case.join("history.jsonl.gz")).unwrap()).unwrap() {
        checker.observe(&op.unwrap());
    }
    checker.finish()
}

/// What is wrong with our verdict on a case of which the original has one.
fn disagreements(ours: &Value, verdict: &Value) -> Vec<String> {
    let theirs = &verdict["workload_result"];
    let mut wrong = Vec::new();
    for name in [
        "valid?",
        "error-types",
        "bad-error-types",
        "info-txn-causes",
        "worst-realtime-lag",
        "unseen",
    ] {
        if ours.get(name) != theirs.get(name) {
            wrong.push(format!("{name}: {:?}, not {:?}", ours.get(name), theirs.get(name)));
        }
    }
    for kind in theirs["error-types"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (ours, theirs) = (&ours[kind], &theirs[kind]);
        if ours["count"] != theirs["count"] {
            wrong.push(format!("{kind}: {} cases, not {}", ours["count"], theirs["count"]));
        }
        let missing =
            theirs["errs"].as_array().into_iter().flatten().filter(|err| !has(&ours["errs"], err));
        wrong.extend(missing.map(|err| format!("{kind}: no case {err} in {}", ours["errs"])));
    }
    wrong
}

/// Whether one of the cases says all that `err` says, and maybe more.
fn has(cases: &Value, err: &Value) -> bool {
    let says = |case: &Value| match err {
        Value::Object(fields) => fields.iter().all(|(name, value)| case.get(name) == Some(value)),
        other => case == other,
    };
    cases.as_array().is_some_and(|cases| cases.iter().any(says))
}

/// What we say where the original itself fails.
fn own_verdict(name: &str) -> Option<(Value, &'static [&'static str])> {
    Some(match name {
        "micro-empty-list" => (false.into(), &["empty-transaction-graph"]),
        "micro-phantom" => (false.into(), &["no-writer-of-value"]),
        "micro-precommitted-read" => {
            (false.into(), &["empty-transaction-graph", "precommitted-read"])
        }
        "micro-read-before-sent" => (false.into(), &["G1c-realtime"]),
        _ => return None,
    })
}

#[test]
fn verdicts_on_recorded_histories_agree_with_the_original() {
    let Some(folder) = folder() else {
        println!("skipped: no recorded histories; WORKBENCH_GOLDEN names the folder that has them");
        return;
    };
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join("verdict.json").is_file());
    cases.sort();
    assert!(!cases.is_empty(), "the folder of recorded kafka histories is empty");
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let verdict: Value =
            serde_json::from_reader(File::open(case.join("verdict.json")).unwrap()).unwrap();
        let ours = check(case).to_json();
        if verdict["workload_result"].get("error").is_none() {
            let all = disagreements(&ours, &verdict);
            wrong.extend(all.into_iter().map(|what| format!("{name}: {what}")));
        } else if let Some((valid, types)) = own_verdict(&name) {
            assert_eq!((&ours["valid?"], &ours["error-types"]), (&valid, &types.into()), "{name}");
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
