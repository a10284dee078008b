//! Keys and values: any JSON.
//!
//! A value is never decoded; it goes from client to client as the text that
//! came. A key is brought to the one form that all ways of writing it share,
//! and compared as text from then on. As in JSON, and in the original's client:
//!
//! - the order of an object's members does not matter, and of members with the
//!   same name the last one counts; spaces and escapes do not matter;
//! - `1` and `1.0` are different keys, `1.0` and `1.00` and `1e0` are the same;
//! - integers are exact at any size, other numbers are IEEE 754 doubles.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How deep a key may be nested.
const MAX_DEPTH: usize = 64;

/// Any JSON, as the text that came. Cheap to clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(Arc<RawValue>);

impl Value {
    /// What a key that was never written reads as.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.text() == "null"
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

/// JSON in canonical form: equal texts are equal keys. Cheap to clone.
///
/// Decoding one takes the text as it is, so a key is decoded only where another
/// node, or this one's log, has written it; a client's comes by [`Key::new`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<RawValue>);

/// Why a text cannot be a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Objects and arrays within one another, too many.
    #[error("a key is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// JSON allows it, Unicode does not: half a surrogate pair.
    #[error("a key cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Key {
    /// The key that a client wrote like this.
    ///
    /// # Errors
    ///
    /// When it is nested too deeply, or has strings that are not Unicode.
    pub fn new(written: &Value) -> Result<Self, KeyError> {
        let mut canonical = String::with_capacity(written.text().len());
        write_canonical(&mut canonical, &written.0, 0)?;
        Ok(Self(RawValue::from_string(canonical)?.into()))
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text().cmp(other.text())
    }
}

fn write_canonical(out: &mut String, json: &RawValue, depth: usize) -> Result<(), KeyError> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == MAX_DEPTH => return Err(KeyError::TooDeep),
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(&name)?);
                out.push(':');
                write_canonical(out, value, depth + 1)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let string: String = serde_json::from_str(text)?;
            out.push_str(&serde_json::to_string(&string)?);
        }
        Some(b'-' | b'0'..=b'9') => write_number(out, text)?,
        _ => out.push_str(text),
    }
    Ok(())
}

fn write_number(out: &mut String, text: &str) -> Result<(), KeyError> {
    let is_integer = !text.contains(['.', 'e', 'E']);
    match text.parse::<f64>() {
        _ if text == "-0" => out.push('0'),
        // Adding zero makes the negative zero positive.
        Ok(double) if !is_integer && double.is_finite() => {
            out.push_str(&serde_json::to_string(&(double + 0.0))?);
        }
        _ => out.push_str(text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Key, KeyError> {
        Key::new(&serde_json::from_str(text).expect("JSON"))
    }

    #[test]
    fn keys_that_are_written_differently_are_the_same() {
        for (one, other) in [
            (r#"{"a":1,"b":[2,{}]}"#, r#"{ "b" : [ 2 , { } ], "a" : 1 }"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e9\/""#, "\"é/\""),
            ("1.0", "1.00"),
            ("1e2", "100.0"),
            ("-0", "0"),
            ("-0.0", "0.0"),
        ] {
            assert_eq!(key(one).unwrap(), key(other).unwrap(), "{one} and {other}");
        }
    }

    #[test]
    fn keys_that_mean_different_things_differ() {
        let different = [
            "1",
            "1.0",
            "\"1\"",
            "null",
            "\"null\"",
            "true",
            "false",
            "[]",
            "[[]]",
            "[1,2]",
            "[2,1]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            "-1",
            "1e400",
            "1e401",
            "123456789012345678901",
            "123456789012345678902",
            "\"\"",
        ];
        let keys: std::collections::BTreeSet<Key> =
            different.iter().map(|text| key(text).unwrap()).collect();
        assert_eq!(keys.len(), different.len());
    }

    #[test]
    fn canonical_text_is_its_own_canonical_text() {
        for text in [r#"{"b":[1.50,"\n"],"a":{}}"#, "1E5", "[-0,1e-7]", "\"\\u0001\""] {
            let once = key(text).unwrap();
            assert_eq!(once, key(once.text()).unwrap(), "{text}");
        }
    }

    #[test]
    fn keys_nested_too_deeply_or_no_unicode_are_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(key(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(key(&nested(MAX_DEPTH + 1)), Err(KeyError::TooDeep)));
        assert!(matches!(key(&nested(50_000)), Err(KeyError::TooDeep)));
        assert!(matches!(key(r#""\ud800""#), Err(KeyError::Unreadable(_))));
    }
}
