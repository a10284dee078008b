//! Reading a line.
//!
//! The usual line is read once, by hand (`scan.rs`): [`Envelope::read`] finds sender,
//! receiver and the header of the body, and remembers where the body's other fields stand.
//! [`Envelope::decode_body`] makes a value of the type that the header names out of those
//! fields, without a tree of values in between. Every other line is read by `serde_json`,
//! and its body once more when it is decoded. Either way values are skipped without
//! recursion, so depth of nesting and size of numbers do not matter.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use super::brief;
use super::fields::Fields;
use super::scan::scan;

/// A line, read: who, to whom, and what kind of body.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Who sent it.
    pub src: Cow<'a, str>,
    /// Whom it is for.
    pub dest: Cow<'a, str>,
    /// What all bodies share.
    pub header: Header<'a>,
    /// `None` unless the line is as usual.
    pub(super) fields: Option<Fields>,
}

impl<'a> Envelope<'a> {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// When it is no object with a `src`, a `dest` and a `body` with a `type`, nothing
    /// but which stands on the line. Other fields may stand in it.
    pub fn read(line: &'a str) -> Result<Self, Malformed> {
        let read = || serde_json::from_str(line);
        scan(line).map_or_else(read, Ok).map_err(|error| Malformed::explain::<Self>(error, line))
    }

    /// Decodes the body of `line`, which this is the envelope of.
    ///
    /// # Errors
    ///
    /// When the body is not what `T` describes.
    pub fn decode_body<T: DeserializeOwned>(&self, line: &str) -> Result<T, Malformed> {
        decode_body(self.fields.as_ref(), &self.header, line)
    }
}

fn decode_body<T: DeserializeOwned>(
    fields: Option<&Fields>,
    header: &Header<'_>,
    line: &str,
) -> Result<T, Malformed> {
    fields.map_or_else(|| decode(body(line)), |fields| fields.decode(header, line))
}

/// The body of a line that was read as an envelope.
fn body(line: &str) -> &str {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
    }
    serde_json::from_str(line).map_or("", |line: Line<'_>| line.body.get())
}

/// A body that was read, and its line.
#[derive(Debug)]
pub(crate) struct OwnedBody {
    line: String,
    header: Header<'static>,
    fields: Option<Fields>,
}

impl OwnedBody {
    /// Of `line`, which this is the envelope of.
    pub(crate) fn of(envelope: Envelope<'_>, line: &str) -> Self {
        let Envelope { header: Header { kind, msg_id, in_reply_to }, fields, .. } = envelope;
        let kind = Cow::Owned(kind.into_owned());
        Self { line: line.to_owned(), header: Header { kind, msg_id, in_reply_to }, fields }
    }

    /// As [`Envelope::decode_body`].
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        decode_body(self.fields.as_ref(), &self.header, &self.line)
    }
}

/// Decodes what a text begins with; whatever follows it was read with its line.
pub(crate) fn decode<T: DeserializeOwned>(body: &str) -> Result<T, Malformed> {
    let decoded = T::deserialize(&mut serde_json::Deserializer::from_str(body));
    decoded.map_err(|error| Malformed::explain::<T>(error, body))
}

/// What is wrong with a message, in words that name the field.
#[derive(Debug)]
pub struct Malformed(String);

impl Malformed {
    /// Decodes once more, keeping track of the path to what is wrong: too slow
    /// for every message, just right for a malformed one.
    fn explain<'a, T: Deserialize<'a>>(error: serde_json::Error, text: &'a str) -> Self {
        // It may quote the whole message, and so may the next one.
        drop(error);
        let mut decoder = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut decoder) {
            Err(error) => Self(brief(&error)),
            Ok(_) => Self("more than one JSON value".to_owned()),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// The part of a body that all bodies share.
#[derive(Debug)]
pub struct Header<'a> {
    /// Its `type`.
    pub kind: Cow<'a, str>,
    /// What the reply is to refer to; `None` if none is wanted.
    pub msg_id: Option<u64>,
    /// What this is the reply to, if it is one.
    pub in_reply_to: Option<u64>,
}

/// A body, of which the header was read.
struct Body<'a>(Header<'a>);

/// A string that borrows from the input where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Implements `Deserialize` from JSON objects alone; a derived implementation
/// would take arrays as well.
macro_rules! from_object {
    ($type:ident, $expecting:literal, $visit:ident) => {
        impl<'de> Deserialize<'de> for $type<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $type<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        $visit(map)
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    };
}

from_object!(Envelope, "a message, i.e. an object with `src`, `dest` and `body`", visit_envelope);
from_object!(Body, "a body, i.e. an object with a `type`", visit_body);

pub(super) use from_object;

fn visit_envelope<'de, A: MapAccess<'de>>(mut map: A) -> Result<Envelope<'de>, A::Error> {
    let (mut src, mut dest, mut body) = (None, None, None);
    while let Some(Text(key)) = map.next_key()? {
        match &*key {
            "src" => src = Some(map.next_value::<Text<'de>>()?.0),
            "dest" => dest = Some(map.next_value::<Text<'de>>()?.0),
            "body" => body = Some(map.next_value()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    let src = src.ok_or_else(|| de::Error::missing_field("src"))?;
    let dest = dest.ok_or_else(|| de::Error::missing_field("dest"))?;
    let Body(header) = body.ok_or_else(|| de::Error::missing_field("body"))?;
    Ok(Envelope { src, dest, header, fields: None })
}

fn visit_body<'de, A: MapAccess<'de>>(mut map: A) -> Result<Body<'de>, A::Error> {
    let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
    while let Some(Text(key)) = map.next_key()? {
        match &*key {
            "type" => kind = Some(map.next_value::<Text<'de>>()?.0),
            "msg_id" => msg_id = map.next_value()?,
            "in_reply_to" => in_reply_to = map.next_value()?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    let kind = kind.ok_or_else(|| de::Error::missing_field("type"))?;
    Ok(Body(Header { kind, msg_id, in_reply_to }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_borrows_from_the_line() {
        let line =
            r#"{"id":7,"src":"c1","dest":"n0","body":{"msg_id":1,"type":"echo","echo":[[]]}}"#;
        let envelope = Envelope::read(line).unwrap();
        assert!(matches!(envelope.src, Cow::Borrowed("c1")));
        assert!(matches!(envelope.header.kind, Cow::Borrowed("echo")));
        assert_eq!(envelope.header.msg_id, Some(1));
        assert_eq!(envelope.header.in_reply_to, None);
    }

    #[test]
    fn a_body_is_found_wherever_it_stands() {
        #[derive(Deserialize)]
        struct Echo {
            echo: u64,
        }
        for line in [
            r#"{"body":{"type":"echo","echo":7},"src":"c1","dest":"n0"}"#,
            r#"{"x":{"body":{}},"src":"c1","dest":"n0","body" : {"type":"echo","echo":7}}"#,
            r#"{"src":"{","dest":"n0","b\u006fdy":{"type":"echo","echo":7}}"#,
        ] {
            let envelope = Envelope::read(line).unwrap();
            assert_eq!(envelope.decode_body::<Echo>(line).unwrap().echo, 7, "{line}");
        }
    }

    #[test]
    fn arrays_are_no_messages() {
        let line = r#"["c1","n0",["echo",1,null]]"#;
        let error = Envelope::read(line).unwrap_err();
        assert!(error.to_string().contains("expected a message"), "{error}");
        let line = r#"{"src":"c1","dest":"n0","body":["echo",1,null]}"#;
        let error = Envelope::read(line).unwrap_err();
        assert!(error.to_string().contains("expected a body"), "{error}");
    }
}
