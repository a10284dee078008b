//! What a node said before it died: the one line that says why, which may stand
//! before a long trace, or before whatever else was logged after it.

use std::collections::VecDeque;

/// How many reasons are kept, the last ones.
const KEPT: usize = 3;
/// How many lines of one.
const LINES: usize = 4;

/// Looks for reasons among the lines of a node's standard error.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// How many lines there were.
    lines: u64,
    found: VecDeque<Reason>,
    expected: Expected,
}

/// A reason, as it was written.
#[derive(Debug)]
struct Reason {
    /// The number of its last line.
    until: u64,
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

impl Reasons {
    pub(super) fn feed(&mut self, line: &str) {
        self.lines += 1;
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

    /// The lines of all reasons that ended before the last `shown` lines.
    pub(super) fn before_last(&self, shown: usize) -> Vec<String> {
        let first_shown = self.lines.saturating_sub(shown as u64) + 1;
        let earlier = self.found.iter().filter(|reason| reason.until < first_shown);
        earlier.flat_map(|reason| reason.lines.iter().cloned()).collect()
    }

    fn begin(&mut self, line: &str, expected: Expected) {
        if self.found.len() == KEPT {
            self.found.pop_front();
        }
        self.found.push_back(Reason { until: self.lines, lines: vec![line.to_owned()] });
        self.expected = expected;
    }

    fn go_on(&mut self, line: &str) {
        let Some(reason) = self.found.back_mut() else { return };
        reason.lines.push(line.to_owned());
        reason.until = self.lines;
        if reason.lines.len() == LINES {
            self.expected = Expected::Anything;
        }
    }
}

/// What uncaught errors begin with: in Go, C++, C#, Java, `OCaml`, Deno, Elixir,
/// and under sanitizers.
const BEGINNINGS: [&str; 13] = [
    "panic: ",
    "fatal error: ",
    "Fatal error: ",
    "FATAL ERROR: ",
    "terminate called ",
    "libc++abi: ",
    "Unhandled exception",
    "Exception in thread ",
    "Caused by: ",
    "error: Uncaught ",
    "Uncaught ",
    "** (",
    "SUMMARY: ",
];

/// Whether a line is the reason, or leads to it; and then what comes next.
fn begins(line: &str) -> Option<Expected> {
    if line.starts_with("Traceback (most recent call last)") {
        return Some(Expected::Trace);
    }
    if line.contains("thread '") && line.contains(" panicked at ") {
        return Some(Expected::More);
    }
    let is_reason = BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
        || line.contains("Segmentation fault")
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
    is_name && is_followed && (name.ends_with("Error") || name.ends_with("Exception"))
}

/// `node.rb:3:in 'foo': undefined method 'bar' (NoMethodError)`
fn is_rubys(line: &str) -> bool {
    line.contains(".rb:") && (line.ends_with("Error)") || line.ends_with("Exception)"))
}

/// Where Rust's message is over.
fn ends_message(line: &str) -> bool {
    line.is_empty() || line.starts_with("stack backtrace:") || line.starts_with("note: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons in a log that ends with a long trace.
    fn reasons(text: &str) -> Vec<String> {
        let mut reasons = Reasons::default();
        text.lines().for_each(|line| reasons.feed(line));
        for number in 0..100 {
            reasons.feed(&format!("\tat {number}"));
        }
        reasons.before_last(32)
    }

    #[test]
    fn the_reason_is_found_in_the_ways_of_many_languages() {
        for (log, reason) in [
            ("panic: assignment to entry in nil map\n\ngoroutine 1 [running]:", 0),
            ("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1:", 0),
            ("started\njava.lang.IllegalStateException: no leader\n\tat Node.main(Node.java:3)", 1),
            ("Exception in thread \"main\" java.lang.NullPointerException\n\tat x", 0),
            ("/node.js:3\n    throw new TypeError('x')\n    ^\n\nTypeError: x\n    at f", 4),
            ("AssertionError [ERR_ASSERTION]: 1 == 2\n    at f", 0),
            ("Traceback (most recent call last):\n  File \"n.py\", line 3\nKeyError: 'x'", 2),
            ("Traceback (most recent call last):\n  File \"n.py\"\nmy.Odd\nafter", 2),
            ("node.rb:3:in 'f': undefined method 'g' (NoMethodError)\n\tfrom node.rb:9", 0),
            ("terminate called after throwing an instance of 'std::bad_alloc'", 0),
            ("Unhandled exception. System.InvalidOperationException: x\n   at Y", 0),
            ("** (RuntimeError) oops\n    node.exs:3: main/0", 0),
            ("thread 'main' panicked at 'oops', src/main.rs:3:5\nnote: run with", 0),
        ] {
            assert_eq!(reasons(log), [log.lines().nth(reason).unwrap()], "{log}");
        }
    }

    #[test]
    fn rusts_message_follows_after_the_place() {
        let log = "thread 'main' (7) panicked at src/main.rs:3:5:\nassertion `left == right` failed\n  \
                   left: 1\n right: 2\nnote: run with `RUST_BACKTRACE=1`";
        let lines: Vec<&str> = log.lines().take(4).collect();
        assert_eq!(reasons(log), lines);
        let log = "thread 'main' panicked at src/main.rs:3:5:\noops\nstack backtrace:\n   0: x";
        assert_eq!(reasons(log), log.lines().take(2).collect::<Vec<_>>());
    }

    #[test]
    fn only_the_last_few_reasons_are_kept_and_none_that_is_shown_anyway() {
        let log = |count| (0..count).map(|number| format!("Error: {number}\n")).collect::<String>();
        assert_eq!(reasons(&log(5)), ["Error: 2", "Error: 3", "Error: 4"]);
        let mut last = Reasons::default();
        log(3).lines().for_each(|line| last.feed(line));
        assert_eq!(last.before_last(2), ["Error: 0"]);
        assert_eq!(reasons("no error: all is well\nErrors: 3\nError\nan Error: x\n"), [""; 0]);
    }
}
