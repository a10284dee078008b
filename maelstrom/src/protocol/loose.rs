//! What can be read of bodies and lines that need not be right.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess};
use serde_json::value::RawValue;

use super::envelope::{Text, from_object};

from_object!(Addressing, "a JSON object", visit_addressing);
from_object!(LooseHeader, "a JSON object", visit_header);

/// A body's header as it came: each field may be any JSON, or absent. `null` counts as
/// absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct LooseHeader<'a> {
    kind: Option<&'a RawValue>,
    /// What the reply is to refer to.
    pub msg_id: Option<&'a RawValue>,
    /// What this is the reply to.
    pub in_reply_to: Option<&'a RawValue>,
}

impl<'a> LooseHeader<'a> {
    /// Reads the header of a body.
    ///
    /// # Errors
    ///
    /// When it is no JSON object.
    pub fn read(body: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(body)
    }

    /// Its `type`; empty when there is none, or one that is no string.
    pub fn kind(&self) -> Cow<'a, str> {
        let text = |raw: &'a RawValue| serde_json::from_str::<Text<'a>>(raw.get()).ok();
        self.kind.and_then(text).map(|text| text.0).unwrap_or_default()
    }
}

/// Where to send the refusal of a line that is no proper message.
#[derive(Debug)]
pub(crate) struct Salvaged<'a> {
    pub(crate) src: String,
    pub(crate) dest: Option<String>,
    /// As it came: it may be no integer at all, or one beyond 64 bits.
    pub(crate) msg_id: &'a RawValue,
}

/// The key of a field, as bytes: JSON can write a key that is no Unicode (an escape of
/// half a surrogate pair), and whoever sent it wants an answer all the same.
struct Key<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_bytes<E: de::Error>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_bytes<E: de::Error>(self, key: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

struct Addressing<'a> {
    src: Option<&'a RawValue>,
    dest: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
}

fn visit_addressing<'de, A: MapAccess<'de>>(mut map: A) -> Result<Addressing<'de>, A::Error> {
    let mut found = Addressing { src: None, dest: None, body: None };
    while let Some((Key(key), value)) = map.next_entry()? {
        match &*key {
            b"src" => found.src = Some(value),
            b"dest" => found.dest = Some(value),
            b"body" => found.body = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

fn visit_header<'de, A: MapAccess<'de>>(mut map: A) -> Result<LooseHeader<'de>, A::Error> {
    let mut found = LooseHeader::default();
    while let Some((Key(key), value)) = map.next_entry::<_, &RawValue>()? {
        let value = Some(value).filter(|value| value.get() != "null");
        match &*key {
            b"type" => found.kind = value,
            b"msg_id" => found.msg_id = value,
            b"in_reply_to" => found.in_reply_to = value,
            _ => {}
        }
    }
    Ok(found)
}

/// Finds out whom a malformed line wants an answer for: it must begin with a JSON
/// object with a sender and a body that has a `msg_id` and is no reply.
pub(crate) fn salvage(line: &str) -> Option<Salvaged<'_>> {
    let mut values = serde_json::Deserializer::from_str(line);
    let addressing = Addressing::deserialize(&mut values).ok()?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let header = LooseHeader::read(addressing.body?.get()).ok()?;
    if header.in_reply_to.is_some() {
        return None;
    }
    Some(Salvaged {
        src: addressing.src.and_then(text)?,
        dest: addressing.dest.and_then(text),
        msg_id: header.msg_id?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_no_string_counts_as_none() {
        for kind in ["5", "null", "[]", "{\"a\":1}"] {
            let body = format!(r#"{{"type":{kind},"in_reply_to":3}}"#);
            let header = LooseHeader::read(&body).unwrap();
            assert_eq!(header.kind(), "", "{kind}");
            assert_eq!(header.in_reply_to.map(RawValue::get), Some("3"));
        }
        assert_eq!(LooseHeader::read(r#"{"type":"\u0061"}"#).unwrap().kind(), "a");
    }

    #[test]
    fn replies_and_messages_without_number_are_not_salvaged() {
        assert!(salvage(r#"{"src":"c1","body":{"msg_id":1,"in_reply_to":2}}"#).is_none());
        assert!(salvage(r#"{"src":"c1","body":{}}"#).is_none());
        assert!(salvage(r#"{"src":"c1","body":{"msg_id":null}}"#).is_none());
        assert!(salvage(r#"{"src":7,"body":{"msg_id":1}}"#).is_none());
        let salvaged = salvage(r#"{"src":"c1","body":{"msg_id":123456789012345678901}}"#).unwrap();
        assert_eq!(salvaged.msg_id.get(), "123456789012345678901");
    }
}
