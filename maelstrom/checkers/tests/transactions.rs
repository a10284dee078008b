//! For every class of anomaly histories that show it, and their nearest neighbours that
//! do not.
//!
//! They stand in `tests/transactions/*.txt`: a history, and under it a line for each way to
//! check it, `models and options -> what comes out`. With `REWRITE=1` the test writes what
//! comes out into the files. A history is a line of steps:
//!
//! - `1: r x 5, w y 2`: a transaction of process 1 that nothing else happens during, with
//!   what it read (`-` is null);
//! - `r x 5 & w y 2`: transactions of processes 0, 1, …, all at the same time;
//! - `1 begins r x 5`, and later `1 ok`, `1 fail` or `1 info`;
//! - `1 asks …`, `1 answers …`: any JSON;
//! - `at rest`: what follows are final reads.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use checkers::history::{Op, OpType};
use checkers::txn::Model;
use checkers::{Analysis, Checks, Names, Outcome, Validity, Workload};
use serde_json::{Value, json};

use support::{check, push};

#[derive(Default)]
struct Script {
    ops: Vec<Op>,
    /// By process, what its open transaction will have done.
    open: BTreeMap<u64, Value>,
    is_final: bool,
}

fn history(text: &str) -> Vec<Op> {
    let mut script = Script::default();
    text.split(" | ").for_each(|step| script.step(step));
    script.ops
}

