//! Panics of a node's own code: caught, counted, and told in one line.
//!
//! The run loop goes on after a panic, and the client is answered `crash`. So that
//! nobody mistakes a node that panics on every request for a healthy one, each
//! panic is told in a line of a fixed form, whatever `RUST_LOG` says:
//!
//! ```text
//! panic in handler `send`: the text at src/lib.rs:12:5
//! ```
//!
//! Line breaks and other control characters of the text are escaped. The place is
//! `` handler `TYPE` `` (reading the request and writing the reply included),
//! `hook`, `task`, `periodic task`, `state` (the function given to
//! [`Node::new`](crate::Node::new)) or `run loop`; a panic while one of them is dropped
//! is told as one in it. The standard library's own report of these panics is left out,
//! but for the first at each location where `RUST_BACKTRACE` is set.
//!
//! A second panic while the first one unwinds ends the process: nothing can catch that
//! in Rust.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use crate::protocol::Error;

/// The most panics that are kept until the host takes them.
const KEPT: usize = 1000;
/// The most characters of a text that are told.
const SHOWN: usize = 500;

/// A panic of a node's own code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Panic {
    /// In what it happened: `` handler `send` ``, `task`, …
    pub place: String,
    /// What it says, in one line.
    pub text: String,
    /// File, line and column.
    pub location: String,
}

/// The places that have no name of their own.
const PLACES: [&str; 5] = ["hook", "task", "periodic task", "state", "run loop"];

impl Panic {
    /// Reads the line that tells of a panic; `None` if it is no such line.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_end().strip_prefix("panic in ")?;
        let named = rest.strip_prefix("handler `").and_then(|rest| rest.find("`: "));
        let place = match named {
            Some(end) => &rest[..="handler `".len() + end],
            None => PLACES.into_iter().find(|&place| is_before_colon(place, rest))?,
        };
        let (text, location) = rest[place.len() + 2..].rsplit_once(" at ")?;
        let mut parts = location.rsplitn(3, ':');
        let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
        if !is_number(parts.next()) || !is_number(parts.next()) {
            return None;
        }
        let [place, text, location] = [place, text, location].map(str::to_owned);
        Some(Self { place, text, location })
    }
}

fn is_before_colon(place: &str, rest: &str) -> bool {
    rest.strip_prefix(place).is_some_and(|rest| rest.starts_with(": "))
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic in {}: {} at {}", self.place, self.text, self.location)
    }
}

/// Where a node's panics go: a handle that the host of a node and the node share.
///
/// By default they are written to standard error.
#[derive(Clone, Debug, Default)]
pub struct Panics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicU64,
    /// Those that the host has not taken yet; none unless it wants to.
    kept: Option<Mutex<Vec<Panic>>>,
}

impl Panics {
    /// Keeps panics for the host to [`take`](Self::take), instead of writing them to
    /// standard error.
    pub fn kept() -> Self {
        Self(Arc::new(Inner { kept: Some(Mutex::default()), ..Inner::default() }))
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Takes those that were kept since the last time; of more than 1,000 the first.
    pub fn take(&self) -> Vec<Panic> {
        let kept = self.0.kept.as_ref();
        let take = |kept: &Mutex<Vec<Panic>>| {
            std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
        };
        kept.map(take).unwrap_or_default()
    }

    /// Runs a piece of a node's code; a panic becomes an error for the client.
    pub(crate) fn catch<T>(&self, place: Place<'_>, code: impl FnOnce() -> T) -> Result<T, Error> {
        catch_unwind(AssertUnwindSafe(code)).map_err(|panic| self.caught(place, panic))
    }

    /// Counts a panic that was caught, tells of it, and drops it.
    pub(crate) fn caught(&self, place: Place<'_>, panic: Box<dyn Any + Send>) -> Error {
        let error = self.note(place, &*panic);
        // What was thrown is the author's, too, and may panic when it is dropped.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        error
    }

    /// Counts a panic that was caught, and tells of it.
    pub(crate) fn note(&self, place: Place<'_>, panic: &(dyn Any + Send)) -> Error {
        let text = panic_text(panic);
        let location = LOCATION.take().unwrap_or_else(|| "unknown:0:0".to_owned());
        let told = Panic { place: place.to_string(), text: one_line(text), location };
        self.0.count.fetch_add(1, Ordering::Relaxed);
        match &self.0.kept {
            Some(kept) => {
                tracing::error!("{told}");
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT {
                    kept.push(told);
                }
            }
            // One write, so that no other line gets in between. Nobody may read it.
            None => drop(io::stderr().write_all(format!("{told}\n").as_bytes())),
        }
        Error::crash(format_args!("{} panicked: {text}", place.in_answer()))
    }
}

/// A part of a node.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Handler(&'a str),
    Hook,
    Task,
    Periodic,
    State,
    RunLoop,
}

