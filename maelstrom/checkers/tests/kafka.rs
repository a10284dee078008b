//! The kafka checker against a deliberately dumb one, on thousands of small random
//! histories, most of them full of anomalies.
//!
//! The oracle knows nothing of the checker's numbering, compact lists and shortcuts.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{Op, OpType, raw};
use checkers::{Checker, Checks, Names, Validity, Workload};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use support::kafka::oracle::Oracle;
use support::kafka::{Size, generate};
use support::{check, push};

fn checker() -> Box<dyn Checker> {
    Checks::new(Workload::Kafka).checker(Names::unknown())
}

/// Compares everything that both say.
fn compare(history: &[Op]) -> BTreeMap<&'static str, usize> {
    let (ours, oracle) = (check(checker(), history), Oracle::new(history));
    let results = |name: &str| ours.results.get(name).unwrap_or(&Value::Null);
    let lines = history.iter().map(|op| serde_json::to_string(op).unwrap() + "\n");
    let text: String = lines.collect();
    let mut expected = oracle.counts();
    for (kind, count) in &expected {
        assert_eq!(results(kind)["count"], *count, "{kind}\n{text}");
    }
    let unseen = oracle.unseen();
    assert_eq!(*results("unseen"), unseen, "unseen\n{text}");
    if !unseen.is_null() {
        expected.insert("unseen", 1);
    }
    let kinds: BTreeSet<&str> = expected.keys().copied().collect();
    assert_eq!(ours.results["error-types"], json!(kinds), "{text}");
    let is_bad = kinds.iter().any(|kind| *kind != "int-send-skip");
    assert_eq!(ours.valid, Validity::of(!is_bad), "{text}");
    for kind in ["G1c", "G1c-realtime"] {
        for err in results(kind)["errs"].as_array().into_iter().flatten() {
            let circle: Vec<u64> = serde_json::from_value(err["cycle"].clone()).unwrap();
            let is_circle = oracle.is_circle(&circle, kind != "G1c");
            assert!(circle.len() > 1 && is_circle, "{err}\n{text}");
        }
    }
    let lag = ours.results["worst-realtime-lag"]["lag"].as_f64().unwrap();
    assert_eq!(lag, oracle.lag() as f64 / 1e9, "lag\n{text}");
    expected
}

/// Operations begin and end in any order, and read what they like.
fn chaos(rng: &mut StdRng) -> Vec<Op> {
    let mut history: Vec<Op> = Vec::new();
    let mut open: BTreeMap<u64, Op> = BTreeMap::new();
    for number in 0..rng.random_range(1..30) {
        let process = rng.random_range(0..4);
        let ending = open.remove(&process);
        let (kind, f, value) = match &ending {
            Some(begun) => end(rng, begun),
            None => begin(rng, 3 * number),
        };
        let time = history.last().map_or(0, |op| op.time) + rng.random_range(0..1000);
        let op = push(&mut history, process, kind, f, &value);
        op.time = time;
        if ending.is_none() {
            open.insert(process, op.clone());
        }
    }
    history
}

fn begin(rng: &mut StdRng, mut message: i64) -> (OpType, &'static str, Value) {
    // Now and then one that was sent already.
    if rng.random_bool(0.1) {
        message /= 2;
    }
    if rng.random_bool(0.15) {
        return (OpType::Invoke, "assign", json!(some_keys(rng)));
    }
    let key = *KEYS.choose(rng).unwrap();
    let step =
        |n| if rng.random_bool(0.5) { json!(["send", key, message + n]) } else { json!(["poll"]) };
    let steps: Vec<Value> = (0..3).map(step).collect();
    let length = rng.random_range(1..=steps.len());
    (OpType::Invoke, "txn", json!(steps[..length]))
}

fn end(rng: &mut StdRng, begun: &Op) -> (OpType, &'static str, Value) {
    let kind = match rng.random_range(0..6) {
        0 => OpType::Info,
        1 => OpType::Fail,
        _ => OpType::Ok,
    };
    if begun.f == "assign" {
        return (kind, "assign", begun.decode().unwrap());
    }
    let steps: Vec<Vec<Value>> = begun.decode().unwrap();
    let steps: Vec<_> = steps.into_iter().map(|step| outcome(rng, kind, step)).collect();
    (kind, "txn", json!(steps))
}

