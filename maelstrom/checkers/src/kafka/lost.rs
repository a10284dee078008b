//! Messages that should have been polled and were not.
//!
//! That nobody polled a message may mean that nobody got that far. But once a
//! message was polled, all messages before it should have been polled too, by that
//! poller or another: one that was not is *lost*. And since at the end of a test
//! everything is polled from the beginning, any acknowledged message that is left
//! is *unseen*.

use serde_json::{Map, Value, json};

use super::evidence::Evidence;
use super::names::{KeyId, MessageId};
use super::record::{EventId, Record};
use super::report::{Anomaly, KEPT, Report};
use crate::cases::Case;
use crate::history::OpType;
use crate::witness::seconds;

/// Reports `lost-write`: a message known to be in the log, at or before the
/// furthest index that a completed poll reached, that no completed poll returned.
pub(super) fn lost_writes(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    // The first and the last index at which a message stands: these differ for
    // duplicates only. Several messages can share an index.
    let mut spans = vec![(usize::MAX, 0); record.names.messages().count()];
    for key in record.names.keys() {
        let slots = || evidence.orders.log(key).slots().enumerate();
        let places = || slots().flat_map(|(i, slot)| slot.iter().map(move |entry| (i, entry.1)));
        for (index, message) in places() {
            let (first, last) = &mut spans[message.index()];
            (*first, *last) = (index.min(*first), index);
        }
        // A message that stands at several indices may have been read at the first.
        let is_read = |&(index, message): &(usize, MessageId)| {
            record.facts(message).is_polled && spans[message.index()].0 == index
        };
        let Some((bound, _)) = places().filter(is_read).last() else { continue };
        let furthest = places().filter(is_read).find(|(index, _)| *index == bound);
        let reader = furthest.and_then(|(_, message)| record.facts(message).reader);
        for (index, message) in places().take_while(|(index, _)| *index <= bound) {
            let (first, last) = spans[message.index()];
            let is_lost = !record.facts(message).is_polled && must_have_happened(record, message);
            if index == last && is_lost {
                report.add(Anomaly::LostWrite, 0, || {
                    lost_write(evidence, message, first, bound, reader)
                });
            }
        }
    }
}

/// Whether the operation that sent the message certainly took place: it was
/// acknowledged, or something else it sent was polled.
fn must_have_happened(record: &Record, message: MessageId) -> bool {
    let Some(writer) = record.facts(message).writer else { return false };
    let writer = record.event(writer);
    match writer.kind {
        OpType::Ok => true,
        OpType::Info => record
            .sends(writer)
            .flat_map(|group| group.messages)
            .any(|sibling| record.facts(*sibling).is_polled),
        OpType::Fail | OpType::Invoke => false,
    }
}

fn lost_write(
    evidence: &Evidence,
    message: MessageId,
    first: usize,
    bound: usize,
    reader: Option<EventId>,
) -> Case {
    let record = &evidence.record;
    let key = evidence.key(record.names.key_of(message));
    let writer = record.facts(message).writer;
    let sender = writer.map(|writer| format!(", sent by {},", evidence.op(writer)));
    let further = reader
        .map(|reader| format!(", though {} polled a message further on", evidence.op(reader)));
    let text = format!(
        "Key {key}: {}{} was lost: no poll ever returned it{}.",
        evidence.message(message),
        sender.unwrap_or_default(),
        further.unwrap_or_default()
    );
    let detail = json!({
        "key": key, "value": evidence.message_json(message),
        "index": first, "max-read-index": bound,
        "writer": writer.map(|writer| evidence.op_json(writer)),
        "max-read": reader.map(|reader| evidence.op_json(reader)),
    });
    let case = Case::new(evidence.ops([writer, reader].into_iter().flatten()), text, detail);
    case.about(evidence.subject(message))
}

