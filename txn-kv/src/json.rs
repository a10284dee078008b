//! Keys and values: any JSON.
//!
//! A value is never decoded; it goes from client to client as the text that
//! came. A key is brought to the one form that all ways of writing it share
//! ([`maelstrom::protocol::json`], other numbers than integers as doubles, as in the
//! original's client), and compared as text from then on.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use maelstrom::protocol::json::{Fractions, NoForm, try_canonical};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

impl Key {
    /// The key that a client wrote like this.
    ///
    /// # Errors
    ///
    /// When it is nested too deeply, or has strings that are not Unicode.
    pub fn new(written: &Value) -> Result<Self, NoForm> {
        Ok(Self(match try_canonical(written.text(), Fractions::Doubles)? {
            Cow::Borrowed(_) => Arc::clone(&written.0),
            Cow::Owned(canonical) => RawValue::from_string(canonical)?.into(),
        }))
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

#[cfg(test)]
mod tests {
    use maelstrom::protocol::json::MAX_DEPTH;

    use super::*;

    fn key(text: &str) -> Result<Key, NoForm> {
        Key::new(&serde_json::from_str(text).expect("JSON"))
    }

    #[test]
    fn a_key_written_differently_is_the_same_key_and_a_fraction_is_a_double() {
        let written = [r#"{"a":1,"b":[2,0.1]}"#, r#"{ "b" : [ 2 , 1.0e-1 ], "\u0061" : 1 }"#];
        let [one, other] = written.map(|text| key(text).unwrap());
        assert_eq!(one, other);
        assert_eq!(key("0.1").unwrap(), key("0.10000000000000000001").unwrap());
        assert_ne!(key("1").unwrap(), key("1.0").unwrap());
        assert_ne!(key("1e400").unwrap(), key("1e401").unwrap());
    }

    #[test]
    fn keys_nested_too_deeply_or_no_unicode_are_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(key(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(key(&nested(MAX_DEPTH + 1)), Err(NoForm::TooDeep)));
        assert!(matches!(key(r#""\ud800""#), Err(NoForm::NotUnicode(_))));
    }
}
