//! What clients did and saw: the operations of one test run, in order.
//!
//! A history is a sequence of [`Op`]s. Every operation of a client stands in it
//! twice: as an invocation and, once it ended, as a completion of the same
//! process. A process has at most one operation open at a time. Values stay as
//! the JSON text that went over the wire, so that nothing is lost on the way to
//! a checker (big integers, `1` against `1.0`).
//!
//! On disk a history is JSON Lines, one operation per line, the keys being those
//! of Jepsen's operations without their colons: `index`, `time` (nanoseconds
//! since the start), `type`, `process`, `f`, `value`, and where they apply
//! `error`, `final?`, and what only kafka's operations say of themselves:
//! `seek-to-beginning?`, `unseen` and `poll-ms`. [`read`] reads what Jepsen writes as
//! well: `history.edn`.

mod edn;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use maelstrom::protocol::json::in_words;
use maelstrom::protocol::{Definite, ErrorCode};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::edn::{EdnError, to_json};

/// Where an operation stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpType {
    /// A client asked for it.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen and never will.
    Fail,
    /// Nobody knows whether it happened, or ever will.
    Info,
}

/// Who performed an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client process. After an indeterminate operation the client goes on
    /// under a new number.
    Client(u64),
    /// The fault injector. Its operations are `info` both times.
    Nemesis,
}

impl Process {
    /// Whether this is a client, not the fault injector.
    pub fn is_client(self) -> bool {
        matches!(self, Process::Client(_))
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "p{number}"),
            Process::Nemesis => f.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => serializer.serialize_u64(*number),
            Process::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a process number or \"nemesis\"")]
        enum Wire {
            Client(u64),
            Injector(Injector),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Injector {
            Nemesis,
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Client(number) => Process::Client(number),
            Wire::Injector(Injector::Nemesis) => Process::Nemesis,
        })
    }
}

/// One line of a history: an operation's invocation or its completion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Op {
    /// Position in the history, counting from 0 without gaps.
    pub index: u64,
    /// Nanoseconds since the test started.
    pub time: u64,
    /// Invocation or kind of completion.
    #[serde(rename = "type")]
    pub kind: OpType,
    /// Who performs it.
    pub process: Process,
    /// The function: `read`, `broadcast`, `txn`, …
    pub f: Cow<'static, str>,
    /// Argument on invocation; result on an `ok` completion.
    #[serde(default = "null")]
    pub value: Box<RawValue>,
    /// Why it failed or why its fate is unknown: `"net-timeout"`, or
    /// `[name, text]` for an error that a node answered; `["unknown", text, code]`
    /// for one whose code has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<RawValue>>,
    /// Whether this belongs to the reads after the recovery phase.
    #[serde(rename = "final?", default, skip_serializing_if = "is_false")]
    pub is_final: bool,
    /// Whether this probes a node, so long after the last fault: see
    /// [`Promise`](crate::Promise).
    #[serde(rename = "probe?", default, skip_serializing_if = "is_false")]
    pub is_probe: bool,
    /// Of kafka's `assign`: whether the client rewinds to the first offsets
    /// instead of going on from the committed ones.
    #[serde(rename = "seek-to-beginning?", default, skip_serializing_if = "is_false")]
    pub seek_to_beginning: bool,
    /// Of kafka's `assign`: why it names more keys than one. For people: keys of
    /// which nobody has polled yet what was sent, with the highest offset sent
    /// and the highest polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Box<RawValue>>,
    /// Of kafka's last polls, for which it means nothing: how many milliseconds
    /// the original's clients of real queues would wait for messages.
    #[serde(rename = "poll-ms", default, skip_serializing_if = "Option::is_none")]
    pub poll_ms: Option<u64>,
}

impl Op {
    /// An operation with nothing special about it, first in the history, at its
    /// beginning.
    pub fn new(
        process: Process,
        kind: OpType,
        f: impl Into<Cow<'static, str>>,
        value: Box<RawValue>,
    ) -> Self {
        Self {
            index: 0,
            time: 0,
            kind,
            process,
            f: f.into(),
            value,
            error: None,
            is_final: false,
            is_probe: false,
            seek_to_beginning: false,
            unseen: None,
            poll_ms: None,
        }
    }

    /// Whether this is an invocation by a client.
    pub fn is_invocation(&self) -> bool {
        self.kind == OpType::Invoke
    }

    /// Whether it is marked as one of those after the recovery phase, by any mark
    /// that a workload has for them.
    pub fn is_of_the_end(&self) -> bool {
        self.is_final || self.seek_to_beginning || self.poll_ms.is_some()
    }

    /// Whether it failed with this error, answered by a node.
    pub(crate) fn is_refused_with(&self, code: Definite) -> bool {
        let error = self.error.as_ref().map(|error| serde_json::from_str(error.get()));
        let name = ErrorCode::from(code).name();
        matches!(error, Some(Ok::<(&str, &RawValue), _>((answered, _))) if answered == name)
    }

    /// When it was, since the start.
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.time)
    }

    /// Decodes the value.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_str(self.value.get())
    }
}

