//! Histories of our own, a few lines each, one for each way to be right or wrong.
//!
//! They lie in `tests/histories/<workload>/`. A file's name says what has to come out:
//! `accept-…`, `reject-…` or `unknown-…`. Where the name goes on with a kind of finding
//! and `--`, that finding has to be there; after `accept-warned-…` a warning of that kind
//! has to be, which strict checks turn into a rejection.
//!
//! `tests/histories/findings.txt` has all that is said of them, and how that changes with
//! `strict` and `compatible`. With `REWRITE=1` the test writes what is said now.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use checkers::{
    Analysis, Checks, Finding, Names, Outcome, Report, Validity, Workload, form, history,
};

/// A history, and what its name promises.
struct Case {
    path: PathBuf,
    workload: Workload,
    name: String,
    expected: Validity,
    is_warned: bool,
    kind: Option<String>,
}

impl Case {
    fn new(path: PathBuf, workload: Workload) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (verdict, rest) = name.split_once('-').expect("a verdict in the name");
        let expected = match verdict {
            "accept" => Validity::Valid,
            "reject" => Validity::Invalid,
            "unknown" => Validity::Unknown,
            other => panic!("{}: what is {other:?}?", path.display()),
        };
        let warned = rest.strip_prefix("warned-");
        let kind = warned.unwrap_or(rest).split_once("--").map(|(kind, _)| kind.to_owned());
        let is_warned = warned.is_some();
        Self { workload, expected, is_warned, kind, name, path }
    }

    fn check(&self, strict: bool, compatible: bool) -> Report {
        self.check_history(File::open(&self.path).unwrap(), strict, compatible)
    }

    fn check_history(&self, input: impl Read, strict: bool, compatible: bool) -> Report {
        let checks = Checks { strict, compatible, ..Checks::new(self.workload) };
        let mut analysis = Analysis::new(&checks, Names::unknown());
        form::read(input, self.workload).unwrap().for_each(|op| analysis.observe(&op.unwrap()));
        analysis.finish()
    }

    /// The same history as the original would have written it.
    fn in_edn(&self) -> String {
        let ops = history::read(File::open(&self.path).unwrap()).unwrap();
        ops.map(|op| op.unwrap().to_edn() + "\n").collect()
    }

    fn says(&self, findings: &[Finding]) -> bool {
        self.kind.as_ref().is_none_or(|kind| findings.iter().any(|finding| finding.kind == *kind))
    }

    /// All that is said of it: what changes with a setting under the setting's name.
    fn told(&self) -> String {
        let plain = told(&self.check(false, false));
        let mut all = format!("{}/{}\n{plain}", self.workload.name(), self.name);
        for (setting, strict) in [("strict", true), ("compatible", false)] {
            let told = told(&self.check(strict, !strict));
            if told != plain {
                all += &format!(" {setting}\n{told}");
            }
        }
        all
    }
}

fn told(report: &Report) -> String {
    let mut told = format!("  {:?}\n", report.valid());
    for (what, list) in [("", findings(report)), ("warning: ", warnings(report))] {
        for Finding { kind, ops, text, .. } in list {
            told += &format!("  {what}{kind} {ops:?} {text}\n");
        }
    }
    told
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

/// All histories, of all workloads but the transactional ones: those are scripts.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for workload in Workload::ALL {
        if matches!(workload, Workload::TxnListAppend | Workload::TxnRwRegister) {
            continue;
        }
        let files = fs::read_dir(folder().join(workload.name())).expect("histories a workload");
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        cases.extend(paths.into_iter().map(|path| Case::new(path, workload)));
    }
    cases
}

fn findings(report: &Report) -> Vec<Finding> {
    report.findings().cloned().collect()
}

fn warnings(report: &Report) -> Vec<Finding> {
    report.parts.values().flat_map(|part| part.warnings.clone()).collect()
}

#[test]
fn the_same_is_said_of_a_history_in_edn() {
    for case in cases() {
        let report = case.check_history(case.in_edn().as_bytes(), true, false);
        assert_eq!(told(&report), told(&case.check(true, false)), "{}", case.name);
    }
}

#[test]
fn all_that_is_said_of_each_history_is_as_recorded() {
    let path = folder().join("findings.txt");
    let now: String = cases().iter().map(Case::told).collect();
    if std::env::var_os("REWRITE").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap();
    for (line, (recorded, now)) in (1..).zip(recorded.lines().zip(now.lines())) {
        assert_eq!(now, recorded, "findings.txt:{line}");
    }
    assert_eq!(now.lines().count(), recorded.lines().count());
}

