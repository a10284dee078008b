//! Whether a log shows everywhere in time what it acknowledged.
//!
//! A message that was acknowledged so long before a poll began, and that stands where
//! the poll reads on or behind, has to be in it, whichever node is asked. That is held
//! against polls while no fault is in force: before the first one, and from the probes
//! on, so long after the last one. Where a client reads on is known once a poll has
//! returned something of the key, or when it began at the beginning.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::json;

use super::witness::{Findings, Names, seconds};
use super::{Checker, Outcome, Validity, fields};
use crate::history::{Op, OpType, Process};

const TOLD: u64 = 5;
/// A poll with more bytes may be a page that others follow.
const PAGE_BYTES: usize = 64 * 1024;

/// `[["send", "key", [offset, message]]]`.
type Sent = [(IgnoredAny, String, (i64, IgnoredAny)); 1];
/// `[["poll", {"key": [[offset, message], …]}]]`.
type Polled = [(IgnoredAny, BTreeMap<String, Option<Vec<(i64, IgnoredAny)>>>); 1];

#[derive(Default)]
pub(super) struct Visibility {
    names: Names,
    within: Duration,
    /// No fault is in force, or its consequences are over.
    is_calm: bool,
    /// By key and offset, when the message was acknowledged, in ns.
    acknowledged: HashMap<String, BTreeMap<i64, u64>>,
    consumers: HashMap<Process, Consumer>,
    longest: u64,
    late: Findings,
}

/// A client, as one that polls.
#[derive(Default)]
struct Consumer {
    /// When its last operation began, in ns.
    begun: u64,
    /// Where it reads on, by key.
    positions: HashMap<String, i64>,
}

impl Visibility {
    pub(super) fn new(within: Duration, names: Names) -> Self {
        let late = Findings::telling(TOLD);
        Self { names, within, is_calm: true, late, ..Self::default() }
    }

    fn sent(&mut self, op: &Op) {
        if let Ok([(_, key, (offset, _))]) = op.decode::<Sent>() {
            self.acknowledged.entry(key).or_default().insert(offset, op.time);
        }
    }

    fn assigned(&mut self, op: &Op) {
        let keys: Vec<String> = op.decode().unwrap_or_default();
        let positions = &mut self.consumers.entry(op.process).or_default().positions;
        if op.seek_to_beginning {
            *positions = keys.into_iter().map(|key| (key, 0)).collect();
        } else {
            positions.retain(|key, _| keys.contains(key));
        }
    }

    fn polled(&mut self, op: &Op) {
        let Ok([(_, messages)]) = op.decode::<Polled>() else { return };
        let consumer = self.consumers.entry(op.process).or_default();
        for (key, list) in messages {
            let last = list.and_then(|list| list.last().map(|(offset, _)| *offset));
            if let Some(last) = last {
                consumer.positions.insert(key, last.saturating_add(1));
            }
        }
        if !self.is_calm || op.value.get().len() >= PAGE_BYTES {
            return;
        }
        let Some((key, offset, since)) = late(consumer, &self.acknowledged) else { return };
        self.longest = self.longest.max(since);
        if u128::from(since) > self.within.as_nanos() {
            let (who, at) = (self.names.who(op.process), seconds(op.time));
            let (since, most) = (since / 1_000_000, self.within.as_millis());
            self.late.push(&[op.index], || {
                format!(
                    "{who} polled at {at} and did not get offset {offset} of key {key}, which had \
                     been acknowledged for {since} ms; at most {most} ms were promised."
                )
            });
        }
    }
}

/// The message that had been acknowledged for longest when the client's poll began, and
/// that it has not got: key, offset, and for how long, in ns.
fn late(
    consumer: &Consumer,
    acknowledged: &HashMap<String, BTreeMap<i64, u64>>,
) -> Option<(String, i64, u64)> {
    let begun = consumer.begun;
    let missed = consumer.positions.iter().flat_map(|(key, &position)| {
        let later = acknowledged.get(key).into_iter().flat_map(move |all| all.range(position..));
        later.filter_map(move |(&offset, &at)| Some((begun.checked_sub(at)?, key, offset)))
    });
    let (since, key, offset) = missed.max()?;
    Some((key.clone(), offset, since))
}

impl Checker for Visibility {
    fn observe(&mut self, op: &Op) {
        if !op.process.is_client() {
            self.is_calm = false;
            return;
        }
        self.is_calm |= op.is_probe;
        match (op.kind, &*op.f) {
            (OpType::Invoke, _) => self.consumers.entry(op.process).or_default().begun = op.time,
            (OpType::Ok, "send") => self.sent(op),
            (OpType::Ok, "assign") => self.assigned(op),
            (OpType::Ok, "poll") => self.polled(op),
            // What a poll returned that was not committed is not known.
            (_, "poll" | "assign" | "crash") => drop(self.consumers.remove(&op.process)),
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let (longest, count) = (self.longest as f64 / 1e6, self.late.count());
        let results = fields(json!({ "longest-ms": longest, "late-count": count }));
        let valid = Validity::of(count == 0);
        Outcome { valid, results, findings: self.late.into_vec("shown-late"), ..Outcome::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::raw;

    fn op(millis: u64, process: u64, kind: OpType, f: &'static str, value: &Value) -> Op {
        let process = Process::Client(process);
        Op { time: millis * 1_000_000, ..Op::new(process, kind, f, raw(value)) }
    }

    /// A message that is acknowledged after 10 ms, and what a poll gets that another
    /// client begins later.
    fn found(poll_at: u64, got: &Value, before: Option<Op>) -> usize {
        let within = Duration::from_millis(100);
        let mut checker = Box::new(Visibility::new(within, Names::unknown()));
        let mut ops: Vec<Op> = before.into_iter().collect();
        let sent = json!([["send", "k", [3, 7]]]);
        ops.push(op(10, 0, OpType::Ok, "send", &sent));
        let assign = op(11, 1, OpType::Ok, "assign", &json!(["k"]));
        ops.push(Op { seek_to_beginning: true, ..assign });
        ops.push(op(poll_at, 1, OpType::Invoke, "poll", &Value::Null));
        ops.push(op(poll_at + 1, 1, OpType::Ok, "poll", &json!([["poll", got]])));
        ops.iter().for_each(|op| checker.observe(op));
        checker.finish().findings.len()
    }

    #[test]
    fn a_message_that_a_poll_does_not_get_in_time_is_late() {
        let (nothing, it) = (json!({}), json!({"k": [[3, 7]]}));
        assert_eq!(found(110, &nothing, None), 0, "there was time until then");
        assert_eq!(found(111, &nothing, None), 1);
        assert_eq!(found(111, &it, None), 0);
    }

    #[test]
    fn nothing_is_late_while_there_are_faults() {
        let kill = Op::new(Process::Nemesis, OpType::Info, "kill", raw(&Value::Null));
        assert_eq!(found(500, &json!({}), Some(kill)), 0);
    }
}
