//! What clients ask for: transactions, and the limits to them.
//!
//! A transaction is checked as a whole before any of it is carried out, so one
//! that is refused has had no effect. What it reads and writes is worked out
//! here without changing anything; committing the writes is the database's.

use std::collections::BTreeMap;
use std::fmt::Display;

use maelstrom::Error;
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
/// When a micro-operation is malformed, or a limit exceeded. None of it was carried out,
/// nor will be.
pub fn evaluate<'a>(
    mut txn: Vec<MicroOp>,
    committed: impl Fn(&Key) -> Option<&'a Value>,
) -> Result<Outcome, Error> {
    check_size(&txn)?;
    let null = Value::null();
    let mut writes = BTreeMap::new();
    for (index, MicroOp(function, key, value)) in txn.iter_mut().enumerate() {
        let refuse =
            |problem: &dyn Display| Error::malformed(format_args!("`txn[{index}]`: {problem}"));
        let key = Key::new(key).map_err(|error| refuse(&format_args!("the key is {error}")))?;
        match function {
            Function::Write => {
                writes.insert(key, value.clone());
            }
            Function::Read if !value.is_null() => {
                return Err(refuse(&"a read's third element must be null"));
            }
            Function::Read => {
                *value = writes.get(&key).or_else(|| committed(&key)).unwrap_or(&null).clone();
            }
        }
    }
    check_limit(bytes(&txn), MAX_REPLY_BYTES, "bytes of keys and values to answer")?;
    Ok(Outcome { answer: txn, writes })
}

fn check_size(txn: &[MicroOp]) -> Result<(), Error> {
    check_limit(txn.len(), MAX_OPERATIONS, "operations in one transaction")?;
    check_limit(bytes(txn), MAX_BYTES, "bytes of keys and values in one transaction")
}

fn check_limit(count: usize, limit: usize, of_what: &str) -> Result<(), Error> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::malformed(format_args!("{count} {of_what}; the limit is {limit}")))
}

fn bytes(txn: &[MicroOp]) -> usize {
    txn.iter().map(|MicroOp(_, key, value)| key.text().len() + value.text().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(txn: &str, committed: &[(&str, &str)]) -> Result<(String, usize), Error> {
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
    fn transactions_beyond_the_limits_are_refused() {
        let read = MicroOp(Function::Read, serde_json::from_str("1").unwrap(), Value::null());
        let big: Value = serde_json::from_str(&format!("\"{}\"", "x".repeat(MAX_BYTES))).unwrap();
        let none = |_: &Key| None;

        let refused = |txn, limit: &str| {
            evaluate(txn, |_| Some(&big)).is_err_and(|error| error.text().contains(limit))
        };
        assert!(evaluate(vec![read.clone(); MAX_OPERATIONS], none).is_ok());
        assert!(refused(vec![read.clone(); MAX_OPERATIONS + 1], "the limit is 4096"));
        let write = MicroOp(Function::Write, read.1.clone(), big.clone());
        assert!(refused(vec![write], "in one transaction; the limit is 1048576"));
        assert!(refused(vec![read; 17], "to answer; the limit is 16777216"));
    }
}
