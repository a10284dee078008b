//! The kafka checks in their plainest form: the definitions word for word, with maps
//! and nested loops. Only for small histories.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{Op, OpType, Process};
use serde_json::{Value, json};

type Key = String;
/// As it stands in results.
type Message = i64;

/// An operation from its beginning to its end.
struct Whole {
    kind: OpType,
    process: u64,
    begin: Op,
    end: Option<Op>,
}

impl Whole {
    fn micro_ops(&self) -> Vec<Vec<Value>> {
        let op = self.end.as_ref().unwrap_or(&self.begin);
        if op.f == "assign" || op.f == "crash" { Vec::new() } else { op.decode().unwrap() }
    }

    fn assigned(&self) -> Option<Vec<Key>> {
        (self.begin.f == "assign").then(|| self.begin.decode().unwrap())
    }

    fn is_transfer(&self) -> bool {
        self.assigned().is_none() && self.begin.f != "crash"
    }

    /// What was sent and read, in order.
    fn mentions(&self) -> Vec<Mention> {
        let mut mentions = Vec::new();
        for step in self.micro_ops() {
            if step[0] == "send" {
                let (offset, message) = match self.kind {
                    OpType::Ok => (step[2][0].as_i64(), &step[2][1]),
                    _ => (None, &step[2]),
                };
                let (key, message) =
                    (step[1].as_str().unwrap().to_owned(), message.as_i64().unwrap());
                mentions.push(Mention { is_send: true, key, offset, message });
                continue;
            }
            for (key, pairs) in step.get(1).and_then(Value::as_object).into_iter().flatten() {
                for pair in pairs.as_array().unwrap() {
                    let (offset, message) = (pair[0].as_i64(), pair[1].as_i64().unwrap());
                    mentions.push(Mention { is_send: false, key: key.clone(), offset, message });
                }
            }
        }
        mentions
    }

    fn sends(&self) -> impl Iterator<Item = Mention> {
        self.mentions().into_iter().filter(|mention| mention.is_send)
    }

    fn reads(&self) -> impl Iterator<Item = Mention> {
        self.mentions().into_iter().filter(|mention| !mention.is_send)
    }

    /// Whether a poll mentions a key, if only to say that it has nothing.
    fn is_polled(&self, key: &str) -> bool {
        self.micro_ops()
            .iter()
            .any(|step| step[0] == "poll" && step.len() > 1 && step[1].get(key).is_some())
    }

    fn sent(&self, key: &str) -> Vec<Message> {
        self.sends().filter(|send| send.key == key).map(|send| send.message).collect()
    }

    fn read(&self, key: &str) -> Vec<Message> {
        self.reads().filter(|read| read.key == key).map(|read| read.message).collect()
    }
}

struct Mention {
    is_send: bool,
    key: Key,
    offset: Option<i64>,
    message: Message,
}

/// Completed operations in the order of completion, then open ones.
fn wholes(history: &[Op]) -> Vec<Whole> {
    let mut open: BTreeMap<u64, Op> = BTreeMap::new();
    let mut wholes = Vec::new();
    for op in history {
        let Process::Client(process) = op.process else { continue };
        if op.is_invocation() {
            open.insert(process, op.clone());
        } else {
            let begin = open.remove(&process).unwrap();
            wholes.push(Whole { kind: op.kind, process, begin, end: Some(op.clone()) });
        }
    }
    let mut open: Vec<(u64, Op)> = open.into_iter().collect();
    open.sort_by_key(|(_, op)| op.index);
    let unknown = |(process, begin)| Whole { kind: OpType::Info, process, begin, end: None };
    wholes.extend(open.into_iter().map(unknown));
    wholes
}

/// A small history, and what it says of itself.
pub(crate) struct Oracle {
    ops: Vec<Whole>,
    keys: BTreeSet<Key>,
    /// By key, the messages by offset.
    logs: BTreeMap<Key, Vec<(i64, BTreeSet<Message>)>>,
}

