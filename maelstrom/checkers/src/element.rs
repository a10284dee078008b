//! JSON values that can be told apart, counted and sorted.
//!
//! Two elements are the same when the original, which reads JSON into Clojure
//! values, would find them equal: `1` and `1.0` differ, `1.0` and `1e0` do not,
//! the order of an object's keys does not matter, and integers keep all of
//! their digits. The order is total, so that lists of mixed values can be
//! sorted where the original gives up; among values that the original can
//! compare it is the original's order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use maelstrom::protocol::json::{self, Level};
use num_bigint::BigInt;
use serde_json::Value;
use serde_json::value::RawValue;

/// The JSON text that results have for a value, however it was spelt. Of integers beyond
/// 64 bits that is a string.
pub fn text_in_results(json: &str) -> String {
    Element::parse(json).to_value().to_string()
}

/// Whether two JSON texts are different values for their types alone: `1`, `1.0` and `"1"`.
pub fn differs_in_type_alone(a: &str, b: &str) -> bool {
    Element::parse(a).lookalikes().contains(&Element::parse(b))
}

/// A JSON value with Clojure's idea of equality.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    Null,
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer of more than 64 bits: its digits, perhaps with a minus sign.
    Big(Box<str>),
    /// The bits of a float; never those of the negative zero.
    Float(u64),
    /// A string, unescaped.
    Text(Box<str>),
    List(Vec<Element>),
    Map(BTreeMap<String, Element>),
    /// What has no value: a lone surrogate, too deep a nesting, a float beyond all doubles.
    Opaque(Box<str>),
}

impl Element {
    pub(crate) fn parse(text: &str) -> Self {
        parse(text.trim_ascii(), 0)
    }

