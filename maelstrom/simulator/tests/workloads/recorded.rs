//! The operations are like those that the original generates: of the same forms,
//! and in the same proportions.
//!
//! Compared with are runs of the original, which lie outside this repository:
//! `WORKBENCH_GOLDEN` names their folder, otherwise it is looked for beside the
//! workspace. Without it there is nothing to compare with. Numbers that need no
//! recording to be known are tested with the generators.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::history::{self, Op, OpType, Process};
use serde_json::Value;
use simulator::{Settings, Workload};

use super::{Run, kafka_node, lin_kv, txn_node, value};

/// Chance may take a share this many standard deviations away.
const TOLERANCE: f64 = 4.0;
/// How much longer than the recorded runs ours are.
const LONGER: u32 = 10;

fn folder(case: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let folder = std::env::var_os("WORKBENCH_GOLDEN").map_or_else(beside, PathBuf::from);
    let folder = folder.join(case);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recorded run {}", folder.display());
    None
}

/// A recorded run, and the settings it was made with.
fn recorded(workload: Workload, case: &str) -> Option<(Settings, Vec<Op>)> {
    let folder = folder(&format!("{}/{case}", workload.name()))?;
    let verdict: Value =
        serde_json::from_reader(File::open(folder.join("verdict.json")).unwrap()).unwrap();
    let option = |name: &str| verdict["options"][name].as_u64().unwrap();
    let settings = Settings {
        node_count: option("node-count") as usize,
        concurrency: option("concurrency") as usize,
        rate: option("rate") as f64,
        time_limit: Duration::from_secs(option("time-limit")),
        ..Settings::new(workload)
    };
    let history = history::read(File::open(folder.join("history.jsonl.gz")).unwrap()).unwrap();
    Some((settings, history.map(Result::unwrap).collect()))
}

/// A run of ours with the same settings, but longer, on a node that does what it
/// should. Recorded nodes' faults do not change what is asked of them.
fn ours(settings: &Settings) -> Vec<Op> {
    let settings = Settings { time_limit: LONGER * settings.time_limit, ..settings.clone() };
    let run = match settings.workload {
        // One broker in place of two is what makes it correct.
        Workload::Kafka => Run::of(&Settings { node_count: 1, ..settings }, || {
            kafka_node::node(kafka_node::Fault::None)
        }),
        Workload::LinKv => Run::of(&settings, || lin_kv::node(lin_kv::Fault::None)),
        _ => Run::of(&settings, || txn_node::node(txn_node::Fault::None)),
    };
    run.history
}

/// Invocations before the pause for recovery.
fn asked(history: &[Op]) -> Vec<&Op> {
    let pause = history.windows(2).position(|pair| pair[1].time - pair[0].time > 9_000_000_000);
    let main = &history[..pause.map_or(history.len(), |last| last + 1)];
    main.iter().filter(|op| op.is_invocation() && op.process != Process::Nemesis).collect()
}

/// How many of how many.
type Shares = BTreeMap<String, (usize, usize)>;

fn kafka_shares(settings: &Settings, asked: &[&Op]) -> Shares {
    let seconds = asked.last().map_or(0, |op| op.time as usize / 1_000_000_000);
    let count = |f: &str| asked.iter().filter(|op| op.f == f).count();
    let [sends, polls, assigns] = ["send", "poll", "assign"].map(count);
    let keys = asked.iter().filter(|op| op.f == "send").map(|op| value(op)[0][1].to_string());
    let keys: BTreeSet<String> = keys.collect();
    let unseen = asked.iter().filter(|op| op.unseen.is_some()).count();
    Shares::from([
        ("sends of sends and polls".into(), (sends, sends + polls)),
        ("assigns of all but crashes".into(), (assigns, sends + polls + assigns)),
        ("assigns with unseen of assigns".into(), (unseen, assigns)),
        ("crashes of process-seconds".into(), (count("crash"), seconds * settings.concurrency)),
        ("keys of sends".into(), (keys.len(), sends)),
    ])
}

