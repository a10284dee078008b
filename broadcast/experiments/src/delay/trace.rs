//! What happened to each value of a run, and to nodes and links.
//!
//! A value has reached a node at the moment at which the node is handed the first
//! message that contains it, be it from a client or from another node, or when it
//! goes on if it is paused just then: a read would show it from then on, because
//! nodes take values in as they come. That is
//! checked as the run goes: whenever a node that was never killed answers a read,
//! it has to show at least as many values as had reached it when it was handed the
//! request, and at most as many as have by now.
//!
//! When nodes and links were up is taken from the fault injector's operations in
//! the history: partitions, kills and pauses. Their times count from the start of
//! the test, those of messages from the start of the run; the first request tells
//! the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broadcast::wire::Spread;
use checkers::history::{Op, Process};
use serde::Deserialize;
use serde_json::value::RawValue;
use simulator::{Address, Message, Observer, Traffic, TrafficEvent};

use super::flood::Network;

/// The fate of one value.
#[derive(Debug)]
pub(super) struct Fate {
    /// Where a client sent it to.
    pub(super) origin: usize,
    /// When it came there.
    pub(super) came: Duration,
    /// When it reached each node first.
    pub(super) reached: Vec<Option<Duration>>,
}

/// What was seen of a run.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) network: Network,
    pub(super) fates: BTreeMap<Box<str>, Fate>,
    /// What could not be right about a read.
    pub(super) contradiction: Option<String>,
    /// How many values reached each node.
    held: Vec<usize>,
    /// How many had, when it was handed the read that this client waits for.
    asked: BTreeMap<u64, usize>,
    killed: BTreeSet<usize>,
    /// Which nodes are paused, and the values that wait for them to go on.
    paused: BTreeMap<usize, Vec<Box<str>>>,
    /// Operations of the fault injector so far: every other one tells what was
    /// done.
    faults: usize,
    /// The time of the first operation, in the history.
    first: Option<Duration>,
    /// When the history begins.
    origin: Option<Duration>,
    /// What was done before that is known.
    early: Vec<Op>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
}

type Grudge = BTreeMap<String, Vec<String>>;

impl Trace {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            network: Network::new(nodes),
            fates: BTreeMap::new(),
            contradiction: None,
            held: vec![0; nodes],
            asked: BTreeMap::new(),
            killed: BTreeSet::new(),
            paused: BTreeMap::new(),
            faults: 0,
            first: None,
            origin: None,
            early: Vec::new(),
        }
    }

    fn on_request(&mut self, client: u64, node: usize, body: &RawValue, now: Duration) {
        match serde_json::from_str(body.get()) {
            Ok(Body { kind: "broadcast", message: Some(value), .. }) => {
                let nodes = self.network.len();
                let fate = || Fate { origin: node, came: now, reached: vec![None; nodes] };
                self.fates.entry(value.get().into()).or_insert_with(fate);
                self.reach(value.get(), node, now);
            }
            Ok(Body { kind: "read", .. }) => {
                self.asked.insert(client, self.held[node]);
            }
            _ => {}
        }
    }

    fn on_message(&mut self, node: usize, body: &RawValue, now: Duration) {
        let Ok(Body { kind: "spread", .. }) = serde_json::from_str(body.get()) else { return };
        let Ok(spread) = serde_json::from_str::<Spread>(body.get()) else { return };
        for value in spread.runs.iter().flat_map(|run| &run.values) {
            self.reach(value.get(), node, now);
        }
    }

    fn reach(&mut self, value: &str, node: usize, now: Duration) {
        if let Some(waiting) = self.paused.get_mut(&node) {
            waiting.push(value.into());
            return;
        }
        let Some(fate) = self.fates.get_mut(value) else { return };
        if fate.reached[node].is_none() {
            fate.reached[node] = Some(now);
            self.held[node] += 1;
        }
    }

    fn on_read(&mut self, client: u64, node: usize, body: &RawValue) {
        let Ok(Body { kind: "read_ok", messages: Some(shown), .. }) =
            serde_json::from_str(body.get())
        else {
            return;
        };
        let (Some(least), most) = (self.asked.remove(&client), self.held[node]) else { return };
        let shown = shown.len();
        if !(least..=most).contains(&shown) && !self.killed.contains(&node) {
            self.contradiction.get_or_insert(format!(
                "n{node} shows {shown} values, but from {least} to {most} have reached it"
            ));
        }
    }

    /// The history begins at this time.
    fn begin(&mut self, origin: Duration) {
        self.origin = Some(origin);
        for op in std::mem::take(&mut self.early) {
            self.on_fault(&op, origin + Duration::from_nanos(op.time));
        }
    }

    fn on_fault(&mut self, op: &Op, now: Duration) {
        let nodes = || op.decode::<Vec<String>>().unwrap_or_default();
        match &*op.f {
            "start-partition" => {
                self.heal(now);
                let (_, grudge): (String, Grudge) = op.decode().unwrap_or_default();
                self.cut(&grudge, now);
            }
            "stop-partition" => self.heal(now),
            "kill" => each(&nodes(), |node| self.kill(node, now)),
            "start" => each(&nodes(), |node| self.network.start(node, now)),
            "pause" => each(&nodes(), |node| {
                self.paused.insert(node, Vec::new());
                self.network.pause(node, now);
            }),
            "resume" => each(&nodes(), |node| self.resume(node, now)),
            _ => {}
        }
    }

    fn kill(&mut self, node: usize, now: Duration) {
        self.killed.insert(node);
        self.paused.remove(&node);
        self.network.kill(node, now);
    }

    fn resume(&mut self, node: usize, now: Duration) {
        self.network.resume(node, now);
        for value in self.paused.remove(&node).unwrap_or_default() {
            self.reach(&value, node, now);
        }
    }

    fn cut(&mut self, grudge: &Grudge, now: Duration) {
        for (receiver, senders) in grudge {
            let Some(receiver) = number(receiver) else { continue };
            each(senders, |sender| self.network.link(receiver, sender).end(now));
        }
    }

    fn heal(&mut self, now: Duration) {
        let nodes = self.network.len();
        for receiver in 0..nodes {
            (0..nodes).for_each(|sender| self.network.link(receiver, sender).begin(now));
        }
    }
}

