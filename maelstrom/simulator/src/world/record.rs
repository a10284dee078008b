//! Writing the history: indices, times, errors and tallies.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use checkers::history::{Op, OpType, Process, null, raw};
use maelstrom::protocol::{ErrorCode, Indefinite};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::workload::{Errors, Operation};

#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// The world's time at which the test started; the history counts from it.
    pub(super) origin: Duration,
    next_index: u64,
    pub(super) tally: Tally,
}

/// How many operations of clients there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Begun.
    pub invoked: u64,
    /// Ended well.
    pub ok: u64,
    /// Did not happen.
    pub failed: u64,
    /// Of unknown outcome.
    pub indeterminate: u64,
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) kind: OpType,
    /// `None` for the invocation's value.
    pub(super) value: Option<Box<RawValue>>,
    pub(super) error: Option<Box<RawValue>>,
}

impl Recorder {
    pub(super) fn invoke(&mut self, process: u64, operation: &Operation, now: Duration) -> Op {
        self.tally.invoked += 1;
        self.client_op(process, operation, OpType::Invoke, now)
    }

    pub(super) fn complete(
        &mut self,
        process: u64,
        operation: &Operation,
        outcome: Outcome,
        now: Duration,
    ) -> Op {
        match outcome.kind {
            OpType::Invoke => {}
            OpType::Ok => self.tally.ok += 1,
            OpType::Fail => self.tally.failed += 1,
            OpType::Info => self.tally.indeterminate += 1,
        }
        let mut op = self.client_op(process, operation, outcome.kind, now);
        if let Some(value) = outcome.value {
            op.value = value;
        }
        op.error = outcome.error;
        op
    }

    pub(super) fn nemesis(&mut self, f: &'static str, value: Box<RawValue>, now: Duration) -> Op {
        self.op(OpType::Info, Process::Nemesis, Cow::Borrowed(f), value, now)
    }

    fn client_op(
        &mut self,
        process: u64,
        operation: &Operation,
        kind: OpType,
        now: Duration,
    ) -> Op {
        let f = Cow::Borrowed(operation.f);
        let mut op = self.op(kind, Process::Client(process), f, operation.value.clone(), now);
        op.is_final = operation.is_final;
        op.is_probe = operation.is_probe;
        op.seek_to_beginning = operation.seek_to_beginning;
        op.unseen.clone_from(&operation.unseen);
        op.poll_ms = operation.poll_ms;
        op
    }

    fn op(
        &mut self,
        kind: OpType,
        process: Process,
        f: Cow<'static, str>,
        value: Box<RawValue>,
        now: Duration,
    ) -> Op {
        let index = self.next_index;
        self.next_index += 1;
        let time = now.saturating_sub(self.origin).as_nanos();
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        Op { index, time, ..Op::new(process, kind, f, value) }
    }
}

impl Outcome {
    pub(super) fn ok(value: Option<Box<RawValue>>) -> Self {
        Self { kind: OpType::Ok, value, error: None }
    }

    pub(super) fn info() -> Self {
        Self { kind: OpType::Info, value: None, error: None }
    }

    pub(super) fn timeout(f: &str, errors: Errors) -> Self {
        match errors {
            Errors::Reported { idempotent } => {
                let kind = if idempotent.contains(&f) { OpType::Fail } else { OpType::Info };
                Self { kind, value: None, error: Some(raw("net-timeout")) }
            }
            Errors::Raised => Self::raised("Client read timeout"),
        }
    }

    /// The request was answered with an error. Of a code that is not in the
    /// protocol's table the history has the code, too, as the node spelt it.
    pub(super) fn error(f: &str, error: &ErrorReply, errors: Errors) -> Self {
        let ErrorReply { code, text } = error;
        match (errors, error.code()) {
            (Errors::Reported { idempotent }, known) => {
                let is_failure = known.is_some_and(ErrorCode::is_definite);
                let fails = is_failure || idempotent.contains(&f);
                let kind = if fails { OpType::Fail } else { OpType::Info };
                match known {
                    Some(known) => Self::reported(kind, &(known.name(), text)),
                    None => Self::reported(kind, &("unknown", text, code)),
                }
            }
            (Errors::Raised, Some(known)) => {
                Self::raised(&format!("the node answered {}: {text}", known.name()))
            }
            (Errors::Raised, None) => {
                Self::raised(&format!("the node answered unknown (code {code}): {text}"))
            }
        }
    }

