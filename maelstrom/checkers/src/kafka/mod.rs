//! Kafka: logs that clients send to and poll from.
//!
//! Each key is a log; a send puts a message at an offset of its choice, a poll
//! returns messages in the order of offsets from where the process left off. The
//! checks are those of Jepsen's `jepsen.tests.kafka` with the options that
//! Maelstrom gives it, under the same names.
//!
//! - [`decode`]: the values of operations.
//! - [`names`]: keys and messages as small numbers.
//! - [`record`]: the history in compact form; [`order`]: the logs that it implies;
//!   [`evidence`]: both, and how to speak of them.
//! - [`report`]: the kinds of anomaly, and what is kept of them.
//!
//! The checks take the evidence and add to the report:
//!
//! | file | finds |
//! | --- | --- |
//! | [`logs`] | `duplicate`, `inconsistent-offsets` |
//! | [`reads`] | `G1a`, `precommitted-read`, `no-writer-of-value` |
//! | [`lost`] | `lost-write`, `unseen` |
//! | [`contiguity`] | `poll-skip`, `nonmonotonic-poll`, `nonmonotonic-send`, and within one operation `int-poll-skip`, `int-nonmonotonic-poll`, `int-send-skip`, `int-nonmonotonic-send` |
//! | [`cycles`] | `G1c`, `G1c-realtime` (on [`graph`](crate::graph)), `empty-transaction-graph` |
//! | [`lag`] | no anomaly: `worst-realtime-lag` |
//!
//! All but `int-send-skip` make a history invalid. Where the original fails on a
//! history, this does not: a message that nobody sent is reported as
//! `no-writer-of-value`, a value that makes no sense as `malformed-value`, and a
//! poll with an empty list for a key is fine, but worth a warning.

mod contiguity;
mod cycles;
pub(crate) mod decode;
mod evidence;
mod lag;
mod logs;
mod lost;
mod names;
mod order;
mod reads;
mod record;
mod report;

use maelstrom::protocol::json::in_words;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use self::decode::{Batch, MicroOp};
use self::evidence::Evidence;
use self::lag::{NOTHING, RealtimeLag};
use self::record::{Event, Record};
use self::report::{Anomaly, KEPT, Report};
use super::{Checker, Finding, Outcome};
use crate::cases::Case;
use crate::history::{Op, OpType, Process};
use crate::witness::{Point, seconds};

/// The checker of the kafka workload.
#[derive(Default)]
pub(crate) struct KafkaChecker {
    compatible: bool,
    open: FxHashMap<u64, Op>,
    record: Record,
    lag: RealtimeLag,
    report: Report,
    causes: Causes,
    /// Of the test proper; in the original, of any kind.
    has_operations: bool,
    /// Whether an empty list was told, and whether a `null` was.
    has_told_empty: [bool; 2],
}

