//! Writing a line.

use std::io::Write as _;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::value::RawValue;
use serde_json::{Error, Value};

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

impl Number<'_> {
    /// Whether it makes a message an answer.
    pub(crate) fn is_reply(self) -> bool {
        matches!(self, Self::Reply(_) | Self::ReplyAsIs(_))
    }
}

/// Appends a message as one line to `out`; on an error, and when writing the payload
/// panics, `out` is as before.
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
    let mut line = Unfinished { keep: out.len(), out };
    encode_parts(line.out, src, dest, message)?;
    line.keep = line.out.len();
    Ok(())
}

/// Takes back what was appended, unless it is to be kept.
struct Unfinished<'a> {
    out: &'a mut Vec<u8>,
    keep: usize,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.keep);
    }
}

fn encode_parts<P: Serialize>(
    out: &mut Vec<u8>,
    src: &str,
    dest: &str,
    Outgoing { kind, number, payload }: &Outgoing<'_, P>,
) -> serde_json::Result<()> {
    let names = [src, dest, kind];
    out.reserve(64 + src.len() + dest.len() + kind.len());
    if names.into_iter().all(needs_no_escape) {
        let parts =
            ["{\"src\":\"", src, "\",\"dest\":\"", dest, "\",\"body\":{\"type\":\"", kind, "\""];
        parts.into_iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    } else {
        let [src, dest, kind] = names.map(Value::from);
        write!(out, r#"{{"src":{src},"dest":{dest},"body":{{"type":{kind}"#).map_err(Error::io)?;
    }
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
        _ => return Err(Error::custom("neither a struct nor a map")),
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
}

/// Whether this is a string's JSON form, quotation marks apart.
fn needs_no_escape(string: &str) -> bool {
    string.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Empty;

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
    fn a_payload_that_panics_leaves_no_trace() {
        struct Fuse;
        impl Serialize for Fuse {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                panic!("burnt")
            }
        }
        let mut out = b"before\n".to_vec();
        let message = Outgoing { kind: "x", number: Number::None, payload: Fuse };
        let encode = || encode(&mut out, "n0", "n1", &message);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(encode)).is_err());
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn names_are_escaped_where_they_need_it() {
        let mut out = Vec::new();
        let message = Outgoing { kind: "\"", number: Number::None, payload: Empty {} };
        encode(&mut out, "n\n", "é\\", &message).unwrap();
        let line = r#"{"src":"n\n","dest":"é\\","body":{"type":"\""}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
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
