//! A page of messages as a poll is answered with it: the JSON text that it is on the wire.

use std::fmt::Write as _;

/// `{"k1":[[0,…],[1,…]],"k2":[[7,…]]}`, as it grows.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    limit: usize,
    /// The last offset of the key that was filled last.
    last: Option<u64>,
}

impl Page {
    /// With at most so many bytes, unless its only message alone has more.
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::from("{"), limit, last: None }
    }

    /// Adds messages of one more key; whether all did fit.
    pub(crate) fn fill<'a>(
        &mut self,
        key: &str,
        messages: impl Iterator<Item = (u64, &'a str)>,
    ) -> serde_json::Result<bool> {
        let mut entry = String::new();
        let mut fits = true;
        self.last = None;
        for (offset, message) in messages {
            entry.clear();
            if self.last.is_none() {
                entry += if self.is_empty() { "" } else { "," };
                entry += &serde_json::to_string(key)?;
                entry += ":[";
            }
            let comma = if self.last.is_none() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(entry, "{comma}[{offset},{message}]");
            fits = self.is_empty() || self.text.len() + entry.len() <= self.limit;
            if !fits {
                break;
            }
            self.text += &entry;
            self.last = Some(offset);
        }
        self.text += if self.last.is_none() { "" } else { "]" };
        Ok(fits)
    }

    /// The last offset of the key that was filled last, if anything of it did fit.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether there is nothing on it.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.len() == 1
    }

    /// The page as it is on the wire.
    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}
