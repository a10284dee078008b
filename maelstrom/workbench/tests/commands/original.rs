//! Challenges on the original: what its command leaves is the verdict, and nothing else is.

use std::fs;
use std::process::Output;

use crate::command_line::{assert_says, workbench};
use crate::{Scratch, one_line};

/// A stand-in for the original's command, which does this in its folder; and what
/// comes of challenge 1 with it.
fn on_the_original(scratch: &Scratch, script: &str) -> (Option<i32>, String) {
    let maelstrom = scratch.write_script("maelstrom", script);
    challenge_with(scratch, maelstrom.to_str().unwrap())
}

fn challenge_with(scratch: &Scratch, maelstrom: &str) -> (Option<i32>, String) {
    fs::create_dir_all(scratch.0.join("nodes")).unwrap();
    fs::write(scratch.0.join("nodes/echo"), "").unwrap();
    let args = ["challenge", "1", "--runner", "maelstrom", "--nodes", "nodes", "--maelstrom"];
    let mut command = workbench(&[&args[..], &[maelstrom]].concat());
    let Output { status, stdout, stderr } = command.current_dir(&scratch.0).output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code(), one_line(&text))
}

/// A command that leaves results in a new folder of the store, as the original
/// does, and then ends with an exit code.
fn leaves(results: &str, exit: i32) -> String {
    format!(
        "#!/bin/sh\n\
         run=store/echo/$$; mkdir -p $run; rm -f store/latest; ln -s echo/$$ store/latest\n\
         echo 'Analyzing'; printf '%s' '{results}' > $run/results.edn; exit {exit}\n"
    )
}

const VALID: &str = "{:valid? true, :net {:servers {:msgs-per-op 0.0}}}";

pub(crate) fn results_of_the_originals_run_count_whatever_was_there_before() {
    let scratch = Scratch::new("original");
    for _ in 0..2 {
        assert_eq!(on_the_original(&scratch, &leaves(VALID, 0)).0, Some(0));
    }
    assert_eq!(on_the_original(&scratch, &leaves("{:valid? false}", 1)).0, Some(1));
    assert_eq!(on_the_original(&scratch, &leaves("{:valid? :unknown}", 2)).0, Some(1));
    let over = leaves(VALID, 0).replace("exit 0", "sleep 1000 & exit 0");
    assert_eq!(on_the_original(&scratch, &over).0, Some(0), "what it left running is not awaited");
}

/// Every way in which the original ends without results of its own, with nothing
/// in the store, and with the results of an earlier run there.
pub(crate) fn a_run_of_the_original_without_results_of_its_own_is_a_failure_that_says_why() {
    let says = |then: &str| format!("#!/bin/sh\necho one; echo two >&2; {then}\n");
    let cases = [
        (says("exit 127"), "exit code 127: a program that it needs is missing"),
        (says("exit 254"), "exit code 254: it does not know these flags"),
        (says("exit 255"), "exit code 255: the test did not go through"),
        (says("exit 7"), "exit code 7, which is no verdict"),
        (says("kill -9 $$"), "it was ended by signal 9"),
        (says("exit 0"), "it left no results"),
        (says("exit 1"), "it left no results"),
        (
            says("mkdir -p store/echo/$$; rm -f store/latest; ln -s echo/$$ store/latest"),
            "no results",
        ),
        (leaves(VALID, 1), "its exit code says Invalid, but its results say Valid"),
        (leaves("{:valid? false}", 0), "they cannot be of one run"),
        (leaves("{:workload {}}", 0), "its results have no verdict"),
        (leaves("{:valid? ", 0), "cannot be read: no EDN at line 1, column 10: a key has no value"),
        (leaves(VALID, 255), "exit code 255"),
    ];
    for (number, (script, why)) in cases.iter().enumerate() {
        for is_stale in [false, true] {
            let scratch = Scratch::new(&format!("original-fails-{number}-{is_stale}"));
            if is_stale {
                assert_eq!(on_the_original(&scratch, &leaves(VALID, 0)).0, Some(0));
            }
            let (exit, text) = on_the_original(&scratch, script);
            assert_eq!(exit, Some(255), "{script}: {text}");
            assert_says(&text, why);
            assert_says(&text, "challenge 1 failed");
            if script.contains("echo one") {
                assert_says(&text, "The end of what it printed: ");
                assert!(text.matches("one").count() >= 2 && text.matches("two").count() >= 2);
            }
        }
    }
}

pub(crate) fn a_command_that_prints_nothing_or_is_not_there_is_a_failure_too() {
    let scratch = Scratch::new("original-missing");
    on_the_original(&scratch, &leaves(VALID, 0));
    let (exit, text) = challenge_with(&scratch, "/bin/false");
    assert_eq!(exit, Some(255));
    assert_says(&text, "store/latest/results.edn is from an earlier run. It printed nothing.");
    let (exit, text) = challenge_with(&scratch, "./no-such-command");
    assert_eq!(exit, Some(255));
    assert_says(&text, "is the original installed?");
    let (exit, text) = on_the_original(&scratch, "#!/no/such/interpreter\n");
    assert_eq!(exit, Some(255), "{text}");
}

pub(crate) fn two_runs_of_the_original_at_once_are_not_taken_for_each_other() {
    let scratch = Scratch::new("original-twice");
    let twice = leaves(VALID, 0)
        .replace("exit 0", "mkdir store/echo/other; cp $run/results.edn store/echo/other; exit 0");
    let (exit, text) = on_the_original(&scratch, &twice);
    assert_eq!(exit, Some(255));
    assert_says(&text, "2 runs left results at the same time");
}
