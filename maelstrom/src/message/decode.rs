//! Reading a line, in two passes.
//!
//! A body is decoded once, into its handler's type, without a tree of values in
//! between. The first pass reads [`Envelope`]: sender, receiver and the header of the
//! body. It skips all the rest without recursion, so depth of nesting and size of
//! numbers do not matter. The second pass, [`Envelope::decode_body`], reads the body
//! as the type that the header names.

use std::borrow::Cow;
use std::fmt;

use super::brief;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess};

/// The first pass over a line: who, to whom, and what kind of body.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) src: Cow<'a, str>,
    pub(crate) dest: Cow<'a, str>,
    pub(crate) body: Header<'a>,
    /// The key `body` where it stands in the line.
    body_key: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// Reads a line.
    pub(crate) fn read(line: &'a str) -> Result<Self, Malformed> {
        serde_json::from_str(line).map_err(|error| Malformed::explain::<Self>(error, line))
    }

    /// Decodes the body of `line`, which this is the envelope of.
    pub(crate) fn decode_body<T: DeserializeOwned>(&self, line: &str) -> Result<T, Malformed> {
        match self.body_start(line) {
            // One value, whatever follows it: the line as a whole was read.
            Some(start) => {
                let body = &line[start..];
                let decoded = T::deserialize(&mut serde_json::Deserializer::from_str(body));
                decoded.map_err(|error| Malformed::explain::<T>(error, body))
            }
            None => {
                #[derive(Deserialize)]
                #[serde(bound = "T: DeserializeOwned")]
                struct Line<T> {
                    body: T,
                }
                let decoded = serde_json::from_str::<Line<T>>(line).map(|line| line.body);
                decoded.map_err(|error| Malformed::explain::<Line<T>>(error, line))
            }
        }
    }

    /// Where in the line the body begins, so that what stands before it need
    /// not be parsed again. `None` when the key is written with escapes.
    fn body_start(&self, line: &str) -> Option<usize> {
        let Cow::Borrowed(key) = self.body_key else { return None };
        let key_start = (key.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        let after_key = key_start + key.len();
        Some(after_key + line.get(after_key..)?.find('{')?)
    }
}

/// What is wrong with a message, in words that name the field.
#[derive(Debug)]
pub(crate) struct Malformed(String);

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

/// The part of a body that all bodies share.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) msg_id: Option<u64>,
    pub(crate) in_reply_to: Option<u64>,
}

/// A string that borrows from the input where it has no escapes.
struct Text<'a>(Cow<'a, str>);

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
from_object!(Header, "a body, i.e. an object with a `type`", visit_header);

pub(super) use from_object;

fn visit_envelope<'de, A: MapAccess<'de>>(mut map: A) -> Result<Envelope<'de>, A::Error> {
    let (mut src, mut dest, mut body) = (None, None, None);
    while let Some(Text(key)) = map.next_key()? {
        match &*key {
            "src" => src = Some(map.next_value::<Text<'de>>()?.0),
            "dest" => dest = Some(map.next_value::<Text<'de>>()?.0),
            "body" => body = Some((key, map.next_value()?)),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    let src = src.ok_or_else(|| de::Error::missing_field("src"))?;
    let dest = dest.ok_or_else(|| de::Error::missing_field("dest"))?;
    let (body_key, body) = body.ok_or_else(|| de::Error::missing_field("body"))?;
    Ok(Envelope { src, dest, body, body_key })
}

fn visit_header<'de, A: MapAccess<'de>>(mut map: A) -> Result<Header<'de>, A::Error> {
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
    Ok(Header { kind, msg_id, in_reply_to })
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
        assert!(matches!(envelope.body.kind, Cow::Borrowed("echo")));
        assert_eq!(envelope.body.msg_id, Some(1));
        assert_eq!(envelope.body.in_reply_to, None);
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
