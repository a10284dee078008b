//! A message on the wire: one line of JSON, its envelope read, its body as text.
//!
//! Bodies are forwarded as they came, byte for byte. The bench looks into a body
//! only as far as it is concerned by it: a service into requests, a client into
//! replies.

use std::borrow::Cow;
use std::io::Write as _;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Address;

/// A message under way. Its body is a JSON object, as its sender wrote it, or whatever
/// else the participants of a network say to one another.
#[derive(Clone, Debug)]
pub struct Message<B = Box<RawValue>> {
    /// Counts the messages of a run from 0; delivered along with the message.
    pub id: u64,
    /// Who sent it.
    pub src: Address,
    /// Whom it is for.
    pub dest: Address,
    /// What it says.
    pub body: B,
}

impl Message {
    /// Appends the line that the receiver gets.
    pub fn write_line(&self, line: &mut Vec<u8>) {
        let Self { id, src, dest, body } = self;
        writeln!(line, r#"{{"id":{id},"src":"{src}","dest":"{dest}","body":{body}}}"#)
            .unwrap_or_else(|_| unreachable!("writing to a vector"));
    }
}

impl<B> Message<B> {
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
    /// Whom it says that it is from.
    pub src: Cow<'a, str>,
    #[serde(borrow)]
    /// Whom it is for.
    pub dest: Cow<'a, str>,
    #[serde(borrow)]
    /// Its body, as it was written.
    pub body: &'a RawValue,
    #[serde(default, rename = "id", deserialize_with = "integer")]
    _id: (),
    /// What stands on the line after the message, which nobody reads.
    #[serde(skip)]
    pub rest: &'a str,
}

fn integer<'a, D: Deserializer<'a>>(deserializer: D) -> Result<(), D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?;
    if is_integer(value) { Ok(()) } else { Err(D::Error::custom("`id` has to be an integer")) }
}

/// Whether a JSON value is an integer, of any size.
pub(crate) fn is_integer(value: &RawValue) -> bool {
    value.get().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[derive(Debug)]
pub(crate) enum LineError {
    /// Not JSON at all.
    NotJson(String),
    /// JSON, but not of the right shape.
    NotAMessage(String),
}

impl<'a> Line<'a> {
    /// Decodes a line without its line break: the first JSON value on it.
    pub(crate) fn parse(line: &'a str) -> Result<Self, LineError> {
        let mut values = serde_json::Deserializer::from_str(line).into_iter::<Self>();
        let first = values.next().ok_or(LineError::NotJson("there is nothing on it".to_owned()))?;
        let message = first.map_err(|error| classify(&error, line))?;
        // The decoder also takes a list of the fields' values.
        if !line.trim_start().starts_with('{') {
            return Err(LineError::NotAMessage("a message has to be an object".to_owned()));
        }
        if message.body.get().starts_with('{') {
            Ok(Self { rest: line[values.byte_offset()..].trim_ascii(), ..message })
        } else {
            Err(LineError::NotAMessage("`body` has to be an object".to_owned()))
        }
    }
}

/// Tells text from JSON of the wrong shape; what is wrong is known already, so
/// this may read the line a second time.
fn classify(error: &serde_json::Error, line: &str) -> LineError {
    match serde_json::Deserializer::from_str(line).into_iter::<IgnoredAny>().next() {
        None | Some(Ok(_)) => LineError::NotAMessage(error.to_string()),
        Some(Err(error)) => LineError::NotJson(error.to_string()),
    }
}

/// A string that borrows from the text unless it has escapes.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_up_to_the_body() {
        let line = r#" {"dest":"c1","body":{"type":"a", "x":1.0},"src":"n\u0030","id":3} "#;
        let line = Line::parse(line).unwrap();
        assert_eq!((line.src.as_ref(), line.dest.as_ref()), ("n0", "c1"));
        assert_eq!(line.body.get(), r#"{"type":"a", "x":1.0}"#);
    }

    #[test]
    fn text_and_json_of_another_shape_are_told_apart() {
        for line in ["", "hello", "{\"src\":\"n0\"", "\u{feff}{}"] {
            assert!(matches!(Line::parse(line), Err(LineError::NotJson(_))), "{line:?}");
        }
        for line in [
            "1",
            "null",
            "[]",
            r#"["n0","n1",{},1]"#,
            r#"{"src":"n0","body":{}}"#,
            r#"{"src":"n0","dest":1,"body":{}}"#,
            r#"{"src":"n0","dest":"n1"}"#,
            r#"{"src":"n0","dest":"n1","body":null}"#,
            r#"{"src":"n0","dest":"n1","body":[]}"#,
            r#"{"src":"n0","dest":"n1","body":{},"more":1}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":"x"}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":null}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":1.0}"#,
            r#"{"src":"n0","dest":"n1"} {"src":"n0","dest":"n1","body":{}}"#,
        ] {
            assert!(matches!(Line::parse(line), Err(LineError::NotAMessage(_))), "{line:?}");
        }
    }

    #[test]
    fn an_id_may_be_an_integer_of_any_size() {
        for id in ["0", "-1", "123456789012345678901234567890"] {
            let line = format!(r#"{{"id":{id},"src":"n0","dest":"n1","body":{{}}}}"#);
            assert!(Line::parse(&line).is_ok(), "{id}");
        }
    }

    #[test]
    fn the_first_message_on_a_line_counts_and_the_rest_is_kept_apart() {
        let message = r#"{"src":"n0","dest":"n1","body":{"type":"a"}}"#;
        for (rest, kept) in
            [("\r", ""), ("\0", "\0"), (" and text", "and text"), (message, message)]
        {
            let line = format!("{message}{rest}");
            let line = Line::parse(&line).unwrap();
            assert_eq!(line.body.get(), r#"{"type":"a"}"#);
            assert_eq!(line.rest, kept);
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