    fn reported<T: Serialize>(kind: OpType, error: &T) -> Self {
        Self { kind, value: None, error: Some(raw(error)) }
    }

    /// The client could not go on.
    pub(super) fn raised(reason: &str) -> Self {
        let error = raw(&format!("indeterminate: {reason}"));
        Self { kind: OpType::Info, value: None, error: Some(error) }
    }
}

/// A body of type `error`, as far as the bench reads it.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorReply {
    /// Anything that is no integer counts as a code that nobody knows.
    #[serde(default = "checkers::history::null")]
    code: Box<RawValue>,
    #[serde(default = "checkers::history::null")]
    text: Box<RawValue>,
}

impl ErrorReply {
    /// Of a body of type `error`.
    pub(super) fn read(body: &RawValue) -> Self {
        serde_json::from_str(body.get()).unwrap_or_else(|_| Self { code: null(), text: null() })
    }

    /// What the protocol says of its code; nothing if the code is an application's own.
    fn code(&self) -> Option<ErrorCode> {
        let code = ErrorCode::from(self.code.get().parse::<i64>().ok()?);
        Some(code).filter(|code| !matches!(code, ErrorCode::Indefinite(Indefinite::Other(_))))
    }
}

/// Its code, that code's name, and its text.
impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code(), self.code.get()) {
            (Some(code), _) => write!(f, "it is the error {} ({})", code.number(), code.name())?,
            (None, "null") => write!(f, "it is an error without a `code`")?,
            (None, code) => write!(f, "it is an error of code {code}")?,
        }
        match self.text.get() {
            "null" => Ok(()),
            text => write!(f, ", {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: Errors = Errors::Reported { idempotent: &["read"] };

    fn outcome(f: &str, reply: &str, errors: Errors) -> (OpType, String) {
        let reply: ErrorReply = serde_json::from_str(reply).unwrap();
        let outcome = Outcome::error(f, &reply, errors);
        (outcome.kind, outcome.error.unwrap().get().to_owned())
    }

    #[test]
    fn a_definite_error_fails_and_an_indefinite_one_leaves_open() {
        let reply = |code| format!(r#"{{"type":"error","code":{code},"text":"no"}}"#);
        let (kind, error) = outcome("write", &reply(11), READS);
        assert_eq!((kind, error.as_str()), (OpType::Fail, r#"["temporarily-unavailable","no"]"#));
        for code in [0, 13, 1000, 99] {
            assert_eq!(outcome("write", &reply(code), READS).0, OpType::Info);
        }
    }

    #[test]
    fn an_operation_that_changes_nothing_fails_on_any_error_and_on_timeout() {
        assert_eq!(outcome("read", r#"{"code":13}"#, READS).0, OpType::Fail);
        assert_eq!(Outcome::timeout("read", READS).kind, OpType::Fail);
        assert_eq!(Outcome::timeout("write", READS).kind, OpType::Info);
    }

    #[test]
    fn a_client_that_raises_leaves_everything_open() {
        let (kind, error) = outcome("add", r#"{"code":22,"text":"no"}"#, Errors::Raised);
        assert_eq!(kind, OpType::Info);
        assert_eq!(error, r#""indeterminate: the node answered precondition-failed: \"no\"""#);
        assert_eq!(Outcome::timeout("read", Errors::Raised).kind, OpType::Info);
    }

    #[test]
    fn a_code_that_is_no_integer_is_unknown() {
        for code in [r#""11""#, "11.0", "null", "1000", "-1"] {
            let reply = format!(r#"{{"code":{code},"text":"no"}}"#);
            let (kind, error) = outcome("write", &reply, READS);
            assert_eq!((kind, error), (OpType::Info, format!(r#"["unknown","no",{code}]"#)));
            let (_, error) = outcome("write", &reply, Errors::Raised);
            assert!(error.contains("the node answered unknown (code "), "{error}");
        }
        assert_eq!(outcome("write", "{}", READS).1, r#"["unknown",null,null]"#);
    }
}
