//! What nodes of this process log, for the trace.
//!
//! A process logs to a pipe; a node here logs by `tracing`, like all others. While a node is
//! polled, what it logs is taken down and passed on to whoever listens besides.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// As much as processes log unless they are told otherwise.
const LEVEL: Level = Level::INFO;

/// Takes down what is logged.
pub(super) struct Logs {
    dispatch: Dispatch,
    lines: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Logs {
    pub(super) fn new() -> Self {
        let lines = Lines::default();
        let others = dispatcher::get_default(Clone::clone);
        Self { dispatch: Dispatch::new(Listener { others, lines: lines.clone() }), lines }
    }

    /// Does something, and returns what was logged meanwhile, too.
    pub(super) fn during<T>(&self, something: impl FnOnce() -> T) -> (T, Vec<String>) {
        let done = dispatcher::with_default(&self.dispatch, something);
        (done, std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

struct Listener {
    others: Dispatch,
    lines: Lines,
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.others.register_callsite(metadata);
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= LEVEL || self.others.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if *metadata.level() <= LEVEL {
            let mut line = Line(format!("{} {}:", metadata.level(), metadata.target()));
            event.record(&mut line);
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
        }
        if self.others.enabled(metadata) {
            self.others.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.others.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.others.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.others.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.others.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.others.exit(span);
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.others.clone_span(span)
    }

    fn try_close(&self, span: Id) -> bool {
        self.others.try_close(span)
    }
}

/// A line as processes write it: the message, and each field with its name.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_level_where_it_is_from_its_message_and_its_fields() {
        let logs = Logs::new();
        let log = || {
            tracing::info!(role = %"leader", term = 5);
            tracing::warn!(name = "n1", "careful");
            tracing::debug!("too much");
            7
        };
        let (done, lines) = logs.during(log);
        let place = module_path!();
        let info = format!("INFO {place}: role=leader term=5");
        assert_eq!((done, lines), (7, vec![info, format!("WARN {place}: careful name=\"n1\"")]));
        assert!(logs.during(|| ()).1.is_empty());
    }
}
