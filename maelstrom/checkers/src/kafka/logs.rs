//! Logs that contradict themselves: a message at two offsets, an offset with two
//! messages.

use std::collections::BTreeMap;

use serde_json::json;

use super::evidence::Evidence;
use super::names::{KeyId, MessageId};
use super::report::{Anomaly, Report};
use crate::Subject;
use crate::cases::Case;

/// Reports `duplicate`: a message that stands at several offsets of its key.
pub(super) fn duplicates(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    let mut offsets_of: BTreeMap<MessageId, Vec<i64>> = BTreeMap::new();
    for &(_, offset, message) in record.strays() {
        let first = record.facts(message).offset;
        offsets_of.entry(message).or_insert_with(|| first.into_iter().collect()).push(offset);
    }
    for (message, mut offsets) in offsets_of {
        offsets.sort_unstable();
        let count = offsets.len();
        report.add(Anomaly::Duplicate, count as i64, || duplicate(evidence, message, &offsets));
    }
}

fn duplicate(evidence: &Evidence, message: MessageId, offsets: &[i64]) -> Case {
    let record = &evidence.record;
    let key = evidence.key(record.names.key_of(message));
    let value = record.names.value_of(message);
    let list: Vec<String> = offsets.iter().map(i64::to_string).collect();
    let facts = record.facts(message);
    let who: Vec<_> = [facts.writer, facts.reader].into_iter().flatten().collect();
    let text = format!(
        "Key {key}: message {value} stands at offsets {}, though every message is sent once. \
         See {}, and the polls after.",
        list.join(", "),
        evidence.who(&who)
    );
    let detail = json!({
        "key": key, "value": value.to_json(), "count": offsets.len(), "offsets": offsets,
    });
    Case::new(evidence.ops(who), text, detail).about(evidence.subject(message))
}

/// Reports `inconsistent-offsets`: an offset of a key that has several messages.
pub(super) fn inconsistent_offsets(evidence: &Evidence, report: &mut Report) {
    for key in evidence.record.names.keys() {
        for (index, slot) in evidence.orders.log(key).slots().enumerate() {
            if slot.len() > 1 {
                report.add(Anomaly::InconsistentOffsets, slot.len() as i64, || {
                    inconsistent_offset(evidence, key, index, slot)
                });
            }
        }
    }
}

fn inconsistent_offset(
    evidence: &Evidence,
    key: KeyId,
    index: usize,
    slot: &[(i64, MessageId)],
) -> Case {
    let record = &evidence.record;
    let (key, offset) = (evidence.key(key), slot[0].0);
    let mut messages: Vec<MessageId> = slot.iter().map(|(_, message)| *message).collect();
    messages.sort_by_key(|message| record.names.value_of(*message));
    let facts = messages.iter().map(|message| record.facts(*message));
    let mut who: Vec<_> = facts.filter_map(|facts| facts.reader.or(facts.writer)).collect();
    who.dedup();
    let values: Vec<_> = messages.iter().map(|message| evidence.message_json(*message)).collect();
    let text = format!(
        "Key {key}: offset {offset} holds different messages, {}, depending on who is asked: see {}.",
        evidence.messages(messages.into_iter()),
        evidence.who(&who)
    );
    let detail = json!({ "key": key, "offset": offset, "index": index, "values": values });
    Case::new(evidence.ops(who), text, detail).about(Subject::offset(&key, offset))
}
