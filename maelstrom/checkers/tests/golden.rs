//! Verdicts agree with those of the original's checkers.
//!
//! Each case is a folder with a history and the original's verdict. Those in
//! `tests/differential` are shrunk random histories, and others of their kind written by
//! hand, on which a careless checker and the original's differ. Many more lie outside
//! this repository: in the folder that `WORKBENCH_GOLDEN` names, if it is set.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use checkers::{Analysis, Availability, Checks, Names, Report, Validity, Workload};
use checkers::{edn, form, history};
use serde_json::{Map, Value, json};

/// A history, and what the original says of it.
struct Case {
    /// Workload and folder.
    name: String,
    folder: PathBuf,
    workload: Workload,
    verdict: Value,
}

/// The cases in one folder a workload.
fn cases_in(root: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for workload in Workload::ALL {
        for folder in fs::read_dir(root.join(workload.name())).into_iter().flatten() {
            let folder = folder.unwrap().path();
            let verdict = File::open(folder.join("verdict.json")).unwrap();
            let verdict = serde_json::from_reader(verdict).unwrap();
            let case = folder.file_name().unwrap().to_string_lossy();
            let name = format!("{}/{case}", workload.name());
            cases.push(Case { name, folder, workload, verdict });
        }
    }
    cases
}

fn own_cases() -> Vec<Case> {
    cases_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential"))
}

fn all_cases() -> Vec<Case> {
    let mut cases = own_cases();
    if let Some(folder) = std::env::var_os("WORKBENCH_GOLDEN") {
        let golden = cases_in(Path::new(&folder));
        assert!(golden.len() > 150, "only {} histories in {folder:?}", golden.len());
        cases.extend(golden);
    }
    cases
}

impl Case {
    fn checks(&self, models: &Value, compatible: bool) -> Checks {
        let mut checks = Checks { compatible, ..Checks::new(self.workload) };
        checks.availability = match &self.verdict["options"]["availability"] {
            Value::Null => None,
            Value::String(total) if total == "total" => Some(Availability::Total),
            number => Some(Availability::Fraction(number.as_f64().expect("a fraction"))),
        };
        if let Some(models) = models.as_array() {
            let parse = |model: &Value| model.as_str().unwrap().parse().unwrap();
            checks.consistency_models = models.iter().map(parse).collect();
        }
        checks
    }

    fn open(&self) -> File {
        let files = ["history.jsonl", "history.jsonl.gz"].map(|name| self.folder.join(name));
        files.iter().find_map(|path| File::open(path).ok()).expect("a history")
    }

    fn check(&self, checks: &Checks) -> Report {
        self.check_history(checks, self.open())
    }

    fn check_history(&self, checks: &Checks, input: impl Read) -> Report {
        let mut analysis = Analysis::new(checks, Names::unknown());
        for op in form::read(input, self.workload).expect("a readable history") {
            analysis.observe(&op.expect("an operation that fits"));
        }
        analysis.finish()
    }

    fn check_as_asked(&self, compatible: bool) -> Report {
        self.check(&self.checks(&self.verdict["options"]["consistency-models"], compatible))
    }

    /// Whether the original's checker failed, so that there is nothing to agree with.
    fn is_without_verdict(&self) -> bool {
        self.verdict["workload_result"].get("error").is_some()
    }

    /// What differs between the original's verdict and ours.
    fn differences(&self) -> Vec<String> {
        let mut all = Vec::new();
        let found = serde_json::to_value(self.check_as_asked(true)).unwrap();
        if self.verdict["whole-analysis-failed"] != true {
            compare(&self.verdict["stats"], &found["stats"], "stats", &mut all);
            compare(
                &self.verdict["availability"],
                &found["availability"],
                "availability",
                &mut all,
            );
        }
        if !self.is_without_verdict() {
            let expected = self.normalized(&self.verdict["workload_result"]);
            compare(&expected, &self.normalized(&found["workload"]), "workload", &mut all);
            compare(&self.verdict["valid"], &found["valid?"], "valid", &mut all);
        }
        for (model, expected) in self.verdict["by_model"].as_object().into_iter().flatten() {
            if expected.get("error").is_none() {
                let report = self.check(&self.checks(&json!([model]), true));
                let found = self.normalized(&report.parts["workload"].to_json());
                compare(&self.normalized(expected), &found, model, &mut all);
                compare(&expected["valid"], &found["valid?"], model, &mut all);
            }
        }
        all.into_iter().map(|difference| format!("{}: {difference}", self.name)).collect()
    }

    /// Brings lists into an order where the original's depends on hashing, and takes
    /// out what depends on its search order.
    fn normalized(&self, result: &Value) -> Value {
        let mut result = result.clone();
        match self.workload {
            Workload::Echo => result.get_mut("errors").into_iter().for_each(sort),
            Workload::LinKv => {
                let keys = result.get_mut("results").and_then(Value::as_object_mut);
                for key in keys.into_iter().flat_map(Map::values_mut) {
                    *key = json!({ "valid?": key["valid?"] });
                }
            }
            Workload::TxnListAppend | Workload::TxnRwRegister => {
                let told = ["valid?", "anomaly-types", "not", "also-not", "anomaly-counts"];
                let Value::Object(fields) = &mut result else { return result };
                fields.retain(|name, value| told.contains(&&**name) && *value != json!([]));
                fields.entry("anomaly-types").or_insert(json!([]));
                fields.values_mut().for_each(sort);
                if let Some(Value::Object(counts)) = fields.get_mut("anomaly-counts") {
                    // How many cycles are told apart depends on the search.
                    let is_cycle =
                        |kind: &str| kind.starts_with('G') && !["G1a", "G1b"].contains(&kind);
                    counts.retain(|kind, _| !is_cycle(kind));
                }
            }
            _ => {}
        }
        result
    }
}

