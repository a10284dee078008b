//! The transactions of a history, decoded.
//!
//! One [`Transaction`] stands for an invocation and its completion. What a
//! transaction read is known only when it committed; what it wrote is known from
//! its invocation in any case. A completion that is no transaction leaves its
//! transaction indeterminate, with a finding: nothing in a history makes this
//! file fail.
//!
//! Whether they may have read it is left to the checks.

use std::borrow::Cow;
use std::ops::Range;

use maelstrom::protocol::json::in_words;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::anomaly::{Anomalies, Anomaly};
use super::lists::{List, Lists};
use super::numbers::{Name, Txn, Version};
use crate::cases::Case;
use crate::clojure;
use crate::history::{Op, OpType, Process};
use crate::interner::Interner;
use crate::witness::Point;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Registers: `["r", key, value]`, `["w", key, value]`.
    #[default]
    Registers,
    /// Lists: `["r", key, [element, …]]`, `["append", key, element]`.
    Lists,
}

impl Kind {
    /// The name of a write on the wire.
    pub(super) fn write(self) -> &'static str {
        match self {
            Self::Registers => "w",
            Self::Lists => "append",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    /// It did not, and never will.
    Aborted,
    Indeterminate,
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) process: Process,
    pub(super) fate: Fate,
    pub(super) begin: Point,
    /// When it ended; `None` if it never did.
    pub(super) end: Option<Point>,
    /// Whether it belongs to the reads after the recovery phase.
    pub(super) is_final: bool,
    mops: Range<usize>,
}

impl Transaction {
    pub(super) fn is_committed(&self) -> bool {
        self.fate == Fate::Committed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mop {
    pub(super) is_write: bool,
    pub(super) key: Name,
    /// What was written or appended, or the register's value that was read; of a
    /// list that was read, its [`List`].
    pub(super) value: u32,
    /// Whether it is a read of `null`, which of a list means the same as `[]`.
    pub(super) is_null: bool,
}

#[derive(Deserialize)]
struct Wire<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] &'a RawValue,
    #[serde(borrow)] &'a RawValue,
);

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) kind: Kind,
    pub(super) transactions: Vec<Transaction>,
    /// What is wrong with operations by themselves.
    pub(super) anomalies: Anomalies,
    pub(super) lists: Lists,
    names: Interner,
    /// Per key the JSON text of its longest list, without the closing bracket, so
    /// that a list that goes on from there is not decoded again from its start.
    longest: FxHashMap<Name, (String, List)>,
    mops: Vec<Mop>,
    /// The open transaction of each process, with what it asks for, if that
    /// could be read.
    open: FxHashMap<Process, (Txn, Option<Vec<Mop>>)>,
}

impl Log {
    pub(super) fn new(kind: Kind) -> Self {
        let mut names = Interner::default();
        names.number("null");
        Self { kind, names, ..Self::default() }
    }

    pub(super) fn observe(&mut self, op: &Op) {
        if !op.process.is_client() || op.f != "txn" {
            return;
        }
        if op.is_invocation() {
            self.invoke(op);
        } else {
            self.complete(op);
        }
    }

    pub(super) fn finish(&mut self) {
        let mut open: Vec<_> = self.open.drain().map(|(_, open)| open).collect();
        open.sort_by_key(|&(txn, _)| txn);
        for (txn, mops) in open {
            self.store(txn, mops.unwrap_or_default());
        }
    }

    fn invoke(&mut self, op: &Op) {
        let mops = self.decode(op, false).map_err(|text| {
            let text = format!("operation {} asks for no transaction: {text}", op.index);
            self.note(Anomaly::MalformedRequest, op, text);
        });
        let txn = self.begin(op);
        if let Some((abandoned, mops)) = self.open.insert(op.process, (txn, mops.ok())) {
            self.store(abandoned, mops.unwrap_or_default());
        }
    }

    fn complete(&mut self, op: &Op) {
        let (txn, asked) = match self.open.remove(&op.process) {
            Some(open) => open,
            None => (self.begin(op), None),
        };
        let (fate, mops) = match op.kind {
            OpType::Ok => self.answer(op, asked),
            OpType::Fail => (Fate::Aborted, asked.unwrap_or_default()),
            OpType::Info | OpType::Invoke => (Fate::Indeterminate, asked.unwrap_or_default()),
        };
        let transaction = &mut self.transactions[txn as usize];
        transaction.fate = fate;
        transaction.end = Some(Point::of(op));
        self.store(txn, mops);
    }

    fn begin(&mut self, op: &Op) -> Txn {
        self.transactions.push(Transaction {
            process: op.process,
            fate: Fate::Indeterminate,
            begin: Point::of(op),
            end: None,
            is_final: op.is_final,
            mops: 0..0,
        });
        (self.transactions.len() - 1) as Txn
    }

