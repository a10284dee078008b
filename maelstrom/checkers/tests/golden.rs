//! Verdicts and counts agree with those of the original's checkers.
//!
//! The histories and verdicts come from the original; they lie outside this
//! repository. `WORKBENCH_GOLDEN` names their folder, otherwise it is looked
//! for beside the workspace. Without it there is nothing to compare with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use checkers::history::{self, Form};
use checkers::{Analysis, Availability, Checks, Names, Report, Workload};
use serde_json::{Map, Value};

fn golden_folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let folder = std::env::var_os("WORKBENCH_GOLDEN").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no golden histories in {}", folder.display());
    None
}

fn checks(workload: Workload, options: &Value) -> Checks {
    let mut checks = Checks { compatible: true, ..Checks::new(workload) };
    checks.availability = match &options["availability"] {
        Value::Null => None,
        Value::String(total) if total == "total" => Some(Availability::Total),
        number => Some(Availability::Fraction(number.as_f64().expect("a fraction"))),
    };
    if let Some(models) = options["consistency-models"].as_array() {
        checks.consistency_models = models
            .iter()
            .map(|model| model.as_str().expect("a name").parse().expect("a model"))
            .collect();
    }
    checks
}

fn check(case: &Path, checks: &Checks) -> Report {
    let mut analysis = Analysis::new(checks, Names::unknown());
    let file = File::open(case.join("history.jsonl.gz")).expect("a history");
    let mut form = Form::new(checks.workload);
    for op in history::read(file).expect("a readable history") {
        let op = op.expect("an operation");
        form.observe(&op).expect("an operation that fits");
        analysis.observe(&op);
    }
    analysis.finish()
}

/// What differs between the original's result and ours. Ours may have more.
fn differences(expected: &Value, found: &Value, path: &str, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                let path = format!("{path}.{name}");
                differences(value, found.get(name).unwrap_or(&Value::Null), &path, all);
            }
        }
        // Numbers as numbers: 1 and 1.0 come from different JSON writers.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if expected == found => {}
        _ => all.push(format!("{path}: expected {expected}, found {found}")),
    }
}

/// Brings lists into an order where the original's depends on hashing, and
/// takes out what depends on its search order.
fn normalize(workload: Workload, result: &Value) -> Value {
    let mut result = result.clone();
    match workload {
        Workload::Echo => {
            if let Some(errors) = result["errors"].as_array_mut() {
                errors.sort_by_key(Value::to_string);
            }
        }
        Workload::LinKv => {
            let keys = result["results"].as_object_mut();
            for key in keys.into_iter().flat_map(Map::values_mut) {
                let valid = key["valid?"].clone();
                *key = Value::Object(Map::from_iter([("valid?".to_owned(), valid)]));
            }
        }
        _ => {}
    }
    result
}

/// Compares one case; what differs.
fn compare(workload: Workload, case: &Path) -> Vec<String> {
    let verdict = fs::read_to_string(case.join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_str(&verdict).expect("a verdict");
    let report = check(case, &checks(workload, &verdict["options"]));
    let found = serde_json::to_value(&report).expect("JSON");
    let mut all = Vec::new();
    if verdict["whole-analysis-failed"] != Value::Bool(true) {
        for part in ["stats", "availability"] {
            differences(&verdict[part], &found[part], part, &mut all);
        }
    }
    // Where the original's checker failed there is nothing to agree with.
    if verdict["workload_result"].get("error").is_none() {
        let expected = normalize(workload, &verdict["workload_result"]);
        let result = normalize(workload, &found["workload"]);
        differences(&expected, &result, "workload", &mut all);
        differences(&verdict["valid"], &found["valid?"], "valid", &mut all);
    }
    let case = case.file_name().unwrap_or_default().to_string_lossy();
    all.into_iter().map(|difference| format!("{}/{case}: {difference}", workload.name())).collect()
}

/// Kafka and the transactional workloads have results whose lists are trimmed
/// and depend on search order; tests beside their checkers compare those.
fn is_compared_here(workload: Workload) -> bool {
    use Workload::{Kafka, TxnListAppend, TxnRwRegister};
    !matches!(workload, Kafka | TxnListAppend | TxnRwRegister)
}

#[test]
fn verdicts_and_counts_agree_with_the_original() {
    let Some(folder) = golden_folder() else { return };
    let mut compared = 0;
    let mut all = Vec::new();
    for workload in Workload::ALL.into_iter().filter(|workload| is_compared_here(*workload)) {
        let cases = fs::read_dir(folder.join(workload.name())).expect("a folder a workload");
        for case in cases {
            all.extend(compare(workload, &case.expect("a case").path()));
            compared += 1;
        }
    }
    assert!(compared > 50, "only {compared} golden histories in {}", folder.display());
    assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
    println!("{compared} golden histories agree");
}
