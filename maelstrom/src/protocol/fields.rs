//! A body's fields, where they stand in their line, and a value made of them.

use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::Header;

/// Of bodies with more fields, not all are remembered.
const MOST: usize = 16;

/// The fields of a body beside its header.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    known: Vec<(&'a str, &'a RawValue)>,
    /// There are others: too many, or of names that are written with escapes.
    others: bool,
}

impl<'a> Fields<'a> {
    /// Adds a field; its name is `None` if it is written with escapes.
    pub(super) fn add(&mut self, name: Option<&'a str>, value: &'a RawValue) {
        match name {
            Some(name) if self.known.len() < MOST => self.known.push((name, value)),
            _ => self.others = true,
        }
    }

    /// The body as a `T`. `None` if it is none, and if that cannot be told from here:
    /// then its text has to be read.
    pub(super) fn decode<T: DeserializeOwned>(&self, header: &Header<'a>) -> Option<T> {
        let Cow::Borrowed(kind) = header.kind else { return None };
        if self.others {
            return None;
        }
        let header = [
            Some(("type", Field::Kind(kind))),
            header.msg_id.map(|number| ("msg_id", Field::Number(number))),
            header.in_reply_to.map(|number| ("in_reply_to", Field::Number(number))),
        ];
        let fields = self.known.iter().map(|&(name, raw)| (name, Field::Raw(raw)));
        T::deserialize(Object { fields: header.into_iter().flatten().chain(fields), value: None })
            .ok()
    }
}

/// What a field holds.
enum Field<'a> {
    Kind(&'a str),
    Number(u64),
    Raw(&'a RawValue),
}

/// An object that has been read, as what serde decodes.
struct Object<'a, I> {
    fields: I,
    /// Of the field whose name was asked for.
    value: Option<Field<'a>>,
}

impl<'de, I: Iterator<Item = (&'de str, Field<'de>)>> Deserializer<'de> for Object<'de, I> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, I: Iterator<Item = (&'de str, Field<'de>)>> MapAccess<'de> for Object<'de, I> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        match self.value.take() {
            Some(Field::Kind(kind)) => seed.deserialize(BorrowedStrDeserializer::new(kind)),
            Some(Field::Number(number)) => seed.deserialize(number.into_deserializer()),
            Some(Field::Raw(raw)) => seed.deserialize(raw),
            None => Err(Self::Error::custom("a value without a name")),
        }
    }
}