impl Checker for KafkaChecker {
    fn observe(&mut self, op: &Op) {
        let Process::Client(process) = op.process else { return };
        self.has_operations |= self.compatible || !(op.is_of_the_end() || op.f == "crash");
        if op.is_invocation() {
            let abandoned = self.open.insert(process, op.clone());
            self.take_open(abandoned);
            return;
        }
        let invocation = self.open.remove(&process);
        let invoked = Point::of(invocation.as_ref().unwrap_or(op));
        let event = Event::new(process, op.kind, invoked, Some(Point::of(op)));
        if let Err(error) = self.take(&event, op) {
            self.add_malformed(op, &error);
            if let Some(invocation) = invocation {
                self.take_unknown(event, &invocation);
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        let mut open: Vec<Op> = self.open.drain().map(|(_, op)| op).collect();
        open.sort_by_key(|op| op.index);
        self.take_open(open);
        let evidence = Evidence::new(self.record, self.compatible);
        let mut report = self.report;
        check(&evidence, &mut report);
        if self.has_operations {
            cycles::emptiness(&evidence, &mut report);
        }
        report.outcome(Map::from_iter([
            ("worst-realtime-lag".to_owned(), self.lag.worst(&evidence.record.names)),
            ("info-txn-causes".to_owned(), json!(self.causes.list)),
        ]))
    }
}

fn check(evidence: &Evidence, report: &mut Report) {
    logs::duplicates(evidence, report);
    logs::inconsistent_offsets(evidence, report);
    reads::aborted(evidence, report);
    reads::unwritten(evidence, report);
    reads::precommitted(evidence, report);
    lost::lost_writes(evidence, report);
    lost::unseen(evidence, report);
    contiguity::steps(evidence, report, false);
    contiguity::steps(evidence, report, true);
    cycles::cycles(evidence, report);
}

impl KafkaChecker {
    /// With `compatible` it finds what the original finds where an offset has several
    /// messages, or a poll an empty list.
    pub(crate) fn new(compatible: bool) -> Self {
        Self { compatible, ..Self::default() }
    }

    fn take(&mut self, event: &Event, op: &Op) -> serde_json::Result<()> {
        match &*op.f {
            "send" | "poll" | "txn" => self.transfer(event, op),
            "assign" => self.assign(event, op),
            // A crash ends a process: what follows has another number.
            _ => Ok(()),
        }
    }

    fn assign(&mut self, event: &Event, op: &Op) -> serde_json::Result<()> {
        let names = decode::assigned(op)?;
        let keys = self.record.assign(event.clone(), names.iter().map(|name| &**name));
        if event.kind == OpType::Ok {
            self.lag.assign(event.process, keys);
        }
        Ok(())
    }

    fn transfer(&mut self, event: &Event, op: &Op) -> serde_json::Result<()> {
        let micro_ops = decode::micro_ops(op)?;
        self.record.transfer(event.clone(), &micro_ops);
        if event.kind == OpType::Info {
            self.causes.add(op);
        }
        self.warn_of_empty_list(op, &micro_ops);
        self.note_offsets(event, op, &micro_ops);
        Ok(())
    }

    /// The lag needs offsets while they go by, the record forgets most of them.
    fn note_offsets(&mut self, event: &Event, op: &Op, micro_ops: &[MicroOp<'_>]) {
        let is_poll = event.kind == OpType::Ok && op.f != "send";
        for (name, offset) in micro_ops.iter().flat_map(furthest) {
            let key = self.record.key(name);
            if event.kind != OpType::Fail {
                self.lag.know(key, offset, op.time);
            }
            if is_poll {
                self.lag.advance(event.process, key, offset);
            }
        }
        if is_poll {
            self.lag.measure(event.process, event.invoked.time);
        }
    }

    /// Takes operations of which no end is known: each may have happened or not.
    fn take_open(&mut self, invocations: impl IntoIterator<Item = Op>) {
        for op in invocations {
            let Process::Client(process) = op.process else { continue };
            self.take_unknown(Event::new(process, OpType::Info, Point::of(&op), None), &op);
        }
    }

    /// Takes an invocation whose outcome tells nothing.
    fn take_unknown(&mut self, mut event: Event, invocation: &Op) {
        event.kind = OpType::Info;
        if matches!(&*invocation.f, "send" | "poll" | "txn") {
            match decode::micro_ops(invocation) {
                Ok(micro_ops) => {
                    self.record.transfer(event, &micro_ops);
                }
                Err(error) => self.add_malformed(invocation, &error),
            }
        }
    }

    fn add_malformed(&mut self, op: &Op, error: &serde_json::Error) {
        self.report.add(Anomaly::MalformedValue, 0, || {
            let text = format!(
                "Op {} ({}, {}): the value of this {} cannot be read: {}. Offsets are integers, a \
                 poll's messages are lists of [offset, message] by key.",
                op.index,
                op.process,
                seconds(op.time),
                op.f,
                in_words(error),
            );
            let detail = json!({ "op": { "op-index": op.index }, "error": error.to_string() });
            Case::new(vec![op.index], text, detail)
        });
    }

    fn warn_of_empty_list(&mut self, op: &Op, micro_ops: &[MicroOp<'_>]) {
        let batches = micro_ops.iter().flat_map(MicroOp::batches);
        for batch in batches.filter(|batch| batch.pairs.is_empty()) {
            let has_told = &mut self.has_told_empty[usize::from(batch.is_null)];
            if !std::mem::replace(has_told, true) {
                self.report.warnings.push(empty_list(op, batch));
            }
        }
    }
}

fn empty_list(op: &Op, batch: &Batch<'_>) -> Finding {
    let list = if batch.is_null { "null, which counts as an empty list," } else { "an empty list" };
    let text = format!(
        "Key {}: the poll in op {} ({}) returned {list} for it, and it may not be the only one. The \
         original's checker fails where no poll ever returns a message of such a key: leave out keys \
         that have no messages.",
        batch.key, op.index, op.process
    );
    Finding::new("empty-list", text, vec![op.index])
}

/// By key, the highest offset in a micro-operation. A list without messages shows
/// no offset, but that the process polls the key.
fn furthest<'a>(micro_op: &'a MicroOp<'_>) -> Vec<(&'a str, i64)> {
    if let MicroOp::Send { key, offset, .. } = micro_op {
        return offset.map(|offset| (&**key, offset)).into_iter().collect();
    }
    let highest = |batch: &Batch<'_>| batch.pairs.iter().map(|pair| pair.0).fold(NOTHING, i64::max);
    micro_op.batches().iter().map(|batch| (&*batch.key, highest(batch))).collect()
}

/// Why operations became indeterminate: the first few different reasons.
#[derive(Default)]
struct Causes {
    list: Vec<Value>,
    known: FxHashSet<Box<str>>,
}

impl Causes {
    fn add(&mut self, op: &Op) {
        let cause = op.error.as_ref().map_or("null", |error| error.get());
        if self.list.len() < KEPT && !self.known.contains(cause) {
            self.known.insert(cause.into());
            self.list.push(serde_json::from_str(cause).unwrap_or(Value::Null));
        }
    }
}
