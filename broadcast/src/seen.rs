//! The set of values that clients read.
//!
//! A value stands in it once, as the first text that came, in order of arrival.
//! The answer to a read is kept as text that only ever grows, so a read between
//! two arrivals is a reference count, and a read after one is a copy.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::canonical::canonical;
use crate::wire::Value;

/// A set of JSON values.
#[derive(Default)]
pub(crate) struct Seen {
    /// Canonical form, and whether the value stands in a log without holes
    /// before it: only such a value is sure to be passed on.
    values: HashMap<Box<str>, bool>,
    /// All values, separated by commas.
    text: String,
    /// The array of all values, unless one came since it was made.
    array: Option<Value>,
}

impl Seen {
    /// Adds a value; returns whether it was there already as one that is sure
    /// to be passed on.
    pub(crate) fn insert(&mut self, value: &RawValue, logged: bool) -> bool {
        let form = canonical(value.get()).into_boxed_str();
        if let Some(was_logged) = self.values.get_mut(&form) {
            return std::mem::replace(was_logged, *was_logged || logged);
        }
        if !self.values.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(value.get());
        self.values.insert(form, logged);
        self.array = None;
        false
    }

    /// Whether the value is there, and sure to be passed on.
    pub(crate) fn is_logged(&self, value: &RawValue) -> bool {
        self.values.get(&*canonical(value.get())).copied().unwrap_or(false)
    }

    /// All values as one JSON array.
    pub(crate) fn array(&mut self) -> Value {
        if let Some(array) = &self.array {
            return Arc::clone(array);
        }
        let text = format!("[{}]", self.text);
        let array: Value =
            RawValue::from_string(text).expect("JSON texts between commas are an array").into();
        self.array = Some(Arc::clone(&array));
        array
    }
}
