//! The checkers against small databases whose isolation is known: each has to
//! pass the model that it provides, and to fail the next stronger one.

mod support;

use std::thread;

use checkers::history::{Op, OpType};
use checkers::txn::Model;
use checkers::{Checks, Names, Outcome, Validity};
use serde_json::{Value, json};

use support::database::{self, Data, Isolation, Load};
use support::push;

const SEEDS: [u64; 3] = [0, 1, 2];

#[derive(Clone, Copy)]
enum Reading {
    Plain,
    Strict,
    Compatible,
}

fn load(isolation: Isolation, data: Data, seed: u64) -> Load {
    Load { isolation, data, transactions: 2_000, processes: 6, keys: 5, writes_per_key: 16, seed }
}

fn check(history: &[Op], data: Data, model: &str, reading: Reading) -> Outcome {
    let checks = Checks {
        consistency_models: vec![model.parse().unwrap()],
        strict: matches!(reading, Reading::Strict),
        compatible: matches!(reading, Reading::Compatible),
        ..data.checks()
    };
    support::check(checks.checker(Names::unknown()), history)
}

fn shows(outcome: &Outcome, anomaly: &str) -> bool {
    outcome.findings.iter().any(|finding| finding.kind == anomaly)
}

/// What each database passes under every seed, in the strictest reading, and what it fails
/// under every seed, in the most lenient.
const DATABASES: [(Isolation, &[&str], &[&str]); 5] = [
    (
        Isolation::StaleReads,
        &["serializable"],
        &["strict-serializable", "strong-snapshot-isolation"],
    ),
    // The first committer wins.
    (
        Isolation::Snapshot,
        &["snapshot-isolation", "strong-snapshot-isolation", "causal-cerone"],
        &["serializable", "repeatable-read"],
    ),
    (Isolation::LostUpdates, &[], &["cursor-stability", "snapshot-isolation"]),
    (Isolation::ReadCommitted, &[], &["read-atomic", "consistent-view", "repeatable-read"]),
    (Isolation::Dirty, &[], &["read-committed"]),
];

fn assert_between(isolation: Isolation, passes: &[&str], fails: &[&str]) {
    let assert = |data, seed| {
        let history = database::run(load(isolation, data, seed));
        for model in passes {
            let outcome = check(&history, data, model, Reading::Strict);
            let found = &outcome.findings;
            assert_eq!(outcome.valid, Validity::Valid, "{isolation:?} {model} {found:?}");
        }
        for model in fails {
            let outcome = check(&history, data, model, Reading::Compatible);
            assert_eq!(outcome.valid, Validity::Invalid, "{isolation:?} {data:?} {model}");
        }
    };
    thread::scope(|scope| {
        for (data, seed) in
            [Data::Registers, Data::Lists].into_iter().flat_map(|d| SEEDS.map(|s| (d, s)))
        {
            scope.spawn(move || assert(data, seed));
        }
    });
}

#[test]
fn each_database_passes_the_model_that_it_provides_and_fails_the_next_stronger_one() {
    for (isolation, passes, fails) in DATABASES {
        assert_between(isolation, passes, fails);
    }
    let all: Vec<&str> = Model::all().map(Model::name).collect();
    assert_between(Isolation::StrictSerializable, &all, &[]);
}

#[test]
fn registers_that_are_read_as_they_are_committed_just_then_are_read_committed() {
    for seed in SEEDS {
        let history = database::run(load(Isolation::ReadCommitted, Data::Registers, seed));
        let outcome = check(&history, Data::Registers, "read-committed", Reading::Strict);
        assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings);
    }
}

/// How many small histories of much contention each isolation is put to.
const SMALL: u64 = 400;

fn small(isolation: Isolation, seed: u64) -> Vec<Op> {
    let (transactions, processes, keys) = (60, 2 + seed % 6, 1 + seed % 3);
    let data = Data::Registers;
    let load = Load { isolation, data, transactions, processes, keys, writes_per_key: 40, seed };
    database::run_to_rest(load)
}

/// Of the small histories of registers, how many a model turns down if strict.
fn turned_down(isolation: Isolation, model: &str) -> u64 {
    let is_bad = |&seed: &u64| {
        let outcome = check(&small(isolation, seed), Data::Registers, model, Reading::Strict);
        outcome.valid == Validity::Invalid
    };
    (0..SMALL).filter(is_bad).count() as u64
}

#[test]
fn no_order_of_versions_is_inferred_that_a_right_database_contradicts() {
    let right = [
        (Isolation::StrictSerializable, "strict-serializable"),
        (Isolation::StaleReads, "serializable"),
        (Isolation::SessionReads, "strong-session-serializable"),
        (Isolation::Snapshot, "strong-snapshot-isolation"),
        (Isolation::Snapshot, "strong-read-committed"),
        (Isolation::ReadCommitted, "read-committed"),
        (Isolation::ReadCommitted, "read-uncommitted"),
    ];
    for (isolation, model) in right {
        assert_eq!(turned_down(isolation, model), 0, "{isolation:?} is {model}");
    }
}

#[test]
fn what_is_inferred_finds_databases_that_break_their_promise() {
    let broken = [
        (Isolation::StaleReads, "strict-serializable"),
        (Isolation::StaleReads, "strong-session-serializable"),
        (Isolation::SessionReads, "strong-snapshot-isolation"),
    ];
    for (isolation, model) in broken {
        let found = turned_down(isolation, model);
        assert!(found > SMALL / 2, "{isolation:?} is not {model}: {found} of {SMALL}");
    }
}

/// Where writes of two transactions interleave, final reads show it now and then.
#[test]
fn interleaved_writes_of_registers_show_in_final_reads() {
    let shows_it = |&seed: &u64| {
        let history = small(Isolation::Dirty, seed);
        shows(&check(&history, Data::Registers, "read-uncommitted", Reading::Strict), "G0")
    };
    let found = (0..SMALL).filter(shows_it).count();
    assert!(found > 5, "{found} of {SMALL}");
}

/// A load that would make a quadratic number of dependencies: everybody reads and
/// writes one key, and reads find nothing, or always the same.
#[test]
fn a_stuck_register_under_a_heavy_load_gets_a_verdict_all_the_same() {
    let mut history = Vec::new();
    for i in 0..20_000 {
        let read = if i % 2 == 0 { json!(0) } else { Value::Null };
        let write = json!(["w", "x", i]);
        let asked = if i == 0 { json!([write]) } else { json!([["r", "x", null], write]) };
        let answer = if i == 0 { json!([write]) } else { json!([["r", "x", read], write]) };
        push(&mut history, i % 50, OpType::Invoke, "txn", &asked);
        push(&mut history, i % 50, OpType::Ok, "txn", &answer);
    }
    let strict = check(&history, Data::Registers, "strict-serializable", Reading::Plain);
    assert_eq!(strict.valid, Validity::Invalid);
    assert!(shows(&strict, "lost-update"));
    let weak = check(&history, Data::Registers, "read-committed", Reading::Plain);
    assert_eq!(weak.valid, Validity::Valid);
}