    pub(crate) fn integer(&self) -> Option<BigInt> {
        match self {
            Self::Int(value) => Some(BigInt::from(*value)),
            Self::Big(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Values that look the same, and are of other types.
    pub(crate) fn lookalikes(&self) -> Vec<Self> {
        let text = |value: &dyn fmt::Display| Self::Text(value.to_string().into());
        match self {
            Self::Int(value) => vec![text(value), Self::parse(&format!("{value}.0"))],
            Self::Float(bits) => {
                let float = f64::from_bits(*bits);
                let integer = (float.fract() == 0.0).then(|| Self::parse(&format!("{float:.0}")));
                integer.into_iter().chain([text(self)]).collect()
            }
            Self::Big(digits) => vec![text(digits)],
            Self::Text(content) => Some(Self::parse(content))
                .filter(|value| matches!(value, Self::Int(_) | Self::Big(_) | Self::Float(_)))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// As a JSON value. Integers of more than 64 bits become text, because
    /// JSON readers round them.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::from(*value),
            Self::Int(value) => Value::from(*value),
            Self::Float(bits) => Value::from(f64::from_bits(*bits)),
            Self::Big(text) | Self::Text(text) | Self::Opaque(text) => Value::from(&**text),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Map(map) => {
                map.iter().map(|(key, item)| (key.clone(), item.to_value())).collect()
            }
        }
    }
}

/// What is within so many lists and objects.
fn parse(text: &str, depth: usize) -> Element {
    let too_deep = depth == json::MAX_DEPTH && text.starts_with(['[', '{']);
    let level = if too_deep { None } else { Level::open(text).ok() };
    let opaque = || Element::Opaque(text.into());
    let inner = |item: &RawValue| parse(item.get(), depth + 1);
    match level {
        Some(Level::Word("null")) => Element::Null,
        Some(Level::Word(word)) => word.parse().map_or_else(|_| opaque(), Element::Bool),
        Some(Level::Integer(digits)) => {
            digits.parse().map_or_else(|_| Element::Big(digits.into()), Element::Int)
        }
        Some(Level::Fraction(text)) => {
            json::double(text).map_or_else(opaque, |double| Element::Float(double.to_bits()))
        }
        Some(Level::String(string)) => Element::Text(string.into()),
        Some(Level::List(items)) => Element::List(items.into_iter().map(inner).collect()),
        Some(Level::Object(members)) => {
            Element::Map(members.into_iter().map(|(name, member)| (name, inner(member))).collect())
        }
        None => opaque(),
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        use Element::{Big, Bool, Float, Int, List, Map, Opaque, Text};
        match (self, other) {
            (Bool(a), Bool(b)) => a.cmp(b),
            (Int(a), Int(b)) => a.cmp(b),
            (Big(_) | Int(_) | Float(_), Big(_) | Int(_) | Float(_)) => {
                compare_numbers(self, other)
            }
            (Text(a), Text(b)) | (Opaque(a), Opaque(b)) => a.cmp(b),
            // Clojure's order of vectors: the shorter one first.
            (List(a), List(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Map(a), Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Element {
    const NUMBER: u8 = 2;

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Big(_) | Self::Float(_) => Self::NUMBER,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Map(_) => 5,
            Self::Opaque(_) => 6,
        }
    }

    /// Whether these are an integer and a float that Clojure's `compare` holds
    /// for equal.
    pub(crate) fn equals_in_number(&self, other: &Self) -> bool {
        let is_float = |element: &Self| matches!(element, Self::Float(_));
        self.rank() == Self::NUMBER
            && other.rank() == Self::NUMBER
            && is_float(self) != is_float(other)
            && self.approximate() == other.approximate()
    }

    /// A number, rounded; zero for what is none.
    fn approximate(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Big(digits) => digits.parse().unwrap_or(0.0),
            Self::Float(bits) => f64::from_bits(*bits),
            _ => 0.0,
        }
    }
}

/// By rounded value, then integers before floats, then by all digits. Rounding
/// keeps the order of integers, so this is a total order.
fn compare_numbers(a: &Element, b: &Element) -> Ordering {
    let exact = |number: &Element| match number {
        Element::Float(_) => None,
        _ => Some(number.to_string()),
    };
    a.approximate().total_cmp(&b.approximate()).then_with(|| match (exact(a), exact(b)) {
        (None, None) => Ordering::Equal,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(a), Some(b)) => compare_digits(&a, &b),
    })
}

/// The order of two decimal integers without superfluous zeros.
fn compare_digits(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Some(a), Some(b)) => compare_digits(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Big(text) | Self::Opaque(text) => f.write_str(text),
            other => write!(f, "{}", other.to_value()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_same(a: &str, b: &str) {
        assert_eq!(Element::parse(a), Element::parse(b));
        assert_eq!(Element::parse(a).cmp(&Element::parse(b)), Ordering::Equal);
    }

    #[track_caller]
    fn assert_ascending(texts: &[&str]) {
        let elements: Vec<Element> = texts.iter().map(|text| Element::parse(text)).collect();
        for pair in elements.windows(2) {
            assert!(pair[0] < pair[1], "{} < {}", pair[0], pair[1]);
            assert!(pair[1] > pair[0], "{} > {}", pair[1], pair[0]);
        }
    }

    #[test]
    fn writing_a_value_differently_does_not_change_it() {
        assert_same(r#"{"a":1,"b":[2]}"#, r#" {"b" : [ 2 ], "a" : 1} "#);
        assert_same("1.0", "1e0");
        assert_same("-0", "0");
        assert_same("-0.0", "0.0");
        assert_same(r#""a""#, r#""\u0061""#);
    }

    #[test]
    fn values_of_different_types_differ() {
        assert_ascending(&["null", "false", "true", "1", "1.0", r#""1""#, "[1]", r#"{"1":1}"#]);
    }

    #[test]
    fn integers_keep_all_their_digits() {
        assert_ascending(&[
            "-12345678901234567890124",
            "-12345678901234567890123",
            "-9007199254740993",
            "-9007199254740992",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "12345678901234567890123",
            "12345678901234567890124",
        ]);
        assert_eq!(
            Element::parse("12345678901234567890123").to_string(),
            "12345678901234567890123"
        );
    }

    #[test]
    fn shorter_lists_come_first_as_in_clojure() {
        assert_ascending(&["[]", "[9]", "[1,1]", "[1,2]"]);
    }

    #[test]
    fn endless_nesting_is_compared_by_its_text() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let deeper = format!("[{deep}]");
        assert_same(&deep, &deep);
        assert_ne!(Element::parse(&deep), Element::parse(&deeper));
    }

    #[test]
    fn what_looks_the_same_may_be_of_another_type() {
        for (a, b) in [("1", "\"1\""), ("1", "1.0"), ("1.5", "\"1.5\""), ("-7", "\"-7\"")] {
            assert!(differs_in_type_alone(a, b) && differs_in_type_alone(b, a), "{a} {b}");
        }
        let big = "12345678901234567890123";
        assert!(differs_in_type_alone(big, &format!("\"{big}\"")));
        for (a, b) in [("1", "1"), ("1", "2"), ("1", "\"2\""), ("true", "\"true\""), ("1", "[1]")] {
            assert!(!differs_in_type_alone(a, b) && !differs_in_type_alone(b, a), "{a} {b}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_a_value_of_its_own() {
        assert_same(r#""\ud800""#, r#""\ud800""#);
        assert_ne!(Element::parse(r#""\ud800""#), Element::parse(r#""\ud801""#));
    }
}
