//! Whoever has a node that does not work is told in a sentence what is wrong with it.

use std::fs;

use simulator::Workload;

use crate::quirks::{ECHO, INVALID, Run, VALID, at_once};
use crate::{Scratch, node};

/// A run of the odd node, odd from this message on. Python may take its time to start.
pub(crate) fn odd(oddity: &str, since: usize, flags: &str, more: &[&str]) -> Run {
    let since = since.to_string();
    let args = [&[oddity, &since], more].concat();
    let name = format!("{oddity}-{since}{}{}", more.concat(), flags.replace(' ', ""));
    let waits = if flags.contains("--init-timeout") { "" } else { "--init-timeout 100" };
    Run::of(&node("odd.py"), &name, &format!("{flags} {waits}"), &args)
}

pub(crate) fn a_line_that_is_no_message_is_told_what_it_looks_like() {
    let oddities = [
        ("log", "logs belong on standard error"),
        ("log-before", "other text stands before the message"),
        ("empty", "it is empty, and every line on standard output has to be a message"),
        ("pretty", "`{` to standard output, which is not JSON: it ends before the JSON does"),
        ("python", "from `'src': 'n0', 'dest':` on. Names and strings are in double quotes"),
        ("comma", "it cannot be read from `}` on"),
        ("nan", "it cannot be read from `NaN}}` on"),
        ("javascript", "JSON.stringify"),
        ("bom", "`<BOM>{\"src\": \"n0\""),
        ("nul", "`<NUL>{\"src\": \"n0\""),
        ("colours", "`<ESC>[32m{\"src\""),
        ("utf-16", "it looks like UTF-16, and messages are UTF-8"),
        ("in-a-list", "it is a list, and a message is an object with `src`, `dest` and `body`"),
        ("in-a-string", "It was encoded as JSON twice"),
        ("body-alone", "; a message is an object with `src`, `dest` and `body`"),
        (
            "body-in-a-string",
            "`body` is a string instead of an object. It was encoded as JSON twice",
        ),
        ("no-src", "`src` is missing"),
        ("number-as-dest", "`dest` is an integer instead of a string"),
        ("capitals", "`Body` does not belong there"),
        ("unknown-client", "is for \"c999\", but there is nobody of that name"),
    ];
    at_once(&oddities, |(oddity, said)| {
        for since in [1, 3] {
            let run = odd(oddity, since, ECHO, &[]).is(INVALID).says(said);
            let run = run.says(&format!("printed line {since}, ")).says_nothing_of("column");
            run.says_nothing_of("standard error (all").says_nothing_of("nothing to standard error");
        }
    });
}

pub(crate) fn a_node_that_does_not_read_its_input_is_told_so() {
    // At once, or once it has answered `init` and a request.
    for since in [1, 3] {
        let closed = odd("closed-input", since, "-w echo --time-limit 20", &[]).is(INVALID);
        closed.says("n0 closed its standard input ").says("s after it was started");
    }
    if cfg!(target_os = "linux") {
        let deaf = odd("deaf", 1, "-w echo --init-timeout 1", &[]).is(INVALID);
        deaf.says("bytes wait on its standard input").says("--init-timeout gives it more time");
    }
}

pub(crate) fn a_node_that_does_not_read_is_told_so_before_the_memory_ends() {
    let run = odd("floods-itself", 3, "-w echo --time-limit 60", &[]).is(INVALID);
    run.says("does not read its standard input").says("go on reading while it handles requests");
}

pub(crate) fn a_value_that_comes_back_as_another_type_is_told_as_that() {
    let strings = odd("strings", 1, "-w broadcast --rate 10", &[]).is(INVALID).says("lost");
    let strings = strings.says("which is a string, where 0 was meant, which is an integer");
    strings.says("which nobody had sent by then. 0 was sent, an integer, and not a string.");
    let flags = "-w lin-kv --rate 100 --concurrency 10 --time-limit 2";
    let floats = odd("floats", 1, flags, &[]).is(INVALID).says("not-linearizable");
    floats.says("which is a float, where").says("was meant, which is an integer");
}