/// The JSON `null`.
pub fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// Any serializable value as JSON text.
///
/// # Panics
///
/// When `value` has no JSON form: a map with keys that are neither strings nor
/// numbers. No type in this crate is like that.
pub fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value with a JSON form")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(b: &bool) -> bool {
    !b
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read the history: {0}")]
    Io(#[from] io::Error),
    /// A line is no operation.
    #[error("line {line} of the history is no operation: {problem}")]
    Line {
        /// Counting from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A line is neither JSON nor EDN.
    #[error("line {line} of the history is no EDN, at column {}: {}", .problem.column, .problem.what)]
    Edn {
        /// Counting from 1.
        line: u64,
        /// Where in the line, and why.
        problem: EdnError,
    },
}

/// Reads a history, one operation per line, in JSON or as Jepsen's `history.edn` has
/// it; blank lines are skipped. Input that begins with the gzip magic number is decompressed.
///
/// # Errors
///
/// When the input cannot be read at all. What is wrong with a line comes out of
/// the iterator in that line's place.
pub fn read<'a, R: Read + 'a>(input: R) -> io::Result<Operations<'a>> {
    let mut input = BufReader::new(input);
    let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let input: Box<dyn BufRead + 'a> = if is_gzip {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(input)))
    } else {
        Box::new(input)
    };
    Ok(Operations { input, line: String::new(), number: 0 })
}

/// The operations of a history, read one at a time; made by [`read`].
pub struct Operations<'a> {
    input: Box<dyn BufRead + 'a>,
    line: String,
    number: u64,
}

impl Operations<'_> {
    /// The number of the last line that was read, counting from 1.
    pub(crate) fn line(&self) -> u64 {
        self.number
    }
}

impl Iterator for Operations<'_> {
    type Item = Result<Op, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            match self.input.read_line(&mut self.line) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(error) => return Some(Err(error.into())),
            }
            let line = self.line.trim();
            if !line.is_empty() {
                return Some(parse(line, self.number));
            }
        }
    }
}

/// The operation on a line.
fn parse(line: &str, number: u64) -> Result<Op, ReadError> {
    let json = if is_edn(line) {
        let json = to_json(line).map_err(|problem| ReadError::Edn { line: number, problem });
        Cow::Owned(json?)
    } else {
        Cow::Borrowed(line)
    };
    serde_json::from_str(&json)
        .map_err(|error| ReadError::Line { line: number, problem: problem(line, &error) })
}

/// Why a line is no operation.
fn problem(line: &str, error: &serde_json::Error) -> String {
    if line.starts_with('\u{feff}') {
        "it begins with a byte order mark".to_owned()
    } else if line.starts_with('[') {
        "it is a list, and a history has an operation on each line".to_owned()
    } else if error.is_eof() {
        "it ends before the operation does: was the file cut off?".to_owned()
    } else {
        in_words(error)
    }
}

/// A map of keywords, perhaps with a record's name before it.
fn is_edn(line: &str) -> bool {
    line.starts_with('#')
        || line.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_survives_the_way_to_disk_and_back() {
        let line = r#"{"index":3,"time":1500000,"type":"ok","process":0,"f":"read","value":[1,1.0,12345678901234567890123],"final?":true}"#;
        let op: Op = serde_json::from_str(line).unwrap();
        assert_eq!(op.process, Process::Client(0));
        assert!(op.is_final);
        assert_eq!(serde_json::to_string(&op).unwrap(), line);
    }

    #[test]
    fn what_a_kafka_operation_says_of_itself_survives_too() {
        for line in [
            r#"{"index":0,"time":0,"type":"invoke","process":4,"f":"assign","value":["1"],"seek-to-beginning?":true}"#,
            r#"{"index":0,"time":0,"type":"ok","process":4,"f":"assign","value":["1"],"unseen":{"1":{"polled":-1,"sent":3}}}"#,
            r#"{"index":0,"time":0,"type":"invoke","process":4,"f":"poll","value":[["poll"]],"poll-ms":1000}"#,
        ] {
            let op: Op = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&op).unwrap(), line);
        }
    }

    #[test]
    fn a_nemesis_operation_and_an_error_are_understood() {
        let text = "{\"index\":0,\"time\":0,\"type\":\"info\",\"process\":\"nemesis\",\"f\":\"start-partition\",\"value\":null}\n\n\
                    {\"index\":1,\"time\":1,\"type\":\"fail\",\"process\":2,\"f\":\"read\",\"error\":\"net-timeout\"}\n";
        let ops: Vec<Op> = read(text.as_bytes()).unwrap().map(Result::unwrap).collect();
        assert_eq!(ops[0].process, Process::Nemesis);
        assert_eq!(ops[1].error.as_ref().unwrap().get(), "\"net-timeout\"");
        assert_eq!(ops[1].value.get(), "null");
    }

    #[test]
    fn what_jepsen_writes_is_read() {
        let text = "#jepsen.history.Op{:index 0, :time 5, :type :invoke, :process 0, :f :read, :value nil}\n\
                    {:type :info, :process 0, :f :read, :value nil, :time 6, :index 1, :exception \
                    {:via [{:type clojure.lang.ExceptionInfo, :at [a.b$c \"d.clj\" 3]}]}, :error [:crash \"x\"]}\n";
        let ops: Vec<Op> = read(text.as_bytes()).unwrap().map(Result::unwrap).collect();
        assert_eq!((ops[0].kind, ops[0].time, &*ops[0].f), (OpType::Invoke, 5, "read"));
        assert_eq!(ops[1].error.as_ref().unwrap().get(), r#"["crash","x"]"#);
        let cut = read(&text.as_bytes()[..200]).unwrap().last().unwrap().unwrap_err();
        let said = "line 2 of the history is no EDN, at column 114: it ends before }";
        assert_eq!(cut.to_string(), said);
    }

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let text = "\n{\"index\":0}\n";
        let error = read(text.as_bytes()).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the history"), "{error}");
    }
}
