//! `workbench new`: the nodes that it writes, built and run where their language is
//! installed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::command_line::{assert_says, refusal, workbench};
use crate::{Scratch, one_line};

/// Writes a node into a folder `node`; the line that is said to test it.
fn write(scratch: &Scratch, language: &str, workload: &str) -> String {
    let output = workbench(&["new", "node", "--lang", language, "--workload", workload])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let line = said.trim_end().lines().last().unwrap().trim().to_owned();
    let readme = fs::read_to_string(scratch.0.join("node/README.md")).unwrap();
    let test = line.rsplit_once("workbench test").unwrap().1;
    assert_says(&readme, &test.replace("node/", "./"));
    line
}

/// A command for the shell, which finds the bench in `PATH`.
fn shell(scratch: &Scratch, line: &str) -> Command {
    let bench = Path::new(env!("CARGO_BIN_EXE_workbench")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(bench).chain(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(&scratch.0);
    command.env("PATH", std::env::join_paths(folders).unwrap()).env_remove("CARGO_TARGET_DIR");
    command
}

fn is_installed(tool: &str) -> bool {
    let version = if tool == "go" { "version" } else { "--version" };
    let mut command = Command::new(tool);
    command.arg(version).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What the node says to these lines; it has to end with its input, and well.
fn answers(scratch: &Scratch, line: &str, bodies: &[Value]) -> Vec<Value> {
    let (build, test) = line.rsplit_once("workbench test").unwrap();
    let program = test.split_once("--bin ").unwrap().1.split(' ').next().unwrap();
    let mut node = shell(scratch, &format!("{build} exec {program}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = node.stdin.take().unwrap();
    for body in bodies {
        writeln!(input, "{}", json!({"id": 0, "src": "c1", "dest": "n0", "body": body})).unwrap();
    }
    drop(input);
    let Output { status, stdout, .. } = node.wait_with_output().unwrap();
    assert!(status.success(), "{status}");
    let mut bodies: Vec<Value> = String::from_utf8(stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|message: Value| {
            assert_eq!((&message["src"], &message["dest"]), (&json!("n0"), &json!("c1")));
            message["body"].clone()
        })
        .collect();
    // Nothing orders replies to several requests.
    bodies.sort_by_key(|body| body["in_reply_to"].as_u64());
    bodies
}

/// Writes nodes in a language, and tries them, if it is installed.
fn try_in(language: &str, tools: &[&str]) {
    if let Some(tool) = tools.iter().find(|tool| !is_installed(tool)) {
        eprintln!("skipped: {tool} is not installed");
        return;
    }
    let scratch = Scratch::new(&format!("new-{language}"));
    let line = write(&scratch, language, "echo").replace("--time-limit 5", "--time-limit 1");
    let Output { status, stdout, stderr } = shell(&scratch, &line).output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert_eq!(status.code(), Some(0), "{line}: {text}");
    assert_says(&text, "Valid: echo, 1 node");

    let scratch = Scratch::new(&format!("new-broadcast-{language}"));
    let line = write(&scratch, language, "broadcast");
    let echo = json!({"a": ["é \" \\ \n 😀", 12, -0.5, null, true, {}, []]});
    let said = answers(
        &scratch,
        &line,
        &[
            json!({"type": "init", "msg_id": 1, "node_id": "n0", "node_ids": ["n0", "n1"]}),
            json!({"type": "topology", "msg_id": 2, "topology": {"n0": ["n1"], "n1": []}}),
            json!({"type": "broadcast", "msg_id": 3, "message": 7}),
            json!({"type": "frobnicate", "msg_id": 4}),
            json!({"type": "frobnicate"}),
            json!({"type": "broadcast_ok", "in_reply_to": 3}),
            json!({"type": "echo", "msg_id": 5, "echo": echo}),
        ],
    );
    let refused =
        |text: &str, id: u64| json!({"type": "error", "in_reply_to": id, "code": 10, "text": text});
    let expected = [
        json!({"type": "init_ok", "in_reply_to": 1}),
        json!({"type": "topology_ok", "in_reply_to": 2}),
        refused("broadcast is not written yet", 3),
        refused("this node does not know messages of type frobnicate", 4),
        json!({"type": "echo_ok", "in_reply_to": 5, "echo": echo}),
    ];
    assert_eq!(said, expected);
}

pub(crate) fn a_new_node_in_rust_echoes_and_refuses_what_is_not_written() {
    try_in("rust", &["cargo"]);
}

pub(crate) fn a_new_node_in_python_echoes_and_refuses_what_is_not_written() {
    try_in("python", &["python3"]);
}

pub(crate) fn a_new_node_in_go_echoes_and_refuses_what_is_not_written() {
    try_in("go", &["go"]);
}

pub(crate) fn a_new_node_in_javascript_echoes_and_refuses_what_is_not_written() {
    try_in("javascript", &["node"]);
}

pub(crate) fn a_new_node_in_ruby_echoes_and_refuses_what_is_not_written() {
    try_in("ruby", &["ruby"]);
}

pub(crate) fn a_new_node_in_java_echoes_and_refuses_what_is_not_written() {
    try_in("java", &["javac", "java"]);
}

pub(crate) fn a_new_node_in_cpp_echoes_and_refuses_what_is_not_written() {
    try_in("cpp", &["c++"]);
}

pub(crate) fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = Scratch::new("new-refused");
    fs::write(scratch.0.join("mine"), "precious").unwrap();
    let [folder, file] = ["", "mine"].map(|name| scratch.0.join(name).display().to_string());
    assert_says(&refusal(&["new", &folder, "--lang", "go"]), "is not empty");
    assert_says(&refusal(&["new", &file, "--lang", "go"]), "cannot be the folder of a node");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    let unknown = refusal(&["new", "x", "--lang", "cobol"]);
    assert_says(&unknown, "possible values: rust, python, go, js, ruby, java, c++");
}

pub(crate) fn what_workloads_ask_is_printed_and_demos_are_said_to_be_elsewhere() {
    let doc = |args: &[&str]| {
        let output = workbench(&[&["doc"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        one_line(&String::from_utf8(output.stdout).unwrap())
    };
    assert_says(&doc(&["kafka"]), r#"Reply: {"type": "send_ok", "offset": 1000}"#);
    let all = doc(&[]);
    for workload in simulator::Workload::ALL.map(simulator::Workload::name) {
        assert_says(&all, &workload.to_uppercase());
    }
    assert_says(&refusal(&["demo", "--time-limit", "3"]), "workbench new my-node --lang python");
}
