//! Nodes with quirks: what the original would say of them, and whether the
//! verdict says what is wrong. The node is a shell script, so that it is anywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Scratch, node, one_line};

/// A run of `workbench test`, with all that it says and leaves.
pub(crate) struct Run {
    exit: Option<i32>,
    /// Standard output and standard error, sentences in one line.
    pub(crate) text: String,
    results: Value,
    page: String,
}

impl Run {
    pub(crate) fn of(bin: &Path, name: &str, flags: &str, args: &[&str]) -> Self {
        let scratch = Scratch::new(&format!("quirk-{name}"));
        let store = scratch.0.join("store");
        let load = ["--node-count", "1", "--rate", "20", "--time-limit", "1", "--seed", "5"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
        command.args(["test", "--bin"]).arg(bin).arg("--store").arg(&store).args(load);
        command.args(flags.split_whitespace()).arg("--").args(args).env("COLUMNS", "10000");
        let output = command.output().unwrap();
        let results = fs::read(store.join("latest/results.json")).unwrap_or_default();
        let text = [output.stdout, output.stderr].concat();
        Self {
            exit: output.status.code(),
            text: one_line(&String::from_utf8(text).unwrap()),
            results: serde_json::from_slice(&results).unwrap_or_default(),
            page: fs::read_to_string(store.join("latest/report.html")).unwrap_or_default(),
        }
    }

    /// A run of the node with this quirk.
    fn with(quirk: &str, flags: &str) -> Self {
        let name = format!("{quirk}{}", flags.replace(' ', ""));
        Self::of(&node("quirks.sh"), &name, flags, &[quirk])
    }

    #[track_caller]
    pub(crate) fn is(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Self {
        assert!(self.text.contains(what), "{what:?} is not in: {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn says_nothing_of(self, what: &str) -> Self {
        assert!(!self.text.contains(what), "{what:?} is in: {}", self.text);
        self
    }
}

/// Runs take time without work: a table's are made at once.
pub(crate) fn at_once<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| check(row));
        }
    });
}

pub(crate) const VALID: i32 = 0;
pub(crate) const INVALID: i32 = 1;
const FAILED: i32 = 255;
pub(crate) const ECHO: &str = "-w echo";

pub(crate) fn a_node_without_a_quirk_is_valid_without_a_word() {
    at_once(&[ECHO, "-w unique-ids", "-w broadcast"], |flags| {
        Run::with("none", flags).is(VALID).says_nothing_of("warning").says_nothing_of("not ok");
    });
}

pub(crate) fn another_registered_name_is_accepted_with_a_warning_and_wrong_if_strict() {
    let flags = "-w echo --node-count 2";
    let run = Run::with("as-another-node", flags).is(VALID);
    let run = run.says("warning: forged-source").says("A node sent in another's name: ");
    assert_eq!(run.results["net"]["warnings"][0]["kind"], "forged-source");
    assert!(run.page.contains("forged-source"));
    Run::with("as-another-node", &format!("{flags} --strict")).is(INVALID).says("forged-source");
}

pub(crate) fn a_request_passed_on_in_its_clients_name_is_answered_and_the_hop_is_told() {
    let run = Run::with("relays", "-w echo --node-count 2").is(VALID);
    let run = run.says("warning: forged-source").says("warning: foreign-reply");
    let run = run.says("by n0 to c").says("who had asked n1");
    assert_eq!(run.results["net"]["servers"]["msg-count"], 0, "it is a client's message");
    Run::with("relays", "-w echo --node-count 2 --strict").is(INVALID).says("foreign-reply");
}

pub(crate) fn the_name_of_nobody_is_a_fault_and_so_is_a_former_clients() {
    Run::with("as-nobody", ECHO).is(INVALID).says("claims to be from \"n99\"");
    // The client that asked n0 to initialise is gone when topologies are sent.
    Run::with("as-a-former-client", "-w broadcast").is(INVALID).says("claims to be from \"c0\"");
}