const KEYS: [&str; 2] = ["a", "b"];

fn some_keys(rng: &mut StdRng) -> Vec<&'static str> {
    KEYS.into_iter().filter(|_| rng.random_bool(0.6)).collect()
}

fn outcome(rng: &mut StdRng, kind: OpType, step: Vec<Value>) -> Vec<Value> {
    if step[0] == "send" {
        let done = json!([rng.random_range(0..8), step[2]]);
        return vec![
            step[0].clone(),
            step[1].clone(),
            if kind == OpType::Ok { done } else { step[2].clone() },
        ];
    }
    // What a poll returned can be known though the operation ended badly.
    if kind != OpType::Ok && rng.random_bool(0.5) {
        return step;
    }
    let mut msgs = BTreeMap::new();
    for key in some_keys(rng) {
        let pairs: Vec<[i64; 2]> = (0..rng.random_range(0..4))
            .map(|_| [rng.random_range(0..8), rng.random_range(0..60)])
            .collect();
        msgs.insert(key, pairs);
    }
    vec!["poll".into(), json!(msgs)]
}

/// A copy of a history in which something goes wrong in one poll or send.
fn damaged(rng: &mut StdRng, history: &[Op]) -> Vec<Op> {
    let mut history = history.to_vec();
    let targets: Vec<usize> =
        (0..history.len()).filter(|op| history[*op].value.get().contains("[[")).collect();
    let Some(target) = targets.choose(rng) else { return history };
    let op = &mut history[*target];
    let mut value: Vec<Vec<Value>> = op.decode().unwrap();
    match (op.kind, &mut value[0][..]) {
        (OpType::Ok, [_, Value::Object(msgs)]) => damage_poll(rng, msgs),
        (OpType::Ok, [_, _, pair]) => pair[0] = json!(rng.random_range(0..20)),
        _ => return history,
    }
    op.value = raw(&value);
    history
}

fn damage_poll(rng: &mut StdRng, msgs: &mut serde_json::Map<String, Value>) {
    for pairs in msgs.values_mut().filter_map(Value::as_array_mut).filter(|pairs| !pairs.is_empty())
    {
        let (one, other) = (rng.random_range(0..pairs.len()), rng.random_range(0..pairs.len()));
        match rng.random_range(0..5) {
            0 => drop(pairs.remove(one)),
            1 => pairs.swap(one, other),
            2 => pairs[one][0] = json!(rng.random_range(0..20)),
            3 => pairs[one][1] = json!(rng.random_range(1..40)),
            _ => pairs.truncate(one),
        }
    }
}

#[test]
fn correct_histories_are_valid_and_damaged_ones_get_the_oracles_verdict() {
    let mut kinds = BTreeSet::new();
    for seed in 0..60 {
        let size = Size { ops: 40, keys: 2, clients: 3, batch: 3 };
        let mut history = Vec::new();
        generate(seed, &size, |op| history.push(op));
        let found = compare(&history);
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..4 {
            kinds.extend(compare(&damaged(&mut rng, &history)).into_keys());
        }
    }
    let expected = BTreeSet::from([
        "duplicate",
        "inconsistent-offsets",
        "int-nonmonotonic-poll",
        "int-poll-skip",
        "no-writer-of-value",
        "nonmonotonic-poll",
        "nonmonotonic-send",
        "poll-skip",
    ]);
    assert!(kinds.is_superset(&expected), "only {kinds:?}");
}

#[test]
fn chaotic_histories_get_the_oracles_verdict() {
    let mut kinds = BTreeSet::new();
    for seed in 0..2000 {
        kinds.extend(compare(&chaos(&mut StdRng::seed_from_u64(seed))).into_keys());
    }
    assert_eq!(kinds.len(), 17, "every kind but malformed-value comes up: {kinds:?}");
}

#[test]
fn a_long_correct_history_is_valid() {
    let mut history = Vec::new();
    let size = Size { ops: 20_000, keys: 6, clients: 8, batch: 64 };
    generate(7, &size, |op| history.push(op));
    let outcome = check(checker(), &history);
    assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings);
    assert_eq!(outcome.results["error-types"], json!([]));
    let lag = &outcome.results["worst-realtime-lag"];
    assert!(lag["lag"].as_f64().unwrap() > 0.0, "clients that read late lag behind: {lag}");
}
