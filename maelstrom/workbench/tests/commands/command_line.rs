//! The command line: sentences for those who use it wrongly, exit codes for
//! those who call it from scripts, and what a run leaves behind.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{Scratch, one_line};

pub(crate) fn workbench(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    command.args(args).env_remove("COLUMNS");
    command
}

/// What the command says about wrong usage.
#[track_caller]
pub(crate) fn refusal(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = workbench(args).output().unwrap();
    assert_eq!(status.code(), Some(255), "{args:?}");
    assert!(stdout.is_empty(), "{args:?}");
    one_line(&String::from_utf8(stderr).unwrap())
}

/// What `workbench test` says about these flags.
#[track_caller]
fn refused_flags(flags: &[&str]) -> String {
    // A program that exists, so that it is the flags that are wrong.
    let program = env!("CARGO_BIN_EXE_workbench");
    refusal(&[&["test", "-w", "echo", "--bin", program], flags].concat())
}

#[track_caller]
pub(crate) fn assert_says(text: &str, expected: &str) {
    assert!(text.contains(expected), "{text}");
}

pub(crate) fn what_was_meant_is_said() {
    let new = "the language is a flag: 'workbench new my-node --lang";
    for (words, said) in [
        ("new python my-node", format!("{new} python'")),
        ("new my-node go", format!("{new} go'")),
        ("new js", format!("{new} js'")),
        ("test --bin node --open", "'workbench serve --open' exists".to_owned()),
        ("serve --rate 5", "'workbench test --rate' exists".to_owned()),
        ("test --bin node --finding 1", "'workbench explain --finding' exists".to_owned()),
    ] {
        assert_says(&refusal(&words.split(' ').collect::<Vec<_>>()), &said);
    }
    assert_says(&refusal(&["test", "--bin", "node", "--rat", "5"]), "'--rate'");
}

pub(crate) fn values_that_cannot_be_are_answered_with_what_can() {
    for (flag, value, said) in [
        ("--rate", "-1", "it cannot be negative"),
        ("--rate", "fast", "a number of operations a second"),
        ("--concurrency", "0n", "at least 1, with an n behind it"),
        ("--concurrency", "-2", "at least 1, with an n behind it"),
        ("--nemesis-interval", "0", "seconds greater than 0"),
        ("--time-limit", "-5", "seconds greater than 0"),
        ("--latency", "-5", "whole milliseconds, from 0"),
        ("--node-count", "0", "at least 1"),
        ("--availability", "1.5", "from 0 to 1"),
        ("--nemesis", "frost", "pause, one-way, loss, duplicate, reorder, slow, clock"),
        ("--nemesis", "kill, pause ,frost", "invalid value 'frost'"),
        ("--nemesis-targets", "most", "nil, one, minority-third, minority, majority, all"),
        ("--init-timeout", "0.5", "whole seconds, at least 1"),
        ("--topology", "star", "tree3, tree4"),
        ("--links", "star", "a list of links such as n0-n1,n1-n2"),
        ("--links", "n1-n1", "links a node to itself"),
        ("--latency-dist", "normal", "constant, uniform, exponential"),
        ("--seq-kv", "bad", "real, adversarial"),
        ("-w", "chess", "broadcast, echo, g-counter"),
        ("--limits", "msgs<3", "there is no metric \"msgs\""),
        ("--key-count", "0", "at least 1"),
        ("--no-such-flag", "1", "--no-such-flag"),
    ] {
        assert_says(&refused_flags(&[flag, value]), said);
    }
}

/// Whoever gives a flag expects something of it.
pub(crate) fn a_flag_that_does_nothing_without_another_is_refused_with_that_one() {
    for (flags, missing) in [
        (&["--nemesis-interval", "5"][..], "--nemesis <FAULTS>"),
        (&["--nemesis-targets", "one"], "--nemesis <FAULTS>"),
        (&["--nemesis-targets", "one", "--nemesis", "partition"], "add kill or pause to --nemesis"),
        (&["--latency-dist", "uniform"], "--latency <MILLIS>"),
        (&["--disk", "torn"], "add kill to --nemesis"),
        (&["--idle-messages", "1"], "--settle-within <MILLIS>"),
        (&["--shown-within", "1"], "--settle-within <MILLIS>"),
    ] {
        assert_says(&refused_flags(flags), missing);
    }
    let refused: [(&[&str], &str); 5] = [
        (&["messages", "--within", "5ms"], "--around <TIME>"),
        (&["challenge", "1", "--maelstrom", "m"], "--runner maelstrom"),
        (&["challenge", "--list", "--bin", "x"], "cannot be used with"),
        (&["challenge", "--list", "--seed", "5"], "cannot be used with"),
        (&["check", "-w", "echo", "--json", "--format", "json", "-"], "cannot be used with"),
    ];
    for (words, said) in refused {
        assert_says(&refusal(words), said);
    }
    // Disk faults come and go as the others do.
    let with_disk = ["--nemesis-interval", "5", "--nemesis-targets", "one", "--disk", "locked"];
    assert_says(
        &refused_flags(&[&with_disk[..], &["--rate", "x"]].concat()),
        "operations a second",
    );
}

