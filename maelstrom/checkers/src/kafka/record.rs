//! A history of sends and polls in compact form: what every check reads.
//!
//! An [`Event`] is one finished operation; those still open when the history ends
//! come last, as indeterminate ones. Within an event the messages of one key stand
//! together, in the order sent or received. What is known of single messages (who
//! sent them, whether anybody read them, at which offset) is gathered on the way,
//! so that memory is a few words an operation and one a message read.

use std::collections::BTreeSet;
use std::ops::Range;

use super::decode::MicroOp;
use super::names::{KeyId, MessageId, Names};
use crate::history::OpType;
use crate::witness::Point;

/// An event, counted from 0 in the order of completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventId(u32);

impl EventId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn from_index(index: usize) -> Self {
        EventId(index as u32)
    }
}

/// One operation of a client. The ranges are filled in by the [`Record`].
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) process: u64,
    /// How it ended; `Info` as well if it did not.
    pub(super) kind: OpType,
    pub(super) invoked: Point,
    /// `None` if the history ends first.
    pub(super) completed: Option<Point>,
    /// The groups of messages that it sent and read.
    sends: Range<usize>,
    reads: Range<usize>,
    /// Of an `assign`, the keys polled from now on.
    assigned: Option<Range<usize>>,
}

impl Event {
    pub(super) fn new(
        process: u64,
        kind: OpType,
        invoked: Point,
        completed: Option<Point>,
    ) -> Self {
        let (sends, reads, assigned) = (0..0, 0..0, None);
        Self { process, kind, invoked, completed, sends, reads, assigned }
    }

    /// The line that people are pointed to.
    pub(super) fn witness(&self) -> Point {
        self.completed.unwrap_or(self.invoked)
    }

    /// Whether it is a `send`, `poll` or `txn`.
    pub(super) fn is_transfer(&self) -> bool {
        self.assigned.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    pub(super) key: KeyId,
    /// At least one, in the order sent or received.
    pub(super) messages: &'a [MessageId],
}

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The first offset that it was reported at; [`Record::strays`] has the others.
    pub(super) offset: Option<i64>,
    /// The last event that tried to send it. Messages are meant to be sent once.
    pub(super) writer: Option<EventId>,
    pub(super) reader: Option<EventId>,
    pub(super) is_acknowledged: bool,
    /// A send of it failed: that send did not happen.
    pub(super) is_refused: bool,
    pub(super) is_polled: bool,
}

#[derive(Default)]
pub(super) struct Record {
    pub(super) names: Names,
    events: Vec<Event>,
    facts: Vec<Facts>,
    strays: BTreeSet<(KeyId, i64, MessageId)>,
    /// By key, the first completed transfer that mentions it.
    first_mention: Vec<Option<EventId>>,
    last_ok: Option<EventId>,
    // What the ranges in events and groups refer to.
    groups: Vec<(KeyId, Range<usize>)>,
    messages: Vec<MessageId>,
    assigned: Vec<KeyId>,
    /// Polls with the keys for which they returned an empty list.
    empty: Vec<(EventId, KeyId)>,
    // Buffers of `transfer`, kept for their capacity.
    sent: Vec<(KeyId, MessageId)>,
    read: Vec<(KeyId, MessageId)>,
}

