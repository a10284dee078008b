//! The protocol's errors: what a node answers.
//!
//! Codes and their meaning: [Maelstrom's protocol page][errors].
//!
//! [errors]: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors

use std::fmt;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

/// Errors that say: the request did not happen and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Definite {
    /// 1: the request was sent to a node that does not exist.
    NodeNotFound,
    /// 10: this node does not know requests of this type.
    NotSupported,
    /// 11: not now, perhaps later.
    TemporarilyUnavailable,
    /// 12: the request is not what this type of request should look like.
    MalformedRequest,
    /// 14: the operation was aborted.
    Abort,
    /// 20: there is no such key.
    KeyDoesNotExist,
    /// 21: there is such a key already.
    KeyAlreadyExists,
    /// 22: a condition that the request states does not hold.
    PreconditionFailed,
    /// 30: a conflicting transaction won.
    TxnConflict,
}

/// Errors that leave open whether the request happened, or will yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Indefinite {
    /// 0: no answer in time.
    Timeout,
    /// 13: something broke on the way.
    Crash,
    /// Every other code: those from 1000 on are the application's own, the rest
    /// is not assigned. Nothing is known about them.
    Other(i64),
}

/// An error code of the protocol; an integer on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request did not happen and never will.
    Definite(Definite),
    /// The request may have happened, or may happen yet.
    Indefinite(Indefinite),
}

impl ErrorCode {
    /// Whether the request certainly did not happen.
    pub fn is_definite(self) -> bool {
        matches!(self, ErrorCode::Definite(_))
    }

    /// The integer on the wire.
    pub fn number(self) -> i64 {
        match self {
            ErrorCode::Definite(definite) => match definite {
                Definite::NodeNotFound => 1,
                Definite::NotSupported => 10,
                Definite::TemporarilyUnavailable => 11,
                Definite::MalformedRequest => 12,
                Definite::Abort => 14,
                Definite::KeyDoesNotExist => 20,
                Definite::KeyAlreadyExists => 21,
                Definite::PreconditionFailed => 22,
                Definite::TxnConflict => 30,
            },
            ErrorCode::Indefinite(indefinite) => match indefinite {
                Indefinite::Timeout => 0,
                Indefinite::Crash => 13,
                Indefinite::Other(number) => number,
            },
        }
    }

    /// The protocol's name, `unknown` for codes that it does not assign.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::Definite(definite) => match definite {
                Definite::NodeNotFound => "node-not-found",
                Definite::NotSupported => "not-supported",
                Definite::TemporarilyUnavailable => "temporarily-unavailable",
                Definite::MalformedRequest => "malformed-request",
                Definite::Abort => "abort",
                Definite::KeyDoesNotExist => "key-does-not-exist",
                Definite::KeyAlreadyExists => "key-already-exists",
                Definite::PreconditionFailed => "precondition-failed",
                Definite::TxnConflict => "txn-conflict",
            },
            ErrorCode::Indefinite(indefinite) => match indefinite {
                Indefinite::Timeout => "timeout",
                Indefinite::Crash => "crash",
                Indefinite::Other(_) => "unknown",
            },
        }
    }
}

impl From<i64> for ErrorCode {
    fn from(number: i64) -> Self {
        use {Definite as D, Indefinite as I};
        let definite = match number {
            0 => return ErrorCode::Indefinite(I::Timeout),
            1 => D::NodeNotFound,
            10 => D::NotSupported,
            11 => D::TemporarilyUnavailable,
            12 => D::MalformedRequest,
            13 => return ErrorCode::Indefinite(I::Crash),
            14 => D::Abort,
            20 => D::KeyDoesNotExist,
            21 => D::KeyAlreadyExists,
            22 => D::PreconditionFailed,
            30 => D::TxnConflict,
            other => return ErrorCode::Indefinite(I::Other(other)),
        };
        ErrorCode::Definite(definite)
    }
}

impl From<Definite> for ErrorCode {
    fn from(definite: Definite) -> Self {
        ErrorCode::Definite(definite)
    }
}

impl From<Indefinite> for ErrorCode {
    fn from(indefinite: Indefinite) -> Self {
        ErrorCode::Indefinite(indefinite)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(ErrorCode::from)
    }
}

/// An error that a node answers: a code and a sentence for people.
///
/// On the wire: `{"type":"error","in_reply_to":1,"code":14,"text":"…"}`.
///
/// Definite or indefinite is chosen in words:
///
/// ```
/// use maelstrom::Error;
///
/// assert!(Error::malformed("`delta` must not be negative").code().is_definite());
/// assert!(!Error::crash("the log could not be written").code().is_definite());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    code: ErrorCode,
    #[serde(default)]
    text: String,
}

impl Error {
    /// An error with this code and text.
    pub fn new(code: impl Into<ErrorCode>, text: impl fmt::Display) -> Self {
        Self { code: code.into(), text: text.to_string() }
    }

    /// 12, definite: the request is not what it should be.
    pub fn malformed(text: impl fmt::Display) -> Self {
        Self::new(Definite::MalformedRequest, text)
    }

    /// 11, definite: not now, perhaps later.
    pub fn unavailable(text: impl fmt::Display) -> Self {
        Self::new(Definite::TemporarilyUnavailable, text)
    }

    /// 14, definite: given up before anything happened.
    pub fn abort(text: impl fmt::Display) -> Self {
        Self::new(Definite::Abort, text)
    }

    /// 13, indefinite: something broke, and the request may have happened.
    pub fn crash(text: impl fmt::Display) -> Self {
        Self::new(Indefinite::Crash, text)
    }

    /// 0, indefinite: the answer is not known in time.
    pub fn timeout(text: impl fmt::Display) -> Self {
        Self::new(Indefinite::Timeout, text)
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence for people; empty when the sender gave none.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_way_over_the_wire() {
        for number in [0, 1, 10, 11, 12, 13, 14, 20, 21, 22, 30, 15, 1000, -1] {
            let json = serde_json::to_string(&ErrorCode::from(number)).unwrap();
            assert_eq!(json, number.to_string(), "codes are integers on the wire");
            let back: ErrorCode = serde_json::from_str(&json).unwrap();
            assert_eq!(back.number(), number);
        }
    }

    #[test]
    fn definite_codes_are_those_of_the_protocol() {
        let definite: Vec<i64> = (-5..2000).filter(|&n| ErrorCode::from(n).is_definite()).collect();
        assert_eq!(definite, [1, 10, 11, 12, 14, 20, 21, 22, 30]);
    }
}