    /// What an `ok` completion tells.
    fn answer(&mut self, op: &Op, asked: Option<Vec<Mop>>) -> (Fate, Vec<Mop>) {
        let answered = match self.decode(op, true) {
            Ok(answered) => answered,
            Err(text) => {
                let text =
                    format!("operation {} was answered with no transaction: {text}", op.index);
                self.note(Anomaly::MalformedReply, op, text);
                return (Fate::Indeterminate, asked.unwrap_or_default());
            }
        };
        if let Some(text) = asked.and_then(|asked| self.difference(&asked, &answered)) {
            let text = format!("operation {} answers another transaction: {text}", op.index);
            self.note(Anomaly::ReplyMismatch, op, text);
        }
        (Fate::Committed, answered)
    }

    /// How an answer fails to answer, if it does.
    fn difference(&self, asked: &[Mop], answered: &[Mop]) -> Option<String> {
        if asked.len() != answered.len() {
            let (asked, answered) = (asked.len(), answered.len());
            return Some(format!("{asked} micro-operations were asked for, {answered} came back"));
        }
        let is_answered = |a: &Mop, b: &Mop| {
            a.is_write == b.is_write && a.key == b.key && (!a.is_write || a.value == b.value)
        };
        let i = asked.iter().zip(answered).position(|(a, b)| !is_answered(a, b))?;
        let (asked, answered) = (self.mop_text(&asked[i]), self.mop_text(&answered[i]));
        Some(format!("micro-operation {i} was {asked} and came back as {answered}"))
    }

    fn note(&mut self, anomaly: Anomaly, op: &Op, text: String) {
        let detail = json!({"op": op.index, "message": text});
        self.anomalies.add(anomaly, || Case::new(vec![op.index], text, detail));
    }

    fn store(&mut self, txn: Txn, mops: Vec<Mop>) {
        let start = self.mops.len();
        self.mops.extend(mops);
        self.transactions[txn as usize].mops = start..self.mops.len();
    }

