//! Writing a trace.
//!
//! This is done for every message of a run, so lines are put together by hand: a
//! message costs no more than copying its body.

use std::fmt::Display;
use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use maelstrom::protocol::LooseHeader;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::net::{Address, Happening, Message, What};

/// A longer body is left out.
const LONGEST_BODY: usize = 16 << 10;
/// A longer line of a log is cut.
const LONGEST_LINE: usize = 1000;

/// Lines of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceLines {
    /// Their text, each with its line break.
    pub text: Vec<u8>,
    /// How many messages there are among them.
    pub messages: u64,
    /// Where in the text lines of logs stand, in order. A node may log any number of them.
    pub logs: Vec<Range<usize>>,
    /// The others among them once more, on nodes and faults, which are kept whatever the
    /// limit.
    pub skeleton: Vec<u8>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    Log,
    /// Nodes and faults.
    Skeleton,
}

/// Takes down what happens.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    lines: TraceLines,
    /// When the history's clock began.
    origin: Option<Duration>,
    /// What happened before it did.
    early: Vec<(Duration, Kind, Vec<u8>)>,
    /// The faults in force.
    faults: Vec<String>,
}

impl Tape {
    /// The history's clock begins.
    pub(crate) fn begin(&mut self, origin: Duration) {
        self.origin = Some(origin);
        for (time, kind, rest) in std::mem::take(&mut self.early) {
            self.write(time, kind, |text| text.extend(rest));
        }
    }

    /// What was taken down since the last call, if anything was. Without a history's
    /// clock there is none yet, unless the run `is_over`.
    pub(crate) fn take(&mut self, is_over: bool) -> Option<TraceLines> {
        if is_over && self.origin.is_none() {
            self.begin(Duration::ZERO);
        }
        (!self.lines.text.is_empty()).then(|| std::mem::take(&mut self.lines))
    }

