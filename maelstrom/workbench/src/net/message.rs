//! A message on the wire: one line of JSON, its envelope read, its body as text.
//!
//! Bodies are forwarded as they came, byte for byte. The bench looks into a body
//! only as far as it is concerned by it: a service into requests, a client into
//! replies.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Address;

/// A message under way.
#[derive(Clone, Debug)]
pub struct Message {
    /// Counts the messages of a run from 0; delivered along with the message.
    pub id: u64,
    /// Who sent it.
    pub src: Address,
    /// Whom it is for.
    pub dest: Address,
    /// A JSON object, as its sender wrote it.
    pub body: Box<RawValue>,
}

impl Message {
    /// Appends the line that the receiver gets.
    pub fn write_line(&self, line: &mut Vec<u8>) {
        let Self { id, src, dest, body } = self;
        writeln!(line, r#"{{"id":{id},"src":"{src}","dest":"{dest}","body":{body}}}"#)
            .unwrap_or_else(|_| unreachable!("writing to a vector"));
    }

    /// Whether a client sends or receives it.
    pub fn involves_client(&self) -> bool {
        self.src.is_client() || self.dest.is_client()
    }
}

/// What a node may print, decoded up to the body.
///
/// As in the original no other keys are allowed, and `id` (which a node that
/// sends a received message back may leave in) has to be an integer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `src`, `dest` and `body`")]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    pub(crate) src: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) dest: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) body: &'a RawValue,
    #[serde(default, rename = "id")]
    _id: Option<i64>,
}

/// Why a line is no message.
#[derive(Debug)]
pub(crate) enum LineError {
    /// Not JSON at all, or not even UTF-8.
    NotJson(String),
    /// JSON, but not of the right shape.
    NotAMessage(String),
}

impl<'a> Line<'a> {
    /// Decodes a line without its line break.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let line: Self = serde_json::from_slice(line).map_err(|error| classify(&error, line))?;
        if line.body.get().starts_with('{') {
            Ok(line)
        } else {
            Err(LineError::NotAMessage("`body` has to be an object".to_owned()))
        }
    }
}

/// Tells text from JSON of the wrong shape; what is wrong is known already, so
/// this may read the line a second time.
fn classify(error: &serde_json::Error, line: &[u8]) -> LineError {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return LineError::NotJson(error.to_string()),
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => LineError::NotAMessage(error.to_string()),
        Err(error) => LineError::NotJson(error.to_string()),
    }
}

/// The fields of a body that the protocol itself uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Header<'a> {
    /// Empty when there is none.
    #[serde(default, rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) msg_id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    in_reply_to: Option<&'a RawValue>,
}

impl<'a> Header<'a> {
    /// Reads the header of a body.
    pub(crate) fn of(body: &'a RawValue) -> serde_json::Result<Self> {
        serde_json::from_str(body.get())
    }

    /// Which request this answers, if that is an integer.
    pub(crate) fn in_reply_to(&self) -> Option<u64> {
        self.in_reply_to.and_then(|id| id.get().parse().ok())
    }

    /// Whether this claims to answer something.
    pub(crate) fn is_reply(&self) -> bool {
        self.in_reply_to.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_up_to_the_body() {
        let line = br#" {"dest":"c1","body":{"type":"a", "x":1.0},"src":"n\u0030","id":3} "#;
        let line = Line::parse(line).unwrap();
        assert_eq!((line.src.as_ref(), line.dest.as_ref()), ("n0", "c1"));
        assert_eq!(line.body.get(), r#"{"type":"a", "x":1.0}"#);
    }

    #[test]
    fn text_and_json_of_another_shape_are_told_apart() {
        let not_json: [&[u8]; 5] = [
            b"",
            b"hello",
            b"{\"src\":\"n0\"",
            b"{\"src\":\"\xff\"}",
            b"{\"src\":\"n0\",\"dest\":\"c0\",\"body\":{\"x\":\"\xff\"}}",
        ];
        for line in not_json {
            assert!(matches!(Line::parse(line), Err(LineError::NotJson(_))), "{line:?}");
        }
        let other_shape: [&[u8]; 7] = [
            b"1",
            b"[]",
            br#"{"src":"n0","body":{}}"#,
            br#"{"src":"n0","dest":1,"body":{}}"#,
            br#"{"src":"n0","dest":"n1","body":[]}"#,
            br#"{"src":"n0","dest":"n1","body":{},"more":1}"#,
            br#"{"src":"n0","dest":"n1","body":{},"id":"x"}"#,
        ];
        for line in other_shape {
            assert!(matches!(Line::parse(line), Err(LineError::NotAMessage(_))), "{line:?}");
        }
    }

    #[test]
    fn the_body_is_forwarded_as_it_came() {
        let body = r#"{ "type":"a","big":123456789012345678901234567890,"f":1.0}"#;
        let body = RawValue::from_string(body.to_owned()).unwrap();
        let message = Message { id: 7, src: Address::Node(0), dest: Address::Node(1), body };
        let mut line = Vec::new();
        message.write_line(&mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"id\":7,\"src\":\"n0\",\"dest\":\"n1\",\"body\":{ \"type\":\"a\",\"big\":123456789012345678901234567890,\"f\":1.0}}\n"
        );
    }
}
