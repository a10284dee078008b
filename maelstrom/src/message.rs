//! What is on the wire: one JSON object a line, `{"src","dest","body"}`.
//!
//! A line is decoded in two passes, so that a body is decoded once, into its
//! handler's type, without a tree of values in between. The first pass reads
//! [`Envelope`]: sender, receiver and the header of the body. It skips all the
//! rest without recursion, so depth of nesting and size of numbers do not
//! matter. The second pass, [`Envelope::decode_body`], reads the body as the
//! type that the header names.
//!
//! Shapes and field names: [Maelstrom's protocol page][messages].
//!
//! [messages]: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#messages

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A message that wants no answer.
///
/// ```
/// # use maelstrom::Message;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Gossip {
///     values: Vec<u64>,
/// }
///
/// impl Message for Gossip {
///     const TYPE: &'static str = "gossip";
/// }
/// ```
pub trait Message {
    /// The `type` of the body. The type's own fields stand beside it, so none
    /// of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
}

/// A message that is answered: by a reply of type `<TYPE>_ok`, or by an error.
///
/// ```
/// # use maelstrom::{Empty, Request};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Add {
///     delta: u64,
/// }
///
/// impl Request for Add {
///     const TYPE: &'static str = "add";
///     type Reply = Empty; // {"type":"add_ok","in_reply_to":…}
/// }
/// ```
pub trait Request {
    /// The `type` of the request's body; its own fields stand beside it, so
    /// none of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
    /// The fields of the reply's body: a struct or map, or [`Empty`].
    type Reply;
}

