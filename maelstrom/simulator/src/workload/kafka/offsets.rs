//! Offsets: the highest that were sent and polled, key by key.
//!
//! Keys are strings on the wire and integers here, so that they are listed in
//! the order people expect. A key that is no integer was made up by the node and
//! is of no interest to a generator.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::workload::reply::Text;

pub(super) type Highest = BTreeMap<i64, i64>;

pub(super) fn raise(highest: &mut Highest, key: i64, offset: i64) {
    highest.entry(key).and_modify(|known| *known = offset.max(*known)).or_insert(offset);
}

/// The messages of a poll, without the messages: of each key the highest offset,
/// or nothing if its list is empty, or `null`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Polled<'a>(#[serde(borrow)] BTreeMap<Text<'a>, Newest>);

impl Polled<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Option<i64>)> {
        self.0.iter().map(|(key, newest)| (key.0.as_ref(), newest.0))
    }
}

/// What a completed operation tells of keys and their offsets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sent: Highest,
    pub(super) polled: Highest,
}

impl Seen {
    /// Reads the value of an `ok` completion of a send or a poll. One of another
    /// operation, or of another form, tells nothing.
    pub(super) fn of(f: &str, value: &RawValue) -> Self {
        type Sent<'a> = [(&'a str, Text<'a>, (i64, IgnoredAny)); 1];
        type Poll<'a> = [(&'a str, Polled<'a>); 1];
        let mut seen = Self::default();
        match f {
            "send" => {
                if let Ok([(_, key, (offset, _))]) = serde_json::from_str::<Sent<'_>>(value.get()) {
                    seen.sent.extend(number(&key.0).map(|key| (key, offset)));
                }
            }
            "poll" => {
                if let Ok([(_, polled)]) = serde_json::from_str::<Poll<'_>>(value.get()) {
                    let known =
                        polled.iter().filter_map(|(key, offset)| Some((number(key)?, offset?)));
                    seen.polled.extend(known);
                }
            }
            _ => {}
        }
        seen
    }
}

fn number(key: &str) -> Option<i64> {
    key.parse().ok()
}

/// Keys of which nobody polled yet what was sent.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    sent: Highest,
    polled: Highest,
}

/// How far a key is behind, as the history shows it.
#[derive(Debug, serde::Serialize)]
pub(super) struct Behind {
    /// −1 if nothing was.
    polled: i64,
    sent: i64,
}

impl Unseen {
    /// Learns what was sent and polled, and forgets keys that were caught up with.
    pub(super) fn observe(&mut self, seen: &Seen) {
        for (&key, &offset) in &seen.sent {
            raise(&mut self.sent, key, offset);
        }
        for (&key, &offset) in &seen.polled {
            raise(&mut self.polled, key, offset);
        }
        for key in seen.sent.keys().chain(seen.polled.keys()) {
            if self.polled.get(key).unwrap_or(&-1) >= self.sent.get(key).unwrap_or(&-1) {
                self.sent.remove(key);
                self.polled.remove(key);
            }
        }
    }

    /// Whether there is no such key.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The keys, in order, and how far each is behind.
    pub(super) fn keys(&self) -> BTreeMap<i64, Behind> {
        let behind = |key, sent| {
            let polled = self.polled.get(&key).copied().unwrap_or(-1);
            (key, Behind { polled, sent })
        };
        self.sent.iter().map(|(&key, &sent)| behind(key, sent)).collect()
    }
}

/// The highest offset in a list of `[offset, message]`.
#[derive(Clone, Copy, Debug)]
struct Newest(Option<i64>);

impl<'de> Deserialize<'de> for Newest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NewestVisitor;
        impl<'de> Visitor<'de> for NewestVisitor {
            type Value = Newest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of [offset, message]")
            }

            fn visit_unit<E>(self) -> Result<Newest, E> {
                Ok(Newest(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Newest, A::Error> {
                let mut newest = None;
                while let Some((offset, _)) = pairs.next_element::<(i64, IgnoredAny)>()? {
                    newest = newest.max(Some(offset));
                }
                Ok(Newest(newest))
            }
        }
        deserializer.deserialize_any(NewestVisitor)
    }
}