    /// Decodes an operation's value. Reads stay empty unless it `has_reads`.
    fn decode(&mut self, op: &Op, has_reads: bool) -> Result<Vec<Mop>, String> {
        let wire: Vec<Wire<'_>> = op.decode().map_err(|error| {
            let value = abbreviated(op.value.get());
            format!("{value} is no list of [function, key, value] ({})", in_words(&error))
        })?;
        let mops = wire.iter().enumerate().map(|(i, mop)| {
            self.decode_mop(mop, has_reads).map_err(|text| format!("micro-operation {i} {text}"))
        });
        mops.collect()
    }

    fn decode_mop(&mut self, wire: &Wire<'_>, has_reads: bool) -> Result<Mop, String> {
        let Wire(function, key, value) = wire;
        let key = self.names.number(key.get());
        if function == self.kind.write() {
            let value = self.names.number(value.get());
            return Ok(Mop { is_write: true, key, value, is_null: false });
        }
        if function != "r" {
            return Err(format!("is {function:?}, neither \"r\" nor {:?}", self.kind.write()));
        }
        let value = if has_reads { value.get() } else { "null" };
        let is_null = value.trim() == "null";
        let value = match self.kind {
            Kind::Registers => self.names.number(value),
            Kind::Lists => self.decode_list(key, value)?,
        };
        Ok(Mop { is_write: false, key, value, is_null })
    }

    /// `null` is the empty list: the state of a key before its first append.
    fn decode_list(&mut self, key: Name, json: &str) -> Result<List, String> {
        let json = json.trim();
        let (known, rest) = self.known_part(key, json);
        let elements: Option<Vec<&RawValue>> = serde_json::from_str(&rest)
            .map_err(|_| format!("reads {}, which is no list", abbreviated(json)))?;
        let start = known.unwrap_or_else(|| self.lists.empty(key));
        let names = &mut self.names;
        let elements = elements.unwrap_or_default();
        let numbers = elements.iter().map(|element| names.number(element.get()));
        let list = self.lists.extended(start, numbers);
        self.remember(key, json, list);
        Ok(list)
    }

    /// The list that this text of a list of `key` goes on from, if it is known, and
    /// the text of the rest.
    fn known_part<'a>(&self, key: Name, json: &'a str) -> (Option<List>, Cow<'a, str>) {
        let known = self.longest.get(&key);
        let after = known.and_then(|(text, list)| Some((*list, json.strip_prefix(&**text)?)));
        match after {
            Some((list, "]")) => (Some(list), Cow::Borrowed("[]")),
            Some((list, after)) if after.starts_with(',') => {
                (Some(list), Cow::Owned(format!("[{}", &after[1..])))
            }
            _ => (None, Cow::Borrowed(json)),
        }
    }

    fn remember(&mut self, key: Name, json: &str, list: List) {
        let (text, longest) = self.longest.entry(key).or_insert_with(|| (String::new(), list));
        if self.lists.length(list) > 0
            && (text.is_empty() || self.lists.length(list) > self.lists.length(*longest))
        {
            text.clear();
            text.push_str(json.strip_suffix(']').unwrap_or_default().trim_end());
            *longest = list;
        }
    }

    /// Where several longest lists of one key contradict each other, takes the one
    /// that the original takes for the order of appends.
    pub(super) fn break_ties_as_the_original(&mut self) {
        let names = &self.names;
        let integer = |&element: &Name| names.value(element).to_json().as_i64();
        self.lists.break_ties(|elements| {
            let elements: Option<Vec<i64>> = elements.iter().map(integer).collect();
            elements.map(|elements| clojure::vector_rank(&elements))
        });
    }

    pub(super) fn txn(&self, txn: Txn) -> &Transaction {
        &self.transactions[txn as usize]
    }

    /// The operation that people know a transaction by: its completion, if there is one.
    pub(super) fn op(&self, txn: Txn) -> u64 {
        let Transaction { begin, end, .. } = self.txn(txn);
        end.unwrap_or(*begin).index
    }

    pub(super) fn ops(&self, txns: impl IntoIterator<Item = Txn>) -> Vec<u64> {
        txns.into_iter().map(|txn| self.op(txn)).collect()
    }

    pub(super) fn mops(&self, txn: Txn) -> &[Mop] {
        &self.mops[self.txn(txn).mops.clone()]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Txn> + use<> {
        0..self.transactions.len() as Txn
    }

    /// The committed transactions in the order in which they completed: the
    /// order in which one who watches would notice what is wrong.
    pub(super) fn committed(&self) -> Vec<Txn> {
        let mut committed: Vec<Txn> = self.all().filter(|&t| self.txn(t).is_committed()).collect();
        committed.sort_by_key(|&txn| self.op(txn));
        committed
    }

    /// The transactions that never ended, sorted. They may still happen, so that they prove
    /// nothing, unless something that they wrote was read: then they did happen. To the
    /// original (`all`) they are no part of the graph at all.
    pub(super) fn without_trace(&self, all: bool) -> Vec<Txn> {
        let mut open: Vec<Txn> = self.all().filter(|&txn| self.txn(txn).end.is_none()).collect();
        if !open.is_empty() && !all {
            let read = self.versions_read();
            let is_seen = |mop: &Mop| mop.is_write && read.contains(&(mop.key, mop.value));
            open.retain(|&txn| !self.mops(txn).iter().any(is_seen));
        }
        open
    }

    fn versions_read(&self) -> FxHashSet<Version> {
        if self.kind == Kind::Lists {
            return self.lists.by_last().into_iter().map(|(version, _)| version).collect();
        }
        let reads = self.committed().into_iter().flat_map(|txn| self.mops(txn));
        reads.filter(|mop| !mop.is_write).map(|mop| (mop.key, mop.value)).collect()
    }

    /// A key, or a value that is no list that was read, as JSON text.
    pub(super) fn text(&self, name: Name) -> String {
        self.names.value(name).to_string()
    }

    pub(super) fn json(&self, name: Name) -> Value {
        self.names.value(name).to_json()
    }

    /// A micro-operation as on the wire.
    pub(super) fn mop_json(&self, mop: &Mop) -> Value {
        let function = if mop.is_write { self.kind.write() } else { "r" };
        let value = if mop.is_write { self.json(mop.value) } else { self.read_json(mop.value) };
        Value::from(vec![Value::from(function), self.json(mop.key), value])
    }

    /// What was read, by a read's value.
    pub(super) fn read_json(&self, value: u32) -> Value {
        match self.kind {
            Kind::Registers => self.json(value),
            Kind::Lists if self.lists.length(value) == 0 => Value::Null,
            Kind::Lists => {
                self.lists.elements(value).into_iter().map(|element| self.json(element)).collect()
            }
        }
    }

    /// A micro-operation for people: long lists keep their ends.
    pub(super) fn mop_text(&self, mop: &Mop) -> String {
        abbreviated(&self.mop_json(mop).to_string())
    }

    pub(super) fn read_text(&self, value: u32) -> String {
        abbreviated(&self.read_json(value).to_string())
    }

    pub(super) fn txn_text(&self, txn: Txn) -> String {
        let mops: Vec<String> = self.mops(txn).iter().map(|mop| self.mop_text(mop)).collect();
        format!("[{}]", mops.join(" "))
    }
}

/// Both ends of a long text.
fn abbreviated(text: &str) -> String {
    const END: usize = 40;
    let count = text.chars().count();
    if count <= 2 * END + 1 {
        return text.to_owned();
    }
    let head: String = text.chars().take(END).collect();
    let tail: String = text.chars().skip(count - END).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests;
