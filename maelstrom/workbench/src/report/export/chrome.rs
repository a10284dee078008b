//! Chrome's trace events, in JSON, which [Perfetto](https://ui.perfetto.dev) shows as well.
//!
//! Everybody on the network is a process there. Messages are slices where they are sent
//! and where they are received, with a flow from one to the other; operations are slices
//! of their clients; faults are slices of a process of their own, and what happens to
//! nodes is an instant. A message that was not received has no flow, and says why.
//!
//! The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use std::collections::BTreeMap;
use std::io::{self, Write};

use checkers::history::{Op, OpType, Process};
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::value::RawValue;
use simulator::Address;
use simulator::trace::{Fate, Moment, Sent, Spell, Trace};

use super::{Selection, fate, finish};

/// The process of faults; everybody else has a number above.
const FAULTS: usize = 1;
/// The thread of messages, and of what happens to nodes.
const MESSAGES: usize = 1;
/// The thread of operations.
const OPERATIONS: usize = 2;
/// How long it takes to send or receive a message, in microseconds: a nanosecond, so that
/// no two are at work at a time unless they are at the same.
const INSTANT: f64 = 0.001;

/// An event, by the format's names.
#[derive(Serialize, Default)]
struct Event<'a> {
    ph: &'a str,
    pid: usize,
    tid: usize,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// Of an instant, how much it is about: a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    /// Of the end of a flow, that it belongs to the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    cat: &'a str,
    name: &'a str,
    args: Args<'a>,
}

/// What a viewer shows beside an event.
#[derive(Serialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Args<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<OpType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Vec<[String; 2]>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

/// Writes the events of a part of a run.
pub(crate) fn write(
    output: impl Write,
    trace: &Trace,
    history: &[Op],
    selection: &Selection,
) -> io::Result<()> {
    let moments = selection.moments(trace);
    let mut writer = Writer {
        output,
        origin: moments.first().map_or(0, |(time, _)| (*time).min(0)),
        end: trace.order.last().map_or(0, |(time, _)| *time),
        processes: BTreeMap::new(),
        faults: BTreeMap::new(),
        flows: 0,
        under_way: FxHashMap::default(),
        is_first: true,
    };
    writer.output.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    for (time, moment) in moments {
        writer.moment(trace, time, moment)?;
    }
    let mut faults = trace.faults.iter().filter(|spell| selection.overlaps(spell));
    faults.try_for_each(|spell| writer.fault(spell))?;
    writer.operations(trace, history, selection)?;
    writer.names()?;
    finish(writer.output, "\n]}\n")
}

impl Selection {
    fn overlaps(&self, spell: &Spell) -> bool {
        spell.from <= self.to && spell.until.is_none_or(|until| self.from <= until)
    }
}

struct Writer<W> {
    output: W,
    /// What is 0 in the file, which knows no times before.
    origin: i64,
    /// When the trace ends.
    end: i64,
    processes: BTreeMap<Address, usize>,
    /// The threads of faults.
    faults: BTreeMap<String, usize>,
    /// How many there are.
    flows: u64,
    /// Of messages under way, their flows: one for each receipt.
    under_way: FxHashMap<usize, Vec<u64>>,
    is_first: bool,
}

