//! Keys and values of any JSON type, as small numbers.
//!
//! Equal values get equal numbers: `1` and ` 1` are equal, `1` and `1.0` are not
//! (a node that turns integers into floats is caught, as in the original).
//! Number 0 is `null`. Integers, which the workloads use, take no allocation.

use maelstrom::protocol::json::{Fractions, canonical};
use rustc_hash::FxHashMap;
use serde_json::Value;

/// A value's number.
pub(super) type Name = u32;

/// The number of `null`: the state of a register before its first write.
pub(super) const NULL: Name = 0;

/// Numbers values in the order in which they first occur.
#[derive(Debug)]
pub(super) struct Names {
    integers: FxHashMap<i64, Name>,
    others: FxHashMap<Box<str>, Name>,
    texts: Vec<Text>,
}

#[derive(Debug)]
enum Text {
    Integer(i64),
    Json(Box<str>),
}

impl Names {
    pub(super) fn new() -> Self {
        let null: Box<str> = "null".into();
        Self {
            integers: FxHashMap::default(),
            others: FxHashMap::from_iter([(null.clone(), NULL)]),
            texts: vec![Text::Json(null)],
        }
    }

    /// The number of the value that this JSON text denotes.
    pub(super) fn number(&mut self, json: &str) -> Name {
        let next = self.texts.len() as Name;
        if let Ok(integer) = json.parse::<i64>() {
            return *self.integers.entry(integer).or_insert_with(|| {
                self.texts.push(Text::Integer(integer));
                next
            });
        }
        let json = canonical(json, Fractions::Doubles);
        if let Some(&name) = self.others.get(&*json) {
            return name;
        }
        let json: Box<str> = json.into();
        self.texts.push(Text::Json(json.clone()));
        self.others.insert(json, next);
        next
    }

    /// The value as JSON text.
    pub(super) fn text(&self, name: Name) -> String {
        match &self.texts[name as usize] {
            Text::Integer(integer) => integer.to_string(),
            Text::Json(json) => json.to_string(),
        }
    }

    /// The value.
    pub(super) fn json(&self, name: Name) -> Value {
        match &self.texts[name as usize] {
            Text::Integer(integer) => Value::from(*integer),
            Text::Json(json) => serde_json::from_str(json).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_others_have_others() {
        let mut names = Names::new();
        assert_eq!(names.number("null"), NULL);
        let one = names.number("1");
        assert_eq!(names.number("1"), one);
        assert_ne!(names.number("1.0"), one);
        assert_eq!(names.number("1.0"), names.number("1.00"));
        assert_ne!(names.number("\"1\""), one);
        assert_eq!(names.number(r#""\u0061""#), names.number("\"a\""));
        assert_eq!(names.number("[1, 2]"), names.number("[1,2]"));
        assert_ne!(names.number("99999999999999999999"), names.number("99999999999999999998"));
        assert_eq!(names.text(one), "1");
    }
}
