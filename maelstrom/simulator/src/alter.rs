//! Well-formed messages with other values in them.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The fields of a body that are the protocol's own.
const HEADER: [&str; 3] = ["type", "msg_id", "in_reply_to"];
/// One list in so many is changed as a whole instead of in one of its elements.
const WHOLE: u32 = 4;

pub(crate) type Body = Map<String, Value>;

/// A body that can be changed; none if it is no object.
pub(crate) fn parse(body: &str) -> Option<Body> {
    serde_json::from_str(body).ok()
}

pub(crate) fn text(body: Body) -> String {
    Value::Object(body).to_string()
}

pub(crate) fn raw(body: Body) -> Box<RawValue> {
    let text = text(body);
    RawValue::from_string(text).unwrap_or_else(|_| unreachable!("an object has a JSON form"))
}

/// Changes up to so many values of a body, each to another one of its kind. The
/// protocol's own fields stay.
pub(crate) fn alter(body: &mut Body, most: usize, rng: &mut StdRng) {
    for _ in 0..rng.random_range(0..=most) {
        let mut all = Vec::new();
        for (key, value) in body.iter_mut() {
            if !HEADER.contains(&key.as_str()) {
                parts(value, &mut all, rng);
            }
        }
        if !all.is_empty() {
            let chosen = rng.random_range(0..all.len());
            change(all.swap_remove(chosen), rng);
        }
    }
}

/// The values within a value that can be changed.
fn parts<'a>(value: &'a mut Value, all: &mut Vec<&'a mut Value>, rng: &mut StdRng) {
    let is_whole = value.is_array() && rng.random_ratio(1, WHOLE);
    match value {
        whole if is_whole => all.push(whole),
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| parts(element, all, rng));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| parts(field, all, rng)),
        scalar => all.push(scalar),
    }
}

fn change(value: &mut Value, rng: &mut StdRng) {
    match value {
        Value::Null => *value = Value::from(7),
        Value::Bool(is) => *is = !*is,
        Value::Number(number) => *value = other_number(number.as_i64().unwrap_or(0), rng),
        Value::String(text) => *text = other_text(text, rng),
        Value::Array(elements) => change_list(elements, rng),
        Value::Object(fields) => fields.clear(),
    }
}

fn other_number(number: i64, rng: &mut StdRng) -> Value {
    match rng.random_range(0..6) {
        0 => Value::from(0),
        1 => Value::from(number.saturating_add(1)),
        2 => Value::from(number.saturating_add(rng.random_range(2..1000))),
        3 => Value::from(rng.random_range(-3..0)),
        4 => Value::from(rng.next_u64() >> rng.random_range(0..64)),
        _ => Value::from(rng.random_range(1_000_000..2_000_000)),
    }
}

/// The same with another digit, so that what is a text within a text stays one.
fn other_text(text: &str, rng: &mut StdRng) -> String {
    let digits: Vec<usize> = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_digit())
        .map(|(index, _)| index)
        .collect();
    match digits.choose(rng) {
        Some(&at) => {
            let digit = rng.random_range(1..10);
            format!("{}{digit}{}", &text[..at], &text[at + 1..])
        }
        None => format!("{text}x"),
    }
}

fn change_list(elements: &mut Vec<Value>, rng: &mut StdRng) {
    match rng.random_range(0..4) {
        0 => elements.clear(),
        1 => drop(elements.pop()),
        2 => elements.reverse(),
        _ => {
            let mut copy = elements.choose(rng).cloned().unwrap_or(Value::from(1));
            if copy.is_number() || copy.is_string() {
                change(&mut copy, rng);
            }
            elements.push(copy);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn every_value_changes_at_times_and_the_header_never() {
        let original =
            r#"{"a":[1,[2,"x3"]],"b":{"c":true,"d":null},"in_reply_to":4,"msg_id":5,"type":"t6"}"#;
        let mut rng = StdRng::seed_from_u64(1);
        let altered: BTreeSet<String> = std::iter::repeat_with(|| {
            let mut body = parse(original).unwrap();
            alter(&mut body, 1, &mut rng);
            text(body)
        })
        .take(1000)
        .collect();
        assert!(altered.contains(original) && altered.len() > 100);
        let header = r#","in_reply_to":4,"msg_id":5,"type":"t6"}"#;
        assert!(altered.iter().all(|body| body.ends_with(header)));
        for part in ["\"a\":[0,[2", "[1,[2,\"x7\"]]", "\"a\":[]", "\"c\":false", "\"d\":7"] {
            assert!(altered.iter().any(|body| body.contains(part)), "{part}: {altered:?}");
        }
    }
}
