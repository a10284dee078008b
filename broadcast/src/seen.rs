//! The set of values that clients read.
//!
//! A value stands in it once, as the first text that came, in order of arrival. Two texts
//! are one value as [`maelstrom::protocol::json`] says, fractions exactly.
//! The answer to a read is kept as text that only ever grows, so a read between
//! two arrivals is a reference count, and a read after one is a copy.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use maelstrom::protocol::json::{self, Fractions};
use serde_json::value::RawValue;

use crate::wire::Value;

/// A canonical form. Most values are written in it, and then need no copy.
enum Form {
    AsSent(Value),
    Made(Box<str>),
}

impl Borrow<str> for Form {
    fn borrow(&self) -> &str {
        match self {
            Self::AsSent(value) => value.get(),
            Self::Made(form) => form,
        }
    }
}

impl Hash for Form {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<str>::borrow(self).hash(state);
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
    }
}

impl Eq for Form {}

fn canonical(value: &RawValue) -> Cow<'_, str> {
    json::canonical(value.get(), Fractions::Exact)
}

/// A set of JSON values.
#[derive(Default)]
pub(crate) struct Seen {
    values: HashSet<Form>,
    /// The canonical forms of those that do not stand in a log without holes before
    /// them, and so are not sure to be passed on.
    ahead: BTreeSet<String>,
    /// All values, separated by commas.
    text: String,
    /// The array of all values, unless one came since it was made.
    array: Option<Value>,
}

impl Seen {
    /// Adds a value; returns whether it was there already as one that is sure
    /// to be passed on.
    pub(crate) fn insert(&mut self, value: &Value, logged: bool) -> bool {
        let form = canonical(value);
        if self.values.contains(&*form) {
            let was_ahead = self.ahead.contains(&*form);
            if logged {
                self.ahead.remove(&*form);
            }
            return !was_ahead;
        }
        if !self.values.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(value.get());
        self.array = None;
        if !logged {
            self.ahead.insert(form.to_string());
        }
        let is_same = form == value.get();
        let form = if is_same { Form::AsSent(Arc::clone(value)) } else { Form::Made(form.into()) };
        self.values.insert(form);
        false
    }

    /// Whether the value is there, and sure to be passed on.
    pub(crate) fn is_logged(&self, value: &RawValue) -> bool {
        let form = canonical(value);
        self.values.contains(&*form) && !self.ahead.contains(&*form)
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