fn number(name: &str) -> Option<usize> {
    match Address::parse(name)? {
        Address::Node(number) => Some(number),
        _ => None,
    }
}

fn each(names: &[String], act: impl FnMut(usize)) {
    names.iter().filter_map(|name| number(name)).for_each(act);
}

impl Observer for Trace {
    fn op(&mut self, op: &Op) {
        let time = Duration::from_nanos(op.time);
        if op.process != Process::Nemesis {
            self.first.get_or_insert(time);
            return;
        }
        self.faults += 1;
        if self.faults.is_multiple_of(2) {
            match self.origin {
                Some(origin) => self.on_fault(op, origin + time),
                None => self.early.push(op.clone()),
            }
        }
    }

    fn traffic(&mut self, traffic: &Traffic) {
        let Traffic { time, event, message } = traffic;
        let Message { src, dest, body, .. } = message;
        if let (Some(first), None, Address::Client(_)) = (self.first, self.origin, src) {
            self.begin(*time - first);
        }
        match (event, src, dest) {
            (TrafficEvent::Recv, &Address::Client(client), &Address::Node(node)) => {
                self.on_request(client, node, body, *time);
            }
            (TrafficEvent::Recv, Address::Node(_), &Address::Node(node)) => {
                self.on_message(node, body, *time);
            }
            (TrafficEvent::Send, &Address::Node(node), &Address::Client(client)) => {
                self.on_read(client, node, body);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::{OpType, null};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn body(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn op(process: Process, time: Duration, f: &'static str, value: Box<RawValue>) -> Op {
        Op {
            time: u64::try_from(time.as_nanos()).unwrap(),
            ..Op::new(process, OpType::Info, f, value)
        }
    }

    /// A run of two nodes whose history begins a second after the run itself.
    fn trace() -> Trace {
        let mut trace = Trace::new(2);
        trace.op(&op(Process::Client(0), Duration::ZERO, "read", null()));
        trace
    }

    fn tell(trace: &mut Trace, time: Duration, event: TrafficEvent, way: [&str; 2], text: &str) {
        let [src, dest] = way.map(|name| Address::parse(name).unwrap());
        let message = Message { id: 0, src, dest, body: body(text) };
        trace.traffic(&Traffic { time, event, message });
    }

    fn receive(trace: &mut Trace, time: Duration, way: [&str; 2], text: &str) {
        tell(trace, time, TrafficEvent::Recv, way, text);
    }

    #[test]
    fn a_value_reaches_a_node_with_the_first_message_that_contains_it() {
        let mut trace = trace();
        receive(&mut trace, S, ["c1", "n0"], r#"{"type":"broadcast","message":7}"#);
        for time in [3, 4] {
            let spread = r#"{"type":"spread","runs":[[0,5,0,[7,8]]]}"#;
            receive(&mut trace, time * S, ["n0", "n1"], spread);
        }
        let fate = &trace.fates["7"];
        assert_eq!((fate.origin, fate.came), (0, S));
        assert_eq!(fate.reached, [Some(S), Some(3 * S)]);
        assert_eq!(trace.fates.len(), 1);
    }

    #[test]
    fn a_paused_node_is_reached_when_it_goes_on() {
        let mut trace = trace();
        receive(&mut trace, S, ["c1", "n0"], r#"{"type":"broadcast","message":7}"#);
        for (time, f) in [(1, "pause"), (4, "resume")] {
            trace.op(&op(Process::Nemesis, time * S, f, null()));
            trace.op(&op(Process::Nemesis, time * S, f, body(r#"["n1"]"#)));
            let spread = r#"{"type":"spread","runs":[[0,5,0,[7]]]}"#;
            receive(&mut trace, (time + 1) * S, ["n0", "n1"], spread);
        }
        assert_eq!(trace.fates["7"].reached[1], Some(5 * S));
    }

    #[test]
    fn a_read_that_lacks_what_has_come_is_a_contradiction() {
        let read = |shown: &str| {
            let mut trace = trace();
            receive(&mut trace, S, ["c1", "n0"], r#"{"type":"broadcast","message":7}"#);
            receive(&mut trace, S, ["c1", "n0"], r#"{"type":"read"}"#);
            let read_ok = format!(r#"{{"type":"read_ok","messages":{shown}}}"#);
            tell(&mut trace, S, TrafficEvent::Send, ["n0", "c1"], &read_ok);
            trace.contradiction
        };
        assert_eq!(read("[7]"), None);
        assert!(read("[]").is_some() && read("[7,8]").is_some());
    }

    #[test]
    fn what_is_cut_before_the_first_request_is_cut_from_the_beginning_of_the_history() {
        let mut trace = trace();
        let grudge = r#"["isolated",{"n0":["n1"],"n1":["n0"]}]"#;
        trace.op(&op(Process::Nemesis, Duration::ZERO, "start-partition", null()));
        trace.op(&op(Process::Nemesis, Duration::ZERO, "start-partition", body(grudge)));
        receive(&mut trace, S, ["c1", "n0"], r#"{"type":"broadcast","message":7}"#);
        let link = trace.network.link(0, 1);
        assert_eq!((link.first(S / 2), link.first(2 * S)), (Some(S / 2), None));
    }
}