fn txn_shares(_: &Settings, asked: &[&Op]) -> Shares {
    let mut shares = Shares::new();
    let mut reads = 0;
    let mut micro_ops = 0;
    let mut keys = BTreeSet::new();
    for txn in asked {
        let txn: Vec<(String, u64, Value)> = txn.decode().unwrap();
        shares.entry(format!("length {}", txn.len())).or_insert((0, asked.len())).0 += 1;
        reads += txn.iter().filter(|(f, ..)| f == "r").count();
        micro_ops += txn.len();
        keys.extend(txn.iter().map(|(_, key, _)| *key));
    }
    shares.insert("reads of accesses".into(), (reads, micro_ops));
    shares.insert("keys of accesses".into(), (keys.len(), micro_ops));
    shares
}

fn lin_kv_shares(_: &Settings, asked: &[&Op]) -> Shares {
    let mut shares = Shares::new();
    for op in asked {
        shares.entry(op.f.to_string()).or_insert((0, asked.len())).0 += 1;
    }
    shares
}

/// Fails where two shares differ by more than chance explains.
fn assert_alike(name: &str, theirs: (usize, usize), ours: (usize, usize)) {
    let share = |(part, of): (usize, usize)| part as f64 / of as f64;
    let all = share((theirs.0 + ours.0, theirs.1 + ours.1));
    let deviation = (all * (1.0 - all) * (1.0 / theirs.1 as f64 + 1.0 / ours.1 as f64)).sqrt();
    let difference = (share(theirs) - share(ours)).abs();
    assert!(difference <= TOLERANCE * deviation, "{name}: {ours:?}, but originally {theirs:?}");
    eprintln!("{name}: {ours:?}, originally {theirs:?}: {:.1} σ", difference / deviation);
}

/// Runs a recorded case again, and compares.
fn compare(workload: Workload, case: &str, shares: impl Fn(&Settings, &[&Op]) -> Shares) {
    let Some((settings, theirs)) = recorded(workload, case) else { return };
    let ours = ours(&settings);
    let of = |history: &[Op]| shares(&settings, &asked(history));
    let (their_shares, our_shares) = (of(&theirs), of(&ours));
    assert!(their_shares.keys().eq(our_shares.keys()), "{their_shares:?} {our_shares:?}");
    for (name, theirs) in their_shares {
        assert_alike(&name, theirs, our_shares[&name]);
    }
    assert_eq!(forms(&theirs), forms(&ours));
}

/// The forms of operations that went well, and of their invocations.
fn forms(history: &[Op]) -> BTreeSet<String> {
    let form = |op: &Op| {
        let Value::Object(mut op) = serde_json::to_value(op).unwrap() else { unreachable!() };
        let name = format!("{} {}", op["type"], op["f"]);
        for name in ["index", "time", "type", "process", "f"] {
            op.remove(name);
        }
        format!("{name}: {}", skeleton(&Value::Object(op)))
    };
    let goes_well = |op: &&Op| matches!(op.kind, OpType::Invoke | OpType::Ok);
    history.iter().filter(goes_well).map(form).collect()
}

/// What a value is made of, without how much of it there is.
fn skeleton(value: &Value) -> String {
    let distinct = |parts: BTreeSet<String>| parts.into_iter().collect::<Vec<_>>().join(" | ");
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) => match text.as_str() {
            "send" | "poll" | "r" | "append" => text.clone(),
            digits if digits.parse::<u64>().is_ok() => "digits".into(),
            _ => "text".into(),
        },
        Value::Array(list) => {
            let parts: Vec<String> = list.iter().map(skeleton).collect();
            let is_micro_op =
                |part: &String| matches!(part.as_str(), "send" | "poll" | "r" | "append");
            if parts.first().is_some_and(is_micro_op) {
                return format!("({})", parts.join(", "));
            }
            // A list may be empty, or longer than another.
            format!("[{}]", distinct(parts.into_iter().collect()))
        }
        Value::Object(map) => {
            let key =
                |key: &str| if key.parse::<u64>().is_ok() { "digits" } else { key }.to_owned();
            let parts =
                map.iter().map(|(name, value)| format!("{}: {}", key(name), skeleton(value)));
            format!("{{{}}}", distinct(parts.collect()))
        }
    }
}

#[test]
fn kafka_is_like_the_original() {
    for case in ["ok", "ok-larger", "ok-sparse-limited"] {
        compare(Workload::Kafka, case, kafka_shares);
    }
}

#[test]
fn txn_list_append_is_like_the_original() {
    compare(Workload::TxnListAppend, "no-isolation", txn_shares);
}

#[test]
fn lin_kv_is_like_the_original() {
    compare(Workload::LinKv, "stale-read", lin_kv_shares);
}