pub(crate) fn a_death_is_told_with_what_its_status_means() {
    let deaths = [
        ("exits", "0", "It ended as if all was done: a node goes on until its standard input ends"),
        ("exits", "126", "a program may not be executed, or is none"),
        ("exits", "127", "a program, or a library that it needs, is not there"),
        ("exits", "139", "It used memory that is not its own"),
        ("dies", "SIGSEGV", "It used memory that is not its own"),
        ("dies", "SIGABRT", "It gave itself up (abort)"),
        ("dies", "SIGKILL", "The system does so when memory runs out"),
    ];
    at_once(&deaths, |(oddity, how, said)| {
        odd(oddity, 3, ECHO, &[how]).is(INVALID).says("ended before the test did").says(said);
    });
    let background = odd("background", 1, ECHO, &[]).is(INVALID);
    background.says("A process that goes on in the background is none to the bench");
}

pub(crate) fn of_a_long_standard_error_the_reason_is_shown_and_how_much_is_left_out() {
    let run = odd("long-trace", 3, ECHO, &[]).is(INVALID).says("exit status: 3");
    run.says("heard 0 heard 1").says("… 179 lines in between").says("97 98 99");
    let run = odd("recurses", 3, ECHO, &[]).is(INVALID).says("lines before");
    run.says("KeyError: 'no-such-key' ").says("ValueError: no answer");
}

pub(crate) fn a_node_runs_in_a_folder_of_its_own() {
    let run = odd("folder", 1, "-w echo --node-count 2 --log-stderr", &[]).is(VALID);
    let words: Vec<&str> = run.text.split_whitespace().collect();
    for node in ["n0", "n1"] {
        let its: Vec<&&str> =
            words.iter().filter(|word| word.ends_with(&format!("/node-dirs/{node}"))).collect();
        assert!(its.len() >= 2 && its.iter().all(|folder| folder == &its[0]), "{}", run.text);
    }
}

/// Histories in which nothing was tested, or that cannot be read.
pub(crate) fn a_history_that_says_nothing_is_told_so() {
    let scratch = Scratch::new("odd-histories");
    let check = |workload: &str, content: &[u8]| {
        let file = scratch.0.join("history.jsonl");
        fs::write(&file, content).unwrap();
        let output = crate::command_line::workbench(&["check", "-w", workload])
            .arg(&file)
            .env("COLUMNS", "10000")
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), crate::one_line(&text))
    };
    let nemesis =
        r#"{"index":0,"time":0,"type":"info","process":"nemesis","f":"start","value":null}"#;
    for workload in Workload::ALL.map(Workload::name) {
        for nothing in ["", "\n\n", nemesis] {
            let (exit, said) = check(workload, nothing.as_bytes());
            assert_eq!(exit, Some(2), "{workload}: {said}");
            assert!(said.contains("nothing-asked"), "{workload}: {said}");
        }
    }
    let op = r#"{"index":0,"time":0,"type":"invoke","process":0,"f":"echo","value":"x"}"#;
    for (content, what) in [
        (format!("[{op}]"), "line 1 of the history is no operation"),
        (format!("{op}\n{{\"index\":1"), "line 2 of the history is no operation"),
        (format!("\u{feff}{op}"), "a byte order mark"),
        ("hello\n".to_owned(), "line 1 of the history is no operation"),
    ] {
        let (exit, said) = check("echo", content.as_bytes());
        assert_eq!(exit, Some(255), "{content}: {said}");
        assert!(said.contains(what), "{content}: {said}");
    }
    let answer = r#"{"index":1,"time":1,"type":"ok","process":0,"f":"echo","value":{"type":"echo_ok","echo":"x"}}"#;
    let (exit, said) = check("echo", format!("{op}\r\n{answer}\r\n").as_bytes());
    assert_eq!(exit, Some(0), "{said}");
}
