//! Shrunk random histories, and others of their kind written by hand, on which a
//! careless checker and the original's differ.
//!
//! With `compatible` the verdict is the original's in every detail. Without it the
//! differences are those that the table names.

mod txn_support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use checkers::txn::{self, Model, Options};
use checkers::{Outcome, Validity, history};
use serde_json::Value;

use txn_support::types;

struct Case {
    name: String,
    folder: PathBuf,
    models: Vec<Model>,
    expected: Value,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let mut cases = Vec::new();
    for workload in ["txn-list-append", "txn-rw-register"] {
        for entry in fs::read_dir(root.join(workload)).unwrap() {
            let folder = entry.unwrap().path();
            let verdict = fs::read(folder.join("verdict.json")).unwrap();
            let verdict: Value = serde_json::from_slice(&verdict).unwrap();
            let models = strings(&verdict["consistency-models"]);
            cases.push(Case {
                name: format!("{workload}/{}", folder.file_name().unwrap().to_string_lossy()),
                models: models.iter().map(|name| name.parse().unwrap()).collect(),
                expected: verdict["result"].clone(),
                folder,
            });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn check(case: &Case, options: Options) -> Outcome {
    let constructor = match case.name.starts_with("txn-list-append") {
        true => txn::list_append,
        false => txn::rw_register,
    };
    let mut checker = constructor(&case.models, options);
    for op in history::read(File::open(case.folder.join("history.jsonl")).unwrap()).unwrap() {
        checker.observe(&op.unwrap());
    }
    checker.finish()
}

fn strings(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn with_compatible_verdicts_anomalies_and_models_are_the_originals() {
    let cases = cases();
    assert!(cases.len() >= 9, "only {} histories", cases.len());
    let mut differences = Vec::new();
    for case in &cases {
        let ours = check(case, Options { strict: false, compatible: true }).to_json();
        if ours["valid?"] != case.expected["valid?"] {
            differences.push(format!("{}: {}", case.name, ours["valid?"]));
        }
        for field in ["anomaly-types", "not", "also-not"] {
            let (ours, theirs) = (strings(&ours[field]), strings(&case.expected[field]));
            if ours != theirs {
                differences.push(format!("{}: {field}: {ours:?} instead of {theirs:?}", case.name));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What is said without `compatible`, where it is not what the original says.
const DIFFERENT: &[(&str, Validity, &[&str])] = &[
    ("txn-list-append/micro-empty-list-vs-null", Validity::Valid, &[]),
    ("txn-list-append/s1-41-types", Validity::Invalid, &["incompatible-order"]),
    ("txn-list-append/s1-79-types", Validity::Invalid, &["incompatible-order"]),
    ("txn-list-append/s1-5-types", Validity::Invalid, &["G-single-item", "G0", "G1b"]),
    ("txn-rw-register/micro-own-future-read-alone", Validity::Invalid, &["future-read"]),
    ("txn-rw-register/micro-own-future-read-with-reader", Validity::Invalid, &["future-read"]),
    ("txn-rw-register/s2-122-types", Validity::Invalid, &["G-single-item", "G1c"]),
];

#[test]
fn without_compatible_the_differences_are_those_that_are_known() {
    for case in &cases() {
        let outcome = check(case, Options::default());
        let theirs: Vec<String> = strings(&case.expected["anomaly-types"]).into_iter().collect();
        let known = DIFFERENT.iter().find(|(name, _, _)| *name == case.name);
        match known {
            Some((_, valid, anomalies)) => {
                assert_eq!(
                    (outcome.valid, types(&outcome)),
                    (*valid, anomalies.iter().map(|&a| a.to_owned()).collect()),
                    "{}",
                    case.name
                );
                assert_ne!(types(&outcome), theirs, "{} does not differ", case.name);
            }
            None => assert_eq!(types(&outcome), theirs, "{}", case.name),
        }
    }
}