pub(crate) fn flags_that_do_not_go_together_are_named() {
    let limits = refused_flags(&["--limits", "stable-max<600"]);
    assert_says(&limits, "does not go with echo: only broadcast and g-set measure stable-max");
    let links = |links: &str| refused_flags(&["--node-count", "3", "--links", links]);
    assert_says(&links("0-1"), "no way leads from n0 to n2");
    assert_says(&links("0-1,1-2,2-3"), "names n3, but there are only 3 nodes");
    let lin_kv = refused_flags(&["-w", "lin-kv", "--concurrency", "1n"]);
    assert_says(&lin_kv, "has to be a multiple of 10, not 5: try --concurrency 2n");
    assert!(!lin_kv.contains("where -w"), "{lin_kv}");
    let unnamed = refusal(&["test", "--bin", env!("CARGO_BIN_EXE_workbench")]);
    assert_says(&unnamed, "The workload is lin-kv where -w names none");
}

pub(crate) fn faults_that_cannot_be_had_are_refused_with_the_reason() {
    assert_says(&refused_flags(&["--disk", "rust"]), "lose-unsynced, torn, flip, full, locked");
    assert_says(&refused_flags(&["--disk", "flip"]), "add kill to --nemesis");
    for flags in [&["--disk", "full"][..], &["--nemesis", "kill", "--disk", "lose-unsynced"]] {
        assert_says(&refused_flags(flags), "does not exist with processes, whose disk");
    }
    assert_says(&refused_flags(&["--nemesis", "clock"]), "all have the clock of this machine");
}

pub(crate) fn a_program_that_cannot_be_run_is_named() {
    let refuse = |bin: &str| refusal(&["test", "-w", "echo", "--bin", bin]);
    assert_says(&refuse("./no/such/node"), "--bin ./no/such/node: No such file");
    assert_says(&refuse("no-such-node"), "nor a program of that name in PATH");
    assert_says(
        &refuse("node main.js"),
        "its arguments follow at the end, after --: --bin node --",
    );
    assert_says(&refuse("/"), "--bin / is not a file");
    assert_says(&refuse("Cargo.toml"), "may not be executed. Try chmod +x Cargo.toml");
    assert_says(&refusal(&["test", "-w", "echo"]), "--bin <FILE>");
}

