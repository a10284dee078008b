//! What clients ask for: transactions, and the limits to them.
//!
//! A transaction is checked as a whole before any of it is carried out, so one
//! that is refused has had no effect. What it reads and writes is worked out
//! here without changing anything; committing the writes is the database's.

use std::collections::BTreeMap;

use maelstrom::protocol::json::NoForm;
use serde::{Deserialize, Serialize};

use crate::json::{Key, Value};

/// Most micro-operations in a transaction.
pub const MAX_OPERATIONS: usize = 4096;
/// Most bytes of keys and values in a transaction as it is asked for.
pub const MAX_BYTES: usize = 1 << 20;
/// Most bytes of keys and values in a transaction as it is answered.
pub const MAX_REPLY_BYTES: usize = 16 << 20;

/// A micro-operation on the wire: `["r",key,null]`, answered `["r",key,value]`,
/// or `["w",key,value]`, answered as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(expecting = "a micro-operation, i.e. [\"r\" or \"w\", key, value]")]
pub struct MicroOp(pub Function, pub Value, pub Value);

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum Function {
    /// Reads a key.
    #[serde(rename = "r")]
    Read,
    /// Writes a key.
    #[serde(rename = "w")]
    Write,
}

impl TryFrom<String> for Function {
    type Error = String;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        match &*name {
            "r" => Ok(Function::Read),
            "w" => Ok(Function::Write),
            _ => Err(format!("unknown operation {name:?}, expected \"r\" or \"w\"")),
        }
    }
}

/// Why a transaction is refused. None of it was carried out, nor will be.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A key is not usable.
    #[error("`txn[{index}]`: the key is {error}")]
    Key {
        /// Of the micro-operation.
        index: usize,
        /// What is wrong.
        error: NoForm,
    },
    /// A read that says what to read.
    #[error("`txn[{index}]`: a read's third element must be null")]
    ReadWithValue {
        /// Of the micro-operation.
        index: usize,
    },
    /// More micro-operations than [`MAX_OPERATIONS`].
    #[error("{0} operations in one transaction; the limit is {MAX_OPERATIONS}")]
    TooLong(usize),
    /// More bytes than [`MAX_BYTES`].
    #[error("{0} bytes of keys and values in one transaction; the limit is {MAX_BYTES}")]
    TooLarge(usize),
    /// More bytes to answer than [`MAX_REPLY_BYTES`].
    #[error("{0} bytes of keys and values to answer; the limit is {MAX_REPLY_BYTES}")]
    ReplyTooLarge(usize),
}

/// What a transaction comes to.
#[derive(Debug)]
pub struct Outcome {
    /// The micro-operations as they were asked for, with what was read.
    pub answer: Vec<MicroOp>,
    /// The last write to each key.
    pub writes: BTreeMap<Key, Value>,
}

/// Works out what a transaction reads, given what is committed, and writes.
/// It reads its own writes.
///
/// # Errors
///
/// When a micro-operation is malformed, or a limit exceeded.
pub fn evaluate<'a>(
    mut txn: Vec<MicroOp>,
    committed: impl Fn(&Key) -> Option<&'a Value>,
) -> Result<Outcome, Refusal> {
    check_size(&txn)?;
    let null = Value::null();
    let mut writes = BTreeMap::new();
    for (index, MicroOp(function, key, value)) in txn.iter_mut().enumerate() {
        let key = Key::new(key).map_err(|error| Refusal::Key { index, error })?;
        match function {
            Function::Write => {
                writes.insert(key, value.clone());
            }
            Function::Read if !value.is_null() => return Err(Refusal::ReadWithValue { index }),
            Function::Read => {
                *value = writes.get(&key).or_else(|| committed(&key)).unwrap_or(&null).clone();
            }
        }
    }
    match bytes(&txn) {
        bytes if bytes > MAX_REPLY_BYTES => Err(Refusal::ReplyTooLarge(bytes)),
        _ => Ok(Outcome { answer: txn, writes }),
    }
}

