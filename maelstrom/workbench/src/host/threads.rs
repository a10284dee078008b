//! Threads of a node that end with an exception, while the node goes on without them.
//!
//! Its language says so on standard error, where nobody looks as long as the node lives. What
//! the thread did, such as sending values again, is just not done any more.

/// Python's asyncio, of a task.
const ASYNCIO: &str = "Task exception was never retrieved";

/// Looks for such ends among the lines of a node's standard error.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// An end was announced, and the reason follows.
    is_announced: bool,
}

impl Threads {
    /// Why a thread ended, if this line says it.
    pub(super) fn feed(&mut self, line: &[u8]) -> Option<String> {
        let line = String::from_utf8_lossy(line);
        if announces(&line) {
            self.is_announced = true;
            if line.ends_with(':') || line == ASYNCIO {
                return None;
            }
        } else if !self.is_announced || is_of_trace(&line) {
            return None;
        }
        self.is_announced = false;
        Some(line.into_owned())
    }
}

/// What Python and Java, Ruby, Rust, and asyncio write.
fn announces(line: &str) -> bool {
    line.starts_with("Exception in thread ")
        || line.starts_with("#<Thread:") && line.contains(" terminated with exception ")
        || line.starts_with("thread '") && line.contains(" panicked at ")
        || line == ASYNCIO
}

/// What stands before the reason.
fn is_of_trace(line: &str) -> bool {
    line.is_empty() || line.starts_with([' ', '\t']) || line.starts_with("Traceback ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_threads_end_is_found_in_many_languages() {
        for (log, reason) in [
            (
                "Exception in thread Thread-1 (tell):\nTraceback (most recent call last):\n  File \
                 \"node.py\", line 3, in tell\n    for x in y:\nRuntimeError: Set changed",
                4,
            ),
            ("Exception in thread \"Thread-0\" java.lang.NullPointerException: x\n\tat Main.f", 0),
            (
                "#<Thread:0x7f node.rb:3 run> terminated with exception (report_on_exception is \
                 true):\nnode.rb:4:in `f': oops (RuntimeError)",
                1,
            ),
            ("thread 'tell' (7) panicked at src/main.rs:3:5:\noops\nnote: run with", 1),
            ("thread 'tell' panicked at 'oops', src/main.rs:3:5", 0),
            ("Task exception was never retrieved\nfuture: <Task exception=KeyError('x')>", 1),
        ] {
            let mut threads = Threads::default();
            let told = |line: &str| threads.feed(line.as_bytes());
            let found: Vec<String> = log.lines().chain(["Error: x"]).filter_map(told).collect();
            assert_eq!(found, [log.lines().nth(reason).unwrap()], "{log}");
        }
    }

    #[test]
    fn an_exception_that_was_caught_ends_no_thread() {
        let log = "Traceback (most recent call last):\n  File \"node.py\"\nKeyError: 'x'\n\
                   Error: timeout\nno Exception in thread x:\nthread 'main' says hello";
        let mut threads = Threads::default();
        assert!(log.lines().all(|line| threads.feed(line.as_bytes()).is_none()));
    }
}