impl Oracle {
    pub(crate) fn new(history: &[Op]) -> Self {
        let ops = wholes(history);
        let mut keys = BTreeSet::new();
        let mut offsets: BTreeMap<Key, BTreeMap<i64, BTreeSet<Message>>> = BTreeMap::new();
        for Mention { key, offset, message, .. } in ops.iter().flat_map(Whole::mentions) {
            keys.insert(key.clone());
            if let Some(offset) = offset {
                offsets.entry(key).or_default().entry(offset).or_default().insert(message);
            }
        }
        let logs = offsets.into_iter().map(|(key, log)| (key, log.into_iter().collect())).collect();
        Oracle { keys, ops, logs }
    }

    fn log(&self, key: &str) -> &[(i64, BTreeSet<Message>)] {
        self.logs.get(key).map_or(&[], Vec::as_slice)
    }

    /// Where a message stands last.
    fn index(&self, key: &str, message: Message) -> Option<i64> {
        self.log(key).iter().rposition(|(_, at)| at.contains(&message)).map(|index| index as i64)
    }

    fn delta(&self, key: &str, from: Message, to: Message) -> i64 {
        match (self.index(key, from), self.index(key, to)) {
            (Some(from), Some(to)) => to - from,
            _ => 1,
        }
    }

    /// By kind of anomaly, the number of cases.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        self.count_logs(&mut counts);
        self.count_operations(&mut counts);
        self.count_processes(&mut counts);
        let (flow, realtime) = self.circles();
        counts.insert("G1c", flow);
        counts.insert("G1c-realtime", realtime);
        counts.insert("empty-transaction-graph", usize::from(self.is_empty()));
        counts.retain(|_, count| *count > 0);
        counts
    }

    fn count_logs(&self, counts: &mut Counts) {
        for key in &self.keys {
            let log = self.log(key);
            let all: BTreeSet<Message> = log.iter().flat_map(|(_, at)| at.clone()).collect();
            let places = |m: &Message| log.iter().filter(|(_, at)| at.contains(m)).count();
            let shared = log.iter().filter(|(_, at)| at.len() > 1);
            add(counts, "duplicate", all.iter().filter(|message| places(message) > 1).count());
            add(counts, "inconsistent-offsets", shared.count());
            add(counts, "lost-write", self.lost(key));
            add(counts, "no-writer-of-value", self.unwritten(key));
        }
    }

    fn count_operations(&self, counts: &mut Counts) {
        for (op, key) in self.ops.iter().flat_map(|op| self.keys.iter().map(move |key| (op, key))) {
            let (sent, read) = (op.sent(key), op.read(key));
            let refused = |m: &&Message| {
                self.ops.iter().any(|op| op.kind == OpType::Fail && op.sent(key).contains(m))
            };
            if op.kind == OpType::Ok {
                add(counts, "G1a", read.iter().filter(refused).count());
            }
            let is_own = sent.iter().any(|message| read.contains(message));
            add(counts, "precommitted-read", usize::from(is_own));
            let deltas = |messages: &[Message]| -> Vec<i64> {
                messages.windows(2).map(|pair| self.delta(key, pair[0], pair[1])).collect()
            };
            add_steps(counts, &deltas(&read), Some("int-poll-skip"), "int-nonmonotonic-poll");
            add_steps(counts, &deltas(&sent), Some("int-send-skip"), "int-nonmonotonic-send");
        }
    }

    fn count_processes(&self, counts: &mut Counts) {
        for process in self.ops.iter().map(|op| op.process).collect::<BTreeSet<_>>() {
            let deltas = self.between_operations(process, |op| op.kind == OpType::Ok, Whole::read);
            add_steps(counts, &deltas, Some("poll-skip"), "nonmonotonic-poll");
            let sent = |op: &Whole, key: &str| match op.kind {
                OpType::Fail => Vec::new(),
                _ => op.sent(key),
            };
            let deltas = self.between_operations(process, |_| true, sent);
            add_steps(counts, &deltas, None, "nonmonotonic-send");
        }
    }

    fn is_polled(&self, key: &str, message: Message) -> bool {
        self.ops.iter().any(|op| op.kind == OpType::Ok && op.read(key).contains(&message))
    }

    fn lost(&self, key: &str) -> usize {
        let polled = |m: Message| self.is_polled(key, m);
        let places = |m: Message| {
            let all: Vec<usize> = (0..self.log(key).len())
                .filter(|index| self.log(key)[*index].1.contains(&m))
                .collect();
            (all[0], all[all.len() - 1])
        };
        let all: BTreeSet<Message> = self.log(key).iter().flat_map(|(_, at)| at.clone()).collect();
        let Some(bound) = all.iter().filter(|m| polled(**m)).map(|m| places(*m).0).max() else {
            return 0;
        };
        let happened = |m: Message| {
            let Some(writer) = self.ops.iter().rfind(|op| op.sent(key).contains(&m)) else {
                return false;
            };
            writer.kind == OpType::Ok
                || writer.kind == OpType::Info
                    && writer.sends().any(|sibling| self.is_polled(&sibling.key, sibling.message))
        };
        all.into_iter().filter(|m| places(*m).1 <= bound && !polled(*m) && happened(*m)).count()
    }

    fn unwritten(&self, key: &str) -> usize {
        let read: BTreeSet<Message> = self.ops.iter().flat_map(|op| op.read(key)).collect();
        read.into_iter()
            .filter(|message| !self.ops.iter().any(|op| op.sent(key).contains(message)))
            .count()
    }

    /// Steps from where the last operation that `moves` the process ended to where
    /// the next one begins.
    fn between_operations(
        &self,
        process: u64,
        moves: impl Fn(&Whole) -> bool,
        messages: impl Fn(&Whole, &str) -> Vec<Message>,
    ) -> Vec<i64> {
        let mut deltas = Vec::new();
        let mut last: BTreeMap<Key, Message> = BTreeMap::new();
        for op in self.ops.iter().filter(|op| op.process == process) {
            if let Some(assigned) = op.assigned() {
                last.retain(|key, _| op.kind == OpType::Fail || assigned.contains(key));
            }
            for key in &self.keys {
                let messages = messages(op, key);
                if let (Some(from), Some(to)) = (last.get(key), messages.first()) {
                    deltas.push(self.delta(key, *from, *to));
                }
                let end = messages.last().filter(|_| moves(op));
                last.extend(end.map(|message| (key.clone(), *message)));
            }
        }
        deltas
    }

    fn writer(&self, key: &str, message: Message) -> Option<usize> {
        self.ops.iter().rposition(|op| op.sent(key).contains(&message))
    }

    fn reads_from(&self, reader: usize) -> BTreeSet<usize> {
        let writers =
            self.ops[reader].reads().filter_map(|read| self.writer(&read.key, read.message));
        writers.filter(|writer| *writer != reader).collect()
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.ops[a], &self.ops[b]);
        let is_known = a.kind == OpType::Ok && a.is_transfer() && b.is_transfer();
        is_known && a.end.as_ref().is_some_and(|end| end.index < b.begin.index)
    }

    /// How many components have a circle of reads, how many only one with time in it.
    fn circles(&self) -> (usize, usize) {
        let n = self.ops.len();
        let mut flow = vec![vec![false; n]; n];
        for (reader, writer) in
            (0..n).flat_map(|b| self.reads_from(b).into_iter().map(move |a| (b, a)))
        {
            flow[writer][reader] = true;
        }
        let mut any = flow.clone();
        for (a, row) in any.iter_mut().enumerate() {
            for (b, edge) in row.iter_mut().enumerate() {
                *edge |= self.is_before(a, b);
            }
        }
        close(&mut flow);
        close(&mut any);
        let components: BTreeSet<Vec<usize>> = (0..n)
            .filter(|a| any[*a][*a])
            .map(|a| (0..n).filter(|b| any[a][*b] && any[*b][a]).collect())
            .collect();
        let (with, without): (Vec<_>, Vec<_>) =
            components.into_iter().partition(|component| component.iter().any(|a| flow[*a][*a]));
        (with.len(), without.len())
    }

    /// Whether each of these operations comes before the next, round and round, and
    /// whether time is needed for that.
    pub(crate) fn is_circle(&self, indices: &[u64], in_time: bool) -> bool {
        let place = |index: &u64| {
            let line = |op: &Whole| op.end.as_ref().unwrap_or(&op.begin).index;
            self.ops.iter().position(|op| line(op) == *index).unwrap()
        };
        let circle: Vec<usize> = indices.iter().map(place).collect();
        let next = circle.iter().cycle().skip(1);
        let steps: Vec<(usize, usize)> = circle.iter().copied().zip(next.copied()).collect();
        let reads = |(a, b): &(usize, usize)| self.reads_from(*b).contains(a);
        steps.iter().all(|step| reads(step) || in_time && self.is_before(step.0, step.1))
            && in_time != steps.iter().all(reads)
    }

    fn is_empty(&self) -> bool {
        let completed: Vec<usize> =
            (0..self.ops.len()).filter(|op| self.ops[*op].end.is_some()).collect();
        let related = |a: usize| {
            completed.iter().any(|b| self.is_before(a, *b)) || !self.reads_from(a).is_empty()
        };
        !self.ops.is_empty() && !completed.iter().any(|op| related(*op))
    }

    /// As the original counts it, quirk included.
    pub(crate) fn unseen(&self) -> Value {
        let (mut left, mut polled) = (BTreeMap::new(), BTreeMap::<Key, BTreeSet<Message>>::new());
        let mut time = 0;
        for op in self.ops.iter().filter(|op| op.kind == OpType::Ok && op.is_transfer()) {
            for Mention { key, message, .. } in op.sends() {
                left.entry(key).or_insert_with(BTreeSet::new).insert(message);
            }
            for key in &self.keys {
                if op.is_polled(key) {
                    polled.entry(key.clone()).or_default().extend(op.read(key));
                }
            }
            for (key, polled) in &polled {
                match left.get_mut(key) {
                    Some(left) => left.retain(|message| !polled.contains(message)),
                    None => drop(left.insert(key.clone(), polled.clone())),
                }
            }
            time = op.end.as_ref().unwrap().time;
        }
        left.retain(|_, messages| !messages.is_empty());
        if left.is_empty() {
            return Value::Null;
        }
        let counts: BTreeMap<&Key, usize> =
            left.iter().map(|(key, messages)| (key, messages.len())).collect();
        json!({ "time": time, "unseen": counts, "messages": left })
    }

    /// The worst lag in nanoseconds.
    pub(crate) fn lag(&self) -> u64 {
        let mut positions: BTreeMap<(u64, Key), i64> = BTreeMap::new();
        let mut worst = 0;
        for op in self.ops.iter().filter(|op| op.kind == OpType::Ok) {
            if let Some(assigned) = op.assigned() {
                positions
                    .retain(|(process, key), _| *process != op.process || assigned.contains(key));
                for key in assigned {
                    positions.entry((op.process, key)).or_insert(-1);
                }
            } else if op.is_transfer() && op.begin.f != "send" {
                for key in self.keys.iter().filter(|key| op.is_polled(key)) {
                    positions.entry((op.process, key.clone())).or_insert(-1);
                }
                for Mention { key, offset, .. } in op.mentions() {
                    let offset = offset.unwrap();
                    let position = positions.entry((op.process, key)).or_insert(offset);
                    *position = offset.max(*position);
                }
                for ((_, key), position) in
                    positions.iter().filter(|((process, _), _)| *process == op.process)
                {
                    let since = self.known_since(key, *position);
                    worst = worst.max(since.map_or(0, |since| op.begin.time.saturating_sub(since)));
                }
            }
        }
        worst
    }

    /// When an offset above this one was first shown to exist.
    fn known_since(&self, key: &str, position: i64) -> Option<u64> {
        let shows = |op: &&Whole| {
            let above =
                |m: &Mention| m.key == key && m.offset.is_some_and(|offset| offset > position);
            op.kind != OpType::Fail && op.mentions().iter().any(above)
        };
        self.ops.iter().find(shows).map(|op| op.end.as_ref().unwrap().time)
    }
}

type Counts = BTreeMap<&'static str, usize>;

fn add(counts: &mut Counts, kind: &'static str, count: usize) {
    *counts.entry(kind).or_default() += count;
}

/// Counts steps over messages, if those are wrong, and steps that do not go forwards.
fn add_steps(counts: &mut Counts, deltas: &[i64], skips: Option<&'static str>, back: &'static str) {
    if let Some(skips) = skips {
        add(counts, skips, deltas.iter().filter(|delta| **delta > 1).count());
    }
    add(counts, back, deltas.iter().filter(|delta| **delta < 1).count());
}

/// Adds what follows from following two edges.
fn close(reach: &mut [Vec<bool>]) {
    let n = reach.len();
    for via in 0..n {
        for from in 0..n {
            for to in 0..n {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
}