fn check_size(txn: &[MicroOp]) -> Result<(), Refusal> {
    match bytes(txn) {
        _ if txn.len() > MAX_OPERATIONS => Err(Refusal::TooLong(txn.len())),
        bytes if bytes > MAX_BYTES => Err(Refusal::TooLarge(bytes)),
        _ => Ok(()),
    }
}

fn bytes(txn: &[MicroOp]) -> usize {
    txn.iter().map(|MicroOp(_, key, value)| key.text().len() + value.text().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(txn: &str, committed: &[(&str, &str)]) -> Result<(String, usize), Refusal> {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let committed: BTreeMap<Key, Value> = committed
            .iter()
            .map(|(key, value)| (Key::new(&parse(key)).unwrap(), parse(value)))
            .collect();
        let outcome = evaluate(serde_json::from_str(txn).unwrap(), |key| committed.get(key))?;
        Ok((serde_json::to_string(&outcome.answer).unwrap(), outcome.writes.len()))
    }

    #[test]
    fn reads_see_what_is_committed_and_the_transactions_own_writes() {
        let txn = r#"[["r",1,null],["w",1,6],["r",1,null],["w",1,7],["r",1,null],["r",2,null]]"#;
        let (answer, writes) = run(txn, &[("1", "8")]).unwrap();
        assert_eq!(answer, r#"[["r",1,8],["w",1,6],["r",1,6],["w",1,7],["r",1,7],["r",2,null]]"#);
        assert_eq!(writes, 1, "one key is written, to its last value");
    }

    #[test]
    fn keys_and_values_come_back_as_they_were_written() {
        let txn = r#"[["w",{"b":1.50,"a":1},{"x": [1.0]}],["r",{"a":1,"b":1.5},null]]"#;
        let (answer, _) = run(txn, &[]).unwrap();
        assert_eq!(
            answer,
            r#"[["w",{"b":1.50,"a":1},{"x": [1.0]}],["r",{"a":1,"b":1.5},{"x": [1.0]}]]"#
        );
    }

    #[test]
    fn an_empty_transaction_comes_to_nothing() {
        assert_eq!(run("[]", &[]).unwrap(), ("[]".to_owned(), 0));
    }

    #[test]
    fn a_read_must_not_say_what_to_read() {
        let refusal = run(r#"[["w",1,1],["r",1,1]]"#, &[]).unwrap_err();
        assert_eq!(refusal.to_string(), "`txn[1]`: a read's third element must be null");
    }

    #[test]
    fn what_is_no_micro_operation_does_not_decode() {
        for text in [
            r#"["x",1,1]"#,
            r#"["r",1]"#,
            r#"["r",1,null,null]"#,
            r#"[{"r":null},1,null]"#,
            r#"[null,1,null]"#,
            r#"{"f":"r","k":1,"v":null}"#,
            "7",
        ] {
            assert!(serde_json::from_str::<MicroOp>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn transactions_beyond_the_limits_are_refused() {
        let read = MicroOp(Function::Read, serde_json::from_str("1").unwrap(), Value::null());
        let big: Value = serde_json::from_str(&format!("\"{}\"", "x".repeat(MAX_BYTES))).unwrap();
        let none = |_: &Key| None;

        assert!(evaluate(vec![read.clone(); MAX_OPERATIONS], none).is_ok());
        let refused = evaluate(vec![read.clone(); MAX_OPERATIONS + 1], none);
        assert!(matches!(refused, Err(Refusal::TooLong(_))));
        let write = MicroOp(Function::Write, read.1.clone(), big.clone());
        assert!(matches!(evaluate(vec![write], none), Err(Refusal::TooLarge(_))));
        let refused = evaluate(vec![read; 17], |_| Some(&big));
        assert!(matches!(refused, Err(Refusal::ReplyTooLarge(_))));
    }
}