impl Script {
    fn step(&mut self, step: &str) {
        let (first, rest) = step.split_once(' ').unwrap_or((step, ""));
        let Ok(process) = first.trim_end_matches(':').parse() else { return self.together(step) };
        let (verb, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let json = || serde_json::from_str(text).unwrap();
        match verb {
            _ if first.ends_with(':') => {
                self.begin(process, rest);
                self.end(process, OpType::Ok);
            }
            "begins" => self.begin(process, text),
            "asks" => self.push(process, OpType::Invoke, &json()),
            "answers" => self.push(process, OpType::Ok, &json()),
            kind => self.end(process, serde_json::from_value(json!(kind)).unwrap()),
        }
    }

    fn together(&mut self, step: &str) {
        if step == "at rest" {
            self.is_final = true;
            return;
        }
        let texts = || (0..).zip(step.split(" & "));
        texts().for_each(|(process, text)| self.begin(process, text));
        texts().for_each(|(process, _)| self.end(process, OpType::Ok));
    }

    fn begin(&mut self, process: u64, text: &str) {
        let done: Vec<[Value; 3]> = text.split(", ").map(micro_op).collect();
        let mut asked = done.clone();
        asked.iter_mut().filter(|mop| mop[0] == "r").for_each(|mop| mop[2] = Value::Null);
        self.push(process, OpType::Invoke, &json!(asked));
        self.open.insert(process, json!(done));
    }

    fn end(&mut self, process: u64, kind: OpType) {
        let done = self.open.remove(&process).expect("an open transaction");
        self.push(process, kind, &done);
    }

    fn push(&mut self, process: u64, kind: OpType, value: &Value) {
        push(&mut self.ops, process, kind, "txn", value).is_final = self.is_final;
    }
}

/// `"r x -"` and the like; keys are strings.
fn micro_op(text: &str) -> [Value; 3] {
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    let value = if words[2] == "-" { "null" } else { words[2] };
    [json!(words[0]), json!(words[1]), serde_json::from_str(value).unwrap()]
}

fn checks(workload: &str) -> Checks {
    Checks::new(match workload {
        "lists" => Workload::TxnListAppend,
        _ => Workload::TxnRwRegister,
    })
}

fn run(history: &[Op], model: Model, checks: &Checks) -> Outcome {
    let checks = Checks { consistency_models: vec![model], ..checks.clone() };
    check(checks.checker(Names::unknown()), history)
}

/// What comes of a history under each of these models, if that differs one after the other.
fn told(workload: &str, history: &[Op], asked: &str) -> String {
    let (mut checks, mut models) = (checks(workload), Vec::new());
    for word in asked.split_whitespace() {
        match word {
            "strict" => checks.strict = true,
            "compatible" => checks.compatible = true,
            "every-model" => models.extend(Model::all()),
            model => models.push(model.parse().unwrap()),
        }
    }
    let mut told: Vec<String> = Vec::new();
    for model in models {
        let outcome = describe(&run(history, model, &checks));
        if !told.contains(&outcome) {
            told.push(outcome);
        }
    }
    told.join(" or ")
}

/// The verdict, the anomalies with the operations of one case each, and the weakest
/// models that they rule out.
fn describe(outcome: &Outcome) -> String {
    let list = |name: &str| -> Vec<String> {
        let list = outcome.results.get(name).cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(list).unwrap()
    };
    let anomalies: Vec<String> = list("anomaly-types").iter().map(|a| case(outcome, a)).collect();
    let mut told = match outcome.valid {
        Validity::Valid => "valid".to_owned(),
        Validity::Unknown => format!("unknown, {}", anomalies.join(", ")),
        Validity::Invalid => anomalies.join(", "),
    };
    let warned: BTreeSet<&str> = outcome.warnings.iter().map(|warning| &*warning.kind).collect();
    for (what, list) in
        [("not", list("not")), ("warns of", warned.into_iter().map(str::to_owned).collect())]
    {
        if !list.is_empty() {
            told += &format!("; {what} {}", list.join(", "));
        }
    }
    told
}

fn case(outcome: &Outcome, anomaly: &str) -> String {
    let finding = outcome.findings.iter().find(|finding| finding.kind == anomaly).unwrap();
    assert!(!finding.text.starts_with(anomaly), "its kind is told beside it: {finding:?}");
    let ops: Vec<String> = finding.ops.iter().map(u64::to_string).collect();
    if ops.is_empty() { anomaly.to_owned() } else { format!("{anomaly} ({})", ops.join(" ")) }
}

/// A script with what is told now.
fn rewritten(script: &str) -> String {
    let (mut workload, mut ops, mut lines) = ("", Vec::new(), String::new());
    for line in script.lines() {
        lines += line;
        if let Some(asked) = line.strip_prefix("    ") {
            let asked = asked.split("->").next().unwrap_or_default().trim();
            lines.truncate(lines.len() - line.len());
            lines += &format!("    {asked} -> {}", told(workload, &ops, asked));
        } else if let Some((kind, steps)) = line.trim_start().split_once("  ") {
            (workload, ops) = (kind, history(steps));
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn each_history_gets_the_verdict_that_its_script_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transactions");
    for name in ["cycles.txt", "direct.txt", "overlooked.txt"] {
        let script = fs::read_to_string(folder.join(name)).unwrap();
        let now = rewritten(&script);
        if std::env::var_os("REWRITE").is_some() {
            fs::write(folder.join(name), &now).unwrap();
            continue;
        }
        for (line, (expected, now)) in (1..).zip(script.lines().zip(now.lines())) {
            assert_eq!(now, expected, "{name}:{line}");
        }
    }
}

#[test]
fn verdicts_on_registers_say_what_they_cannot_show() {
    for (strict, compatible) in [(false, false), (true, false), (false, true)] {
        let checks = |workload| Checks { strict, compatible, ..checks(workload) };
        let ops = history("0: w x 1 | 0: r x 1");
        let outcome = run(&ops, Model::StrictSerializable, &checks("registers"));
        assert!(outcome.results["not-visible"].as_str().unwrap().contains("G0"));
        let ops = history("0: append x 1 | 0: r x [1]");
        let outcome = run(&ops, Model::StrictSerializable, &checks("lists"));
        assert!(!outcome.results.contains_key("not-visible"));
    }
}

#[test]
fn what_a_transaction_reads_twice_is_told_once() {
    for (kind, workload, text) in [
        ("G1a", "registers", "0 begins w x 1 | 0 fail | 1: r x 1, r x 1"),
        ("G1a", "lists", "0 begins append x 1 | 0 fail | 1: r x [1], r x [1]"),
        ("G1b", "registers", "w x 1, w x 2 & r x 1, r y -, r x 1 & r y -, w y 1"),
        ("G1b", "lists", "0: append x 1, append x 2 | 1: r x [1], r x [1]"),
        ("garbage-read", "registers", "0: r x 1, r x 1"),
        ("garbage-read", "lists", "0: r x [1], r x [1]"),
    ] {
        let outcome = run(&history(text), Model::ReadCommitted, &checks(workload));
        let told = outcome.findings.iter().chain(&outcome.warnings);
        assert_eq!(told.filter(|finding| finding.kind == kind).count(), 1, "{kind} of {workload}");
    }
}

#[test]
fn a_kind_of_step_that_never_succeeded_is_a_warning() {
    let told = |workload: &str, text: &str| -> Vec<String> {
        let checks = checks(workload);
        let mut analysis = Analysis::new(&checks, Names::unknown());
        history(text).iter().for_each(|op| analysis.observe(op));
        let report = analysis.finish();
        let warnings = &report.parts["stats"].warnings;
        warnings.iter().map(|warning| format!("{} {}", warning.kind, warning.text)).collect()
    };
    for (workload, refused, done, what) in [
        ("lists", "append x 1, r x [1]", "r x -", "appends"),
        ("registers", "w x 1, r x 1", "r x -", "writes"),
        ("lists", "r x -", "append x 1", "reads"),
        ("registers", "r x -", "w x 1", "reads"),
    ] {
        let ends = ["fail", "info"].map(|end| format!("0 begins {refused} | 0 {end}"));
        let none = told(workload, &format!("{} | {} | 1: {done}", ends[0], ends[1]));
        let text = format!(
            "never-ok Not one transaction that {what} succeeded: 1 failed, 1 stayed in doubt."
        );
        assert!(none.len() == 1 && none[0].starts_with(&text), "{workload}: {none:?}");
        let once = told(workload, &format!("{} | 0: {refused} | 1: {done}", ends[0]));
        assert!(once.is_empty(), "{workload}: {once:?}");
        // That no transaction at all succeeded is wrong, and is told as that.
        let all = told(workload, &ends[0]);
        assert!(all.is_empty(), "{workload}: {all:?}");
    }
}

#[test]
fn a_cycle_is_told_in_words_and_drawn() {
    let bad = history("r x -, w y 1 & r y -, w x 1");
    let outcome = run(&bad, Model::Serializable, &checks("registers"));
    let finding = &outcome.findings[0];
    for part in ["T1 = operation", "T2 = operation", "T1 before T2 (rw)", "T2 before T1 (rw)"] {
        assert!(finding.text.contains(part), "{}", finding.text);
    }
    let picture = finding.picture.as_ref().unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("rw"));
    let steps = &outcome.results["anomalies"]["G2-item"][0]["steps"];
    assert_eq!(steps[0]["type"], "rw");
}

#[test]
fn many_cases_are_counted_but_not_all_listed() {
    let bad = format!("0 begins w x 1 | 0 fail{}", " | 1: r x 1".repeat(100));
    let outcome = run(&history(&bad), Model::ReadCommitted, &checks("registers"));
    assert_eq!(outcome.results["anomaly-counts"]["G1a"], 100);
    let more = outcome.findings.iter().find_map(|finding| finding.omitted);
    assert_eq!(more, Some(100 - 16));
    assert_eq!(outcome.results["anomalies"]["G1a"].as_array().unwrap().len(), 16);
}
