//! What a call saw instead of a reply.
//!
//! That is another type than what a node answers, on purpose. An [`Error`] is an answer:
//! it tells the one who asked whether the request may have happened. A [`CallError`] is
//! an observation about somebody else's answer, and the one becomes the other
//! only as an indefinite error: a `precondition-failed` from a service in the
//! middle of an operation does not mean that the operation did not happen.

use std::time::Duration;

use crate::protocol::{Error, ErrorCode};

/// Why a call brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The other side answered an error.
    #[error("{dest} answered {error}")]
    Remote {
        /// Who was called.
        dest: String,
        /// What it answered.
        error: Error,
    },
    /// No answer came in time.
    #[error("{dest} did not answer within {after:?}")]
    Timeout {
        /// Who was called.
        dest: String,
        /// How long the call waited.
        after: Duration,
    },
    /// This node's input has ended: no answer can come any more.
    #[error("the node is shutting down")]
    Closed,
    /// An answer came, but not one that the request's reply type describes.
    #[error("{dest} answered something else than expected: {problem}")]
    Undecodable {
        /// Who was called.
        dest: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl CallError {
    /// Whether the request certainly did not happen at the other side.
    pub fn is_definite(&self) -> bool {
        matches!(self, CallError::Remote { error, .. } if error.code().is_definite())
    }

    /// The code that the other side answered, if it did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            CallError::Remote { error, .. } => Some(error.code()),
            _ => None,
        }
    }
}

/// Always indefinite, whatever the other side answered: what failed there is a
/// part of what was asked here.
impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Timeout { .. } => Error::timeout(error),
            _ => Error::crash(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Definite, Indefinite};

    #[test]
    fn a_definite_answer_from_elsewhere_becomes_an_indefinite_one_here() {
        let error = Error::new(Definite::PreconditionFailed, "expected 3, had 4");
        let seen = CallError::Remote { dest: "lin-kv".to_owned(), error };
        assert!(seen.is_definite());
        let answered = Error::from(seen);
        assert_eq!(answered.code(), Indefinite::Crash.into());
        assert_eq!(answered.text(), "lin-kv answered precondition-failed (22): expected 3, had 4");
    }
}
