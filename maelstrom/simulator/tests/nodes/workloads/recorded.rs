//! The operations are like those that the original generates: of the same forms, and in the
//! same proportions.
//!
//! Compared with are counts from runs of the original, with the settings of those runs, but
//! for longer. Numbers that need no recording to be known are tested with the generators.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checkers::history::{Op, OpType, Process};
use serde_json::Value;
use simulator::{Settings, Workload};

use super::{Run, kafka_node, lin_kv, txn_node, value};

/// Chance may take a share this many standard deviations away.
const TOLERANCE: f64 = 4.0;
/// How much longer than the recorded runs ours are.
const LONGER: u64 = 10;

/// How many of how many.
type Share = (usize, usize);

/// A run of the original. (Of kafka it had two nodes; one broker in place of two is what
/// makes ours correct.)
struct Recorded {
    workload: Workload,
    nodes: usize,
    clients: usize,
    rate: f64,
    seconds: u64,
    shares: &'static [(&'static str, Share)],
    /// The forms of operations that went well, and of their invocations.
    forms: &'static [&'static str],
}

const RECORDED: [Recorded; 3] = [
    Recorded {
        workload: Workload::Kafka,
        nodes: 1,
        clients: 12,
        rate: 300.0,
        seconds: 8,
        shares: &[
            ("sends of sends and polls", (568, 1158)),
            ("assigns of all but crashes", (30, 1188)),
            ("assigns with unseen of assigns", (12, 30)),
            ("crashes of process-seconds", (5, 96)),
            ("keys of sends", (41, 568)),
        ],
        forms: &[
            "invoke assign: {seek-to-beginning?: bool | value: [digits]}",
            "invoke assign: {unseen: {digits: {polled: number | sent: number}} | value: [digits]}",
            "invoke assign: {value: [digits]}",
            "invoke crash: {value: null}",
            "invoke poll: {poll-ms: number | value: [(poll)]}",
            "invoke poll: {value: [(poll)]}",
            "invoke send: {value: [(send, digits, number)]}",
            "ok assign: {seek-to-beginning?: bool | value: [digits]}",
            "ok assign: {unseen: {digits: {polled: number | sent: number}} | value: [digits]}",
            "ok assign: {value: [digits]}",
            "ok poll: {poll-ms: number | value: [(poll, {digits: [[number]]})]}",
            "ok poll: {value: [(poll, {digits: [[number]]})]}",
            "ok poll: {value: [(poll, {})]}",
            "ok send: {value: [(send, digits, [number])]}",
        ],
    },
    Recorded {
        workload: Workload::LinKv,
        nodes: 2,
        clients: 4,
        rate: 30.0,
        seconds: 6,
        shares: &[("cas", (66, 171)), ("read", (74, 171)), ("write", (31, 171))],
        forms: &[
            "invoke cas: {value: [[number] | number]}",
            "invoke read: {value: [null | number]}",
            "invoke write: {value: [number]}",
            "ok cas: {value: [[number] | number]}",
            "ok read: {value: [number]}",
            "ok write: {value: [number]}",
        ],
    },
    Recorded {
        workload: Workload::TxnListAppend,
        nodes: 1,
        clients: 6,
        rate: 80.0,
        seconds: 6,
        shares: &[
            ("length 1", (125, 443)),
            ("length 2", (100, 443)),
            ("length 3", (102, 443)),
            ("length 4", (116, 443)),
            ("reads of accesses", (562, 1095)),
            ("keys of accesses", (40, 1095)),
        ],
        forms: &[
            "invoke txn: {value: [(append, number, number) | (r, number, null)]}",
            "invoke txn: {value: [(append, number, number)]}",
            "invoke txn: {value: [(r, number, null)]}",
            "ok txn: {value: [(append, number, number) | (r, number, [number]) | (r, number, null)]}",
            "ok txn: {value: [(append, number, number) | (r, number, [number])]}",
            "ok txn: {value: [(append, number, number) | (r, number, null)]}",
            "ok txn: {value: [(append, number, number)]}",
            "ok txn: {value: [(r, number, [number]) | (r, number, null)]}",
            "ok txn: {value: [(r, number, [number])]}",
            "ok txn: {value: [(r, number, null)]}",
        ],
    },
];

impl Recorded {
    /// A run of ours on a node that does what it should.
    fn ours(&self) -> Vec<Op> {
        let settings = Settings {
            node_count: self.nodes,
            concurrency: self.clients,
            rate: self.rate,
            time_limit: Duration::from_secs(LONGER * self.seconds),
            ..Settings::new(self.workload)
        };
        let run = match self.workload {
            Workload::Kafka => Run::of(&settings, || kafka_node::node(kafka_node::Fault::None)),
            Workload::LinKv => Run::of(&settings, || lin_kv::node(lin_kv::Fault::None)),
            _ => Run::of(&settings, || txn_node::node(txn_node::Fault::None)),
        };
        run.history
    }

