//! A message on the wire, its body as text.
//!
//! Bodies are forwarded as they came, byte for byte. The bench looks into a body
//! only as far as it is concerned by it: a service into requests, a client into
//! replies.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
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

/// A string that borrows from the text unless it has escapes.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

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
