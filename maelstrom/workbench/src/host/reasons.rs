//! What is shown of what a node logged: the lines that say why it died, which may stand
//! before a long trace, and the last ones.

use std::collections::{BTreeMap, VecDeque};

/// How many reasons are kept, the last ones.
const KEPT: usize = 4;
/// How many lines of one.
const LINES: usize = 4;
/// How many of the first lines are shown if there is no reason among all of them.
const HEAD: usize = 6;
/// How many of the last lines are shown.
const TAIL: usize = 16;

/// A node's standard error, as far as it may be shown.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    /// How many lines there were.
    count: u64,
    head: Vec<String>,
    tail: VecDeque<String>,
    found: VecDeque<Reason>,
    expected: Expected,
}

/// A reason, as it was written.
#[derive(Debug)]
struct Reason {
    /// The number of its first line, from 1.
    from: u64,
    lines: Vec<String>,
}

/// What the next lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Anything,
    /// More of the last reason: in Rust the message follows after the place.
    More,
    /// A trace, at whose end the reason stands: Python's.
    Trace,
}

impl Excerpt {
    pub(super) fn feed(&mut self, line: &str) {
        self.count += 1;
        if self.head.len() < HEAD {
            self.head.push(line.to_owned());
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.look(line);
    }

    /// The lines to be shown, with a line for those left out in between; and whether the
    /// first of them looks like the reason of a death.
    pub(super) fn shown(&self) -> (Vec<String>, bool) {
        let last = self.count - self.tail.len() as u64;
        let tail = (last + 1..).zip(self.tail.iter());
        let reasons = self.found.iter().flat_map(|reason| (reason.from..).zip(&reason.lines));
        let head = self.head.iter().filter(|_| self.found.is_empty());
        let lines: BTreeMap<u64, &String> = (1..).zip(head).chain(reasons).chain(tail).collect();
        let ends = lines.iter().rev().find(|(_, line)| !line.trim().is_empty());
        let Some((&end, _)) = ends else { return (Vec::new(), false) };
        let first = lines.keys().next().copied().unwrap_or_default();
        let is_reason = self.found.front().is_some_and(|reason| reason.from == first);
        let (mut shown, mut before) = (Vec::new(), None);
        if first > 1 && !is_reason {
            shown.push(left_out(first - 1, "before"));
        }
        for (&number, &line) in lines.range(..=end) {
            match before.map(|before| number - before - 1) {
                Some(0) | None => {}
                Some(gap) => shown.push(left_out(gap, "in between")),
            }
            shown.push(line.clone());
            before = Some(number);
        }
        (shown, is_reason)
    }

    /// Whether the last lines tell of a file that is not there.
    pub(super) fn lacks_a_file(&self) -> bool {
        self.tail.iter().any(|line| OF_FILES.iter().any(|words| line.contains(words)))
    }

    fn look(&mut self, line: &str) {
        match self.expected {
            Expected::More if !ends_message(line) => self.go_on(line),
            Expected::Trace if line.is_empty() || line.starts_with([' ', '\t']) => {}
            Expected::Trace => self.begin(line, Expected::Anything),
            _ => match begins(line) {
                Some(next) if next == Expected::Trace => self.expected = next,
                Some(next) => self.begin(line, next),
                None => self.expected = Expected::Anything,
            },
        }
    }

    fn begin(&mut self, line: &str, expected: Expected) {
        if self.found.len() == KEPT {
            self.found.pop_front();
        }
        self.found.push_back(Reason { from: self.count, lines: vec![line.to_owned()] });
        self.expected = expected;
    }

    fn go_on(&mut self, line: &str) {
        let Some(reason) = self.found.back_mut() else { return };
        reason.lines.push(line.to_owned());
        if reason.lines.len() == LINES {
            self.expected = Expected::Anything;
        }
    }
}

/// Says that lines are left out.
fn left_out(count: u64, place: &str) -> String {
    let lines = if count == 1 { "line" } else { "lines" };
    format!("… {count} {lines} {place}")
}

/// What uncaught errors begin with: in Go, Rust, Swift, C++, C#, Java, Clojure, `OCaml`,
/// Deno, Node, Elixir, Erlang, Julia, Lua, PHP and R, in C libraries, and under sanitizers.
const BEGINNINGS: [&str; 36] = [
    "panic: ",
    "fatal error: ",
    "fatal runtime error: ",
    "memory allocation of ",
    "Fatal error: ",
    "FATAL ERROR: ",
    "PHP Fatal error: ",
    "fatal: ",
    "error: ",
    "ERROR: ",
    "Error occurred ",
    "Error in ",
    "Execution error ",
    "Syntax error ",
    "Exception in thread ",
    "Caused by: ",
    "Unhandled exception: ",
    "Unhandled exception. ",
    "UnhandledPromiseRejection",
    "[UnhandledPromiseRejection",
    "Uncaught ",
    "** (",
    "Runtime terminating ",
    "lua: ",
    "luajit: ",
    "SUMMARY: ",
    "terminate called without ",
    "libc++abi: ",
    "free(): ",
    "malloc(): ",
    "realloc(): ",
    "munmap_chunk(): ",
    "double free ",
    "corrupted ",
    "*** ",
    "Aborted",
];

/// What such lines have inside: in Zig, Swift, C, Perl, Rust, and of shells.
const INSIDE: [&str; 9] = [
    " panic: ",
    ": Fatal error: ",
    "Assertion `",
    "Assertion failed: ",
    ".pl line ",
    "has overflowed its stack",
    "Sanitizer: ",
    "Segmentation fault",
    "Illegal instruction",
];

/// What a shell, `env` or the loader says of what it cannot run.
const ENDINGS: [&str; 4] =
    [": not found", "command not found", "No such file or directory", ": Permission denied"];

/// How programs say that a file is not there.
const OF_FILES: [&str; 5] = [
    "No such file or directory",
    ": not found",
    "Unable to access",
    "Cannot find module",
    "ENOENT",
];

/// Whether a line is the reason, or leads to it; and then what comes next.
fn begins(line: &str) -> Option<Expected> {
    // Python draws a tree of exceptions in a group.
    let line = match line.trim_start() {
        inner if inner.starts_with("| ") => inner.trim_start_matches(['|', ' ']),
        _ => line,
    };
    if line.starts_with("Traceback (most recent call last)") {
        return Some(Expected::Trace);
    }
    if line.contains("thread '") && line.contains(" panicked at ")
        || line.starts_with("terminate called after ")
        || line == "Unhandled exception:"
    {
        return Some(Expected::More);
    }
    let is_reason = BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
        || !line.starts_with([' ', '\t']) && INSIDE.iter().any(|inside| line.contains(inside))
        || ENDINGS.iter().any(|ending| line.ends_with(ending))
        || names_error(line)
        || is_rubys(line);
    is_reason.then_some(Expected::Anything)
}

/// `TypeError: x is not a function`, `Error [ERR_ASSERTION]: …`: what errors are
/// called in JavaScript and Python, and exceptions in Java.
fn names_error(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_' || c == '$');
    let rest = &line[name.len()..];
    let is_followed = rest.starts_with(": ") || rest.starts_with(" [");
    let is_error = ["Error", "Exception", "ExceptionGroup"].iter().any(|end| name.ends_with(end));
    is_name && is_followed && is_error
}

/// `node.rb:3:in 'foo': undefined method 'bar' (NoMethodError)`
fn is_rubys(line: &str) -> bool {
    line.contains(".rb:") && (line.ends_with("Error)") || line.ends_with("Exception)"))
}

/// Where the message is over that follows in lines of its own.
fn ends_message(line: &str) -> bool {
    line.is_empty() || line.starts_with("stack backtrace:") || line.starts_with("note: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(log: &str, trace: usize) -> (Vec<String>, bool) {
        let mut excerpt = Excerpt::default();
        log.lines().for_each(|line| excerpt.feed(line));
        for number in 0..trace {
            excerpt.feed(&format!("\tat {number}"));
        }
        excerpt.shown()
    }

    /// What is shown of a log that ends with a long trace, before the gap.
    #[track_caller]
    fn reasons(log: &str) -> Vec<String> {
        let (mut shown, is_reason) = shown(log, 200);
        assert!(is_reason, "{shown:?}");
        let gap = shown.iter().rposition(|line| line.ends_with("lines in between")).unwrap();
        assert_eq!(shown.last().unwrap(), "\tat 199");
        shown.truncate(gap);
        shown.retain(|line| !line.starts_with('…'));
        shown
    }

    #[test]
    fn the_reason_is_found_in_the_ways_of_many_languages() {
        for (log, reason) in [
            ("panic: assignment to entry in nil map\n\ngoroutine 1 [running]:", 0),
            ("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1:", 0),
            ("started\njava.lang.IllegalStateException: no leader\n\tat Node.main(Node.java:3)", 1),
            ("Exception in thread \"main\" java.lang.NullPointerException\n\tat x", 0),
            ("Error: Unable to access jarfile node.jar", 0),
            ("Error occurred during initialization of VM\nCould not reserve enough space", 0),
            ("/node.js:3\n    throw new TypeError('x')\n    ^\n\nTypeError: x\n    at f", 4),
            ("node:internal:1\n\n[UnhandledPromiseRejection: This error originated] {\n", 2),
            ("AssertionError [ERR_ASSERTION]: 1 == 2\n    at f", 0),
            ("Traceback (most recent call last):\n  File \"n.py\", line 3\nKeyError: 'x'", 2),
            ("Traceback (most recent call last):\n  File \"n.py\"\nmy.Odd\nafter", 2),
            ("  File \"n.py\", line 3\n    if x\n        ^\nSyntaxError: expected ':'", 3),
            ("node.rb:3:in 'f': undefined method 'g' (NoMethodError)\n\tfrom node.rb:9", 0),
            (
                "no key at node.pl line 7, <STDIN> line 2.\n\tmain::f(1) called at node.pl line 9\n",
                0,
            ),
            ("lua: node.lua:3: attempt to index a nil value\nstack traceback:", 0),
            ("ERROR: LoadError: UndefVarError: `x` not defined\nStacktrace:", 0),
            ("PHP Fatal error:  Uncaught Exception: x in node.php:3\nStack trace:", 0),
            ("terminate called without an active exception", 0),
            ("node: main.c:7: main: Assertion `x != 0' failed.", 0),
            ("free(): invalid pointer", 0),
            ("*** stack smashing detected ***: terminated", 0),
            ("==7==ERROR: AddressSanitizer: heap-use-after-free on address", 0),
            ("./run.sh: line 3: 77 Segmentation fault      (core dumped) ./node", 0),
            ("Unhandled exception. System.InvalidOperationException: x\n   at Y", 0),
            ("** (RuntimeError) oops\n    node.exs:3: main/0", 0),
            ("Fatal error: exception Failure(\"oops\")", 0),
            ("node/main.swift:3: Fatal error: Index out of range", 0),
            ("thread 7 panic: reached unreachable code", 0),
            ("thread 'main' panicked at 'oops', src/main.rs:3:5\nnote: run with", 0),
            ("thread 'main' (7) has overflowed its stack", 0),
            ("Execution error (NullPointerException) at node/-main (node.clj:3).", 0),
            ("env: 'python4': No such file or directory", 0),
            ("./run.sh: line 2: java: command not found", 0),
        ] {
            assert_eq!(reasons(log), [log.lines().nth(reason).unwrap()], "{log}");
        }
    }

    #[test]
    fn a_message_may_follow_in_lines_of_its_own() {
        let log = "thread 'main' (7) panicked at src/main.rs:3:5:\nassertion `left == right` failed\n  \
                   left: 1\n right: 2\nnote: run with `RUST_BACKTRACE=1`";
        let lines: Vec<&str> = log.lines().take(4).collect();
        assert_eq!(reasons(log), lines);
        let log = "thread 'main' panicked at src/main.rs:3:5:\noops\nstack backtrace:\n   0: x";
        assert_eq!(reasons(log), log.lines().take(2).collect::<Vec<_>>());
        let log =
            "terminate called after throwing an instance of 'std::out_of_range'\n  what():  x\n\n";
        assert_eq!(reasons(log), log.lines().take(2).collect::<Vec<_>>());
    }

    #[test]
    fn of_a_chain_all_causes_are_shown() {
        let java =
            "Exception in thread \"main\" a.B: x\n\tat 1\n\tat 2\nCaused by: c.D: y\n\tat 3\n";
        let expected = ["Exception in thread \"main\" a.B: x", "Caused by: c.D: y"];
        assert_eq!(reasons(java), expected);
        let python = "Traceback (most recent call last):\n  File \"n.py\"\nKeyError: 7\n\nDuring handling of the \
                      above exception, another exception occurred:\n\nTraceback (most recent call last):\n  \
                      File \"n.py\"\nValueError: no key";
        assert_eq!(reasons(python), ["KeyError: 7", "ValueError: no key"]);
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"n.py\"\n  \
                     | ExceptionGroup: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    \
                     | ValueError: a\n    +---------------- 2 ----------------\n    | KeyError: 7";
        assert_eq!(
            reasons(group),
            [
                "  | ExceptionGroup: two (2 sub-exceptions)",
                "    | ValueError: a",
                "    | KeyError: 7"
            ]
        );
    }

    #[test]
    fn only_the_last_reasons_are_kept() {
        let log: String = (0..9).map(|number| format!("Error: {number}\n")).collect();
        assert_eq!(reasons(&log), ["Error: 5", "Error: 6", "Error: 7", "Error: 8"]);
    }

    #[test]
    fn without_a_reason_the_first_and_the_last_lines_are_shown() {
        let log: String = (1..=300).map(|number| format!("no error {number}\n")).collect();
        let (lines, is_reason) = shown(&log, 0);
        assert!(!is_reason);
        assert_eq!(lines.len(), HEAD + 1 + TAIL);
        assert_eq!([&lines[0], &lines[HEAD]], ["no error 1", "… 278 lines in between"]);
        assert_eq!([&lines[HEAD + 1], &lines[HEAD + TAIL]], ["no error 285", "no error 300"]);
        let few = "one\n\ntwo\n\n\n";
        assert_eq!(shown(few, 0), (vec!["one".to_owned(), String::new(), "two".to_owned()], false));
        assert_eq!(shown("\n\n", 0).0, [""; 0]);
        assert!(!shown("no error: all is well\nErrors: 3\nError\nan Error: x\n", 0).1);
    }

    #[test]
    fn that_a_file_is_not_there_is_noticed() {
        let lacks = |log: &str| {
            let mut excerpt = Excerpt::default();
            log.lines().for_each(|line| excerpt.feed(line));
            excerpt.lacks_a_file()
        };
        assert!(lacks("started\nError: Unable to access jarfile node.jar"));
        assert!(lacks("run.sh: 2: exec: ./node: not found"));
        assert!(!lacks("KeyError: 7"));
    }

    #[test]
    fn a_trace_before_the_reason_is_cut_at_its_beginning() {
        let log = format!("{}KeyError: 7\n", "  a frame\n".repeat(100));
        let (lines, is_reason) = shown(&log, 0);
        assert_eq!((lines.len(), is_reason), (TAIL + 1, false));
        assert_eq!([&lines[0], &lines[TAIL]], ["… 85 lines before", "KeyError: 7"]);
    }

    #[test]
    fn a_gap_of_one_line_is_one_line() {
        let log = format!("Error: x\nafter\n{}", "y\n".repeat(TAIL));
        assert_eq!(shown(&log, 0).0[..3], ["Error: x", "… 1 line in between", "y"]);
    }
}