#[test]
fn every_history_gets_the_verdict_that_its_name_promises() {
    for case in cases() {
        let report = case.check(false, false);
        let name = &case.name;
        assert_eq!(report.valid(), case.expected, "{name}: {:?}", findings(&report));
        let told = if case.is_warned { warnings(&report) } else { findings(&report) };
        assert!(case.says(&told), "{name}: {told:?}");
        let is_silent = findings(&report).is_empty();
        assert_eq!(is_silent, case.expected == Validity::Valid, "{name}: findings say why");
    }
}

/// A report is read from the top.
#[test]
fn what_is_wrong_is_told_before_what_comes_of_it() {
    for case in cases().iter().filter(|case| case.kind.as_deref() == Some("never-ok")) {
        for (strict, compatible) in [(false, false), (true, false), (false, true)] {
            let told = findings(&case.check(strict, compatible));
            assert_eq!(told[0].kind, "never-ok", "{}: {told:?}", case.name);
        }
    }
    let mut report = Report::default();
    for (part, valid) in [
        ("workload", Validity::Unknown),
        ("availability", Validity::Invalid),
        ("stats", Validity::Invalid),
        ("nodes", Validity::Invalid),
        ("limits", Validity::Invalid),
    ] {
        let findings = vec![Finding::new(part, "", Vec::new())];
        report.add(part, Outcome { valid, findings, ..Outcome::default() });
    }
    let order: Vec<&str> = report.findings().map(|finding| &*finding.kind).collect();
    assert_eq!(order, ["nodes", "stats", "availability", "limits", "workload"]);
}

#[test]
fn what_is_a_warning_becomes_wrong_under_strict_settings_and_nothing_else_does() {
    let is_accepted = |case: &Case| case.expected == Validity::Valid;
    for case in cases().into_iter().filter(is_accepted) {
        let report = case.check(true, false);
        assert_eq!(report.valid(), Validity::of(!case.is_warned), "{}", case.name);
        if case.is_warned {
            assert!(case.says(&findings(&report)) && warnings(&report).is_empty());
        }
    }
}

/// What is asked first in each workload.
fn invocation(workload: Workload) -> String {
    let (f, value) = match workload {
        Workload::Broadcast => ("broadcast", "1"),
        Workload::Echo => ("echo", "1"),
        Workload::GCounter | Workload::GSet | Workload::PnCounter => ("add", "1"),
        Workload::Kafka => ("send", r#"[["send","k",1]]"#),
        Workload::LinKv => ("write", "[0,1]"),
        Workload::TxnListAppend => ("txn", r#"[["append",0,1]]"#),
        Workload::TxnRwRegister => ("txn", r#"[["w",0,1]]"#),
        Workload::UniqueIds => ("generate", "null"),
    };
    format!(r#"{{"index":0,"time":0,"type":"invoke","process":0,"f":"{f}","value":{value}}}"#)
}

#[test]
fn a_history_without_a_completion_is_unknown_for_every_workload() {
    for workload in Workload::ALL {
        let history = invocation(workload);
        for compatible in [false, true] {
            let checks = Checks { compatible, ..Checks::new(workload) };
            let mut analysis = Analysis::new(&checks, Names::unknown());
            let mut ops = form::read(history.as_bytes(), workload).unwrap();
            ops.by_ref().for_each(|op| analysis.observe(&op.unwrap()));
            let told = findings(&analysis.finish());
            let is_told = told.len() == 1 && told[0].kind == "nothing-completed";
            assert_eq!(is_told, !compatible, "{}: {told:?}", workload.name());
        }
    }
}

#[test]
fn every_workload_has_histories_of_both_kinds_and_of_kafka_every_anomaly() {
    let cases = cases();
    for workload in Workload::ALL {
        let of_workload: Vec<_> = cases.iter().filter(|case| case.workload == workload).collect();
        for verdict in [Validity::Valid, Validity::Invalid] {
            let has = of_workload.iter().any(|case| case.expected == verdict);
            assert!(has || of_workload.is_empty(), "{}: no {verdict:?}", workload.name());
        }
    }
    // Each of kafka's anomalies has a near miss that is accepted.
    let of_kafka = cases.iter().filter(|case| case.workload == Workload::Kafka);
    let names: BTreeSet<&str> = of_kafka.map(|case| &*case.name).collect();
    let rejected: Vec<&str> =
        names.iter().filter_map(|name| name.strip_prefix("reject-")).collect();
    let anomalies: Vec<&&str> = rejected.iter().filter(|name| !name.contains("--")).collect();
    assert_eq!(anomalies.len(), 17);
    for anomaly in anomalies {
        assert!(names.contains(&*format!("accept-{anomaly}")), "{anomaly}");
    }
}
