//! JSON values as small numbers.
//!
//! Equal values have one number, however they are spelt: `"A"` is `"\u0041"`, and
//! `{"a":1,"b":2}` is `{"b":2, "a":1}`. An integer is never equal to a float, as in the
//! original: a node that turns the one into the other is caught.

use std::fmt;
use std::sync::Arc;

use maelstrom::protocol::json::{Fractions, canonical};
use rustc_hash::FxHashMap;
use serde_json::Value;

/// A JSON value. Integers are what workloads send, so they are kept without an
/// allocation; anything else is its canonical text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Datum {
    Integer(i64),
    Json(Arc<str>),
}

impl Datum {
    /// As it stands in results. What `Value` cannot hold is given as text.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Integer(integer) => Value::from(*integer),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| (**text).into()),
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => integer.fmt(f),
            Self::Json(text) => f.write_str(text),
        }
    }
}

/// Numbers values in the order in which they first occur.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    integers: FxHashMap<i64, u32>,
    others: FxHashMap<Arc<str>, u32>,
    values: Vec<Datum>,
}

impl Interner {
    /// The number of the value that this JSON text denotes.
    pub(crate) fn number(&mut self, json: &str) -> u32 {
        let next = self.values.len() as u32;
        if let Ok(integer) = json.parse() {
            return *self.integers.entry(integer).or_insert_with(|| {
                self.values.push(Datum::Integer(integer));
                next
            });
        }
        let text = canonical(json, Fractions::Doubles);
        if let Some(&known) = self.others.get(&*text) {
            return known;
        }
        let text: Arc<str> = text.into();
        self.values.push(Datum::Json(text.clone()));
        self.others.insert(text, next);
        next
    }

    pub(crate) fn value(&self, number: u32) -> &Datum {
        &self.values[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_others_have_others() {
        let mut interner = Interner::default();
        let mut is_same = |a: &str, b: &str| interner.number(a) == interner.number(b);
        assert!(is_same("1", "1") && is_same("1.50", "15e-1") && is_same("[1, 2]", "[1,2]"));
        assert!(is_same(r#""A""#, r#""\u0041""#));
        assert!(is_same(r#"{"a":1,"b":[1, 2]}"#, r#"{ "b":[1,2], "a":1 }"#));
        assert!(!is_same("1", "1.0") && !is_same("1", "\"1\""));
        assert!(!is_same("12345678901234567890123", "12345678901234567890124"));
        let one = interner.number("1");
        assert_eq!(interner.value(one).to_string(), "1");
    }
}
