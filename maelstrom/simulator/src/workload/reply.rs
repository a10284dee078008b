//! Reading replies as strictly as the original does.
//!
//! A reply has its type, `in_reply_to`, perhaps a `msg_id`, exactly the fields
//! that its description names, and no others. The original checks them against
//! closed schemas, and an operation whose reply does not pass is indeterminate.

use std::fmt;

use maelstrom::protocol::json::{in_words, type_of};
use maelstrom::protocol::{is_reply_to, reply_type};
use serde::de::{Deserialize, DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(super) use crate::net::Text;
use crate::net::is_integer;

/// What is wrong with a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {} reply: {problem}, in {body}", reply_type(.request))]
pub(crate) struct Malformed {
    request: &'static str,
    problem: String,
    body: String,
}

impl Malformed {
    /// A reply to a `request` that has a problem.
    pub(crate) fn new(request: &'static str, problem: impl fmt::Display, body: &RawValue) -> Self {
        Self { request, problem: problem.to_string(), body: body.get().to_owned() }
    }

    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

/// The named fields of the reply to a request of this type, in the order of `names`.
pub(crate) fn fields<'a, const N: usize>(
    body: &'a RawValue,
    request: &'static str,
    names: [&'static str; N],
) -> Result<[&'a RawValue; N], Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(body.get());
    let fields = Fields { request, names };
    let found = fields.deserialize(&mut deserializer).map_err(|error| error.to_string());
    let values = found.and_then(|found| found.check(names));
    values.map_err(|problem| Malformed::new(request, problem, body))
}

/// A list of anything. As in the original, `null` counts as an empty one: that
/// is how Go spells a slice without elements.
pub(super) fn list(value: &RawValue) -> Result<Box<RawValue>, String> {
    match type_of(value.get()) {
        "null" => Ok(checkers::history::raw(&[(); 0])),
        "a list" => Ok(value.to_owned()),
        other => Err(format!("{other} instead of a list")),
    }
}

/// An integer of any size.
pub(super) fn integer(value: &RawValue) -> Result<Box<RawValue>, String> {
    match type_of(value.get()) {
        "an integer" => Ok(value.to_owned()),
        other => Err(format!("{other} instead of an integer")),
    }
}

/// The field of the reply to a request, decoded.
pub(super) fn decode<'a, T: Deserialize<'a>>(
    body: &'a RawValue,
    request: &'static str,
    name: &'static str,
) -> Result<T, Malformed> {
    let [value] = fields(body, request, [name])?;
    typed(value, name).map_err(|problem| Malformed::new(request, problem, body))
}

/// A field's value, decoded.
pub(super) fn typed<'a, T: Deserialize<'a>>(value: &'a RawValue, name: &str) -> Result<T, String> {
    serde_json::from_str(value.get())
        .map_err(|error: serde_json::Error| format!("`{name}`: {}", in_words(&error)))
}

struct Fields<const N: usize> {
    request: &'static str,
    names: [&'static str; N],
}

/// What was found of a body.
struct Found<'a, const N: usize> {
    /// The values under the names that were asked for.
    values: [Option<&'a RawValue>; N],
    kind: Option<&'a RawValue>,
    problems: Vec<String>,
    is_of_type: bool,
}

impl<'a, const N: usize> Found<'a, N> {
    /// The values, if nothing is wrong and nothing is missing.
    fn check(mut self, names: [&str; N]) -> Result<[&'a RawValue; N], String> {
        match self.kind {
            // Of another type, the rest is as it is of that type.
            Some(kind) if !self.is_of_type => return Err(format!("its type is {kind}")),
            Some(_) => {}
            None => self.problems.insert(0, "`type` is missing".to_owned()),
        }
        let missing = self.values.iter().zip(names).filter(|(value, _)| value.is_none());
        self.problems.extend(missing.map(|(_, name)| format!("`{name}` is missing")));
        match self.problems.is_empty() {
            true => Ok(self.values.map(|value| value.unwrap_or(RawValue::NULL))),
            false => Err(self.problems.join(", ")),
        }
    }
}

impl<'a, const N: usize> DeserializeSeed<'a> for Fields<N> {
    type Value = Found<'a, N>;

    fn deserialize<D: serde::Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Fields<N> {
    type Value = Found<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body of {}", reply_type(self.request))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found =
            Found { values: [None; N], kind: None, problems: Vec::new(), is_of_type: false };
        while let Some(key) = map.next_key::<Text<'a>>()? {
            let value: &RawValue = map.next_value()?;
            let position = self.names.iter().position(|&expected| expected == key.0);
            match (key.0.as_ref(), position) {
                ("type", _) => {
                    found.kind = Some(value);
                    found.is_of_type = is_reply(value, self.request);
                }
                ("in_reply_to", _) => {}
                ("msg_id", _) if is_integer(value) => {}
                ("msg_id", _) => found.problems.push("`msg_id` has to be an integer".to_owned()),
                (_, Some(position)) => found.values[position] = Some(value),
                (name, None) => found.problems.push(format!("`{name}` does not belong there")),
            }
        }
        Ok(found)
    }
}

fn is_reply(kind: &RawValue, request: &str) -> bool {
    serde_json::from_str::<Text<'_>>(kind.get()).is_ok_and(|kind| is_reply_to(&kind.0, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Vec<String>, String> {
        let body = RawValue::from_string(body.to_owned()).unwrap();
        fields(&body, "a", ["x", "y"])
            .map(|values| values.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn fields_come_in_the_order_asked_for() {
        let body = r#"{"y":[1, 2],"in_reply_to":3,"type":"a\u005fok","msg_id":4,"x":null}"#;
        assert_eq!(check(body).unwrap(), ["null", "[1, 2]"]);
    }

    #[test]
    fn what_is_missing_or_too_much_or_of_another_type_is_named() {
        for (body, problem) in [
            (r#"{"type":"a_ok","x":1}"#, "`y` is missing"),
            (r#"{"type":"a_ok","x":1,"y":2,"z":3}"#, "`z` does not belong there"),
            (r#"{"type":"b_ok","x":1,"y":2}"#, "its type is \"b_ok\""),
            (r#"{"type":"a_ok","x":1,"y":2,"msg_id":"7"}"#, "`msg_id` has to be an integer"),
            (r#"{"type":"a_ok","x":1,"y":2,"msg_id":null}"#, "`msg_id` has to be an integer"),
            (r#"{"type":"a_ok","x":1,"y":2,"msg_id":1.0}"#, "`msg_id` has to be an integer"),
            (r#"{"type":null,"x":1,"y":2}"#, "its type is null"),
            (r#"{"x":1,"y":2}"#, "`type` is missing"),
            (
                r#"{"z":1,"msg_id":2}"#,
                "`type` is missing, `z` does not belong there, `x` is missing, `y` is missing",
            ),
            (
                r#"{"type":"a_ok","values":1,"y":2}"#,
                "`values` does not belong there, `x` is missing",
            ),
            (r#"{"type":"error_ok","z":1}"#, "its type is \"error_ok\""),
        ] {
            let error = check(body).unwrap_err();
            assert_eq!(error, format!("malformed a_ok reply: {problem}, in {body}"));
        }
    }

    #[test]
    fn null_counts_as_an_empty_list_and_other_values_as_none() {
        let list = |text: &str| list(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(list("null").unwrap().get(), "[]");
        assert_eq!(list("[1, [2]]").unwrap().get(), "[1, [2]]");
        for text in ["1", "{}", "\"[]\""] {
            assert!(list(text).is_err(), "{text}");
        }
    }
}
