//! The values of `send`, `poll` and `txn` operations, decoded.
//!
//! Such a value is a list of micro-operations: `["send", key, message]`, of which
//! an `ok` completion makes `["send", key, [offset, message]]`, and `["poll"]`, of
//! which it makes `["poll", {key: [[offset, message], …]}]`. Offsets are integers,
//! messages any JSON. Nothing is believed of their order here.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::history::{Op, OpType};

#[derive(Debug)]
pub(crate) enum MicroOp<'a> {
    /// A message for a key; the offset is known once the send is acknowledged.
    Send { key: Cow<'a, str>, offset: Option<i64>, message: &'a RawValue },
    /// What a poll returned; nothing unless it is complete.
    Poll { batches: Vec<Batch<'a>> },
}

impl MicroOp<'_> {
    pub(super) fn batches(&self) -> &[Batch<'_>] {
        if let Self::Poll { batches } = self { batches } else { &[] }
    }
}

/// The messages of one key in one poll, in the order received.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) key: Cow<'a, str>,
    /// `null` where a list should be, as Go writes a slice without elements: it
    /// counts as an empty one.
    pub(crate) is_null: bool,
    pub(crate) pairs: Vec<(i64, &'a RawValue)>,
}

/// The micro-operations of an operation, invoked or completed.
pub(crate) fn micro_ops(op: &Op) -> serde_json::Result<Vec<MicroOp<'_>>> {
    op.decode::<Vec<Shape<'_>>>()?
        .into_iter()
        .map(|shape| match shape {
            Shape::Poll(batches) => Ok(MicroOp::Poll { batches }),
            Shape::Send(key, value) if op.kind == OpType::Ok => {
                let (offset, message) = serde_json::from_str(value.get())?;
                Ok(MicroOp::Send { key, offset: Some(offset), message })
            }
            Shape::Send(key, message) => Ok(MicroOp::Send { key, offset: None, message }),
        })
        .collect()
}

pub(crate) fn assigned(op: &Op) -> serde_json::Result<Vec<Cow<'_, str>>> {
    Ok(op.decode::<Vec<Name<'_>>>()?.into_iter().map(|name| name.0).collect())
}

/// A micro-operation as it is written.
enum Shape<'a> {
    Send(Cow<'a, str>, &'a RawValue),
    Poll(Vec<Batch<'a>>),
}

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;
        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[\"send\", key, message] or [\"poll\", messages by key]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape<'de>, A::Error> {
                let Name(tag) = part(&mut seq, 0, &self)?;
                match &*tag {
                    "send" => {
                        let Name(key) = part(&mut seq, 1, &self)?;
                        Ok(Shape::Send(key, part(&mut seq, 2, &self)?))
                    }
                    "poll" => {
                        let batches = seq.next_element::<Option<Batches<'de>>>()?.flatten();
                        Ok(Shape::Poll(batches.map_or_else(Vec::new, |batches| batches.0)))
                    }
                    other => Err(de::Error::unknown_variant(other, &["send", "poll"])),
                }
            }
        }
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

fn part<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    seq: &mut A,
    position: usize,
    expected: &dyn de::Expected,
) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::invalid_length(position, expected))
}

/// A string that is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A map from keys to pairs, in the order it is written.
struct Batches<'a>(Vec<Batch<'a>>);

impl<'de> Deserialize<'de> for Batches<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BatchesVisitor;
        impl<'de> Visitor<'de> for BatchesVisitor {
            type Value = Batches<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from keys to lists of [offset, message]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batches<'de>, A::Error> {
                let mut batches = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some((Name(key), pairs)) = map.next_entry::<_, Option<Vec<_>>>()? {
                    let is_null = pairs.is_none();
                    batches.push(Batch { key, is_null, pairs: pairs.unwrap_or_default() });
                }
                Ok(Batches(batches))
            }
        }
        deserializer.deserialize_map(BatchesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(kind: &str, value: &str) -> Op {
        let line = format!(
            r#"{{"index":0,"time":0,"type":"{kind}","process":0,"f":"txn","value":{value}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn an_acknowledged_send_has_an_offset_and_any_other_has_none() {
        let done = op("ok", r#"[["send","k",[3,{"a":1}]]]"#);
        let ops = micro_ops(&done).unwrap();
        let [MicroOp::Send { key, offset: Some(3), message }] = &ops[..] else { panic!("{ops:?}") };
        assert_eq!((&**key, message.get()), ("k", r#"{"a":1}"#));

        // A message may itself look like a pair.
        let unknown = op("info", r#"[["send","k",[3,4]]]"#);
        let ops = micro_ops(&unknown).unwrap();
        let [MicroOp::Send { offset: None, message, .. }] = &ops[..] else { panic!("{ops:?}") };
        assert_eq!(message.get(), "[3,4]");
    }

    #[test]
    fn a_poll_keeps_the_order_received_and_may_return_nothing() {
        let done = op(
            "ok",
            r#"[["poll",{"\u0062":[[2,"x"],[1,"y"]],"a":[],"c":null}],["poll",null],["poll"]]"#,
        );
        let ops = micro_ops(&done).unwrap();
        let MicroOp::Poll { batches } = &ops[0] else { panic!("{ops:?}") };
        assert_eq!(batches[0].key, "b");
        assert_eq!(batches[0].pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), [2, 1]);
        assert!(batches[1].pairs.is_empty() && !batches[1].is_null);
        assert!(batches[2].pairs.is_empty() && batches[2].is_null);
        assert!(matches!(&ops[1], MicroOp::Poll { batches } if batches.is_empty()));
    }

    #[test]
    fn a_malformed_value_is_an_error_that_says_what_is_wrong() {
        for (value, reason) in [
            (r#"[["poll",{"k":[["0",1]]}]]"#, "invalid type: string \"0\", expected i64"),
            (r#"[["poll",{"k":[[1.0,1]]}]]"#, "invalid type: floating point `1.0`, expected i64"),
            (r#"[["poll",{"k":[[0]]}]]"#, "expected a tuple of size 2"),
            (r#"[["poll",[]]]"#, "expected a map from keys"),
            (r#"[["send","k",[null,1]]]"#, "invalid type: null, expected i64"),
            (r#"[["send","k"]]"#, "invalid length 2"),
            (r#"[["send",7,[0,1]]]"#, "expected a string"),
            (r#"[["get","k"]]"#, "unknown variant `get`"),
            (r#"[[]]"#, "invalid length 0"),
            ("null", "expected a sequence"),
        ] {
            let error = micro_ops(&op("ok", value)).unwrap_err().to_string();
            assert!(error.contains(reason), "{value}: {error}");
        }
    }
}