pub(crate) fn whoever_asks_for_help_gets_it_and_exit_code_0() {
    for args in [&["--help"][..], &["test", "--help"], &["check", "--help"], &["--version"]] {
        let output = workbench(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{args:?}");
    }
    let help = workbench(&["test", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    for expected in ["Load:", "Network and faults:", "Examples:", "Exit codes:", "[default: 5]"] {
        assert!(help.contains(expected), "{expected}");
    }
    assert!(!help.contains("reap"));
}

fn check(args: &[&str], input: &str) -> Output {
    let mut child = workbench(&[&["check"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may give up before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

const DUPLICATE: &str = r#"{"index":0,"time":0,"type":"invoke","process":0,"f":"generate"}
{"index":1,"time":1,"type":"ok","process":0,"f":"generate","value":7}
{"index":2,"time":2,"type":"invoke","process":0,"f":"generate"}
{"index":3,"time":3,"type":"ok","process":0,"f":"generate","value":7}
{"index":4,"time":4,"type":"invoke","process":0,"f":"generate"}
{"index":5,"time":5,"type":"info","process":0,"f":"generate","error":"net-timeout"}
"#;

pub(crate) fn check_reads_standard_input_and_tells_the_witness() {
    let output = check(&["-w", "unique-ids", "-"], DUPLICATE);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Invalid: unique-ids"), "{text}");
    assert_says(&text, "7 was given to p0 (op 1 at 0.000 s) and again to p0 (op 3 at 0.000 s)");
    assert!(!text.contains('\x1b'), "no colour where there is no terminal");
}

pub(crate) fn check_refuses_the_history_of_another_workload() {
    for workload in ["echo", "broadcast", "kafka", "lin-kv", "txn-list-append", "g-counter"] {
        let output = check(&["-w", workload, "-"], DUPLICATE);
        assert_eq!(output.status.code(), Some(255), "{workload}");
        let said = one_line(&String::from_utf8(output.stderr).unwrap());
        assert_says(&said, &format!("is `generate`, which the workload {workload} does not have"));
    }
}

pub(crate) fn an_empty_history_is_unknown_for_every_workload_and_says_why() {
    for workload in simulator::Workload::ALL.map(simulator::Workload::name) {
        let output = check(&["-w", workload, "-"], "");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(2), "{workload}: {said}");
        assert!(!said.contains("100 %"), "{workload}: {said}");
    }
    // Most of the original's checkers call it valid.
    let output = check(&["-w", "echo", "--compatible", "-"], "");
    assert_eq!(output.status.code(), Some(0));
}

pub(crate) fn check_prints_results_as_json() {
    let output = check(&["-w", "unique-ids", "--json", "-"], DUPLICATE);
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results["valid?"], Value::Bool(false));
    assert_eq!(results["workload"]["duplicated"]["7"], 2);
    assert_eq!(results["workload"]["findings"][0]["ops"][1], 3);
    assert_eq!(results["stats"]["by-f"]["generate"]["info-count"], 1);
}

pub(crate) fn check_compares_availability() {
    let valid = DUPLICATE.replacen("\"value\":7", "\"value\":8", 1);
    let exit = |args: &[&str]| check(args, &valid).status.code();
    assert_eq!(exit(&["-w", "unique-ids", "-"]), Some(0));
    assert_eq!(exit(&["-w", "unique-ids", "--availability", "0.6", "-"]), Some(0));
    assert_eq!(exit(&["-w", "unique-ids", "--availability", "0.7", "-"]), Some(1));
    assert_eq!(exit(&["-w", "unique-ids", "--availability", "total", "-"]), Some(1));
}

pub(crate) fn what_is_no_history_is_refused_with_the_line_that_is_wrong() {
    let refused = |input: &str| {
        let output = check(&["-w", "unique-ids", "-"], input);
        assert_eq!(output.status.code(), Some(255));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_says(&refused("not JSON\n"), "line 1 of the history is no operation");
    let gap = DUPLICATE.replace("\"index\":3", "\"index\":4");
    assert_says(&refused(&gap), "line 4 of the history: its index is 4 instead of 3");
    assert_says(&refusal(&["check", "-w", "echo", "no/such/file"]), "cannot open no/such/file");
    assert_says(&refusal(&["check", "history.jsonl"]), "--workload <NAME>");
}

/// An echo node in the language that is everywhere. Its first argument is put
/// before what it echoes.
const NODE: &str = r#"#!/bin/sh
field() { printf '%s' "$line" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^,}\"]*\).*/\1/p"; }
[ -z "$LOGS" ] || echo "$LOGS" >&2
while read -r line; do
  src=$(field src) id=$(field msg_id)
  case $line in
    *'"init"'*) me=$(field node_id); body='"type":"init_ok"' ;;
    *) body="\"type\":\"echo_ok\",\"echo\":\"$1$(field echo)\"" ;;
  esac
  echo "{\"src\":\"$me\",\"dest\":\"$src\",\"body\":{$body,\"in_reply_to\":$id}}"
done
"#;

/// A run of it.
fn run(scratch: &Scratch, flags: &[&str]) -> Command {
    scratch.write_script("node.sh", NODE);
    let fixed = ["test", "-w", "echo", "--bin", "./node.sh", "--node-count", "1"];
    let load = ["--time-limit", "1", "--rate", "20", "--seed", "5"];
    let mut command = workbench(&[&fixed[..], &load, flags].concat());
    command.current_dir(&scratch.0);
    command
}

/// The exit code and the summary of a run in which the node logs this line.
fn run_logging(line: &str) -> (Option<i32>, String) {
    let scratch = Scratch::new("logs");
    let output = run(&scratch, &[]).env("LOGS", line).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

pub(crate) fn a_panic_that_the_library_tells_of_makes_a_run_invalid_and_no_other_text_does() {
    let (code, text) = run_logging("panic in handler `echo`: out of luck at src/lib.rs:7:9");
    assert_eq!(code, Some(1), "{text}");
    assert_says(&one_line(&text), "panic in handler `echo`: out of luck at src/lib.rs:7:9");
    let (code, text) = run_logging("panic: runtime error: index out of range [5]");
    assert_eq!(code, Some(0), "{text}");
}

pub(crate) fn a_run_leaves_everything_in_the_store() {
    let scratch = Scratch::new("store");
    let output = run(&scratch, &[]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("Valid: echo, 1 node, seed 5\n"), "{text}");
    let command = "workbench test --bin ./node.sh --workload echo --node-count 1 --rate 20 \
                   --time-limit 1 --seed 5";
    assert_says(&text, command);

    let latest = scratch.0.join("store/latest");
    let results: Value =
        serde_json::from_slice(&fs::read(latest.join("results.json")).unwrap()).unwrap();
    assert_eq!(results["valid?"], Value::Bool(true));
    assert!(results["stats"]["ok-count"].as_u64().unwrap() > 0);
    assert_eq!(results["net"]["servers"]["msg-count"], 0);
    let page = fs::read_to_string(scratch.0.join("store/echo/latest/report.html")).unwrap();
    assert_says(&page, "<span class=\"good\">Valid</span>");
    assert_says(&page, "class=\"dots ok f0\"");
    assert!(latest.join("node-logs/n0.log").is_file());
    assert!(!latest.join("node-dirs").exists(), "nothing was left in it");

    let history = latest.join("history.jsonl");
    let report = scratch.0.join("again.html");
    let [history, path] = [history.to_str().unwrap(), report.to_str().unwrap()];
    let again = workbench(&["check", "-w", "echo", "--report", path, history]).output().unwrap();
    assert_eq!(again.status.code(), Some(0));
    let again = fs::read_to_string(report).unwrap();
    let run = |page: &str| page.split("id=\"run\">").nth(1).map(|rest| rest[..100].to_owned());
    assert_eq!(run(&again).unwrap(), run(&page).unwrap(), "the trace is shown again");
}

pub(crate) fn a_node_that_is_broken_gets_exit_code_1_and_a_command_to_see_it_again() {
    let scratch = Scratch::new("broken");
    let output = run(&scratch, &["--", "it's "]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Invalid: echo"), "{text}");
    assert_says(&text, "p0 (n0) sent \"Please echo ");
    assert_says(&text, r#"--seed 5 -- "it's ""#);
}

pub(crate) fn a_limit_that_is_missed_gets_exit_code_1_though_the_history_is_valid() {
    let scratch = Scratch::new("limit");
    let output = run(&scratch, &["--limits", "msgs-per-op<0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Valid, but over its limits: echo"), "{text}");
    assert_says(&text, "msgs-per-op   0 ≥ 0  missed");
    let kept = run(&scratch, &["--limits", "msgs-per-op<=0"]).output().unwrap();
    assert_eq!(kept.status.code(), Some(0));
}

/// The checkers' own histories: their names say what has to come out.
pub(crate) fn check_says_by_its_exit_code_what_a_history_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkers/tests/histories");
    let mut checked = 0;
    let workloads = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for workload in workloads.filter(|path| path.is_dir()) {
        for history in fs::read_dir(&workload).unwrap().map(|entry| entry.unwrap().path()) {
            let name = history.file_name().unwrap().to_str().unwrap();
            let expected = match name.split_once('-').unwrap().0 {
                "accept" => 0,
                "reject" => 1,
                _ => 2,
            };
            let workload = workload.file_name().unwrap().to_str().unwrap();
            let output =
                workbench(&["check", "-w", workload, history.to_str().unwrap()]).output().unwrap();
            assert_eq!(output.status.code(), Some(expected), "{name}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} histories");
}

/// What `workbench inspect` prints of a journal.
fn inspect(scratch: &Scratch, flags: &[&str]) -> (Option<i32>, String) {
    let directory = scratch.0.join("journal");
    let args = [&["inspect", directory.to_str().unwrap()], flags].concat();
    let Output { status, stdout, .. } = workbench(&args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

pub(crate) fn inspect_prints_a_journal_and_its_first_fault() {
    use maelstrom::disk::Disk;
    use maelstrom::journal::{Journal, Log as _, Options};

    let scratch = Scratch::new("inspect");
    let directory = scratch.0.join("journal");
    let open = || {
        Journal::open(Disk::in_directory(&directory), Options::new("n0", 7), || (), |(), _| Ok(()))
    };
    let (mut journal, ()) = open().unwrap();
    journal.append(&[b"zero"]).unwrap();
    journal.snapshot(&mut [b"the first".to_vec()].into_iter()).unwrap();
    journal.append(&[b"one", br#"{"two":2}"#]).unwrap();
    drop(journal);

    let (exit, text) = inspect(&scratch, &[]);
    assert_eq!(exit, Some(0), "{text}");
    for line in [
        "bytes, records from 1, of n0, incarnation 7, every group synced\n  record 1 at",
        "bytes, all records before 1, of n0, incarnation 7, every group synced\n  piece at",
        "9 bytes: the first\n",
        "9 bytes: {\"two\":2}\n",
        "sound: 2 records from 1 on\n",
    ] {
        assert_says(&text, line);
    }
    assert!(!inspect(&scratch, &["--heads"]).1.contains("record 1"));
    let (_, json) = inspect(&scratch, &["--json"]);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["is"], "file");
    assert_eq!(lines.last().unwrap()["end"], 3);

    let segment = directory.join("segment-0000000001");
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(3).position(|window| window == b"one").unwrap();
    bytes[place] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (exit, text) = inspect(&scratch, &[]);
    assert_eq!(exit, Some(1));
    assert_says(&text, "corrupt: segment-0000000001 at byte ");
    assert_says(&text, "the checksum of a record is wrong\n");

    assert_says(&refusal(&["inspect", "no-such"]), "no-such is no directory");
}