impl Place<'_> {
    /// What a client is told.
    fn in_answer(self) -> String {
        match self {
            Self::Handler(kind) => format!("`{kind}`"),
            Self::Hook | Self::State => "`init`".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(kind) => write!(f, "handler `{kind}`"),
            Self::Hook => f.write_str("hook"),
            Self::Task => f.write_str("task"),
            Self::Periodic => f.write_str("periodic task"),
            Self::State => f.write_str("state"),
            Self::RunLoop => f.write_str("run loop"),
        }
    }
}

thread_local! {
    /// How many nodes are being polled on this thread, one within the other.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
    /// Where the last panic of a node's code happened.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// While it lives, panics of this thread are a node's, and are caught.
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let other = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !is_noted(info) || wants_backtrace(info) {
                    other(info);
                }
            }));
        });
        INSIDE.set(INSIDE.get() + 1);
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// Remembers where a node's code panicked, which only the hook is told.
fn is_noted(info: &PanicHookInfo<'_>) -> bool {
    if INSIDE.get() == 0 {
        return false;
    }
    LOCATION.set(info.location().map(ToString::to_string));
    true
}

/// Whether this is the first panic at its location, and a backtrace was asked for.
fn wants_backtrace(info: &PanicHookInfo<'_>) -> bool {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0")
        && SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(location)
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// A text without line breaks, and not without end.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(SHOWN) {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    if text.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Place<'_>, code: impl FnOnce()) -> Panic {
        let panics = Panics::kept();
        let _inside = Inside::enter();
        assert!(panics.catch(place, code).is_err());
        assert_eq!(panics.count(), 1);
        panics.take().remove(0)
    }

    #[test]
    fn a_panic_is_told_in_one_line_that_can_be_read_again() {
        for place in [
            Place::Handler("a: b"),
            Place::Hook,
            Place::Task,
            Place::Periodic,
            Place::State,
            Place::RunLoop,
        ] {
            let panic = told(place, || panic!("first\nsecond at \u{1b}[0m, {}", 3));
            let line = panic.to_string();
            assert!(!line.chars().any(char::is_control), "{line}");
            assert_eq!(Panic::parse(&line), Some(panic));
        }
        let panic = told(Place::Task, || assert_eq!(1, 2));
        assert!(panic.text.starts_with(r"assertion `left == right` failed\n  left: 1"));
        assert!(panic.location.starts_with(file!()), "{}", panic.location);
    }

    #[test]
    fn lines_of_other_programs_are_not_taken_for_panics() {
        for line in [
            "panic: runtime error: index out of range",
            "thread 'main' panicked at src/main.rs:3:5:",
            "panic in handler `send`: no place",
            "panic in the engine room: fire at deck:3:4",
            "panic in task: lost at sea",
            "2026-01-01 ERROR panic in task: x at a.rs:1:2",
        ] {
            assert_eq!(Panic::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_any_payload_is_told() {
        let panic = told(Place::Task, || panic::panic_any("ä".repeat(3000)));
        assert_eq!(panic.text.chars().count(), SHOWN + 1);
        assert_eq!(told(Place::Task, || panic::panic_any(7)).text, "(no text)");
    }
}