impl Record {
    pub(super) fn assign<'a>(
        &mut self,
        event: Event,
        keys: impl IntoIterator<Item = &'a str>,
    ) -> &[KeyId] {
        let start = self.assigned.len();
        for name in keys {
            let key = self.key(name);
            self.assigned.push(key);
        }
        self.events.push(Event { assigned: Some(start..self.assigned.len()), ..event });
        &self.assigned[start..]
    }

    pub(super) fn transfer(&mut self, event: Event, micro_ops: &[MicroOp<'_>]) {
        let (id, kind) = (EventId::from_index(self.events.len()), event.kind);
        for micro_op in micro_ops {
            match micro_op {
                MicroOp::Send { key, offset, message } => {
                    let key = self.mention(key, id, kind);
                    let message = self.names.message(key, message);
                    self.note_send(id, kind, message, *offset);
                    self.sent.push((key, message));
                }
                MicroOp::Poll { batches } => {
                    for batch in batches {
                        let key = self.mention(&batch.key, id, kind);
                        if batch.pairs.is_empty() {
                            self.empty.push((id, key));
                        }
                        for (offset, message) in &batch.pairs {
                            let message = self.names.message(key, message);
                            self.note_read(id, kind, message, *offset);
                            self.read.push((key, message));
                        }
                    }
                }
            }
        }
        if kind == OpType::Ok {
            self.last_ok = Some(id);
        }
        let sends = group(&mut self.sent, &mut self.groups, &mut self.messages);
        let reads = group(&mut self.read, &mut self.groups, &mut self.messages);
        self.events.push(Event { sends, reads, ..event });
    }

    /// The number of a key, for whom there is then a row in every table.
    pub(super) fn key(&mut self, name: &str) -> KeyId {
        let key = self.names.key(name);
        self.first_mention.resize(self.names.key_count(), None);
        key
    }

    fn mention(&mut self, name: &str, event: EventId, kind: OpType) -> KeyId {
        let key = self.key(name);
        if kind == OpType::Ok {
            self.first_mention[key.index()].get_or_insert(event);
        }
        key
    }

    fn note_send(&mut self, event: EventId, kind: OpType, message: MessageId, offset: Option<i64>) {
        let facts = self.facts_mut(message);
        facts.writer = Some(event);
        match kind {
            OpType::Ok => facts.is_acknowledged = true,
            OpType::Fail => facts.is_refused = true,
            OpType::Info | OpType::Invoke => {}
        }
        if let Some(offset) = offset {
            self.note_offset(message, offset);
        }
    }

    fn note_read(&mut self, event: EventId, kind: OpType, message: MessageId, offset: i64) {
        let facts = self.facts_mut(message);
        facts.reader.get_or_insert(event);
        facts.is_polled |= kind == OpType::Ok;
        self.note_offset(message, offset);
    }

    fn note_offset(&mut self, message: MessageId, offset: i64) {
        if *self.facts_mut(message).offset.get_or_insert(offset) != offset {
            self.strays.insert((self.names.key_of(message), offset, message));
        }
    }

    fn facts_mut(&mut self, message: MessageId) -> &mut Facts {
        if message.index() >= self.facts.len() {
            self.facts.resize(message.index() + 1, Facts::default());
        }
        &mut self.facts[message.index()]
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (EventId, &Event)> {
        self.events.iter().enumerate().map(|(index, event)| (EventId::from_index(index), event))
    }

    pub(super) fn event(&self, event: EventId) -> &Event {
        &self.events[event.index()]
    }

    pub(super) fn event_count(&self) -> usize {
        self.events.len()
    }

    pub(super) fn sends(&self, event: &Event) -> impl Iterator<Item = Group<'_>> + use<'_> {
        self.groups(event, true)
    }

    pub(super) fn reads(&self, event: &Event) -> impl Iterator<Item = Group<'_>> + use<'_> {
        self.groups(event, false)
    }

    /// What an event sent, or what it read.
    pub(super) fn groups(
        &self,
        event: &Event,
        sent: bool,
    ) -> impl Iterator<Item = Group<'_>> + use<'_> {
        let range = if sent { &event.sends } else { &event.reads };
        let groups = self.groups[range.clone()].iter();
        groups
            .map(|(key, messages)| Group { key: *key, messages: &self.messages[messages.clone()] })
    }

    /// The keys for which a poll returned no messages, but an empty list.
    pub(super) fn empty_reads(&self, id: EventId) -> impl Iterator<Item = KeyId> + use<'_> {
        let first = self.empty.partition_point(|(event, _)| *event < id);
        let of_event = self.empty[first..].iter().take_while(move |(event, _)| *event == id);
        let is_empty = move |key: &KeyId| self.reads(self.event(id)).all(|read| read.key != *key);
        of_event.map(|(_, key)| *key).filter(is_empty)
    }

    /// The keys that an event assigned, if it was that kind of event.
    pub(super) fn assigned(&self, event: &Event) -> Option<&[KeyId]> {
        event.assigned.as_ref().map(|keys| &self.assigned[keys.clone()])
    }

    pub(super) fn facts(&self, message: MessageId) -> &Facts {
        &self.facts[message.index()]
    }

    /// Messages with the offsets, after the first, that they were reported at.
    pub(super) fn strays(&self) -> &BTreeSet<(KeyId, i64, MessageId)> {
        &self.strays
    }

    pub(super) fn first_mention(&self, key: KeyId) -> Option<EventId> {
        self.first_mention[key.index()]
    }

    pub(super) fn last_ok(&self) -> Option<EventId> {
        self.last_ok
    }
}

/// Empties `pairs` into groups, one a key; the order within a key stays.
fn group(
    pairs: &mut Vec<(KeyId, MessageId)>,
    groups: &mut Vec<(KeyId, Range<usize>)>,
    messages: &mut Vec<MessageId>,
) -> Range<usize> {
    let start = groups.len();
    pairs.sort_by_key(|(key, _)| *key);
    for run in pairs.chunk_by(|a, b| a.0 == b.0) {
        let from = messages.len();
        messages.extend(run.iter().map(|(_, message)| *message));
        groups.push((run[0].0, from..messages.len()));
    }
    pairs.clear();
    start..groups.len()
}
