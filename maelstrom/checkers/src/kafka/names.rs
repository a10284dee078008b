//! Keys and messages as small numbers. A message is known by its key and its value.

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use crate::interner::{Datum, Interner};

/// A key, numbered in the order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(u32);

/// A message of one key, numbered in the order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MessageId(u32);

impl KeyId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl MessageId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Gives keys and messages their numbers, and the other way round.
#[derive(Default)]
pub(super) struct Names {
    keys: Vec<Key>,
    keys_by_name: FxHashMap<Box<str>, KeyId>,
    /// Of each message its key, and its value's number among those of the key.
    messages: Vec<(KeyId, u32)>,
}

#[derive(Default)]
struct Key {
    name: Box<str>,
    values: Interner,
    /// By number of the value.
    messages: Vec<MessageId>,
}

impl Names {
    pub(super) fn key(&mut self, name: &str) -> KeyId {
        if let Some(&key) = self.keys_by_name.get(name) {
            return key;
        }
        let key = KeyId(self.keys.len() as u32);
        self.keys.push(Key { name: name.into(), ..Key::default() });
        self.keys_by_name.insert(name.into(), key);
        key
    }

    pub(super) fn message(&mut self, key: KeyId, raw: &RawValue) -> MessageId {
        let Key { values, messages, .. } = &mut self.keys[key.index()];
        let value = values.number(raw.get());
        if value as usize == messages.len() {
            messages.push(MessageId(self.messages.len() as u32));
            self.messages.push((key, value));
        }
        messages[value as usize]
    }

    /// All keys, in the order of first appearance.
    pub(super) fn keys(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..self.keys.len() as u32).map(KeyId)
    }

    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// All messages, in the order of first appearance.
    pub(super) fn messages(&self) -> impl Iterator<Item = MessageId> + use<> {
        (0..self.messages.len() as u32).map(MessageId)
    }

    pub(super) fn name_of(&self, key: KeyId) -> &str {
        &self.keys[key.index()].name
    }

    pub(super) fn key_of(&self, message: MessageId) -> KeyId {
        self.messages[message.index()].0
    }

    pub(super) fn value_of(&self, message: MessageId) -> &Datum {
        let (key, value) = self.messages[message.index()];
        self.keys[key.index()].values.value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
