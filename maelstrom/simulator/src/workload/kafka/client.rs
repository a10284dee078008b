//! The client: a producer and a consumer in one.
//!
//! Its consumer has keys assigned and for each of them a position: the offset
//! that its next poll begins at. What a poll returned is committed before the
//! poll counts as done. A crash ends the client; its successor knows nothing and
//! polls nothing until keys are assigned to it.

use std::collections::BTreeMap;

use checkers::history::raw;
use serde_json::value::RawValue;

use super::offsets::Polled;
use crate::workload::{Client, Malformed, Operation, Request, Step, reply};

/// The client.
#[derive(Debug, Default)]
pub(super) struct KafkaClient {
    positions: BTreeMap<String, i64>,
    /// The value of the poll whose offsets are being committed.
    committing: Option<Box<RawValue>>,
}

impl Client for KafkaClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        self.committing = None;
        match operation.f {
            "assign" if operation.seek_to_beginning => {
                self.positions = keys(operation).into_iter().map(|key| (key, 0)).collect();
                Step::Ok(None)
            }
            "assign" => {
                Step::Request(Request::new("list_committed_offsets").with("keys", &operation.value))
            }
            "send" => {
                let (key, message) = sent(operation);
                Step::Request(Request::new("send").with("key", key).with("msg", message))
            }
            "poll" => Step::Request(Request::new("poll").with("offsets", &self.positions)),
            _ => Step::Info,
        }
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        if let Some(value) = self.committing.take() {
            reply::fields(body, "commit_offsets_ok", [])?;
            return Ok(Step::Ok(Some(value)));
        }
        match operation.f {
            "send" => acknowledged(operation, body),
            "poll" => self.polled(body),
            _ => self.assigned(operation, body),
        }
    }
}

impl KafkaClient {
    /// Goes on where it was, else where somebody committed, else at the beginning.
    fn assigned(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        const REPLY: &str = "list_committed_offsets_ok";
        let [committed] = reply::fields(body, REPLY, ["offsets"])?;
        let committed: BTreeMap<String, i64> = serde_json::from_str(committed.get())
            .map_err(|error| Malformed::new(REPLY, format_args!("`offsets`: {error}"), body))?;
        let mut positions = BTreeMap::new();
        for key in keys(operation) {
            let own = self.positions.get(&key).copied();
            let other = || committed.get(&key).copied();
            let position = own.or_else(other).unwrap_or(0);
            positions.insert(key, position);
        }
        self.positions = positions;
        Ok(Step::Ok(None))
    }

    /// Moves on behind what it received, and commits that.
    fn polled(&mut self, body: &RawValue) -> Result<Step, Malformed> {
        let malformed = |problem: String| Malformed::new("poll_ok", problem, body);
        let [msgs] = reply::fields(body, "poll_ok", ["msgs"])?;
        let polled = Polled::read(msgs).map_err(|error| malformed(format!("`msgs`: {error}")))?;
        let mut processed = BTreeMap::new();
        for (key, newest) in polled.iter() {
            let next = newest.map_or(Some(0), |newest| newest.checked_add(1));
            let next = next.ok_or_else(|| malformed(format!("no offset can follow {newest:?}")))?;
            let position = self.positions.entry(key.to_owned()).or_insert(next);
            *position = next.max(*position);
            processed.extend(newest.map(|newest| (key, newest)));
        }
        let value = raw(&[("poll", msgs)]);
        if processed.is_empty() {
            return Ok(Step::Ok(Some(value)));
        }
        self.committing = Some(value);
        Ok(Step::Request(Request::new("commit_offsets").with("offsets", &processed)))
    }
}

fn acknowledged(operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
    let [offset] = reply::fields(body, "send_ok", ["offset"])?;
    let offset: i64 = serde_json::from_str(offset.get())
        .map_err(|error| Malformed::new("send_ok", format_args!("`offset`: {error}"), body))?;
    let (key, message) = sent(operation);
    Ok(Step::Ok(Some(raw(&[("send", key, (offset, message))]))))
}

/// The keys of an `assign`.
fn keys(operation: &Operation) -> Vec<String> {
    serde_json::from_str(operation.value.get()).unwrap_or_default()
}

/// Key and message of a `send`, as JSON texts.
fn sent(operation: &Operation) -> (&RawValue, &RawValue) {
    let parsed = serde_json::from_str::<[(&str, &RawValue, &RawValue); 1]>(operation.value.get());
    parsed.map_or((RawValue::NULL, RawValue::NULL), |[(_, key, message)]| (key, message))
}
