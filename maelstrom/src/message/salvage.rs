//! What can be read of a malformed line: whom to tell so.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess};
use serde_json::value::RawValue;

use super::decode::from_object;

from_object!(Addressing, "a JSON object", visit_addressing);
from_object!(Numbering, "a JSON object", visit_numbering);

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

struct Numbering<'a> {
    msg_id: Option<&'a RawValue>,
    in_reply_to: Option<&'a RawValue>,
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

fn visit_numbering<'de, A: MapAccess<'de>>(mut map: A) -> Result<Numbering<'de>, A::Error> {
    let mut found = Numbering { msg_id: None, in_reply_to: None };
    while let Some((Key(key), value)) = map.next_entry()? {
        match &*key {
            b"msg_id" => found.msg_id = Some(value),
            b"in_reply_to" => found.in_reply_to = Some(value),
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
    let numbering: Numbering<'_> = serde_json::from_str(addressing.body?.get()).ok()?;
    let present = |raw: &&RawValue| raw.get() != "null";
    if numbering.in_reply_to.filter(present).is_some() {
        return None;
    }
    Some(Salvaged {
        src: addressing.src.and_then(text)?,
        dest: addressing.dest.and_then(text),
        msg_id: numbering.msg_id.filter(present)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
