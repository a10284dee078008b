//! What services are asked and what they answer.
//!
//! [`Reply::to`] is the whole meaning of a key-value store; the services
//! differ only in which value they apply it to.

use std::borrow::Cow;

use checkers::history::raw;
use maelstrom::machine::{Answer, Operation, ServiceCall};
use maelstrom::protocol::json::{self, Fractions};
use maelstrom::protocol::{Definite, ERROR, ErrorCode};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A stored value, as its writer spelt it.
pub(super) type Value = Box<RawValue>;

/// A request's body. As in the original an absent field counts as `null`, and
/// fields that are not needed are ignored.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default = "null", borrow)]
    key: &'a RawValue,
    #[serde(default = "null", borrow)]
    value: &'a RawValue,
    #[serde(default = "null", borrow)]
    from: &'a RawValue,
    #[serde(default = "null", borrow)]
    to: &'a RawValue,
    #[serde(default)]
    create_if_not_exists: Option<Truthy>,
}

/// Whether two values are equal as the original sees it.
pub(super) fn is_same(a: &RawValue, b: &RawValue) -> bool {
    json::is_same(a.get(), b.get(), Fractions::Doubles)
}

fn null<'a>() -> &'a RawValue {
    RawValue::NULL
}

/// Anything but `null` and `false` is true, as in Clojure.
#[derive(Debug, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Truthy(bool);

impl From<serde_json::Value> for Truthy {
    fn from(value: serde_json::Value) -> Self {
        Self(!matches!(value, serde_json::Value::Null | serde_json::Value::Bool(false)))
    }
}

/// What a service answers.
#[derive(Debug)]
pub enum Reply {
    /// A key's value.
    ReadOk {
        /// As its writer spelt it.
        value: Value,
    },
    /// It was written.
    WriteOk,
    /// It was compared and set.
    CasOk,
    /// A timestamp.
    TsOk {
        /// Greater than all before.
        ts: u64,
    },
    /// It was not done.
    Error {
        /// Why not.
        code: ErrorCode,
        /// The same in words.
        text: String,
    },
}

impl<'a> Request<'a> {
    /// What a body asks.
    ///
    /// # Errors
    ///
    /// The answer to a body that asks nothing.
    pub fn parse(body: &'a RawValue) -> Result<Self, Reply> {
        serde_json::from_str(body.get()).map_err(|error| Reply::Error {
            code: Definite::MalformedRequest.into(),
            text: format!("malformed request: {error}"),
        })
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What is asked of which key of a key-value store; the key in its canonical spelling.
    ///
    /// # Errors
    ///
    /// The answer to what no such store does.
    pub fn of_kv(&self) -> Result<(String, Operation), Reply> {
        let operation = match self.kind.as_ref() {
            "read" => Operation::Read,
            "write" => Operation::Write(self.value.to_owned()),
            "cas" => Operation::Cas {
                from: self.from.to_owned(),
                to: self.to.to_owned(),
                create: self.create_if_not_exists.as_ref().is_some_and(|create| create.0),
            },
            other => return Err(Reply::not_supported(other, "read, write and cas")),
        };
        Ok((canonical(self.key), operation))
    }
}

/// A key's canonical spelling.
pub(super) fn canonical(key: &RawValue) -> String {
    json::canonical(key.get(), Fractions::Doubles).into_owned()
}

impl Reply {
    /// What becomes of a key whose value is `current`: the reply, and the value that it is to
    /// have if it is written.
    pub fn to(operation: &Operation, current: Option<&Value>) -> (Self, Option<Value>) {
        let refused = |code: Definite, text| (Reply::Error { code: code.into(), text }, None);
        match (operation, current) {
            (Operation::Read, Some(value)) => (Reply::ReadOk { value: value.clone() }, None),
            (Operation::Write(value), _) => (Reply::WriteOk, Some(value.clone())),
            (Operation::Cas { from, to, .. }, Some(value)) if is_same(value, from) => {
                (Reply::CasOk, Some(to.clone()))
            }
            (Operation::Cas { from, .. }, Some(value)) => {
                let text = format!("current value {value} is not {from}");
                refused(Definite::PreconditionFailed, text)
            }
            (Operation::Cas { to, create: true, .. }, None) => (Reply::CasOk, Some(to.clone())),
            (Operation::Read | Operation::Cas { .. }, None) => {
                refused(Definite::KeyDoesNotExist, "key does not exist".to_owned())
            }
        }
    }

    /// The answer to a request of a type that the service does not know.
    pub fn not_supported(kind: &str, supported: &str) -> Self {
        Self::Error {
            code: Definite::NotSupported.into(),
            text: format!("this service knows {supported}, not {}", raw(kind)),
        }
    }

    /// The same as what a machine's call brings.
    pub(super) fn into_answer(self, call: &ServiceCall) -> Answer {
        let is_read = matches!(call.operation, Operation::Read);
        match self {
            Self::ReadOk { value } => Answer::Read(Ok(Some(value))),
            Self::WriteOk | Self::CasOk => Answer::Changed(Ok(true)),
            Self::Error { code: ErrorCode::Definite(Definite::KeyDoesNotExist), .. } if is_read => {
                Answer::Read(Ok(None))
            }
            Self::Error {
                code: ErrorCode::Definite(Definite::KeyDoesNotExist | Definite::PreconditionFailed),
                ..
            } => Answer::Changed(Ok(false)),
            Self::Error { .. } | Self::TsOk { .. } => unreachable!("what a machine can ask"),
        }
    }

    /// The reply's body. The original answers a request without a `msg_id` too,
    /// with `null` for `in_reply_to`.
    #[must_use]
    pub fn into_body(self, msg_id: Option<&RawValue>) -> Box<RawValue> {
        let to = msg_id.map_or("null", RawValue::get);
        let text = match self {
            Self::ReadOk { value } => {
                format!(r#"{{"type":"read_ok","value":{value},"in_reply_to":{to}}}"#)
            }
            Self::WriteOk => format!(r#"{{"type":"write_ok","in_reply_to":{to}}}"#),
            Self::CasOk => format!(r#"{{"type":"cas_ok","in_reply_to":{to}}}"#),
            Self::TsOk { ts } => format!(r#"{{"type":"ts_ok","ts":{ts},"in_reply_to":{to}}}"#),
            Self::Error { code, text } => {
                let (code, text) = (code.number(), raw(&text));
                format!(r#"{{"type":"{ERROR}","code":{code},"text":{text},"in_reply_to":{to}}}"#)
            }
        };
        RawValue::from_string(text).unwrap_or_else(|_| unreachable!("made of JSON texts"))
    }
}
