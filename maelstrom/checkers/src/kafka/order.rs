//! The order of each key's log, as sends and polls report it.
//!
//! Offsets may have gaps, so checks count *indices*: offsets at which a message is
//! known, numbered from 0 without gaps. Where one offset has several messages, all of
//! them have its index; where one message has several offsets, its index is the last
//! at which it stands. Both are errors of their own, found elsewhere.
//!
//! The original lets one message stand for an offset that has several, and knows no
//! place of the others: the first in the order of a Clojure hash set. With
//! `compatible` it is the same one here. Nor does the original know offsets below 0.

use super::names::{KeyId, MessageId};
use super::record::Record;
use crate::clojure;
use crate::interner::Datum;

pub(super) struct Orders {
    logs: Vec<Log>,
    /// By message; [`NOWHERE`] if it stands at no index.
    index: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Log {
    /// Offsets in order with their messages.
    entries: Vec<(i64, MessageId)>,
    /// By index, where its offset's entries begin.
    starts: Vec<u32>,
}

impl Orders {
    pub(super) fn new(record: &Record, compatible: bool) -> Self {
        let mut logs: Vec<Log> = record.names.keys().map(|_| Log::default()).collect();
        for message in record.names.messages() {
            if let Some(offset) = record.facts(message).offset {
                logs[record.names.key_of(message).index()].entries.push((offset, message));
            }
        }
        for &(key, offset, message) in record.strays() {
            logs[key.index()].entries.push((offset, message));
        }
        let mut index = vec![NOWHERE; record.names.messages().count()];
        for log in &mut logs {
            if compatible {
                log.sort_as_the_original(record);
            } else {
                log.entries.sort_unstable();
            }
            log.note_starts();
            let placed = if compatible { 1 } else { usize::MAX };
            for (i, slot) in (0..).zip(log.slots()) {
                slot.iter().take(placed).for_each(|(_, message)| index[message.index()] = i);
            }
        }
        Orders { logs, index }
    }

    pub(super) fn log(&self, key: KeyId) -> &Log {
        &self.logs[key.index()]
    }

    pub(super) fn index(&self, message: MessageId) -> Option<usize> {
        let index = self.index[message.index()];
        (index != NOWHERE).then_some(index as usize)
    }
}

impl Log {
    fn sort_as_the_original(&mut self, record: &Record) {
        // Anything but an integer comes last.
        let rank = |message: MessageId| match record.names.value_of(message) {
            Datum::Integer(integer) => clojure::integer_rank(*integer),
            Datum::Json(_) => u64::MAX,
        };
        self.entries.retain(|(offset, _)| *offset >= 0);
        self.entries.sort_by_cached_key(|&(offset, message)| (offset, rank(message), message));
    }

    fn note_starts(&mut self) {
        let mut last = None;
        for (position, (offset, _)) in (0..).zip(&self.entries) {
            if last.replace(*offset) != Some(*offset) {
                self.starts.push(position);
            }
        }
    }

    /// A message of each offset between two indices, both excluded.
    pub(super) fn between(
        &self,
        from: usize,
        to: usize,
    ) -> impl ExactSizeIterator<Item = MessageId> {
        let inner = self.starts.get(from + 1..to).unwrap_or_default();
        inner.iter().map(|&start| self.entries[start as usize].1)
    }

    /// By index, the offset's entries: at least one.
    pub(super) fn slots(&self) -> impl Iterator<Item = &[(i64, MessageId)]> {
        self.entries.chunk_by(|a, b| a.0 == b.0)
    }
}
