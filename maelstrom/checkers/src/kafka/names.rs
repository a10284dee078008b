//! Keys and messages as small numbers.
//!
//! A message is known by its key and its JSON value: what is equal as JSON has
//! one number, however it was spelt (`"A"` and `"\u0041"`, `{"a":1,"b":2}` and
//! `{"b":2, "a":1}`). An integer is never equal to a float: `1` and `1.0` are two
//! messages. Integers of any length are kept digit by digit.

use std::fmt;
use std::sync::Arc;

use maelstrom::protocol::json::{Fractions, canonical};
use rustc_hash::FxHashMap;
use serde_json::Value;
use serde_json::value::RawValue;

/// A key, numbered in the order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(u32);

/// A message of one key, numbered in the order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MessageId(u32);

impl KeyId {
    /// For indexing tables by key.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl MessageId {
    /// For indexing tables by message.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What was sent. Integers are what workloads send, so they are kept without an
/// allocation; anything else is its canonical JSON text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Message {
    Integer(i64),
    Other(Arc<str>),
}

impl Message {
    fn parse(raw: &RawValue) -> Self {
        match raw.get().parse() {
            Ok(integer) => Message::Integer(integer),
            Err(_) => Message::Other(canonical(raw.get(), Fractions::Doubles).into()),
        }
    }

    /// As it stands in results. What `Value` cannot hold is given as text.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Message::Integer(integer) => (*integer).into(),
            Message::Other(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
            }
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Integer(integer) => integer.fmt(f),
            Message::Other(text) => f.write_str(text),
        }
    }
}

/// Gives keys and messages their numbers, and the other way round.
#[derive(Default)]
pub(super) struct Names {
    keys: Vec<Key>,
    keys_by_name: FxHashMap<Box<str>, KeyId>,
    messages: Vec<(KeyId, Message)>,
}

#[derive(Default)]
struct Key {
    name: Box<str>,
    integers: FxHashMap<i64, MessageId>,
    others: FxHashMap<Arc<str>, MessageId>,
}

impl Names {
    /// The number of a key.
    pub(super) fn key(&mut self, name: &str) -> KeyId {
        if let Some(&key) = self.keys_by_name.get(name) {
            return key;
        }
        let key = KeyId(number(self.keys.len()));
        self.keys.push(Key { name: name.into(), ..Key::default() });
        self.keys_by_name.insert(name.into(), key);
        key
    }

    /// The number of a message.
    pub(super) fn message(&mut self, key: KeyId, raw: &RawValue) -> MessageId {
        let next = MessageId(number(self.messages.len()));
        let message = Message::parse(raw);
        let known = &mut self.keys[key.index()];
        let id = match &message {
            Message::Integer(integer) => *known.integers.entry(*integer).or_insert(next),
            Message::Other(text) => *known.others.entry(text.clone()).or_insert(next),
        };
        if id == next {
            self.messages.push((key, message));
        }
        id
    }

    /// All keys, in the order of first appearance.
    pub(super) fn keys(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..number(self.keys.len())).map(KeyId)
    }

    /// How many keys there are.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// All messages, in the order of first appearance.
    pub(super) fn messages(&self) -> impl Iterator<Item = MessageId> + use<> {
        (0..number(self.messages.len())).map(MessageId)
    }

    /// The name of a key.
    pub(super) fn name_of(&self, key: KeyId) -> &str {
        &self.keys[key.index()].name
    }

    /// The key that a message belongs to.
    pub(super) fn key_of(&self, message: MessageId) -> KeyId {
        self.messages[message.index()].0
    }

    /// The message itself.
    pub(super) fn value_of(&self, message: MessageId) -> &Message {
        &self.messages[message.index()].1
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a history that fits into memory has less than 2^32 messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let mut names = Names::default();
        let key = names.key("k");
        let [a, b] = [a, b].map(|text| RawValue::from_string(text.to_owned()).unwrap());
        names.message(key, &a) == names.message(key, &b)
    }

    #[test]
    fn values_equal_as_json_are_one_message_however_spelt() {
        assert!(same("1", "1"));
        assert!(same(r#""A""#, r#""\u0041""#));
        assert!(same(r#"{"a":1,"b":[1, 2]}"#, r#"{ "b":[1,2], "a":1 }"#));
        assert!(same("1.50", "15e-1"));
        assert!(!same("1", "1.0"));
        assert!(!same("12345678901234567890123", "12345678901234567890124"));
    }

    #[test]
    fn the_same_value_under_two_keys_is_two_messages() {
        let mut names = Names::default();
        let (a, b) = (names.key("a"), names.key("b"));
        let one = RawValue::from_string("1".to_owned()).unwrap();
        assert_ne!(names.message(a, &one), names.message(b, &one));
        assert_eq!(names.key("a"), a);
        assert_eq!(names.name_of(b), "b");
    }
}
