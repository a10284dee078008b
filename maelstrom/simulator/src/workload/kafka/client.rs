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

const COMMIT: &str = "commit_offsets";
const LIST_COMMITTED: &str = "list_committed_offsets";

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
            "assign" => Step::Request(Request::new(LIST_COMMITTED).with("keys", &operation.value)),
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
            reply::fields(body, COMMIT, [])?;
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
        let committed: BTreeMap<String, i64> = reply::decode(body, LIST_COMMITTED, "offsets")?;
        let position = |key: &String| self.positions.get(key).or_else(|| committed.get(key));
        let keys = keys(operation).into_iter();
        let positions = keys.map(|key| (position(&key).copied().unwrap_or(0), key));
        self.positions = positions.map(|(position, key)| (key, position)).collect();
        Ok(Step::Ok(None))
    }

    /// Moves on behind what it received, and commits that.
    fn polled(&mut self, body: &RawValue) -> Result<Step, Malformed> {
        let [msgs] = reply::fields(body, "poll", ["msgs"])?;
        let polled: Polled<'_> = reply::decode(body, "poll", "msgs")?;
        let mut processed = BTreeMap::new();
        for (key, newest) in polled.iter() {
            let next = newest.map_or(Some(0), |newest| newest.checked_add(1));
            let none =
                || Malformed::new("poll", format_args!("no offset can follow {newest:?}"), body);
            let next = next.ok_or_else(none)?;
            let position = self.positions.entry(key.to_owned()).or_insert(next);
            *position = next.max(*position);
            processed.extend(newest.map(|newest| (key, newest)));
        }
        let value = raw(&[("poll", msgs)]);
        if processed.is_empty() {
            return Ok(Step::Ok(Some(value)));
        }
        self.committing = Some(value);
        Ok(Step::Request(Request::new(COMMIT).with("offsets", &processed)))
    }
}

fn acknowledged(operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
    let offset: i64 = reply::decode(body, "send", "offset")?;
    let (key, message) = sent(operation);
    Ok(Step::Ok(Some(raw(&[("send", key, (offset, message))]))))
}

fn keys(operation: &Operation) -> Vec<String> {
    serde_json::from_str(operation.value.get()).unwrap_or_default()
}

/// Key and message of a `send`, as JSON texts.
fn sent(operation: &Operation) -> (&RawValue, &RawValue) {
    let parsed = serde_json::from_str::<[(&str, &RawValue, &RawValue); 1]>(operation.value.get());
    parsed.map_or((RawValue::NULL, RawValue::NULL), |[(_, key, message)]| (key, message))
}
