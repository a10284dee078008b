//! Reading a trace.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use maelstrom::protocol::LooseHeader;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::net::{Address, Cause};

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadTraceError {
    /// It could not be read at all.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line of it is none of a trace.
    #[error("line {line} of the trace: {source}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What happened in a run. Times are nanoseconds on the history's clock.
#[derive(Debug, Default)]
pub struct Trace {
    /// Messages in the order in which they were sent.
    pub messages: Vec<Sent>,
    /// What clients were told that had given up; without ids.
    pub late: Vec<Sent>,
    /// What happened to nodes, in order.
    pub nodes: Vec<NodeEvent>,
    /// Lines that nodes logged, in order.
    pub logs: Vec<LogLine>,
    /// Faults by when they began.
    pub faults: Vec<Spell>,
    /// Where something was left out, in order.
    pub gaps: Vec<Gap>,
    /// When what happened, in order. What happened at one time has an order, too.
    pub order: Vec<(i64, Moment)>,
    places: FxHashMap<u64, usize>,
}

/// What was left out, for want of space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// When it begins.
    pub time: i64,
    /// How many messages.
    pub messages: u64,
    /// How many lines that nodes logged.
    pub logs: u64,
}

/// Something that happened; each has its place in one of a trace's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// One of the messages was sent.
    Sent(usize),
    /// It was received.
    Received(usize),
    /// It was lost.
    Dropped(usize),
    /// One of the late answers was given.
    Late(usize),
    /// Something happened to a node.
    Node(usize),
    /// A node logged a line.
    Log(usize),
    /// A fault began.
    Fault(usize),
    /// A fault ended.
    FaultEnd(usize),
}

/// A message, and what became of it.
#[derive(Debug)]
pub struct Sent {
    /// Counts the messages of a run.
    pub id: u64,
    /// When it was sent.
    pub time: i64,
    /// Who sent it.
    pub src: Address,
    /// To whom.
    pub dest: Address,
    /// Of a client's request, the index of the operation that it is for.
    pub op: Option<u64>,
    /// What it says, as it was written; one that was left out has only its type and numbers.
    pub body: Box<str>,
    /// Of a body that was left out, because it is long, how many bytes it had.
    pub left_out: Option<u64>,
    /// Its place in the trace: at equal times, what happened first comes first.
    pub line: u64,
    /// When it was received, perhaps more than once.
    pub receipts: Vec<i64>,
    /// When it was first received, by place in the trace.
    pub arrived: Option<u64>,
    /// When it was lost, and why.
    pub dropped: Option<(i64, Cause)>,
    /// Until when it was held back, and why.
    pub delayed: Option<(i64, Cause)>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was received, first at this time.
    Received(i64),
    /// It was lost at this time.
    Dropped(i64, Cause),
    /// It was under way when the run ended, or nobody looked at it.
    Unread,
}

impl Sent {
    /// What became of it.
    pub fn fate(&self) -> Fate {
        match (self.receipts.first(), self.dropped) {
            (Some(time), _) => Fate::Received(*time),
            (None, Some((time, cause))) => Fate::Dropped(time, cause),
            (None, None) => Fate::Unread,
        }
    }

    /// Its type.
    pub fn kind(&self) -> String {
        LooseHeader::read(&self.body).unwrap_or_default().kind().into_owned()
    }
}

/// What happened to a node.
#[derive(Clone, Debug)]
pub struct NodeEvent {
    /// When.
    pub time: i64,
    /// To which node.
    pub node: usize,
    /// `start`, `ready`, `kill`, `pause`, `resume` or `exit`.
    pub event: String,
    /// Of an `exit`, what it did.
    pub text: String,
    /// Its place in the trace.
    pub line: u64,
}

/// A line that a node logged.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When it was read.
    pub time: i64,
    /// Whose it is.
    pub node: usize,
    /// What it says.
    pub line: String,
}

/// A fault from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub struct Spell {
    /// Its name on the command line.
    pub fault: String,
    /// When it began.
    pub from: i64,
    /// When it ended; `None` if it lasted to the end of the run.
    pub until: Option<i64>,
    /// The nodes that it hit, if it is one of nodes.
    pub nodes: Option<Vec<usize>>,
    /// The links that it hit, sender and receiver, if it is one of some links.
    pub links: Option<Vec<(Address, Address)>>,
}

impl Spell {
    /// Whether it was in force at this time.
    pub fn covers(&self, time: i64) -> bool {
        self.from <= time && self.until.is_none_or(|until| time < until)
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    time: i64,
    event: &'a str,
    #[serde(default)]
    id: u64,
    src: Option<&'a str>,
    dest: Option<&'a str>,
    op: Option<u64>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    msg_id: Option<&'a RawValue>,
    #[serde(borrow)]
    in_reply_to: Option<&'a RawValue>,
    bytes: Option<u64>,
    by: Option<&'a str>,
    #[serde(default)]
    until: i64,
    node: Option<&'a str>,
    #[serde(default)]
    line: String,
    #[serde(default)]
    text: String,
    fault: Option<&'a str>,
    nodes: Option<Vec<&'a str>>,
    links: Option<Vec<(&'a str, &'a str)>>,
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    logs: u64,
}

impl Trace {
    /// The time of a line, without reading the rest of it.
    pub fn time_of(line: &[u8]) -> Option<i64> {
        let rest = line.strip_prefix(br#"{"time":"#)?;
        let end = rest.iter().position(|byte| *byte == b',')?;
        str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }

    /// Reads a trace. A last line without its line break, of a run that was cut short,
    /// counts for nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a line is none of a trace.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadTraceError> {
        let mut reader = Reader::default();
        let mut text = Vec::new();
        let mut number = 0;
        while input.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
            number += 1;
            let line = serde_json::from_slice(&text)
                .map_err(|source| ReadTraceError::Line { line: number, source })?;
            reader.number = number;
            reader.take(&line);
            text.clear();
        }
        Ok(reader.trace)
    }

