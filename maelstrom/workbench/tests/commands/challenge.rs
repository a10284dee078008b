//! `workbench challenge`: what is asked for, and one's own program that solves it.

use std::process::Output;

use crate::command_line::{assert_says, refusal, workbench};
use crate::{Scratch, node, one_line};

pub(crate) fn a_list_says_in_words_what_is_asked_for() {
    let list = |names: &[&str]| {
        let output = workbench(&[&["challenge", "--list"], names].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let limits = "valid, and below 30 messages per operation, median below 400 ms, maximum below \
                  600 ms";
    let one = list(&["3d"]);
    assert_says(&one, "Every value reaches 25 nodes that are 100 ms apart");
    assert_says(&one, limits);
    assert_says(&one, "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100");
    assert_eq!(list(&["3"]).matches("solved if: ").count(), 5);
    assert_eq!(list(&[]).matches("solved if: ").count(), 16);
    assert_eq!(list(&["all"]).matches("solved if: ").count(), 14);
}

pub(crate) fn what_is_no_challenge_and_what_is_no_program_are_named_before_anything_runs() {
    let unknown = refusal(&["challenge", "3", "9"]);
    assert_says(&unknown, "invalid value '9' for '[CHALLENGE]...': there are 1, 2, 3a, 3b");
    assert_says(&unknown, "the groups 3, 5, 6, raft; and all");
    let refuse = |flags: &[&str]| refusal(&[&["challenge", "3d"], flags].concat());
    assert_says(&refuse(&["--bin", "./none"]), "--bin ./none: No such file");
    assert_says(&refuse(&["--bin", "none"]), "nor a program of that name in PATH");
    assert_says(&refuse(&["--bin", "Cargo.toml"]), "Try chmod +x Cargo.toml");
    let missing = refuse(&["--nodes", "src"]);
    assert_says(&missing, "there is no src/broadcast for challenge 3d: has it been built? Name");
    assert_says(&refuse(&["--bin", "x", "--nodes", "y"]), "cannot be used with");
}

/// The exit code and output of these challenges, in short, with a node in a mode.
fn run(name: &str, challenges: &[&str], mode: &str) -> (Option<i32>, String) {
    let scratch = Scratch::new(name);
    let bin = node("echo.py");
    let flags = ["--bin", bin.to_str().unwrap(), "--seed", "5", "--flags"];
    let short = "-w echo --time-limit 1 --node-count 2 --nemesis partition:60";
    let words = [&["challenge"], challenges, &flags, &[short, "--", mode]].concat();
    let Output { status, stdout, .. } = workbench(&words).current_dir(&scratch.0).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

pub(crate) fn one_program_runs_as_several_challenges_with_its_own_arguments() {
    let (exit, text) = run("own-program", &["1", "6"], "well");
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(text.matches("Valid: echo, 2 nodes").count(), 4, "{text}");
    assert_says(&text, "--seed 5 -- well");
    let table = one_line(text.rsplit_once("challenge  verdict").unwrap().1);
    for id in ["1", "6a", "6b", "6c"] {
        assert_says(&table, &format!(" {id} valid "));
    }
    let (exit, text) = run("own-broken-program", &["1"], "crashes");
    assert_eq!(exit, Some(1), "{text}");
    assert_says(&text, "ended before the test did");
}
