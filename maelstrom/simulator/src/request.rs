//! What a client asks of a node.

use std::borrow::Cow;

use checkers::history::raw;
use serde::Serialize;
use serde_json::value::RawValue;

/// The body of a request, without the `msg_id` that the connection adds.
#[derive(Clone, Debug)]
pub struct Request {
    kind: &'static str,
    /// Further fields: `,"key":value` each.
    fields: Cow<'static, str>,
}

impl Request {
    /// A request of a type and nothing else.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, fields: Cow::Borrowed("") }
    }

    /// The same with one more field. `value` may be a `&RawValue`, which goes
    /// over the wire as it is.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, field: &str, value: &T) -> Self {
        let fields = self.fields.to_mut();
        fields.push(',');
        fields.push_str(raw(field).get());
        fields.push(':');
        fields.push_str(raw(value).get());
        self
    }

    /// The same with the fields of a JSON object, unless this is none.
    #[must_use]
    pub(crate) fn with_all<T: Serialize + ?Sized>(mut self, object: &T) -> Option<Self> {
        let object = raw(object);
        let fields = object.get().strip_prefix('{')?.strip_suffix('}')?;
        if !fields.is_empty() {
            self.fields.to_mut().push(',');
            self.fields.to_mut().push_str(fields);
        }
        Some(self)
    }

    /// Its type.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn body(&self, msg_id: u64) -> Box<RawValue> {
        let Self { kind, fields } = self;
        let text = format!(r#"{{"type":"{kind}","msg_id":{msg_id}{fields}}}"#);
        RawValue::from_string(text).unwrap_or_else(|_| unreachable!("made of JSON texts"))
    }
}
