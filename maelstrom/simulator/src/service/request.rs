//! What services are asked and what they answer.
//!
//! [`KvRequest::apply`] is the whole meaning of a key-value store; the services
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
pub(super) struct Request<'a> {
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

#[derive(Debug)]
pub(super) struct KvRequest<'a> {
    /// The key, in its canonical spelling.
    pub(super) key: String,
    pub(super) operation: KvOperation<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum KvOperation<'a> {
    Read,
    Write { value: &'a RawValue },
    Cas { from: &'a RawValue, to: &'a RawValue, create: bool },
}

#[derive(Debug)]
pub(super) enum Reply {
    ReadOk { value: Value },
    WriteOk,
    CasOk,
    TsOk { ts: u64 },
    Error { code: Definite, text: String },
}

impl<'a> Request<'a> {
    pub(super) fn parse(body: &'a RawValue) -> Result<Self, Reply> {
        serde_json::from_str(body.get()).map_err(|error| Reply::Error {
            code: Definite::MalformedRequest,
            text: format!("malformed request: {error}"),
        })
    }

    pub(super) fn of(call: &'a ServiceCall, key: &'a RawValue) -> Self {
        let request = |kind| Self {
            kind: Cow::Borrowed(kind),
            key,
            value: null(),
            from: null(),
            to: null(),
            create_if_not_exists: None,
        };
        match &call.operation {
            Operation::Read => request("read"),
            Operation::Write(value) => Self { value, ..request("write") },
            Operation::Cas { from, to, create } => {
                let create_if_not_exists = Some(Truthy(*create));
                Self { from, to, create_if_not_exists, ..request("cas") }
            }
        }
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn as_kv(&self) -> Result<KvRequest<'a>, Reply> {
        let operation = match self.kind.as_ref() {
            "read" => KvOperation::Read,
            "write" => KvOperation::Write { value: self.value },
            "cas" => KvOperation::Cas {
                from: self.from,
                to: self.to,
                create: self.create_if_not_exists.as_ref().is_some_and(|create| create.0),
            },
            other => return Err(Reply::not_supported(other, "read, write and cas")),
        };
        let key = json::canonical(self.key.get(), Fractions::Doubles).into_owned();
        Ok(KvRequest { key, operation })
    }
}

impl KvOperation<'_> {
    /// What becomes of a key whose value is `current`: the reply, and the value
    /// that it is to have if it is written.
    pub(super) fn apply(self, current: Option<&Value>) -> (Reply, Option<Value>) {
        match (self, current) {
            (Self::Read, Some(value)) => (Reply::ReadOk { value: value.clone() }, None),
            (Self::Write { value }, _) => (Reply::WriteOk, Some(value.to_owned())),
            (Self::Cas { from, to, .. }, Some(value)) if is_same(value, from) => {
                (Reply::CasOk, Some(to.to_owned()))
            }
            (Self::Cas { from, .. }, Some(value)) => (
                Reply::Error {
                    code: Definite::PreconditionFailed,
                    text: format!("current value {value} is not {from}"),
                },
                None,
            ),
            (Self::Cas { to, create: true, .. }, None) => (Reply::CasOk, Some(to.to_owned())),
            (Self::Read | Self::Cas { .. }, None) => (
                Reply::Error {
                    code: Definite::KeyDoesNotExist,
                    text: "key does not exist".to_owned(),
                },
                None,
            ),
        }
    }
}

impl Reply {
    pub(super) fn not_supported(kind: &str, supported: &str) -> Self {
        Self::Error {
            code: Definite::NotSupported,
            text: format!("this service knows {supported}, not {}", raw(kind)),
        }
    }

    /// The same as what a machine's call brings.
    pub(super) fn into_answer(self, call: &ServiceCall) -> Answer {
        let is_read = matches!(call.operation, Operation::Read);
        match self {
            Self::ReadOk { value } => Answer::Read(Ok(Some(value))),
            Self::WriteOk | Self::CasOk => Answer::Changed(Ok(true)),
            Self::Error { code: Definite::KeyDoesNotExist, .. } if is_read => {
                Answer::Read(Ok(None))
            }
            Self::Error {
                code: Definite::KeyDoesNotExist | Definite::PreconditionFailed, ..
            } => Answer::Changed(Ok(false)),
            Self::Error { .. } | Self::TsOk { .. } => unreachable!("what a machine can ask"),
        }
    }

    /// The reply's body. The original answers a request without a `msg_id` too,
    /// with `null` for `in_reply_to`.
    pub(super) fn into_body(self, msg_id: Option<&RawValue>) -> Box<RawValue> {
        let to = msg_id.map_or("null", RawValue::get);
        let text = match self {
            Self::ReadOk { value } => {
                format!(r#"{{"type":"read_ok","value":{value},"in_reply_to":{to}}}"#)
            }
            Self::WriteOk => format!(r#"{{"type":"write_ok","in_reply_to":{to}}}"#),
            Self::CasOk => format!(r#"{{"type":"cas_ok","in_reply_to":{to}}}"#),
            Self::TsOk { ts } => format!(r#"{{"type":"ts_ok","ts":{ts},"in_reply_to":{to}}}"#),
            Self::Error { code, text } => {
                let (code, text) = (ErrorCode::from(code).number(), raw(&text));
                format!(r#"{{"type":"{ERROR}","code":{code},"text":{text},"in_reply_to":{to}}}"#)
            }
        };
        RawValue::from_string(text).unwrap_or_else(|_| unreachable!("made of JSON texts"))
    }
}
