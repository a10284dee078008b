//! What a run can be handed to: the original's files, and other programs' formats.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::{Scratch, node};

fn workbench(scratch: &Scratch, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    command.args(words.split_whitespace()).current_dir(&scratch.0).env_remove("COLUMNS");
    command.output().unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, expected: i32) {
    let text = [&output.stdout[..], &output.stderr].concat();
    assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&text));
}

pub(crate) fn a_run_is_kept_as_the_original_keeps_it_and_checked_from_there() {
    let scratch = Scratch::new("edn");
    let bin = node("once.py");
    let test = format!(
        "test -w broadcast --bin {} --node-count 3 --rate 50 --time-limit 2 --nemesis loss \
         --nemesis-interval 1 --edn",
        bin.display()
    );
    let run = workbench(&scratch, &test);
    let history = fs::read_to_string(scratch.0.join("store/latest/history.edn")).unwrap();
    let json = fs::read_to_string(scratch.0.join("store/latest/history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), json.lines().count());
    assert!(history.starts_with("{:index 0, :time "), "{history}");
    assert!(history.contains(":process :nemesis, :f :start-loss"), "{history}");
    let results = fs::read_to_string(scratch.0.join("store/latest/results.edn")).unwrap();
    for part in [":workload {", ":net {", ":stats {", ":availability {", ":stable-latencies {0 "] {
        assert!(results.contains(part), "{part} {results}");
    }

    let checked = |file: &str| {
        let output = workbench(&scratch, &format!("check -w broadcast {file}"));
        assert_exit(&output, run.status.code().unwrap());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(checked("store/latest/history.edn"), checked("store/latest/history.jsonl"));
}

pub(crate) fn check_writes_the_originals_files_and_leaves_what_it_read() {
    let scratch = Scratch::new("check-edn");
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkers/tests/histories");
    let history = histories.join("echo/reject-wrong-echo--another-text.jsonl");
    let from_json = format!("check -w echo --edn kept {}", history.display());
    assert_exit(&workbench(&scratch, &from_json), 1);
    let kept = fs::read_to_string(scratch.0.join("kept/history.edn")).unwrap();
    assert!(kept.contains(":f :echo, :value {:"), "{kept}");
    let results = fs::read_to_string(scratch.0.join("kept/results.edn")).unwrap();
    assert!(results.contains(":valid? false"), "{results}");

    assert_exit(&workbench(&scratch, "check -w echo --edn again kept/history.edn"), 1);
    assert_eq!(fs::read_to_string(scratch.0.join("again/history.edn")).unwrap(), kept);
    let refused = workbench(&scratch, "check -w echo --edn kept kept/history.edn");
    assert_exit(&refused, 255);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("its history.edn is the history that was checked"), "{said}");
    assert_eq!(fs::read_to_string(scratch.0.join("kept/history.edn")).unwrap(), kept);
}

pub(crate) fn damaged_edn_is_refused_where_it_breaks() {
    let scratch = Scratch::new("damaged-edn");
    let whole = "{:index 0, :time 0, :type :invoke, :process 0, :f :echo, :value \"a\"}\n";
    fs::write(scratch.0.join("history.edn"), format!("{whole}{}", &whole[..40])).unwrap();
    let output = workbench(&scratch, "check -w echo history.edn");
    assert_exit(&output, 255);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("line 2 of the history is no EDN, at column 41"), "{said}");
}

pub(crate) fn a_run_is_exported_in_every_form() {
    let scratch = Scratch::new("export");
    let bin = node("echo.py").display().to_string();
    let test = format!("test -w echo --bin {bin} --node-count 2 --rate 20 --time-limit 1");
    assert_exit(&workbench(&scratch, &test), 0);
    let export = |flags: &str| {
        let output = workbench(&scratch, &format!("export {flags}"));
        assert_exit(&output, 0);
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let trace = fs::read_to_string(scratch.0.join("store/latest/trace.jsonl")).unwrap();
    assert_eq!(export("--format jsonl"), (trace, String::new()));

    let (log, _) = export("store/latest --format shiviz");
    assert!(log.starts_with("(?<host>"), "{log}");
    assert!(log.contains("\nn1 {\"n1\":1}\n"), "{log}");

    let (events, said) = export("--format chrome --node n1 --from 0s");
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    let all = events["traceEvents"].as_array().unwrap();
    assert!(all.iter().any(|event| event["cat"] == "operation" && event["name"] == "echo"));
    assert!(said.contains("messages are left out, as the flags ask"), "{said}");

    export("--format lamport-svg -o messages.svg");
    let parse = "import xml.dom.minidom, sys; xml.dom.minidom.parse(sys.argv[1])";
    let mut python = Command::new("python3");
    let parsed = python.args(["-c", parse, "messages.svg"]).current_dir(&scratch.0).output();
    assert_exit(&parsed.unwrap(), 0);

    assert_exit(&workbench(&scratch, "export --format chrome elsewhere"), 255);
    assert_exit(&workbench(&scratch, "export --format chrome -o no/such/folder"), 255);
    assert_exit(&workbench(&scratch, "export --format gif"), 255);
}

pub(crate) fn whoever_has_seen_enough_of_an_export_may_go() {
    let scratch = Scratch::new("broken-pipe");
    let mut trace = String::new();
    for id in 0..5_000 {
        trace += &format!(
            "{{\"time\":{id},\"event\":\"send\",\"id\":{id},\"src\":\"n0\",\"dest\":\"n1\",\
             \"body\":{{\"type\":\"gossip\"}}}}\n"
        );
    }
    fs::write(scratch.0.join("trace.jsonl"), trace).unwrap();
    fs::write(scratch.0.join("history.jsonl"), "").unwrap();
    for format in ["lamport-svg", "shiviz", "jsonl", "chrome"] {
        let script = format!(
            "{{ {} export . --format {format}; echo $? >&2; }} | head -c 10",
            env!("CARGO_BIN_EXE_workbench")
        );
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &script]).current_dir(&scratch.0).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "0\n", "{format}");
    }
}
