//! Reads of what should not be there to be read: a message whose send was refused,
//! one that nobody sent, one's own before the operation that sends it has ended.

use maelstrom::protocol::json::type_of;
use serde_json::json;

use super::evidence::Evidence;
use super::names::MessageId;
use super::record::{Event, EventId, Record};
use super::report::{Anomaly, Report};
use crate::cases::Case;
use crate::element::differs_in_type_alone;
use crate::history::OpType;

/// Reports `G1a`, aborted read (Adya, Generalized Isolation Levels, section 4.2):
/// each time that a completed poll returns a message whose send failed.
pub(super) fn aborted(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    for (reader, event) in record.events().filter(|(_, event)| event.kind == OpType::Ok) {
        for &message in record.reads(event).flat_map(|group| group.messages) {
            if record.facts(message).is_refused {
                report.add(Anomaly::G1a, 0, || aborted_read(evidence, reader, message));
            }
        }
    }
}

fn aborted_read(evidence: &Evidence, reader: EventId, message: MessageId) -> Case {
    let record = &evidence.record;
    let key = evidence.key(record.names.key_of(message));
    let writer = record.facts(message).writer;
    let sender = writer.map_or_else(|| "a send".to_owned(), |writer| evidence.op(writer));
    let text = format!(
        "Key {key}: {} was polled by {}, but {sender} was told that sending it had failed. \
         Answer with an indefinite error where the message may have been stored.",
        evidence.message(message),
        evidence.op(reader),
    );
    let detail = json!({
        "key": key, "value": evidence.message_json(message),
        "writer": writer.map(|writer| evidence.op_json(writer)),
        "reader": evidence.op_json(reader),
    });
    let case = Case::new(evidence.ops(writer.into_iter().chain([reader])), text, detail);
    case.about(evidence.subject(message))
}

/// Reports `no-writer-of-value`: a message was polled that nobody ever sent.
pub(super) fn unwritten(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    for message in record.names.messages() {
        let facts = record.facts(message);
        if let (None, Some(reader)) = (facts.writer, facts.reader) {
            report.add(Anomaly::NoWriterOfValue, 0, || {
                let key = evidence.key(record.names.key_of(message));
                let (text, by) = (evidence.message(message), evidence.op(reader));
                let detail = json!({
                    "key": key, "value": evidence.message_json(message),
                    "reader": evidence.op_json(reader),
                });
                let meant = meant(record, message).map_or(String::new(), |sent| {
                    format!(" {sent} was sent, {}.", type_of(&sent))
                });
                let text = format!(
                    "Key {key}: {text} was polled by {by}, but nobody ever sent it to that key.{meant}"
                );
                Case::new(vec![evidence.op_index(reader)], text, detail)
            });
        }
    }
}

/// What was sent to the same key, and differs in its type alone.
fn meant(record: &Record, polled: MessageId) -> Option<String> {
    let names = &record.names;
    let (key, text) = (names.key_of(polled), names.value_of(polled).to_string());
    let of_key = names.messages().filter(|message| names.key_of(*message) == key);
    let mut texts = of_key.map(|message| names.value_of(message).to_string());
    texts.find(|other| differs_in_type_alone(other, &text))
}

/// Reports `precommitted-read`: an operation polled a message that it had itself
/// sent. What a transaction sends is invisible until it commits.
pub(super) fn precommitted(evidence: &Evidence, report: &mut Report) {
    for (id, event) in evidence.record.events() {
        for (message, key) in own_reads(evidence, event) {
            report.add(Anomaly::PrecommittedRead, 0, || {
                let (value, op) = (evidence.message_json(message), evidence.op_json(id));
                let text = format!(
                    "Key {key}: {} polled {}, which it had itself sent; until an operation ends \
                     nobody may see what it sends.",
                    evidence.op(id),
                    evidence.message(message),
                );
                let detail = json!({ "key": key, "value": value, "op": op });
                Case::new(vec![evidence.op_index(id)], text, detail)
            });
        }
    }
}

/// By key, the first message that an event both sent and read.
fn own_reads<'a>(
    evidence: &'a Evidence,
    event: &'a Event,
) -> impl Iterator<Item = (MessageId, &'a str)> {
    let record = &evidence.record;
    record.sends(event).filter_map(move |sent| {
        let read = record.reads(event).find(|read| read.key == sent.key)?;
        let own = sent.messages.iter().find(|message| read.messages.contains(message))?;
        Some((*own, evidence.key(sent.key)))
    })
}
