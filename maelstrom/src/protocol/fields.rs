//! A body's fields, where they stand in their line, and a value made of them.

use std::ops::Range;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Header, Malformed, decode};

/// Of bodies with more fields, not all are remembered.
const MOST: usize = 16;
/// Room for the fields of most bodies.
const USUAL: usize = 4;

/// Where the fields of a body beside its header stand in their line.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Where the body begins.
    pub(super) body: usize,
    /// Names, without their quotation marks, and values.
    known: Vec<(Range<usize>, Range<usize>)>,
    /// There are too many.
    others: bool,
}

impl Fields {
    pub(super) fn of_body_at(body: usize) -> Self {
        Self { body, known: Vec::with_capacity(USUAL), others: false }
    }

    pub(super) fn add(&mut self, name: Range<usize>, value: Range<usize>) {
        if self.known.len() < MOST {
            self.known.push((name, value));
        } else {
            self.others = true;
        }
    }

    /// The body as a `T`. What the fields do not decode to is decoded once more from the
    /// text, which has all of them, and errors that name their place.
    ///
    /// # Errors
    ///
    /// When the body is not what `T` describes.
    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        header: &Header<'_>,
        line: &str,
    ) -> Result<T, Malformed> {
        let header = [
            Some(("type", Field::Kind(&header.kind))),
            header.msg_id.map(|number| ("msg_id", Field::Number(number))),
            header.in_reply_to.map(|number| ("in_reply_to", Field::Number(number))),
        ];
        let field = |(name, value)| (&line[name], Field::Raw(&line[value]));
        let fields = header.into_iter().flatten().chain(self.known.iter().cloned().map(field));
        let object = Object { fields, value: None };
        let decoded = (!self.others).then(|| T::deserialize(object).ok()).flatten();
        decoded.map_or_else(|| decode(&line[self.body..]), Ok)
    }
}

/// What a field holds.
enum Field<'a> {
    Kind(&'a str),
    Number(u64),
    /// JSON.
    Raw(&'a str),
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
            Some(Field::Raw(text)) => {
                seed.deserialize(&mut serde_json::Deserializer::from_str(text))
            }
            None => Err(Self::Error::custom("a value without a name")),
        }
    }
}
