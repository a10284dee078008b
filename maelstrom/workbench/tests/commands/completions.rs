//! What shells offer, and the manual pages.

use std::fs;
use std::process::Command;

use crate::Scratch;
use crate::command_line::{assert_says, refusal, workbench};

/// What bash offers behind these words.
const OFFERED: [(&str, &str); 20] = [
    ("challenge", "3d"),
    ("challenge 3a", "raft"),
    ("challenge --runner", "maelstrom"),
    ("check --workload", "txn-list-append"),
    ("check --consistency-models", "read-committed"),
    ("check --availability", "total"),
    ("doc", "g-counter"),
    ("export --format", "lamport-svg"),
    ("new --lang", "ruby"),
    ("test --workload", "broadcast"),
    ("test --nemesis", "partition"),
    ("test --nemesis-targets", "majority"),
    ("test --disk", "torn"),
    ("test --consistency-models", "snapshot-isolation"),
    ("test --links", "ring"),
    ("test --topology", "tree4"),
    ("test --latency-dist", "exponential"),
    ("test --seq-kv", "adversarial"),
    ("test --values", "large"),
    ("test --format", "github"),
];

pub(crate) fn shells_know_every_command_and_its_values() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = workbench(&["completions", shell]).output().unwrap();
        assert_eq!(script.status.code(), Some(0), "{shell}");
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("until-fails") && script.contains("junit"), "{shell}");
        assert!(!script.contains("reap"), "{shell}");
    }
    let bash = workbench(&["completions", "bash"]).output().unwrap().stdout;
    let scratch = Scratch::new("completions");
    fs::write(scratch.0.join("complete.bash"), bash).unwrap();
    let mut parser = Command::new("bash");
    let parsed = parser.args(["-n", "complete.bash"]).current_dir(&scratch.0).status();
    assert!(parsed.unwrap().success());
    for (words, value) in OFFERED {
        let count = words.split(' ').count();
        let script = format!(
            "source complete.bash; COMP_WORDS=(workbench {words} ''); COMP_CWORD={}; \
             _workbench workbench '' ${{COMP_WORDS[{count}]}}; echo ${{COMPREPLY[@]}}",
            count + 1
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &script]).current_dir(&scratch.0).output().unwrap();
        let all = String::from_utf8(output.stdout).unwrap();
        assert!(all.split_whitespace().any(|it| it == value), "{words}: {all}");
    }
}

pub(crate) fn manual_pages_know_every_command() {
    let scratch = Scratch::new("manual");
    let man = workbench(&["man", "man1"]).current_dir(&scratch.0).output().unwrap();
    assert_eq!(man.status.code(), Some(0));
    let names = fs::read_dir(scratch.0.join("man1")).unwrap();
    let mut names: Vec<String> =
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.contains(&"workbench.1".to_owned()), "{names:?}");
    assert!(names.contains(&"workbench-test.1".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("reap")), "{names:?}");
    let page = fs::read_to_string(scratch.0.join("man1/workbench-test.1")).unwrap();
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
    assert_says(&refusal(&["man", "/dev/null/man1"]), "cannot write to /dev/null/man1");
}
