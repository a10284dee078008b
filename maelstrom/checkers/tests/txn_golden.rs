//! The transactional checkers against the original's verdicts.
//!
//! The histories and verdicts lie outside of the repository: in the directory that
//! the environment variable `WORKBENCH_GOLDEN` names, or in `../shared/histories`
//! beside the workspace. Without them the test says so and passes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use checkers::txn::{self, Model, Options};
use checkers::{Checker, Outcome, history};
use serde_json::Value;

/// What the comparison asks of the checkers.
const LIKE_THE_ORIGINAL: Options = Options { strict: false, compatible: true };

type Constructor = fn(&[Model], Options) -> Box<dyn Checker>;

fn golden(workload: &str) -> Option<Vec<PathBuf>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/histories");
    let root = std::env::var_os("WORKBENCH_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join(workload)) else {
        eprintln!("skipped: no histories in {}; set WORKBENCH_GOLDEN", root.display());
        return None;
    };
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} is empty", root.display());
    Some(cases)
}

fn check(case: &Path, models: &[Model], constructor: Constructor, options: Options) -> Outcome {
    let mut checker = constructor(models, options);
    let file = File::open(case.join("history.jsonl.gz")).unwrap();
    for op in history::read(file).unwrap() {
        checker.observe(&op.unwrap());
    }
    checker.finish()
}

fn strings(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// What differs in one verdict.
fn differences(outcome: &Outcome, valid: &Value, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let ours = outcome.to_json();
    if ours["valid?"] != *valid {
        differences.push(format!("valid: {} instead of {valid}", ours["valid?"]));
    }
    for field in ["anomaly-types", "not", "also-not"] {
        let is_told = field == "anomaly-types" || expected.get(field).is_some();
        let (ours, theirs) = (strings(&ours[field]), strings(&expected[field]));
        if is_told && ours != theirs {
            differences.push(format!("{field}: {ours:?} instead of {theirs:?}"));
        }
    }
    for (kind, count) in expected["anomaly-counts"].as_object().into_iter().flatten() {
        // How many cycles are told apart depends on the search.
        let is_cycle = kind.starts_with('G') && kind != "G1a" && kind != "G1b";
        if !is_cycle && ours["anomaly-counts"][kind] != *count {
            let ours = &ours["anomaly-counts"][kind];
            differences.push(format!("{ours} cases of {kind} instead of {count}"));
        }
    }
    differences
}

fn compare(workload: &str, constructor: Constructor) {
    let Some(cases) = golden(workload) else { return };
    let (mut compared, mut failures) = (0, Vec::new());
    for case in &cases {
        let verdict = fs::read(case.join("verdict.json")).unwrap();
        let verdict: Value = serde_json::from_slice(&verdict).unwrap();
        let mut expect = |models: &[Model], valid: &Value, expected: &Value| {
            if expected.get("error").is_some() {
                return;
            }
            compared += 1;
            let outcome = check(case, models, constructor, LIKE_THE_ORIGINAL);
            for difference in differences(&outcome, valid, expected) {
                failures.push(format!("{} under {models:?}: {difference}", case.display()));
            }
        };
        let models = strings(&verdict["options"]["consistency-models"]);
        let models: Vec<Model> = models.iter().map(|name| name.parse().unwrap()).collect();
        let result = &verdict["workload_result"];
        expect(&models, &result["valid?"], result);
        for (model, expected) in verdict["by_model"].as_object().unwrap() {
            expect(&[model.parse().unwrap()], &expected["valid"], expected);
        }
    }
    eprintln!("{workload}: {compared} verdicts on {} histories compared", cases.len());
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
    assert!(compared >= cases.len(), "the verdicts hold next to nothing to compare with");
}

#[test]
fn verdicts_on_registers_are_the_originals_under_every_model() {
    compare("txn-rw-register", txn::rw_register);
}

#[test]
fn verdicts_on_lists_are_the_originals_under_every_model() {
    compare("txn-list-append", txn::list_append);
}

/// Where the original broke down, a verdict and a reason are wanted all the same.
#[test]
fn what_the_original_fails_on_gets_a_verdict_with_a_reason() {
    let workloads: [(&str, Constructor); 2] =
        [("txn-rw-register", txn::rw_register), ("txn-list-append", txn::list_append)];
    for (workload, constructor) in workloads {
        for case in golden(workload).into_iter().flatten() {
            let verdict = fs::read(case.join("verdict.json")).unwrap();
            let verdict: Value = serde_json::from_slice(&verdict).unwrap();
            if verdict["workload_result"].get("error").is_some() {
                let outcome = check(&case, &[], constructor, Options::default());
                assert!(!outcome.findings.is_empty(), "{}", case.display());
            }
        }
    }
}