/// Reports `unseen`: acknowledged messages that no completed poll returned.
pub(super) fn unseen(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    let Some(last) = record.last_ok() else { return };
    let mut by_key: Vec<Vec<MessageId>> = vec![Vec::new(); record.names.key_count()];
    for message in record.names.messages() {
        let facts = record.facts(message);
        if facts.is_acknowledged && !facts.is_polled {
            by_key[record.names.key_of(message).index()].push(message);
        }
    }
    let (mut counts, mut samples) = (Map::new(), Map::new());
    for key in record.names.keys() {
        let name = evidence.key(key).to_owned();
        let mut messages = std::mem::take(&mut by_key[key.index()]);
        if !messages.is_empty() {
            report.add(Anomaly::Unseen, messages.len() as i64, || {
                unseen_of_key(evidence, key, &messages)
            });
        } else if let Some(read) = unacknowledged(record, key, last) {
            report.add(Anomaly::Unseen, 0, || unacknowledged_of_key(evidence, key, &read, last));
            messages = read;
        } else {
            continue;
        }
        counts.insert(name.clone(), messages.len().into());
        samples.insert(name, sample(evidence, messages));
    }
    if !counts.is_empty() {
        let time = record.event(last).witness().time;
        let entry = json!({ "time": time, "unseen": counts, "messages": samples });
        report.set_entry(Anomaly::Unseen, entry);
    }
}

fn sample(evidence: &Evidence, mut messages: Vec<MessageId>) -> Value {
    messages.sort_by_key(|message| evidence.record.names.value_of(*message));
    messages.iter().take(KEPT).map(|message| evidence.message_json(*message)).collect()
}

fn unseen_of_key(evidence: &Evidence, key: KeyId, messages: &[MessageId]) -> Case {
    let record = &evidence.record;
    let writers = messages.iter().filter_map(|message| record.facts(*message).writer);
    let writers: Vec<EventId> = writers.take(KEPT).collect();
    let first = writers.first().map(|writer| format!(", the first by {}", evidence.op(*writer)));
    let what = match messages.len() {
        1 => "a message".to_owned(),
        count => format!("{count} messages"),
    };
    let text = format!(
        "Key {}: no poll ever returned {what} that had been acknowledged{}: {}.",
        evidence.key(key),
        first.unwrap_or_default(),
        evidence.messages(messages.iter().copied()),
    );
    let case = Case::new(evidence.ops(writers), text, Value::Null);
    messages.first().map_or(case.clone(), |message| case.about(evidence.subject(*message)))
}

/// What `last`, the last completed operation, read of a key that no completed
/// operation had mentioned before.
///
/// The original subtracts the polled messages from the acknowledged ones key by
/// key. A key without any acknowledged message keeps its polled ones in the result,
/// and the next operation clears them; so the last operation's stay. A run so short
/// says little, and to agree with the original matters more here than to be right.
fn unacknowledged(record: &Record, key: KeyId, last: EventId) -> Option<Vec<MessageId>> {
    if record.first_mention(key) != Some(last) {
        return None;
    }
    let event = record.event(last);
    let read = record.reads(event).find(|group| group.key == key)?;
    let is_sent = record.sends(event).any(|group| group.key == key);
    let mut messages = read.messages.to_vec();
    messages.sort_unstable();
    messages.dedup();
    (!is_sent).then_some(messages)
}

fn unacknowledged_of_key(
    evidence: &Evidence,
    key: KeyId,
    messages: &[MessageId],
    last: EventId,
) -> Case {
    let time = seconds(evidence.record.event(last).witness().time);
    let text = format!(
        "Key {}: the last completed operation, {}, is the first to return anything of this key, \
         and no send to it was acknowledged by then ({time}): {}. The original counts that as unseen; \
         a longer run tells more.",
        evidence.key(key),
        evidence.op(last),
        evidence.messages(messages.iter().copied()),
    );
    Case::new(vec![evidence.op_index(last)], text, Value::Null)
}
