//! The checkers against small databases whose isolation is known: each has to
//! pass the model that it provides, and to fail the next stronger one.

mod txn_support;

use txn_support::database::{self, Data, Isolation, Load};
use txn_support::{History, types};
use workbench::checker::txn::{Model, Options};
use workbench::checker::{Outcome, Validity};

const SEEDS: u64 = 3;

fn load(isolation: Isolation, data: Data, seed: u64) -> Load {
    Load { isolation, data, transactions: 2_000, processes: 6, keys: 5, writes_per_key: 16, seed }
}

fn check(history: &History, data: Data, model: &str, options: Options) -> Outcome {
    let models: [Model; 1] = [model.parse().unwrap()];
    match data {
        Data::Registers => history.registers(&models, options),
        Data::Lists => history.lists(&models, options),
    }
}

/// What a database passes under every seed, in the strictest reading, and what it
/// fails under every seed, in the most lenient.
fn assert_between(isolation: Isolation, passes: &[&str], fails: &[&str]) {
    for data in [Data::Registers, Data::Lists] {
        for seed in 0..SEEDS {
            let history = database::run(load(isolation, data, seed));
            for model in passes {
                let strict = Options { strict: true, compatible: false };
                let outcome = check(&history, data, model, strict);
                let types = types(&outcome);
                assert_eq!(
                    outcome.valid,
                    Validity::Valid,
                    "{isolation:?} {data:?} {model} {types:?}"
                );
            }
            for model in fails {
                let lenient = Options { strict: false, compatible: true };
                let outcome = check(&history, data, model, lenient);
                assert_eq!(outcome.valid, Validity::Invalid, "{isolation:?} {data:?} {model}");
            }
        }
    }
}

#[test]
fn a_strictly_serializable_database_passes_everything() {
    let all: Vec<&str> = Model::all().map(Model::name).collect();
    assert_between(Isolation::StrictSerializable, &all, &[]);
}

#[test]
fn a_database_with_stale_reads_is_serializable_but_not_strictly() {
    let fails = ["strict-serializable", "strong-snapshot-isolation"];
    assert_between(Isolation::StaleReads, &["serializable"], &fails);
}

#[test]
fn snapshots_with_first_committer_wins_are_snapshot_isolation_and_no_more() {
    let passes = ["snapshot-isolation", "strong-snapshot-isolation", "causal-cerone"];
    assert_between(Isolation::Snapshot, &passes, &["serializable", "repeatable-read"]);
}

#[test]
fn snapshots_with_last_committer_wins_lose_updates() {
    assert_between(Isolation::LostUpdates, &[], &["cursor-stability", "snapshot-isolation"]);
}

#[test]
fn reads_of_what_is_committed_just_then_are_read_committed_and_no_more() {
    for seed in 0..SEEDS {
        let history = database::run(load(Isolation::ReadCommitted, Data::Registers, seed));
        let strict = Options { strict: true, compatible: false };
        let outcome = check(&history, Data::Registers, "read-committed", strict);
        assert_eq!(outcome.valid, Validity::Valid, "{:?}", types(&outcome));
    }
    let fails = ["read-atomic", "consistent-view", "repeatable-read"];
    assert_between(Isolation::ReadCommitted, &[], &fails);
}

#[test]
fn dirty_reads_are_not_read_committed() {
    assert_between(Isolation::Dirty, &[], &["read-committed"]);
}

/// A load that would make a quadratic number of dependencies: everybody reads and
/// writes one key, and reads find nothing, or always the same.
#[test]
fn a_stuck_register_under_a_heavy_load_is_judged_all_the_same() {
    let mut history = History::new().alone(0, "w x 0");
    for i in 1..20_000u64 {
        let text = if i % 2 == 0 { format!("r x 0, w x {i}") } else { format!("r x -, w x {i}") };
        history = history.alone(i % 50, &text);
    }
    let strict = check(&history, Data::Registers, "strict-serializable", Options::default());
    assert_eq!(strict.valid, Validity::Invalid);
    assert!(types(&strict).contains(&"lost-update".to_owned()));
    let weak = check(&history, Data::Registers, "read-committed", Options::default());
    assert_eq!(weak.valid, Validity::Valid);
}