    /// When messages were left out.
    pub(crate) fn gaps_of_messages(&self) -> impl Iterator<Item = i64> {
        self.gaps.iter().filter(|gap| gap.messages > 0).map(|gap| gap.time)
    }

    /// The message with this id.
    pub fn message(&self, id: u64) -> Option<&Sent> {
        self.places.get(&id).map(|place| &self.messages[*place])
    }
}

#[derive(Default)]
struct Reader {
    trace: Trace,
    /// The line's number.
    number: u64,
    /// The places of the faults in force.
    faults: BTreeMap<String, usize>,
}

impl Reader {
    fn take(&mut self, line: &Line<'_>) {
        match line.event {
            "send" | "late" => self.sent(line),
            "recv" | "drop" | "delay" => self.became(line),
            "log" => {
                let Some(node) = line.node.and_then(number) else { return };
                let (time, line) = (line.time, line.line.clone());
                self.happens(time, Moment::Log(self.trace.logs.len()));
                self.trace.logs.push(LogLine { time, node, line });
            }
            "fault" | "fault-end" => self.fault(line),
            "gap" => {
                let Line { time, messages, logs, .. } = *line;
                self.trace.gaps.push(Gap { time, messages, logs });
            }
            event => {
                let Some(node) = line.node.and_then(number) else { return };
                let (event, text) = (event.to_owned(), line.text.clone());
                let (time, line) = (line.time, self.number);
                self.happens(time, Moment::Node(self.trace.nodes.len()));
                self.trace.nodes.push(NodeEvent { time, node, event, text, line });
            }
        }
    }

    fn happens(&mut self, time: i64, moment: Moment) {
        self.trace.order.push((time, moment));
    }

    fn sent(&mut self, line: &Line<'_>) {
        let address = |name: Option<&str>| name.and_then(Address::parse);
        let (Some(src), Some(dest)) = (address(line.src), address(line.dest)) else { return };
        let sent = Sent {
            id: line.id,
            time: line.time,
            src,
            dest,
            op: line.op,
            body: line.body.map_or_else(|| header(line), |body| body.get().to_owned()).into(),
            left_out: line.bytes.filter(|_| line.body.is_none()),
            line: self.number,
            receipts: Vec::new(),
            arrived: None,
            dropped: None,
            delayed: None,
        };
        if line.event == "late" {
            self.happens(line.time, Moment::Late(self.trace.late.len()));
            return self.trace.late.push(sent);
        }
        self.happens(line.time, Moment::Sent(self.trace.messages.len()));
        self.trace.places.insert(line.id, self.trace.messages.len());
        self.trace.messages.push(sent);
    }

    /// Of a message whose sending was left out nothing is kept.
    fn became(&mut self, line: &Line<'_>) {
        let Some(&place) = self.trace.places.get(&line.id) else { return };
        let message = &mut self.trace.messages[place];
        let cause = Cause::ALL.into_iter().find(|cause| Some(cause.name()) == line.by);
        match (line.event, cause) {
            ("recv", _) => {
                message.receipts.push(line.time);
                message.arrived.get_or_insert(self.number);
                self.happens(line.time, Moment::Received(place));
            }
            ("drop", Some(cause)) => {
                message.dropped = Some((line.time, cause));
                self.happens(line.time, Moment::Dropped(place));
            }
            ("delay", Some(cause)) => message.delayed = Some((line.until, cause)),
            _ => {}
        }
    }

    fn fault(&mut self, line: &Line<'_>) {
        let Some(fault) = line.fault.map(str::to_owned) else { return };
        if let Some(place) = self.faults.remove(&fault) {
            self.trace.faults[place].until = Some(line.time);
            self.happens(line.time, Moment::FaultEnd(place));
        }
        if line.event == "fault" {
            self.happens(line.time, Moment::Fault(self.trace.faults.len()));
            self.faults.insert(fault.clone(), self.trace.faults.len());
            let nodes = line.nodes.as_ref().map(|all| all.iter().filter_map(|n| number(n)));
            let pair =
                |(src, dest): &(&str, &str)| Some((Address::parse(src)?, Address::parse(dest)?));
            self.trace.faults.push(Spell {
                fault,
                from: line.time,
                until: None,
                nodes: nodes.map(Iterator::collect),
                links: line.links.as_ref().map(|all| all.iter().filter_map(pair).collect()),
            });
        }
    }
}

/// What there is of a body that was left out.
fn header(line: &Line<'_>) -> String {
    let members = [("type", line.kind), ("msg_id", line.msg_id), ("in_reply_to", line.in_reply_to)];
    let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    serde_json::to_string(&members.collect::<BTreeMap<_, _>>()).unwrap_or_default()
}

fn number(name: &str) -> Option<usize> {
    match Address::parse(name)? {
        Address::Node(number) => Some(number),
        _ => None,
    }
}
