//! The history and the logs it implies, and how to speak of them.

use serde_json::{Value, json};

use super::names::{KeyId, MessageId};
use super::order::Orders;
use super::record::{EventId, Record};
use crate::Subject;
use crate::witness::{Point, listed, seconds};

pub(super) struct Evidence {
    pub(super) record: Record,
    pub(super) orders: Orders,
    pub(super) compatible: bool,
}

/// Longest list of messages that is shown to people.
const SHOWN: usize = 8;

impl Evidence {
    pub(super) fn new(record: Record, compatible: bool) -> Self {
        let orders = Orders::new(&record, compatible);
        Evidence { record, orders, compatible }
    }

    pub(super) fn who(&self, events: &[EventId]) -> String {
        let all: Vec<String> = events.iter().map(|event| self.op(*event)).collect();
        all.join(" and ")
    }

    pub(super) fn ops(&self, events: impl IntoIterator<Item = EventId>) -> Vec<u64> {
        events.into_iter().map(|event| self.op_index(event)).collect()
    }

    /// An operation in a sentence: `op 9 (p1, 0.010 s)`.
    pub(super) fn op(&self, event: EventId) -> String {
        let event = self.record.event(event);
        let Point { index, time } = event.witness();
        format!("op {index} (p{}, {})", event.process, seconds(time))
    }

    pub(super) fn op_index(&self, event: EventId) -> u64 {
        self.record.event(event).witness().index
    }

    pub(super) fn op_json(&self, event: EventId) -> Value {
        json!({ "op-index": self.op_index(event) })
    }

    pub(super) fn key(&self, key: KeyId) -> &str {
        self.record.names.name_of(key)
    }

    /// A message in a sentence, with its offset where that is known.
    pub(super) fn message(&self, message: MessageId) -> String {
        let value = self.record.names.value_of(message);
        match self.record.facts(message).offset {
            Some(offset) => format!("message {value} (offset {offset})"),
            None => format!("message {value}"),
        }
    }

    pub(super) fn message_json(&self, message: MessageId) -> Value {
        self.record.names.value_of(message).to_json()
    }

    /// A message, as what a finding is about.
    pub(super) fn subject(&self, message: MessageId) -> Subject {
        let names = &self.record.names;
        Subject::both(&self.key(names.key_of(message)), names.value_of(message))
    }

    /// Some messages in a sentence.
    pub(super) fn messages(&self, messages: impl ExactSizeIterator<Item = MessageId>) -> String {
        listed(messages.map(|message| self.record.names.value_of(message).to_string()), SHOWN)
    }
}