pub(crate) fn of_init_ok_only_the_type_and_what_it_answers_matter() {
    let quirks = ["init-null-msg-id", "init-string-msg-id", "init-extra-field", "init-twice"];
    at_once(&quirks, |quirk| {
        Run::with(quirk, ECHO).is(VALID).says_nothing_of("warning");
    });
    let run = Run::with("init-type", ECHO).is(INVALID);
    run.says("which is no `init_ok`: its type is \"init\"");
}

pub(crate) fn a_reply_that_is_not_as_it_should_be_is_malformed_and_told_so() {
    let quirks = [
        ("no-type", "`type` is missing, `x` does not belong there"),
        ("type-of-request", "its type is \"echo\""),
        ("type-number", "its type is 5"),
        ("msg-id-null", "`msg_id` has to be an integer"),
        ("msg-id-string", "`msg_id` has to be an integer"),
        ("extra-field", "`extra` does not belong there"),
    ];
    at_once(&quirks, |(quirk, problem)| {
        let run = Run::with(quirk, ECHO).is(INVALID);
        let reason = format!("malformed echo_ok reply: {problem}");
        let run = run.says(&format!("echo in doubt: {reason}, for instance {{"));
        assert_eq!(run.results["stats"]["ok-count"], 0, "{quirk}");
        assert_eq!(run.results["stats"]["reasons"][0]["reason"], reason, "{quirk}");
        assert!(run.page.contains("malformed echo_ok reply"), "{quirk}");
    });
}

pub(crate) fn errors_that_a_node_answers_are_told_with_code_and_text() {
    let quirks = [
        ("error", "failed", "the node answered temporarily-unavailable (code 11)", "too busy"),
        (
            "error-own-code",
            "in doubt",
            "the node answered an error of its own (code 1234)",
            "my own",
        ),
        (
            "error-string-code",
            "in doubt",
            "the node answered an error whose `code` is a string instead of an integer: \"11\"",
            "too busy",
        ),
        ("error-without-text", "failed", "the node answered abort (code 14)", ""),
    ];
    at_once(&quirks, |&(quirk, outcome, reason, text)| {
        let run = Run::with(quirk, ECHO).is(INVALID).says(&format!("echo {outcome}: {reason}"));
        let run = run.says(text);
        assert_eq!(run.results["stats"]["reasons"][0]["reason"], reason, "{quirk}");
    });
}

pub(crate) fn a_read_whose_list_has_another_name_is_told_why_it_stayed_in_doubt() {
    let run = Run::with("read-names-values", "-w broadcast").is(INVALID);
    let reason = "malformed read_ok reply: `values` does not belong there, `messages` is missing";
    let run = run.says(&format!("because of: {reason}: {{")).says(&format!("doubt: {reason}"));
    assert_eq!(run.results["stats"]["reasons"][0]["f"], "read");
    assert!(run.page.contains("`values` does not belong there"));
}

pub(crate) fn a_reply_to_nothing_that_was_asked_is_told_beside_the_timeouts() {
    at_once(&["in-reply-to-string", "in-reply-to-float", "in-reply-to-null"], |quirk| {
        let run = Run::with(quirk, "-w echo --rate 5").is(INVALID);
        run.says("echo in doubt: no reply in time").says("warning: unmatched-reply");
    });
    let run = Run::with("init-in-reply-to-string", ECHO).is(INVALID);
    run.says("did not answer `init`")
        .says("whose `in_reply_to` is a string instead of the integer 1");
}

pub(crate) fn the_first_message_on_a_line_counts() {
    at_once(&["two-on-a-line", "trailing-nul", "trailing-text"], |quirk| {
        Run::with(quirk, ECHO).is(VALID).says("warning: trailing-text");
        Run::with(quirk, "-w echo --strict").is(INVALID).says("trailing-text");
    });
    Run::with("carriage-return", "-w echo --strict").is(VALID);
    Run::with("twice", "-w echo --strict").is(VALID);
}

pub(crate) fn bytes_that_are_no_text_are_replaced() {
    let run = Run::with("not-utf-8", ECHO).is(INVALID).says("warning: not-utf-8");
    run.says("echo failed: the node answered abort (code 14), for instance \"\u{fffd}\"");
}