impl<W: Write> Writer<W> {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.output.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        Ok(serde_json::to_writer(&mut self.output, event)?)
    }

    /// Microseconds.
    fn at(&self, time: i64) -> f64 {
        (time - self.origin) as f64 / 1e3
    }

    fn process(&mut self, address: Address) -> usize {
        let next = FAULTS + 1 + self.processes.len();
        *self.processes.entry(address).or_insert(next)
    }

    fn moment(&mut self, trace: &Trace, time: i64, moment: Moment) -> io::Result<()> {
        match moment {
            Moment::Sent(place) => self.sent(&trace.messages[place], place),
            Moment::Received(place) => self.received(&trace.messages[place], place, time),
            Moment::Dropped(_) | Moment::Fault(_) | Moment::FaultEnd(_) => Ok(()),
            Moment::Late(place) => {
                let sent = &trace.late[place];
                let args = Args { to: Some(sent.dest.to_string()), ..about(sent) };
                self.slice(sent.src, time, &format!("{}, too late", sent.kind()), args)
            }
            Moment::Node(place) => {
                let event = &trace.nodes[place];
                self.instant(event.node, time, &event.event, &event.text)
            }
            Moment::Log(place) => {
                let line = &trace.logs[place];
                self.instant(line.node, time, &line.line, "")
            }
        }
    }

    fn slice(&mut self, whose: Address, time: i64, name: &str, args: Args<'_>) -> io::Result<()> {
        let (pid, ts, dur) = (self.process(whose), self.at(time), Some(INSTANT));
        let (ph, tid, cat) = ("X", MESSAGES, "message");
        self.event(&Event { ph, pid, tid, ts, dur, cat, name, args, ..Event::default() })
    }

    fn instant(&mut self, node: usize, time: i64, name: &str, text: &str) -> io::Result<()> {
        let (pid, ts, s) = (self.process(Address::Node(node)), self.at(time), Some("p"));
        let (ph, tid, cat, args) = ("i", MESSAGES, "node", Args { text, ..Args::default() });
        self.event(&Event { ph, pid, tid, ts, s, cat, name, args, ..Event::default() })
    }

    fn sent(&mut self, sent: &Sent, place: usize) -> io::Result<()> {
        let name = match sent.fate() {
            Fate::Received(_) => sent.kind(),
            Fate::Dropped(_, cause) => format!("{}, lost ({})", sent.kind(), cause.name()),
            Fate::Unread => format!("{}, never received", sent.kind()),
        };
        let (to, fate) = (Some(sent.dest.to_string()), Some(fate(sent)));
        self.slice(sent.src, sent.time, &name, Args { to, fate, ..about(sent) })?;
        let first = self.flows + 1;
        self.flows += sent.receipts.len() as u64;
        self.under_way.insert(place, (first..=self.flows).rev().collect());
        (first..=self.flows).try_for_each(|flow| self.flow("s", sent.src, sent.time, flow))
    }

    fn received(&mut self, sent: &Sent, place: usize, time: i64) -> io::Result<()> {
        let args = Args { from: Some(sent.src.to_string()), ..about(sent) };
        self.slice(sent.dest, time, &sent.kind(), args)?;
        match self.under_way.get_mut(&place).and_then(Vec::pop) {
            Some(flow) => self.flow("f", sent.dest, time, flow),
            None => Ok(()),
        }
    }

    /// One end of a flow, in the slice that begins at this time.
    fn flow(&mut self, ph: &str, whose: Address, time: i64, id: u64) -> io::Result<()> {
        let (pid, ts, tid, id) = (self.process(whose), self.at(time), MESSAGES, Some(id));
        let (cat, name, bp) = ("message", "message", Some("e"));
        self.event(&Event { ph, pid, tid, ts, id, bp, cat, name, ..Event::default() })
    }

    /// A slice on the thread of its kind.
    fn fault(&mut self, spell: &Spell) -> io::Result<()> {
        let next = 1 + self.faults.len();
        let tid = *self.faults.entry(spell.fault.clone()).or_insert(next);
        let from = spell.from.max(self.origin);
        let ts = self.at(from);
        let dur = Some(self.at(spell.until.unwrap_or(self.end).max(from)) - ts);
        let pair = |(src, dest): &(Address, Address)| [src.to_string(), dest.to_string()];
        let name = |node: &usize| Address::Node(*node).to_string();
        let args = Args {
            nodes: spell.nodes.as_ref().map(|nodes| nodes.iter().map(name).collect()),
            links: spell.links.as_ref().map(|links| links.iter().map(pair).collect()),
            ..Args::default()
        };
        let (ph, pid, cat, name) = ("X", FAULTS, "fault", &*spell.fault);
        self.event(&Event { ph, pid, tid, ts, dur, cat, name, args, ..Event::default() })
    }

    /// Operations of clients whose requests are in the part.
    fn operations(
        &mut self,
        trace: &Trace,
        history: &[Op],
        selection: &Selection,
    ) -> io::Result<()> {
        let wanted = trace.messages.iter().filter(|sent| selection.has(sent));
        let clients: FxHashMap<u64, Address> =
            wanted.filter_map(|sent| Some((sent.op?, sent.src))).collect();
        let mut open: BTreeMap<Process, &Op> = BTreeMap::new();
        for op in history.iter().filter(|op| op.process.is_client()) {
            if op.is_invocation() {
                open.insert(op.process, op);
            } else if let Some(began) = open.remove(&op.process) {
                self.operation(&clients, began, Some(op))?;
            }
        }
        open.into_values().try_for_each(|began| self.operation(&clients, began, None))
    }

    fn operation(
        &mut self,
        clients: &FxHashMap<u64, Address>,
        began: &Op,
        ended: Option<&Op>,
    ) -> io::Result<()> {
        let Some(&client) = clients.get(&began.index) else { return Ok(()) };
        let nanos = |op: &Op| i64::try_from(op.time).unwrap_or(i64::MAX);
        let (pid, ts) = (self.process(client), self.at(nanos(began)));
        let dur = Some((self.at(ended.map_or(self.end, nanos)) - ts).max(INSTANT));
        let args = Args {
            process: Some(began.process.to_string()),
            index: Some(began.index),
            value: Some(&began.value),
            ended: ended.map(|op| op.kind),
            result: ended.map(|op| &*op.value),
            error: ended.and_then(|op| op.error.as_deref()),
            ..Args::default()
        };
        let (ph, tid, cat, name) = ("X", OPERATIONS, "operation", &*began.f);
        self.event(&Event { ph, pid, tid, ts, dur, cat, name, args, ..Event::default() })
    }

    /// What processes and threads are called.
    fn names(&mut self) -> io::Result<()> {
        self.name("process_name", FAULTS, 0, "faults")?;
        for (fault, tid) in std::mem::take(&mut self.faults) {
            self.name("thread_name", FAULTS, tid, &fault)?;
        }
        for (address, pid) in std::mem::take(&mut self.processes) {
            self.name("process_name", pid, 0, &address.to_string())?;
            self.name("thread_name", pid, MESSAGES, "messages")?;
            if address.is_client() {
                self.name("thread_name", pid, OPERATIONS, "operations")?;
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &str, pid: usize, tid: usize, called: &str) -> io::Result<()> {
        let args = Args { name: Some(called), ..Args::default() };
        self.event(&Event { ph: "M", pid, tid, name, args, ..Event::default() })
    }
}

fn about(sent: &Sent) -> Args<'_> {
    let body = serde_json::from_str(&sent.body).ok();
    Args { message: Some(sent.id), body, ..Args::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::tests::{ALL, small};
    use super::*;

    fn events(selection: &Selection) -> Vec<Value> {
        let history = r#"{"index":0,"time":1500000,"type":"invoke","process":4,"f":"add","value":7}
{"index":1,"time":7500000,"type":"ok","process":4,"f":"add","value":7}"#;
        let history: Vec<Op> =
            history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut output = Vec::new();
        write(&mut output, &small(), &history, selection).unwrap();
        let mut all: Value = serde_json::from_slice(&output).unwrap();
        all["traceEvents"].as_array_mut().unwrap().drain(..).collect()
    }

    /// The flows that begin or end.
    fn flows(events: &[Value], ph: &str) -> Vec<u64> {
        let all = events.iter().filter(|event| event["ph"] == ph);
        all.map(|event| event["id"].as_u64().unwrap()).collect()
    }

    #[test]
    fn every_flow_begins_and_ends_once_in_a_slice() {
        for part in [ALL, Selection { from: 3_000_001, ..ALL }] {
            let events = events(&part);
            let (starts, ends) = (flows(&events, "s"), flows(&events, "f"));
            assert!(!starts.is_empty() && starts.len() == ends.len());
            let distinct: BTreeSet<u64> = starts.iter().copied().collect();
            assert_eq!(distinct.len(), starts.len());
            assert_eq!(distinct, ends.iter().copied().collect());
            for flow in
                events.iter().filter(|event| ["s", "f"].map(Some).contains(&event["ph"].as_str()))
            {
                let is_around = |slice: &&Value| {
                    slice["ph"] == "X"
                        && ["pid", "tid", "ts"].iter().all(|key| slice[key] == flow[key])
                };
                assert!(events.iter().any(|event| is_around(&event)), "{flow}");
            }
        }
    }

    /// What the format asks of each phase of an event that is written.
    #[test]
    fn every_event_has_what_its_phase_needs_and_slices_of_a_thread_nest() {
        let mut threads: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
        for event in events(&ALL) {
            let needs: &[&str] = match event["ph"].as_str().unwrap() {
                "X" => &["name", "ts", "dur", "pid", "tid"],
                "i" => &["name", "ts", "s", "pid", "tid"],
                "s" => &["name", "cat", "id", "ts", "pid", "tid"],
                "f" => &["name", "cat", "id", "ts", "bp", "pid", "tid"],
                "M" => &["name", "pid", "args"],
                other => panic!("{other} is no phase that is written"),
            };
            assert!(needs.iter().all(|name| !event[*name].is_null()), "{event}");
            if event["ph"] == "X" {
                let number = |name: &str| event[name].as_u64().unwrap();
                let (begin, dur) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                assert!(dur >= 0.0, "{event}");
                let of_thread = threads.entry((number("pid"), number("tid"))).or_default();
                of_thread.push((begin, begin + dur));
            }
        }
        for slices in threads.values() {
            for (one, other) in slices.iter().flat_map(|one| slices.iter().map(move |o| (one, o))) {
                let is_apart = one.1 <= other.0 || other.1 <= one.0;
                let is_within = one.0 <= other.0 && other.1 <= one.1;
                let is_around = other.0 <= one.0 && one.1 <= other.1;
                assert!(is_apart || is_within || is_around, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn operations_faults_and_nodes_have_their_places() {
        let events = events(&ALL);
        let find = |name: &str| events.iter().find(|event| event["name"] == name).unwrap();
        let called = |pid: &Value| {
            let name = |event: &&Value| event["name"] == "process_name" && event["pid"] == *pid;
            events.iter().find(name).unwrap()["args"]["name"].clone()
        };
        // The node started a millisecond before the history's clock.
        let operation = events.iter().find(|event| event["cat"] == "operation").unwrap();
        assert_eq!((&operation["ts"], &operation["dur"]), (&json!(2500.0), &json!(6000.0)));
        assert_eq!(called(&operation["pid"]), "c3");
        assert_eq!(operation["args"]["ended"], "ok");
        let fault = find("partition");
        assert_eq!((&fault["ph"], &fault["dur"]), (&json!("X"), &json!(3000.0)));
        assert_eq!(fault["args"]["links"], json!([["n0", "n2"]]));
        let lost = find("gossip, lost (partition)");
        assert_eq!((called(&lost["pid"]), &lost["args"]["to"]), (json!("n0"), &json!("n2")));
        assert_eq!(find("start")["ph"], "i");
        assert_eq!(called(&find("a\u{7}b <&>")["pid"]), "n2");
        assert!(events.iter().all(|event| event["ts"].as_f64().unwrap() >= 0.0));
    }
}
