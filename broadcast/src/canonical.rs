//! When two JSON texts are the same value.
//!
//! The canonical form of a text is equal for two texts exactly when they are
//! the same JSON value: whitespace, escapes, the order of an object's keys and
//! the notation of a fraction do not matter (`1.50` is `15e-1`), an integer is
//! never a fraction (`1` is not `1.0`), and no number is rounded. The form is
//! for comparison only; what is shown to clients is the sender's own text.
//!
//! Texts that no Unicode string can hold (a lone surrogate) and everything
//! nested deeper than [`DEPTH`] are compared letter by letter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep values are looked into. The bound keeps a hostile sender's brackets
/// from using up the stack.
const DEPTH: usize = 64;

/// The canonical form of a JSON text.
pub fn canonical(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    write(&mut form, text.trim_ascii(), DEPTH);
    form
}

fn write(form: &mut String, text: &str, depth: usize) {
    let written = match text.as_bytes().first() {
        _ if depth == 0 => None,
        Some(b'{') => write_object(form, text, depth),
        Some(b'[') => write_array(form, text, depth),
        Some(b'"') => write_string(form, text),
        Some(b'-' | b'0'..=b'9') => write_number(form, text),
        _ => None,
    };
    if written.is_none() {
        form.push_str(text);
    }
}

fn write_object(form: &mut String, text: &str, depth: usize) -> Option<()> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    form.push('{');
    for (i, (key, value)) in members.into_iter().enumerate() {
        if i > 0 {
            form.push(',');
        }
        form.push_str(&serde_json::to_string(&key).ok()?);
        form.push(':');
        write(form, value.get(), depth - 1);
    }
    form.push('}');
    Some(())
}

fn write_array(form: &mut String, text: &str, depth: usize) -> Option<()> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    form.push('[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            form.push(',');
        }
        write(form, item.get(), depth - 1);
    }
    form.push(']');
    Some(())
}

fn write_string(form: &mut String, text: &str) -> Option<()> {
    let string: String = serde_json::from_str(text).ok()?;
    form.push_str(&serde_json::to_string(&string).ok()?);
    Some(())
}

/// Integers keep their digits; anything with a fraction or an exponent becomes
/// `<digits>e<exponent>` without zeros at either end of the digits.
fn write_number(form: &mut String, text: &str) -> Option<()> {
    if !text.contains(['.', 'e', 'E']) {
        form.push_str(if text == "-0" { "0" } else { text });
        return Some(());
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Cow<'_, str> = [whole, fraction].concat().into();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        form.push_str("0e0");
        return Some(());
    }
    let shift = (digits.len() - significant.len()) as i64 - fraction.len() as i64;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(shift)?;
    form.push_str(&format!("{sign}{significant}e{exponent}"));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(canonical(a), canonical(b));
    }

    #[track_caller]
    fn different(a: &str, b: &str) {
        assert_ne!(canonical(a), canonical(b));
    }

    #[test]
    fn notation_does_not_matter() {
        same(r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true , null ] , "a" : 1 } "#);
        same(r#""\u0041\/""#, r#""A/""#);
        same("1.50", "15e-1");
        same("1E2", "100.0");
        same("0.0", "-0.00e7");
        same("-0", "0");
    }

    #[test]
    fn integers_and_fractions_differ() {
        different("1", "1.0");
        different("100", "1e2");
        different("[1]", "[1.0]");
    }

    #[test]
    fn numbers_are_not_rounded() {
        different("9007199254740993", "9007199254740992");
        different("123456789012345678901234567890", "123456789012345678901234567891");
        different("0.1", "0.10000000000000000001");
    }

    #[test]
    fn kinds_of_values_differ() {
        different("1", "\"1\"");
        different("[]", "{}");
        different("null", "\"null\"");
        different(r#"{"a":1}"#, r#"{"a":2}"#);
        different("[[1],2]", "[1,[2]]");
    }

    #[test]
    fn what_has_no_canonical_form_is_compared_by_its_text() {
        same(r#""\ud800""#, r#""\ud800""#);
        different(r#""\ud800""#, r#""\ud801""#);
        same("1e99999999999999999999", "1e99999999999999999999");
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        same(&deep, &deep);
    }
}
