//! Histories of our own, a few lines each, one for each way to be right or
//! wrong.
//!
//! They lie in `tests/histories/<workload>/`. A file's name says what has to come
//! out: `accept-…`, `reject-…` or `unknown-…`. Where the name goes on with a kind
//! of finding and `--`, that finding has to be there; after `accept-warned-…` a
//! warning of that kind has to be, which strict checks turn into a rejection.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use checkers::history::{self, Form};
use checkers::{Analysis, Checks, Finding, Names, Report, Validity, Workload};

/// A history, and what its name promises.
struct Case {
    path: PathBuf,
    workload: Workload,
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
        Self { path, workload, expected, is_warned: warned.is_some(), kind }
    }

    fn check(&self, strict: bool) -> Report {
        let checks = Checks { strict, ..Checks::new(self.workload) };
        let mut analysis = Analysis::new(&checks, Names::unknown());
        let mut form = Form::new(self.workload);
        for op in history::read(File::open(&self.path).unwrap()).unwrap() {
            let op = op.unwrap();
            form.observe(&op).unwrap();
            analysis.observe(&op);
        }
        analysis.finish()
    }

    fn says(&self, findings: &[Finding]) -> bool {
        self.kind.as_ref().is_none_or(|kind| findings.iter().any(|finding| finding.kind == *kind))
    }
}

/// All histories, of all workloads but the transactional ones: those of their
/// checkers are made in code, beside them.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut cases = Vec::new();
    for workload in Workload::ALL {
        if matches!(workload, Workload::TxnListAppend | Workload::TxnRwRegister) {
            continue;
        }
        let files = fs::read_dir(folder.join(workload.name())).expect("histories a workload");
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        cases.extend(paths.into_iter().map(|path| Case::new(path, workload)));
    }
    cases
}

fn findings(report: &Report) -> Vec<Finding> {
    report.parts.values().flat_map(|part| part.findings.clone()).collect()
}

fn warnings(report: &Report) -> Vec<Finding> {
    report.parts.values().flat_map(|part| part.warnings.clone()).collect()
}

#[test]
fn every_history_gets_the_verdict_that_its_name_promises() {
    for case in cases() {
        let report = case.check(false);
        let name = case.path.display();
        assert_eq!(report.valid(), case.expected, "{name}: {:?}", findings(&report));
        let told = if case.is_warned { warnings(&report) } else { findings(&report) };
        assert!(case.says(&told), "{name}: {told:?}");
        let is_silent = findings(&report).is_empty();
        assert_eq!(is_silent, case.expected == Validity::Valid, "{name}: findings say why");
    }
}

#[test]
fn what_is_a_warning_becomes_wrong_under_strict_settings() {
    let warned: Vec<Case> = cases().into_iter().filter(|case| case.is_warned).collect();
    assert!(!warned.is_empty());
    for case in warned {
        let report = case.check(true);
        assert_eq!(report.valid(), Validity::Invalid, "{}", case.path.display());
        assert!(case.says(&findings(&report)) && warnings(&report).is_empty());
    }
}

#[test]
fn what_is_accepted_without_a_warning_is_accepted_under_strict_settings() {
    let is_plain = |case: &Case| case.expected == Validity::Valid && !case.is_warned;
    for case in cases().into_iter().filter(is_plain) {
        let report = case.check(true);
        assert_eq!(report.valid(), Validity::Valid, "{}", case.path.display());
    }
}

#[test]
fn every_workload_has_histories_of_both_kinds() {
    let cases = cases();
    for workload in Workload::ALL {
        let of_workload: Vec<_> = cases.iter().filter(|case| case.workload == workload).collect();
        for verdict in [Validity::Valid, Validity::Invalid] {
            let has = of_workload.iter().any(|case| case.expected == verdict);
            assert!(has || of_workload.is_empty(), "{}: no {verdict:?}", workload.name());
        }
    }
}