    fn shares_of(&self, history: &[Op]) -> BTreeMap<String, Share> {
        // Invocations before the pause for recovery.
        let pause = history.windows(2).position(|pair| pair[1].time - pair[0].time > 9_000_000_000);
        let main = &history[..pause.map_or(history.len(), |last| last + 1)];
        let is_asked = |op: &&Op| op.is_invocation() && op.process != Process::Nemesis;
        let asked: Vec<&Op> = main.iter().filter(is_asked).collect();
        match self.workload {
            Workload::Kafka => self.kafka_shares(&asked),
            Workload::LinKv => {
                let count = |f: &str| asked.iter().filter(|op| op.f == f).count();
                let share = |f: &str| (f.to_owned(), (count(f), asked.len()));
                ["cas", "read", "write"].map(share).into()
            }
            _ => txn_shares(&asked),
        }
    }

    fn kafka_shares(&self, asked: &[&Op]) -> BTreeMap<String, Share> {
        let seconds = asked.last().map_or(0, |op| op.time as usize / 1_000_000_000);
        let count = |f: &str| asked.iter().filter(|op| op.f == f).count();
        let [sends, polls, assigns] = ["send", "poll", "assign"].map(count);
        let keys = asked.iter().filter(|op| op.f == "send").map(|op| value(op)[0][1].to_string());
        let keys: BTreeSet<String> = keys.collect();
        let unseen = asked.iter().filter(|op| op.unseen.is_some()).count();
        [
            ("sends of sends and polls".into(), (sends, sends + polls)),
            ("assigns of all but crashes".into(), (assigns, sends + polls + assigns)),
            ("assigns with unseen of assigns".into(), (unseen, assigns)),
            ("crashes of process-seconds".into(), (count("crash"), seconds * self.clients)),
            ("keys of sends".into(), (keys.len(), sends)),
        ]
        .into()
    }
}

fn txn_shares(asked: &[&Op]) -> BTreeMap<String, Share> {
    let txns = asked.iter().map(|txn| txn.decode::<Vec<(String, u64, Value)>>().unwrap());
    let txns: Vec<_> = txns.collect();
    let mut shares = BTreeMap::new();
    for txn in &txns {
        shares.entry(format!("length {}", txn.len())).or_insert((0, txns.len())).0 += 1;
    }
    let accesses: Vec<_> = txns.into_iter().flatten().collect();
    let reads = accesses.iter().filter(|(f, ..)| f == "r").count();
    let keys: BTreeSet<u64> = accesses.iter().map(|(_, key, _)| *key).collect();
    shares.insert("reads of accesses".into(), (reads, accesses.len()));
    shares.insert("keys of accesses".into(), (keys.len(), accesses.len()));
    shares
}

/// Fails where two shares differ by more than chance explains.
fn assert_alike(name: &str, theirs: Share, ours: Share) {
    let share = |(part, of): Share| part as f64 / of as f64;
    let all = share((theirs.0 + ours.0, theirs.1 + ours.1));
    let deviation = (all * (1.0 - all) * (1.0 / theirs.1 as f64 + 1.0 / ours.1 as f64)).sqrt();
    let difference = (share(theirs) - share(ours)).abs();
    assert!(difference <= TOLERANCE * deviation, "{name}: {ours:?}, but originally {theirs:?}");
}

fn form(op: &Op) -> String {
    let Value::Object(mut op) = serde_json::to_value(op).unwrap() else { unreachable!() };
    let [kind, f] = ["type", "f"].map(|name| op[name].as_str().unwrap().to_owned());
    op.retain(|name, _| !["index", "time", "type", "process", "f"].contains(&name.as_str()));
    format!("{kind} {f}: {}", skeleton(&Value::Object(op)))
}

/// What a value is made of, without how much of it there is.
fn skeleton(value: &Value) -> String {
    let is_name = |text: &str| matches!(text, "send" | "poll" | "r" | "append");
    // A list may be empty, or longer than another.
    let distinct = |parts: BTreeSet<String>| parts.into_iter().collect::<Vec<_>>().join(" | ");
    let text = |text: &str| match text {
        name if is_name(name) => name.to_owned(),
        digits if digits.parse::<u64>().is_ok() => "digits".into(),
        text => text.to_owned(),
    };
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(string) => text(string),
        Value::Array(list) => {
            let parts: Vec<String> = list.iter().map(skeleton).collect();
            match parts.first() {
                Some(first) if is_name(first) => format!("({})", parts.join(", ")),
                _ => format!("[{}]", distinct(parts.into_iter().collect())),
            }
        }
        Value::Object(map) => {
            let part = |(key, value): (&String, _)| format!("{}: {}", text(key), skeleton(value));
            format!("{{{}}}", distinct(map.iter().map(part).collect()))
        }
    }
}

#[test]
fn operations_are_like_the_originals() {
    for recorded in RECORDED {
        let ours = recorded.ours();
        let shares = recorded.shares_of(&ours);
        assert_eq!(shares.len(), recorded.shares.len(), "{shares:?}");
        for (name, theirs) in recorded.shares {
            assert_alike(name, *theirs, shares[*name]);
        }
        let goes_well = |op: &&Op| matches!(op.kind, OpType::Invoke | OpType::Ok);
        let forms: BTreeSet<String> = ours.iter().filter(goes_well).map(form).collect();
        assert!(forms.iter().eq(recorded.forms), "{forms:#?}");
    }
}
