//! When two JSON texts are the same value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

/// Values nested deeper than this are compared as text, so that no node can
/// exhaust the bench's stack.
const MAX_DEPTH: usize = 128;

/// Whether two values are equal as the original sees it: the order of an
/// object's keys and the spelling of strings do not matter; integers are exact,
/// however big; an integer is never equal to a float.
pub(super) fn same(a: &RawValue, b: &RawValue) -> bool {
    a.get() == b.get() || canonical(a) == canonical(b)
}

/// A text that equal values, and only they, have in common.
pub(super) fn canonical(value: &RawValue) -> String {
    let mut text = String::with_capacity(value.get().len());
    write_canonical(value, MAX_DEPTH, &mut text);
    text
}

fn write_canonical(value: &RawValue, depth: usize, out: &mut String) {
    let text = value.get();
    let written = match text.as_bytes().first() {
        _ if depth == 0 => None,
        Some(b'{') => write_object(text, depth - 1, out),
        Some(b'[') => write_array(text, depth - 1, out),
        Some(b'"') => write_string(text, out),
        Some(b'-' | b'0'..=b'9') => write_number(text, out),
        _ => None,
    };
    if written.is_none() {
        out.push_str(text);
    }
}

fn write_object(text: &str, depth: usize, out: &mut String) -> Option<()> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    out.push('{');
    for (key, value) in fields {
        let _ = write!(out, "{key:?}:");
        write_canonical(value, depth, out);
        out.push(',');
    }
    out.push('}');
    Some(())
}

fn write_array(text: &str, depth: usize, out: &mut String) -> Option<()> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    out.push('[');
    for element in elements {
        write_canonical(element, depth, out);
        out.push(',');
    }
    out.push(']');
    Some(())
}

fn write_string(text: &str, out: &mut String) -> Option<()> {
    let string: String = serde_json::from_str(text).ok()?;
    let _ = write!(out, "{string:?}");
    Some(())
}

fn write_number(text: &str, out: &mut String) -> Option<()> {
    if text.contains(['.', 'e', 'E']) {
        let number: f64 = text.parse().ok()?;
        let _ = write!(out, "{number:?}");
    } else {
        out.push_str(if text == "-0" { "0" } else { text });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_texts(a: &str, b: &str) -> bool {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        same(&raw(a), &raw(b))
    }

    #[test]
    fn spelling_does_not_matter() {
        assert!(same_texts(r#"{"a":1,"b":[2, "x"]}"#, r#"{ "b":[2,"\u0078"],"a":1 }"#));
        assert!(same_texts("1e2", "100.0"));
        assert!(same_texts("-0", "0"));
    }

    #[test]
    fn different_values_are_different() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "\"1\""),
            ("null", "false"),
            ("[1,2]", "[2,1]"),
            ("[]", "{}"),
            ("[[1],2]", "[[1,2]]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
        ] {
            assert!(!same_texts(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn deep_nesting_is_compared_as_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(same_texts(&deep, &deep));
        assert!(!same_texts(&deep, &format!("[{deep}]")));
    }
}
