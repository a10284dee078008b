//! What is on the wire: one JSON object a line, `{"src","dest","body"}`.
//!
//! A line is decoded in two passes, so that a body is decoded once, into its
//! handler's type, without a tree of values in between. The first pass reads
//! [`Envelope`]: sender, receiver and the header of the body. It skips all the
//! rest without recursion, so depth of nesting and size of numbers do not
//! matter. The second pass, [`decode`], reads the body of the type that the
//! header names.
//!
//! Shapes and field names: [Maelstrom's protocol page][messages].
//!
//! [messages]: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#messages

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;

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
/// # use maelstrom::Request;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Add {
///     delta: u64,
/// }
///
/// impl Request for Add {
///     const TYPE: &'static str = "add";
///     type Reply = (); // {"type":"add_ok","in_reply_to":…}
/// }
/// ```
pub trait Request {
    /// The `type` of the request's body; its own fields stand beside it, so
    /// none of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
    /// The fields of the reply's body: a struct or map, or `()` for none.
    type Reply;
}

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
}

/// The part of a body that all bodies share.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) msg_id: Option<u64>,
    pub(crate) in_reply_to: Option<u64>,
}

/// A string that borrows from the input where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
    #[derive(Deserialize)]
    #[serde(field_identifier, rename_all = "lowercase")]
    enum Key {
        Src,
        Dest,
        Body,
        #[serde(other)]
        Other,
    }
    let (mut src, mut dest, mut body) = (None, None, None);
    while let Some(key) = map.next_key()? {
        match key {
            Key::Src => src = Some(map.next_value::<Text<'de>>()?.0),
            Key::Dest => dest = Some(map.next_value::<Text<'de>>()?.0),
            Key::Body => body = Some(map.next_value()?),
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(Envelope {
        src: src.ok_or_else(|| de::Error::missing_field("src"))?,
        dest: dest.ok_or_else(|| de::Error::missing_field("dest"))?,
        body: body.ok_or_else(|| de::Error::missing_field("body"))?,
    })
}

fn visit_header<'de, A: MapAccess<'de>>(mut map: A) -> Result<Header<'de>, A::Error> {
    #[derive(Deserialize)]
    #[serde(field_identifier, rename_all = "snake_case")]
    enum Key {
        Type,
        MsgId,
        InReplyTo,
        #[serde(other)]
        Other,
    }
    let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
    while let Some(key) = map.next_key()? {
        match key {
            Key::Type => kind = Some(map.next_value::<Text<'de>>()?.0),
            Key::MsgId => msg_id = map.next_value()?,
            Key::InReplyTo => in_reply_to = map.next_value()?,
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    let kind = kind.ok_or_else(|| de::Error::missing_field("type"))?;
    Ok(Header { kind, msg_id, in_reply_to })
}

/// Decodes the body of a line whose [`Envelope`] was read, with an error text
/// that names the field.
pub(crate) fn decode<T: DeserializeOwned>(line: &str) -> serde_json::Result<T> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Line<T> {
        body: T,
    }
    serde_json::from_str::<Line<T>>(line).map(|line| line.body)
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

/// A body to be written: header first, then the payload's fields.
#[derive(Serialize)]
pub(crate) struct Body<'a, I, P> {
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) msg_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<I>,
    #[serde(flatten)]
    pub(crate) payload: P,
}

impl<'a, P> Body<'a, u64, P> {
    /// A message that wants no answer.
    pub(crate) fn message(kind: &'a str, payload: P) -> Self {
        Self { kind, msg_id: None, in_reply_to: None, payload }
    }

    /// A message that wants an answer.
    pub(crate) fn request(kind: &'a str, msg_id: u64, payload: P) -> Self {
        Self { kind, msg_id: Some(msg_id), in_reply_to: None, payload }
    }
}

impl<'a, I, P> Body<'a, I, P> {
    /// An answer.
    pub(crate) fn reply(kind: &'a str, in_reply_to: I, payload: P) -> Self {
        Self { kind, msg_id: None, in_reply_to: Some(in_reply_to), payload }
    }
}

impl<'a, I> Body<'a, I, &'a Error> {
    /// An error as an answer.
    pub(crate) fn error(in_reply_to: I, error: &'a Error) -> Self {
        Self::reply("error", in_reply_to, error)
    }
}

/// Appends a message as one line to `out`; on an error `out` is as before.
pub(crate) fn encode<B: Serialize>(
    out: &mut Vec<u8>,
    src: &str,
    dest: &str,
    body: &B,
) -> serde_json::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, B> {
        src: &'a str,
        dest: &'a str,
        body: &'a B,
    }
    let start = out.len();
    let result = serde_json::to_writer(&mut *out, &Line { src, dest, body });
    match result {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_borrows_from_the_line() {
        let line = r#"{"id":7,"src":"c1","dest":"n0","body":{"msg_id":1,"type":"echo","echo":[[]]}}"#;
        let envelope: Envelope<'_> = serde_json::from_str(line).unwrap();
        assert!(matches!(envelope.src, Cow::Borrowed("c1")));
        assert!(matches!(envelope.body.kind, Cow::Borrowed("echo")));
        assert_eq!(envelope.body.msg_id, Some(1));
        assert_eq!(envelope.body.in_reply_to, None);
    }

    #[test]
    fn arrays_are_no_messages() {
        let line = r#"["c1","n0",["echo",1,null]]"#;
        let error = serde_json::from_str::<Envelope<'_>>(line).unwrap_err();
        assert!(error.to_string().contains("expected a message"), "{error}");
        let line = r#"{"src":"c1","dest":"n0","body":["echo",1,null]}"#;
        let error = serde_json::from_str::<Envelope<'_>>(line).unwrap_err();
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
        let body = Body::message("x", unencodable);
        assert!(encode(&mut out, "n0", "n1", &body).is_err());
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn empty_payloads_leave_just_the_header() {
        let mut out = Vec::new();
        encode(&mut out, "n0", "c1", &Body::reply("add_ok", 3, ())).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"src\":\"n0\",\"dest\":\"c1\",\"body\":{\"type\":\"add_ok\",\"in_reply_to\":3}}\n"
        );
    }
}
