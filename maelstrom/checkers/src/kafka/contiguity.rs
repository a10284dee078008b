//! Whether polls walk each log forwards, message by message, and sends go forwards.
//!
//! *Internal* checks look at neighbours within one operation. *External* ones look
//! at a process's successive operations: where the last one left off and where this
//! one goes on. An `assign` forgets the keys that it does not name, since a process
//! that takes a key up again begins at the committed offset, not where it left off.
//! Distances are counted in messages known to exist, so gaps in the offsets are no
//! skips; where the place of a message is unknown, nothing is said.
//!
//! In the original a poll that returned an empty list for a key makes it forget where
//! the process was in that log; with `compatible` it does so here.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::evidence::Evidence;
use super::names::{KeyId, MessageId};
use super::record::{Event, EventId, Group};
use super::report::{Anomaly, KEPT, Report};
use crate::cases::Case;
use crate::history::OpType;

/// A step from one message of a key to another, made by one operation or by two.
#[derive(Clone, Copy)]
struct Step {
    key: KeyId,
    from: (EventId, MessageId),
    to: (EventId, MessageId),
    /// In messages: 1 is the next one.
    delta: i64,
}

impl Step {
    /// `None` if the step is as it should be, or nothing is known.
    fn odd(
        evidence: &Evidence,
        key: KeyId,
        from: (EventId, MessageId),
        to: (EventId, MessageId),
    ) -> Option<Self> {
        let [before, after] = [from, to].map(|(_, message)| evidence.orders.index(message));
        let delta = after? as i64 - before? as i64;
        (delta != 1).then_some(Step { key, from, to, delta })
    }

    /// The odd steps within one event.
    fn within<'a>(
        evidence: &'a Evidence,
        event: EventId,
        group: Group<'a>,
    ) -> impl Iterator<Item = Self> + 'a {
        let pairs = group.messages.windows(2);
        pairs.filter_map(move |pair| {
            Step::odd(evidence, group.key, (event, pair[0]), (event, pair[1]))
        })
    }

    fn is_forwards(&self) -> bool {
        self.delta > 0
    }

    fn is_internal(&self) -> bool {
        self.from.0 == self.to.0
    }
}

/// Reports what is odd about polls, or about sends. That others' messages come between two
/// operations that send is as it should be.
pub(super) fn steps(evidence: &Evidence, report: &mut Report, are_sends: bool) {
    let record = &evidence.record;
    let mut last = LastOf::default();
    for (id, event) in record.events() {
        let groups = || record.groups(event, are_sends);
        for step in groups().flat_map(|group| Step::within(evidence, id, group)) {
            add(evidence, report, step, are_sends);
        }
        if are_sends && event.kind == OpType::Fail {
            continue;
        }
        last.assign(evidence, event);
        for step in groups().filter_map(|group| last.step(evidence, id, event, group)) {
            add(evidence, report, step, are_sends);
        }
        if are_sends || event.kind == OpType::Ok {
            last.set(id, event, groups());
        }
        if !are_sends && event.kind == OpType::Ok && evidence.compatible {
            last.forget(event, record.empty_reads(id));
        }
    }
}

/// By process and key, the operation that last had messages of the key, and the
/// last of them.
#[derive(Default)]
struct LastOf(FxHashMap<u64, BTreeMap<KeyId, (EventId, MessageId)>>);

impl LastOf {
    fn assign(&mut self, evidence: &Evidence, event: &Event) {
        if event.kind == OpType::Fail {
            return;
        }
        let (Some(keys), Some(last)) =
            (evidence.record.assigned(event), self.0.get_mut(&event.process))
        else {
            return;
        };
        *last = keys.iter().filter_map(|key| Some((*key, *last.get(key)?))).collect();
    }

    fn step(
        &self,
        evidence: &Evidence,
        id: EventId,
        event: &Event,
        group: Group<'_>,
    ) -> Option<Step> {
        let from = *self.0.get(&event.process)?.get(&group.key)?;
        Step::odd(evidence, group.key, from, (id, *group.messages.first()?))
    }

    fn forget(&mut self, event: &Event, keys: impl Iterator<Item = KeyId>) {
        for key in keys {
            self.0.entry(event.process).or_default().remove(&key);
        }
    }

    fn set<'a>(&mut self, id: EventId, event: &Event, groups: impl Iterator<Item = Group<'a>>) {
        for group in groups {
            if let Some(message) = group.messages.last() {
                self.0.entry(event.process).or_default().insert(group.key, (id, *message));
            }
        }
    }
}

/// The further off, the worse.
fn add(evidence: &Evidence, report: &mut Report, step: Step, is_send: bool) {
    let anomaly = match (is_send, step.is_internal(), step.is_forwards()) {
        (false, true, true) => Anomaly::IntPollSkip,
        (false, true, false) => Anomaly::IntNonmonotonicPoll,
        (false, false, true) => Anomaly::PollSkip,
        (false, false, false) => Anomaly::NonmonotonicPoll,
        (true, true, true) => Anomaly::IntSendSkip,
        (true, true, false) => Anomaly::IntNonmonotonicSend,
        (true, false, true) => return,
        (true, false, false) => Anomaly::NonmonotonicSend,
    };
    let verb = if is_send { "sent" } else { "polled" };
    report.add(anomaly, step.delta.saturating_abs(), || {
        let ops = evidence.ops([step.from.0, step.to.0]);
        let skipped = skipped(evidence, &step).and_then(|mut skipped| skipped.next());
        let case = Case::new(ops, text(evidence, &step, verb), detail(evidence, &step));
        case.about(evidence.subject(skipped.unwrap_or(step.to.1)))
    });
}

fn detail(evidence: &Evidence, step: &Step) -> Value {
    let mut detail = json!({
        "key": evidence.key(step.key),
        "values": [evidence.message_json(step.from.1), evidence.message_json(step.to.1)],
        "delta": step.delta,
    });
    if step.is_internal() {
        detail["op"] = evidence.op_json(step.to.0);
    } else {
        detail["ops"] = json!([evidence.op_json(step.from.0), evidence.op_json(step.to.0)]);
    }
    if step.is_forwards() {
        let skipped = skipped(evidence, step).into_iter().flatten().take(KEPT);
        detail["skipped"] = skipped.map(|message| evidence.message_json(message)).collect();
    }
    detail
}

fn skipped(evidence: &Evidence, step: &Step) -> Option<impl ExactSizeIterator<Item = MessageId>> {
    let orders = &evidence.orders;
    let (from, to) = (orders.index(step.from.1)?, orders.index(step.to.1)?);
    Some(orders.log(step.key).between(from, to))
}

fn text(evidence: &Evidence, step: &Step, verb: &str) -> String {
    let key = evidence.key(step.key);
    let [from, to] = [step.from, step.to].map(|(_, message)| evidence.message(message));
    let went = match (skipped(evidence, step), step.delta) {
        (Some(skipped), 2..) => {
            let others = if skipped.len() == 1 { "message" } else { "messages" };
            format!("skips {others} {}", evidence.messages(skipped))
        }
        (_, 0) if step.from.1 == step.to.1 => "is the same message again".to_owned(),
        (_, 0) => "is at the same offset".to_owned(),
        (_, back) => format!("goes back by {}", back.unsigned_abs()),
    };
    let (first, second) = (evidence.op(step.from.0), evidence.op(step.to.0));
    if step.is_internal() {
        format!("Key {key}: {first} {verb} {from} and right after it {to}, which {went}.")
    } else {
        format!(
            "Key {key}: {first} {verb} {from} last, and then {second} {verb} {to} next, which {went}."
        )
    }
}
