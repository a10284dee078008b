//! What stands in the register of a segment.
//!
//! A register's value is a JSON *string* whose content is JSON again. A service
//! may read and rewrite the JSON that it stores (`1.50` becomes `1.5`, and of two
//! equal keys in an object one is lost); the content of a string it leaves alone.
//! So a message comes back as the very text that was sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A segment: what one append to a partition says.
///
/// ```json
/// {"by":"n1-90b2c1d3e4f5a6b7-12","seen":[40,13],
///  "sends":{"k1":[[7,"a message"],[9,{"another":1}]]},"commits":{"k2":4}}
/// ```
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Segment<'a> {
    /// Who wrote it: node, incarnation, and count, so that no two attempts are equal.
    #[serde(borrow)]
    pub(crate) by: Cow<'a, str>,
    /// How many segments of each partition its writer knew, itself included: all
    /// that is yet to come in this partition comes after those.
    pub(crate) seen: Vec<u64>,
    /// Nobody but the owner's present incarnation may append to the partition from here on,
    /// until that owner's next incarnation does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) exclusive: bool,
    /// Messages by key, each with its offset.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sends: BTreeMap<Cow<'a, str>, Vec<(u64, &'a RawValue)>>,
    /// Offsets that clients have processed.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) commits: BTreeMap<Cow<'a, str>, u64>,
}

impl<'a> Segment<'a> {
    /// Reads a register's content.
    pub(crate) fn decode(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The register's content.
    pub(crate) fn encode(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_the_text_that_was_sent() {
        let messages = [
            "1.50",
            "123456789012345678901234567890",
            r#"{"a":1,"a":2}"#,
            r#""\ud800 \u0000 \n""#,
            "null",
            &("[".repeat(10_000) + &"]".repeat(10_000)),
        ];
        let raw: Vec<Box<RawValue>> =
            messages.iter().map(|&text| RawValue::from_string(text.to_owned()).unwrap()).collect();
        let list = raw.iter().zip(0..).map(|(raw, n)| (2 * n, &**raw)).collect();
        let segment = Segment {
            by: "n0-1-0".into(),
            seen: vec![1, 2],
            sends: BTreeMap::from([("key \"\n".into(), list)]),
            ..Segment::default()
        };
        let stored = serde_json::to_string(&segment.encode().unwrap()).unwrap();
        let read: String = serde_json::from_str(&stored).unwrap();
        let back = Segment::decode(&read).unwrap();
        assert_eq!(back.seen, [1, 2]);
        let back: Vec<&str> = back.sends["key \"\n"].iter().map(|(_, raw)| raw.get()).collect();
        assert_eq!(back, messages);
    }

    #[test]
    fn what_a_segment_does_not_say_takes_no_room() {
        let segment = Segment { by: "n0-1-0".into(), seen: vec![3], ..Segment::default() };
        assert_eq!(segment.encode().unwrap(), r#"{"by":"n0-1-0","seen":[3]}"#);
        let back = Segment::decode(r#"{"by":"n0-1-0","seen":[3]}"#).unwrap();
        assert!(back.sends.is_empty() && back.commits.is_empty() && !back.exclusive);
    }
}