/// A body without fields of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The name of a node, a client or a service; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for NodeId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for NodeId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for NodeId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl PartialEq<str> for NodeId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for NodeId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The `init` request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Init {
    pub(crate) node_id: NodeId,
    pub(crate) node_ids: Vec<NodeId>,
}

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
        serde_json::from_str(line).map_err(|_| Malformed::explain::<Self>(line))
    }

    /// Decodes the body of `line`, which this is the envelope of.
    pub(crate) fn decode_body<T: DeserializeOwned>(&self, line: &str) -> Result<T, Malformed> {
        match self.body_start(line) {
            // One value, whatever follows it: the line as a whole was read.
            Some(start) => {
                let body = &line[start..];
                let decoded = T::deserialize(&mut serde_json::Deserializer::from_str(body));
                decoded.map_err(|_| Malformed::explain::<T>(body))
            }
            None => {
                #[derive(Deserialize)]
                #[serde(bound = "T: DeserializeOwned")]
                struct Line<T> {
                    body: T,
                }
                let decoded = serde_json::from_str::<Line<T>>(line).map(|line| line.body);
                decoded.map_err(|_| Malformed::explain::<Line<T>>(line))
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
    fn explain<'a, T: Deserialize<'a>>(text: &'a str) -> Self {
        let mut decoder = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut decoder) {
            Err(error) => Self(error.to_string()),
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
from_object!(Addressing, "a JSON object", visit_addressing);
from_object!(Numbering, "a JSON object", visit_numbering);

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

/// Where to send the refusal of a line that is no proper message.
#[derive(Debug)]
pub(crate) struct Salvaged {
    pub(crate) src: String,
    pub(crate) dest: Option<String>,
    /// As it came: it may be no integer at all, or one beyond 64 bits.
    pub(crate) msg_id: Box<RawValue>,
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
    while let Some((Text(key), value)) = map.next_entry()? {
        match &*key {
            "src" => found.src = Some(value),
            "dest" => found.dest = Some(value),
            "body" => found.body = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

fn visit_numbering<'de, A: MapAccess<'de>>(mut map: A) -> Result<Numbering<'de>, A::Error> {
    let mut found = Numbering { msg_id: None, in_reply_to: None };
    while let Some((Text(key), value)) = map.next_entry()? {
        match &*key {
            "msg_id" => found.msg_id = Some(value),
            "in_reply_to" => found.in_reply_to = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

/// Finds out whom a malformed line wants an answer for: it must be a JSON
/// object with a sender and a body that has a `msg_id` and is no reply.
pub(crate) fn salvage(line: &str) -> Option<Salvaged> {
    let addressing: Addressing<'_> = serde_json::from_str(line).ok()?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let numbering: Numbering<'_> = serde_json::from_str(addressing.body?.get()).ok()?;
    let present = |raw: &&RawValue| raw.get() != "null";
    if numbering.in_reply_to.filter(present).is_some() {
        return None;
    }
    Some(Salvaged {
        src: addressing.src.and_then(text)?,
        dest: addressing.dest.and_then(text),
        msg_id: numbering.msg_id.filter(present)?.to_owned(),
    })
}

/// A message to be written: a body's header and payload.
pub(crate) struct Outgoing<'a, P> {
    pub(crate) kind: &'a str,
    pub(crate) number: Number<'a>,
    pub(crate) payload: P,
}

/// The number in a body's header.
#[derive(Clone, Copy)]
pub(crate) enum Number<'a> {
    /// A message that wants no answer has none.
    None,
    /// `msg_id`: the answer is to refer to it.
    Request(u64),
    /// `in_reply_to`: the answer to this.
    Reply(u64),
    /// Likewise, as it came: the answer to something malformed.
    ReplyAsIs(&'a RawValue),
}

/// Appends a message as one line to `out`; on an error `out` is as before.
///
/// The payload's fields follow the header's in one object. The payload is
/// written as the object that it is, and its opening brace replaced: cheaper
/// than `#[serde(flatten)]`, and without its limits on what a payload can be.
pub(crate) fn encode<P: Serialize>(
    out: &mut Vec<u8>,
    src: &str,
    dest: &str,
    message: &Outgoing<'_, P>,
) -> serde_json::Result<()> {
    let start = out.len();
    let result = encode_parts(out, src, dest, message);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn encode_parts<P: Serialize>(
    out: &mut Vec<u8>,
    src: &str,
    dest: &str,
    Outgoing { kind, number, payload }: &Outgoing<'_, P>,
) -> serde_json::Result<()> {
    out.extend_from_slice(b"{\"src\":");
    serde_json::to_writer(&mut *out, src)?;
    out.extend_from_slice(b",\"dest\":");
    serde_json::to_writer(&mut *out, dest)?;
    out.extend_from_slice(b",\"body\":{\"type\":");
    serde_json::to_writer(&mut *out, kind)?;
    match number {
        Number::None => {}
        Number::Request(msg_id) => {
            out.extend_from_slice(b",\"msg_id\":");
            serde_json::to_writer(&mut *out, msg_id)?;
        }
        Number::Reply(in_reply_to) => {
            out.extend_from_slice(b",\"in_reply_to\":");
            serde_json::to_writer(&mut *out, in_reply_to)?;
        }
        Number::ReplyAsIs(in_reply_to) => {
            out.extend_from_slice(b",\"in_reply_to\":");
            serde_json::to_writer(&mut *out, in_reply_to)?;
        }
    }
    let fields = out.len();
    serde_json::to_writer(&mut *out, payload)?;
    match &out[fields..] {
        b"{}" => out.truncate(fields),
        [b'{', .., b'}'] => {
            out[fields] = b',';
            out.truncate(out.len() - 1);
        }
        _ => return Err(serde_json::Error::custom("neither a struct nor a map")),
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
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

    #[test]
    fn replies_and_messages_without_number_are_not_salvaged() {
        assert!(salvage(r#"{"src":"c1","body":{"msg_id":1,"in_reply_to":2}}"#).is_none());
        assert!(salvage(r#"{"src":"c1","body":{}}"#).is_none());
        assert!(salvage(r#"{"src":"c1","body":{"msg_id":null}}"#).is_none());
        assert!(salvage(r#"{"src":7,"body":{"msg_id":1}}"#).is_none());
        let salvaged = salvage(r#"{"src":"c1","body":{"msg_id":123456789012345678901}}"#).unwrap();
        assert_eq!(salvaged.msg_id.get(), "123456789012345678901");
    }

    #[test]
    fn a_failed_encoding_leaves_no_trace() {
        let mut out = b"before\n".to_vec();
        let unencodable = std::collections::BTreeMap::from([((1, 2), 3)]);
        let message = Outgoing { kind: "x", number: Number::None, payload: unencodable };
        assert!(encode(&mut out, "n0", "n1", &message).is_err());
        assert_eq!(out, b"before\n");
        let message = Outgoing { kind: "x", number: Number::None, payload: [1] };
        assert!(encode(&mut out, "n0", "n1", &message).is_err());
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn empty_payloads_leave_just_the_header() {
        let mut out = Vec::new();
        let message = Outgoing { kind: "add_ok", number: Number::Reply(3), payload: Empty {} };
        encode(&mut out, "n0", "c1", &message).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"src\":\"n0\",\"dest\":\"c1\",\"body\":{\"type\":\"add_ok\",\"in_reply_to\":3}}\n"
        );
    }
}
