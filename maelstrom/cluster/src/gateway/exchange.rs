//! What clients ask and what they are answered: bodies of the protocol, and their HTTP status.
//!
//! A client's `msg_id` is its own: nodes see one of the gateway's, and the reply has the
//! client's again. Every other field goes through as it was written.

use std::collections::BTreeMap;

use hyper::StatusCode;
use maelstrom::Error;
use maelstrom::protocol::{Definite, ErrorCode, Indefinite};
use serde_json::value::{RawValue, to_raw_value};

/// The fields of a body.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

/// A request of a client.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: String,
    /// All but its `msg_id`.
    pub(super) fields: Fields,
    pub(super) msg_id: Option<Box<RawValue>>,
}

/// A body for a client.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: String,
    /// None, unless it is an error.
    pub(super) code: Option<ErrorCode>,
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error> {
        let fields: serde_json::Result<Fields> = serde_json::from_slice(body);
        let mut fields =
            fields.map_err(|error| Error::malformed(format!("no JSON object: {error}")))?;
        let kind = fields.get("type").and_then(|kind| serde_json::from_str(kind.get()).ok());
        let kind: String = kind.ok_or_else(|| Error::malformed("it has no `type`"))?;
        if kind == "init" {
            let text = "nodes have been initialised, which is not for clients";
            return Err(Error::new(Definite::NotSupported, text));
        }
        if fields.contains_key("in_reply_to") {
            return Err(Error::malformed("a client sends no replies"));
        }
        let msg_id = fields.remove("msg_id");
        Ok(Self { kind, fields, msg_id })
    }
}

impl Reply {
    /// What a node, or the gateway, says to a request that had this `msg_id`.
    pub(super) fn new(said: Result<&RawValue, Error>, msg_id: Option<Box<RawValue>>) -> Self {
        let body = match said {
            Ok(body) => serde_json::from_str(body.get())
                .map_err(|_| Error::crash("the node's reply is no JSON object")),
            Err(error) => Err(error),
        };
        let (mut fields, code) = match body {
            Ok(fields) => {
                let code = code(&fields);
                (fields, code)
            }
            Err(error) => (told(&error), Some(error.code())),
        };
        fields.remove("in_reply_to");
        fields.extend(msg_id.map(|msg_id| ("in_reply_to".to_owned(), msg_id)));
        let text = serde_json::to_string(&fields).unwrap_or_default();
        Self { text, code }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.code.map_or(StatusCode::OK, status)
    }

    /// Whether the request was done, as far as anybody can say.
    pub(super) fn outcome(&self) -> &'static str {
        match self.code {
            None => "done",
            Some(code) if code.is_definite() => "not-done",
            Some(_) => "unknown",
        }
    }
}

/// The code of an error that a node replied.
fn code(fields: &Fields) -> Option<ErrorCode> {
    (fields.get("type")?.get() == r#""error""#).then(|| {
        let code = fields.get("code").and_then(|code| serde_json::from_str(code.get()).ok());
        code.unwrap_or(Indefinite::Crash.into())
    })
}

fn told(error: &Error) -> Fields {
    let field = |name: &str, value: serde_json::Result<Box<RawValue>>| {
        value.ok().map(|value| (name.to_owned(), value))
    };
    let fields = [
        field("type", to_raw_value("error")),
        field("code", to_raw_value(&error.code())),
        field("text", to_raw_value(error.text())),
    ];
    fields.into_iter().flatten().collect()
}

/// A request that was certainly not done has a status below 500, or one that says so: 501 and
/// 503.
fn status(code: ErrorCode) -> StatusCode {
    let definite = match code {
        ErrorCode::Definite(definite) => definite,
        ErrorCode::Indefinite(Indefinite::Timeout) => return StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Indefinite(_) => return StatusCode::INTERNAL_SERVER_ERROR,
    };
    match definite {
        Definite::MalformedRequest => StatusCode::BAD_REQUEST,
        Definite::NodeNotFound | Definite::KeyDoesNotExist => StatusCode::NOT_FOUND,
        Definite::Abort | Definite::KeyAlreadyExists | Definite::TxnConflict => {
            StatusCode::CONFLICT
        }
        Definite::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Definite::NotSupported => StatusCode::NOT_IMPLEMENTED,
        Definite::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_clients_msg_id_is_taken_and_given_back_and_the_rest_is_as_it_was_written() {
        let body = br#"{"msg_id": "mine", "type": "write", "value": 123456789012345678901.50}"#;
        let request = Request::parse(body).unwrap();
        assert_eq!((request.kind.as_str(), request.fields.len()), ("write", 2));
        assert_eq!(request.fields["value"].get(), "123456789012345678901.50");
        let said = raw(r#"{"type": "write_ok", "in_reply_to": 7, "at": 1.0}"#);
        let reply = Reply::new(Ok(&said), request.msg_id);
        assert_eq!(reply.text, r#"{"at":1.0,"in_reply_to":"mine","type":"write_ok"}"#);
        assert_eq!((reply.status(), reply.outcome()), (StatusCode::OK, "done"));
        assert!(!Reply::new(Ok(&said), None).text.contains("in_reply_to"));
    }

    #[test]
    fn what_is_no_request_of_a_client_is_refused_for_certain() {
        for (body, code) in [
            ("", 12),
            ("[]", 12),
            ("{}", 12),
            (r#"{"type": 1}"#, 12),
            (r#"{"type": "echo_ok", "in_reply_to": 1}"#, 12),
            (r#"{"type": "init", "node_id": "n9"}"#, 10),
        ] {
            let error = Request::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.code().number(), code, "{body}");
            assert!(error.code().is_definite());
        }
    }

    /// As the guide has them.
    #[test]
    fn every_error_has_its_status() {
        for (number, status, outcome) in [
            (0, 504, "unknown"),
            (1, 404, "not-done"),
            (10, 501, "not-done"),
            (11, 503, "not-done"),
            (12, 400, "not-done"),
            (13, 500, "unknown"),
            (14, 409, "not-done"),
            (20, 404, "not-done"),
            (21, 409, "not-done"),
            (22, 412, "not-done"),
            (30, 409, "not-done"),
            (1000, 500, "unknown"),
        ] {
            let said = raw(&format!(r#"{{"type": "error", "code": {number}}}"#));
            let reply = Reply::new(Ok(&said), None);
            assert_eq!((reply.status().as_u16(), reply.outcome()), (status, outcome), "{number}");
        }
    }

    #[test]
    fn a_status_says_whether_a_request_was_done() {
        let indefinite = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT];
        for number in (0..40).chain([1000, -1]) {
            let said = raw(&format!(r#"{{"type": "error", "code": {number}}}"#));
            let reply = Reply::new(Ok(&said), None);
            let code = ErrorCode::from(number);
            assert_eq!(reply.code, Some(code));
            assert_eq!(indefinite.contains(&reply.status()), !code.is_definite(), "{code}");
        }
        for said in [r#"{"type": "error"}"#, "7"] {
            let reply = Reply::new(Ok(&raw(said)), None);
            assert_eq!(reply.outcome(), "unknown", "{said}");
        }
    }
}