fn sort(list: &mut Value) {
    if let Value::Array(items) = list {
        items.sort_by_key(Value::to_string);
    }
}

/// Adds what differs between the original's result, if there is one, and ours, which may
/// have more.
fn compare(expected: &Value, found: &Value, path: &str, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Null, _) if !path.contains('.') => {}
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                let path = format!("{path}.{name}");
                compare(value, found.get(name).unwrap_or(&Value::Null), &path, all);
            }
        }
        // Of kafka's errors both show some.
        (Value::Array(expected), Value::Array(found)) if path.ends_with(".errs") => {
            let is_there = |err: &Value| found.iter().any(|found| agree(err, found));
            let missing = expected.iter().filter(|err| !is_there(err));
            all.extend(missing.map(|err| format!("{path}: no {err} in {found:?}")));
        }
        // Numbers as numbers: 1 and 1.0 come from different JSON writers.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if expected == found => {}
        _ => all.push(format!("{path}: expected {expected}, found {found}")),
    }
}

fn agree(expected: &Value, found: &Value) -> bool {
    let mut all = Vec::new();
    compare(expected, found, "", &mut all);
    all.is_empty()
}

#[test]
fn with_compatible_verdicts_are_the_originals_under_every_model() {
    let differences: Vec<String> = all_cases().iter().flat_map(Case::differences).collect();
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn results_are_the_same_for_the_same_history_in_edn() {
    for case in all_cases() {
        let checks = case.checks(&case.verdict["options"]["consistency-models"], false);
        let ops = history::read(case.open()).expect("a readable history");
        let in_edn: String = ops.map(|op| op.expect("an operation").to_edn() + "\n").collect();
        let found = serde_json::to_value(case.check_history(&checks, in_edn.as_bytes())).unwrap();
        assert_eq!(found, serde_json::to_value(case.check(&checks)).unwrap(), "{}", case.name);
        let back = edn::to_json(&edn::results(&found)).expect("results in EDN");
        let back: Value = serde_json::from_str(&back).unwrap();
        assert_eq!(back, found, "{}", case.name);
    }
}

/// What is found without `compatible`, where it is not what the original finds, or where
/// the original fails.
const DIFFERENT: &[(&str, Validity, &[&str])] = &[
    ("kafka/micro-empty-list", Validity::Invalid, &["empty-transaction-graph"]),
    ("kafka/micro-phantom", Validity::Invalid, &["no-writer-of-value"]),
    (
        "kafka/micro-precommitted-read",
        Validity::Invalid,
        &["empty-transaction-graph", "precommitted-read"],
    ),
    ("kafka/micro-read-before-sent", Validity::Invalid, &["G1c-realtime"]),
    (
        "kafka/two-at-one-offset",
        Validity::Invalid,
        &["inconsistent-offsets", "int-nonmonotonic-poll", "lost-write", "unseen"],
    ),
    ("txn-list-append/micro-empty-list-vs-null", Validity::Valid, &[]),
    ("txn-list-append/s1-41-types", Validity::Invalid, &["incompatible-order"]),
    ("txn-list-append/s1-79-types", Validity::Invalid, &["incompatible-order"]),
    ("txn-list-append/s1-5-types", Validity::Invalid, &["G-single-item", "G0", "G1b"]),
    ("txn-rw-register/micro-own-future-read-alone", Validity::Invalid, &["future-read"]),
    ("txn-rw-register/micro-own-future-read-with-reader", Validity::Invalid, &["future-read"]),
    ("txn-rw-register/s2-122-types", Validity::Invalid, &["G-single-item", "G1c"]),
];

fn types(result: &Value) -> &Value {
    result.get("error-types").unwrap_or(&result["anomaly-types"])
}

#[test]
fn without_compatible_the_differences_are_those_that_are_known() {
    for case in own_cases() {
        let name = &case.name;
        let report = case.check_as_asked(false);
        let ours = report.parts["workload"].to_json();
        let theirs = types(&case.verdict["workload_result"]);
        let Some((_, valid, known)) = DIFFERENT.iter().find(|(known, ..)| known == name) else {
            assert_eq!(types(&ours), theirs, "{name}");
            continue;
        };
        assert_eq!(
            (report.parts["workload"].valid, types(&ours)),
            (*valid, &json!(known)),
            "{name}"
        );
        assert_ne!(types(&ours), theirs, "{name} does not differ");
    }
}

#[test]
fn what_the_original_fails_on_gets_a_verdict_with_a_reason() {
    for case in all_cases().into_iter().filter(Case::is_without_verdict) {
        let report = case.check_as_asked(false);
        let workload = &report.parts["workload"];
        let is_valid = workload.valid == Validity::Valid;
        assert_eq!(workload.findings.is_empty(), is_valid, "{}", case.name);
        if let Some((_, valid, known)) = DIFFERENT.iter().find(|(known, ..)| *known == case.name) {
            let found = workload.to_json();
            assert_eq!((workload.valid, types(&found)), (*valid, &json!(known)), "{}", case.name);
        }
    }
}
