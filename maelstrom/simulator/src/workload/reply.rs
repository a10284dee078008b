//! Reading replies as strictly as the original does.
//!
//! A reply has its type, `in_reply_to`, perhaps a `msg_id`, exactly the fields
//! that its description names, and no others. The original checks them against
//! closed schemas, and an operation whose reply does not pass is indeterminate.

use std::fmt;

use maelstrom::protocol::{is_reply_to, reply_type};
use serde::de::{Deserialize, DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(super) use crate::net::{Text, is_integer};

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
        let problem = in_general(problem.to_string());
        Self { request, problem, body: body.get().to_owned() }
    }

    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

/// A decoder's error without its position and without the value that is wrong: the
/// whole body stands beside it, and the same mistake made twice is the same mistake.
fn in_general(mut problem: String) -> String {
    if let Some(position) = problem.rfind(" at line 1 column ") {
        problem.truncate(position);
    }
    if let (Some(wrong), Some(expected)) = (problem.find("invalid "), problem.rfind(", expected "))
        && let Some(value) = problem[wrong..expected].find(['`', '"'])
    {
        problem.replace_range((wrong + value).saturating_sub(1)..expected, "");
    }
    problem.replace("expected i64", "expected an integer")
}

/// The named fields of the reply to a request of this type, in the order of `names`.
pub(crate) fn fields<'a, const N: usize>(
    body: &'a RawValue,
    request: &'static str,
    names: [&'static str; N],
) -> Result<[&'a RawValue; N], Malformed> {
    let malformed = |problem: &dyn fmt::Display| Malformed::new(request, problem, body);
    let mut deserializer = serde_json::Deserializer::from_str(body.get());
    let found = Fields { request, names }.deserialize(&mut deserializer);
    let found = found.map_err(|error| malformed(&error))?;
    let Some(found) = found else { return Err(malformed(&"`type` is missing")) };
    let mut values = [RawValue::NULL; N];
    for ((value, found), name) in values.iter_mut().zip(found).zip(names) {
        *value = found.ok_or_else(|| malformed(&format_args!("`{name}` is missing")))?;
    }
    Ok(values)
}

/// A list of anything. As in the original, `null` counts as an empty one: that
/// is how Go spells a slice without elements.
pub(super) fn list(value: &RawValue) -> serde_json::Result<Box<RawValue>> {
    match value.get() {
        "null" => Ok(checkers::history::raw(&[(); 0])),
        text => serde_json::from_str::<Vec<&RawValue>>(text).map(|_| value.to_owned()),
    }
}

/// The field of the reply to a request, decoded.
pub(super) fn decode<'a, T: Deserialize<'a>>(
    body: &'a RawValue,
    request: &'static str,
    name: &'static str,
) -> Result<T, Malformed> {
    let [value] = fields(body, request, [name])?;
    serde_json::from_str(value.get())
        .map_err(|error| Malformed::new(request, format_args!("`{name}`: {error}"), body))
}

struct Fields<const N: usize> {
    request: &'static str,
    names: [&'static str; N],
}

/// The values found under the names that were asked for; `None` for a body
/// without a type.
type Found<'a, const N: usize> = Option<[Option<&'a RawValue>; N]>;

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
        use serde::de::Error as _;
        let mut found = [None; N];
        let mut has_type = false;
        while let Some(key) = map.next_key::<Text<'a>>()? {
            let value: &RawValue = map.next_value()?;
            match key.0.as_ref() {
                "type" if is_reply(value, self.request) => has_type = true,
                "type" => return Err(A::Error::custom(format_args!("its type is {value}"))),
                "in_reply_to" => {}
                "msg_id" if is_integer(value) => {}
                "msg_id" => return Err(A::Error::custom("`msg_id` has to be an integer")),
                name => match self.names.iter().position(|&expected| expected == name) {
                    Some(position) => found[position] = Some(value),
                    None => {
                        let problem = format_args!("`{name}` does not belong there");
                        return Err(A::Error::custom(problem));
                    }
                },
            }
        }
        Ok(has_type.then_some(found))
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
        ] {
            let error = check(body).unwrap_err();
            assert_eq!(error, format!("malformed a_ok reply: {problem}, in {body}"));
        }
    }

    #[test]
    fn the_same_mistake_has_the_same_name_whatever_the_value() {
        let body = RawValue::NULL;
        let problem = |text: &str| match serde_json::from_str::<Vec<(i64, bool)>>(text) {
            Ok(_) => panic!("{text} is right"),
            Err(error) => Malformed::new("a", format_args!("`x`: {error}"), body).problem,
        };
        let string = "`x`: invalid type: string, expected an integer";
        assert_eq!(problem(r#"[["0", true]]"#), string);
        assert_eq!(problem(r#"[[1, true], ["say \"7\", expected 8", true]]"#), string);
        assert_eq!(
            problem("[[1.5, true]]"),
            "`x`: invalid type: floating point, expected an integer"
        );
        assert_eq!(problem("[[1, 3]]"), "`x`: invalid type: integer, expected a boolean");
        assert_eq!(problem("{}"), "`x`: invalid type: map, expected a sequence");
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