    pub(crate) fn happening(&mut self, Happening { time, what }: &Happening) {
        let by_id = |text: &mut Vec<u8>, event: &str, id: &u64, rest: &dyn Display| {
            let _ = writeln!(text, r#""{event}","id":{id}{rest}}}"#);
        };
        let origin = self.origin.unwrap_or_default();
        let until = |time: &Duration| format!(r#","until":{}"#, nanos(*time, origin));
        let by = |cause: &crate::net::Cause| format!(r#","by":"{}""#, cause.name());
        self.lines.messages += u64::from(matches!(what, What::Sent(..)));
        self.line(*time, |text| match what {
            What::Sent(message, op) => {
                let _ = write!(text, r#""send","id":{},"#, message.id);
                write_message(text, message, *op);
            }
            What::Received(id) => by_id(text, "recv", id, &""),
            What::Dropped(id, cause) => by_id(text, "drop", id, &by(cause)),
            What::Delayed(id, cause, time) => {
                by_id(text, "delay", id, &(by(cause) + &until(time)));
            }
            What::Duplicated(id, time) => by_id(text, "duplicate", id, &until(time)),
        });
    }

    /// A client that gave up is told something.
    pub(crate) fn late(&mut self, src: Address, dest: Address, body: &RawValue, time: Duration) {
        let message = Message { id: 0, src, dest, body: body.to_owned() };
        self.lines.messages += 1;
        self.line(time, |text| {
            text.extend_from_slice(br#""late","#);
            write_message(text, &message, None);
        });
    }

    /// Something happens to a node.
    pub(crate) fn node(&mut self, event: &str, node: usize, time: Duration) {
        self.bone(time, |text| drop(writeln!(text, r#""{event}","node":"n{node}"}}"#)));
    }

    /// A node did what ended the run.
    pub(crate) fn exit(&mut self, node: usize, why: &str, time: Duration) {
        let why = json(&why);
        self.bone(time, |text| drop(writeln!(text, r#""exit","node":"n{node}","text":{why}}}"#)));
    }

    /// A node logged a line.
    pub(crate) fn log(&mut self, node: usize, line: &[u8], time: Duration) {
        let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
        let line = json(&line);
        self.take_down(time, Kind::Log, |text| {
            let _ = writeln!(text, r#""log","node":"n{node}","line":{line}}}"#);
        });
    }

    /// A fault begins, and hits these nodes and these links; without both, all links.
    pub(crate) fn fault(
        &mut self,
        fault: &str,
        nodes: Option<&[usize]>,
        links: Option<&[(Address, Address)]>,
        time: Duration,
    ) {
        let name = |address: &Address| address.to_string();
        let nodes = nodes.map(|all| json(&all.iter().map(|n| format!("n{n}")).collect::<Vec<_>>()));
        let pairs = |all: &[(Address, Address)]| {
            json(&all.iter().map(|(src, dest)| (name(src), name(dest))).collect::<Vec<_>>())
        };
        let nodes = nodes.map(|nodes| format!(r#","nodes":{nodes}"#)).unwrap_or_default();
        let links = links.map(|l| format!(r#","links":{}"#, pairs(l))).unwrap_or_default();
        self.faults.retain(|other| other != fault);
        self.faults.push(fault.to_owned());
        self.bone(time, |text| {
            let _ = writeln!(text, r#""fault","fault":"{fault}"{nodes}{links}}}"#);
        });
    }

    /// A fault ends, if it is in force.
    pub(crate) fn fault_end(&mut self, fault: &str, time: Duration) {
        let Some(place) = self.faults.iter().position(|other| other == fault) else { return };
        self.faults.remove(place);
        self.bone(time, |text| drop(writeln!(text, r#""fault-end","fault":"{fault}"}}"#)));
    }

    /// A line of the skeleton.
    fn bone(&mut self, time: Duration, rest: impl FnOnce(&mut Vec<u8>)) {
        self.take_down(time, Kind::Skeleton, rest);
    }

    fn line(&mut self, time: Duration, rest: impl FnOnce(&mut Vec<u8>)) {
        self.take_down(time, Kind::Message, rest);
    }

    fn take_down(&mut self, time: Duration, kind: Kind, rest: impl FnOnce(&mut Vec<u8>)) {
        if self.origin.is_some() {
            return self.write(time, kind, rest);
        }
        let mut line = Vec::new();
        rest(&mut line);
        self.early.push((time, kind, line));
    }

    fn write(&mut self, time: Duration, kind: Kind, rest: impl FnOnce(&mut Vec<u8>)) {
        let time = nanos(time, self.origin.unwrap_or_default());
        let TraceLines { text, skeleton, logs, .. } = &mut self.lines;
        let begin = text.len();
        let _ = write!(text, r#"{{"time":{time},"event":"#);
        rest(text);
        match kind {
            Kind::Message => {}
            Kind::Log => logs.push(begin..text.len()),
            Kind::Skeleton => skeleton.extend_from_slice(&text[begin..]),
        }
    }
}

/// A time on the history's clock.
fn nanos(time: Duration, origin: Duration) -> i64 {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    nanos(time) - nanos(origin)
}

fn write_message(text: &mut Vec<u8>, message: &Message, op: Option<u64>) {
    let Message { src, dest, body, .. } = message;
    let _ = write!(text, r#""src":"{src}","dest":"{dest}","#);
    if let Some(op) = op {
        let _ = write!(text, r#""op":{op},"#);
    }
    let body = body.get();
    if body.len() > LONGEST_BODY {
        let header = LooseHeader::read(body).unwrap_or_default();
        let _ = write!(text, r#""type":{}"#, json(&header.kind()));
        for (name, id) in [("msg_id", header.msg_id), ("in_reply_to", header.in_reply_to)] {
            if let Some(id) = id {
                let _ = write!(text, r#","{name}":{id}"#);
            }
        }
        let _ = writeln!(text, r#","bytes":{}}}"#, body.len());
    } else {
        text.extend_from_slice(br#""body":"#);
        text.extend_from_slice(body.as_bytes());
        text.extend_from_slice(b"}\n");
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