pub(crate) fn what_is_no_message_is_quoted() {
    Run::with("says-hello", ECHO).is(INVALID).says("line 2, `hello`");
    Run::with("sends-a-list", ECHO).is(INVALID).says("line 2, `[]`");
    Run::with("id-null", ECHO).is(INVALID).says("`id` has to be an integer");
    Run::with("no-body", ECHO).is(INVALID).says("`body` is missing");
}

pub(crate) fn a_message_without_an_end_of_line_is_quoted() {
    let run = Run::with("no-end-of-line", ECHO).is(INVALID);
    run.says("did not answer `init` within 10 s. It printed `{\"src\":\"n0\",")
        .says("without an end of line");
    let run = Run::with("no-end-of-line-later", "-w echo --rate 5").is(INVALID);
    run.says("warning: unended-line").says("no reply in time");
}

pub(crate) fn a_line_that_never_ends_does_not_fill_the_memory() {
    let run = Run::with("endless-line", "-w echo --time-limit 20").is(INVALID);
    run.says("bytes without an end of line");
}

pub(crate) fn a_node_that_prints_nothing_is_told_that_it_may_not_flush() {
    let run = Run::with("no-answer", ECHO).is(INVALID);
    run.says("did not answer `init` within 10 s.")
        .says("printed nothing since")
        .says("does not flush");
}

pub(crate) fn the_reason_of_a_death_is_told_beside_the_end_of_a_long_trace() {
    for (quirk, reason) in [
        ("panics-as-go", "panic: assignment to entry in nil map"),
        ("panics-as-rust", "thread 'main' panicked at src/main.rs:3:5: index out of bounds"),
        ("panics-as-java", "java.lang.IllegalStateException: no leader"),
        ("panics-as-node", "TypeError: x is not a function"),
        ("panics-as-python", "KeyError: 7"),
    ] {
        let run = Run::with(quirk, ECHO).is(INVALID).says("exit status: 2");
        let run = run.says("What looks like the reason").says(reason).says("at frame 60");
        run.says_nothing_of("at frame 28 ").says_nothing_of("connected");
    }
    Run::with("half-a-line", ECHO).is(INVALID).says("last that it printed was `{\"src\":\"n0\"");
}

pub(crate) fn a_thread_that_ends_while_its_node_goes_on_is_told() {
    let run = Run::with("loses-a-thread", ECHO).is(VALID).says("warning: thread-ended");
    run.says("times, first in n0: \"RuntimeError: changed size\".");
    Run::with("loses-a-thread", "-w echo --strict").is(INVALID).says("thread-ended");
}

pub(crate) fn a_program_that_cannot_be_started_is_told_why_and_once() {
    let scratch = Scratch::new("programs");
    for (name, first_line, said) in [
        ("interpreter", "#!/usr/bin/no-such-interpreter\n", "\"/usr/bin/no-such-interpreter\""),
        ("none", "import sys\n", "for instance #!/usr/bin/env python3"),
        ("windows", "#!/bin/sh\r\n", "the line ends of Windows"),
    ] {
        let program = scratch.write_script(name, first_line);
        let run = Run::of(&program, name, ECHO, &[]).is(FAILED).says(said);
        assert_eq!(run.text.matches("(os error").count(), 1, "{}", run.text);
        run.says_nothing_of("has it been built?");
    }
}

pub(crate) fn messages_between_nodes_may_have_any_msg_id_and_in_reply_to() {
    let run = Run::with("odd-ids", "-w broadcast --node-count 2 --rate 10 --time-limit 2");
    run.is(VALID).says_nothing_of("warning");
}

pub(crate) fn a_flood_of_messages_ends_in_time() {
    let run = Run::with("floods", "-w echo --node-count 4 --rate 5 --time-limit 2");
    let messages = run.results["net"]["servers"]["msg-count"].as_u64().unwrap();
    // Three for each request, if nodes passed on only what clients ask.
    assert!(messages > 100, "{messages} are no flood");
    assert!(run.exit == Some(VALID) || run.exit == Some(INVALID), "{}", run.text);
    run.says_nothing_of("node-failure");
}
