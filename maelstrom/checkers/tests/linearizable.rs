//! lin-kv: histories that are hard to check are decided all the same, and what refused
//! operations say of a key counts.

mod support;

use std::time::Duration;

use checkers::history::{Op, OpType, raw};
use checkers::{CheckBudget, Checks, Names, Outcome, Validity, Workload};
use serde_json::{Value, json};

use support::push;
use support::register::{Register, USUAL};

fn check(checks: &Checks, history: &[Op]) -> Outcome {
    support::check(checks.checker(Names::unknown()), history)
}

fn check_within(seconds: f64, history: &[Op]) -> Validity {
    let time = Duration::from_secs_f64(seconds);
    let budget = CheckBudget { time, ..CheckBudget::default() };
    check(&Checks { budget, ..Checks::new(Workload::LinKv) }, history).valid
}

/// Operations of all kinds, on few values and on many.
fn kinds(base: Register) -> [Register; 6] {
    [
        base,
        Register { values: None, ..base },
        Register { values: Some(2), ..base },
        Register { reads: 50, writes: 50, ..base },
        Register { reads: 50, writes: 50, values: None, ..base },
        Register { reads: 33, writes: 33, ..base },
    ]
}

#[track_caller]
fn assert_decided(base: Register, seconds: f64) {
    for register in kinds(base) {
        for seed in 0..4 {
            let valid = check_within(seconds, &register.record(seed));
            assert_eq!(valid, Validity::Valid, "{register:?}, seed {seed}");
            let stale = check_within(seconds, &register.record_stale(seed));
            assert_eq!(stale, Validity::Invalid, "{register:?}, seed {seed}");
        }
    }
}

#[test]
fn twenty_operations_at_a_time_are_decided_in_less_than_half_a_second() {
    assert_decided(Register { operations: 322, open: 20, in_doubt: 6, ..USUAL }, 0.4);
}

#[test]
fn forty_operations_at_a_time_half_of_them_in_doubt_are_decided_in_seconds() {
    assert_decided(Register { operations: 322, open: 40, in_doubt: 20, ..USUAL }, 10.0);
}

/// A value of one's own for every write: hardly another read than the right one can be
/// explained.
#[test]
fn one_wrong_read_among_many_at_a_time_is_found() {
    let usual = Register { operations: 400, open: 10, in_doubt: 3, values: None, ..USUAL };
    let found =
        |seed: &u64| check_within(10.0, &usual.record_corrupted(*seed)) == Validity::Invalid;
    assert!((0..20).filter(found).count() > 10);
}

#[test]
fn a_budget_that_does_not_suffice_leaves_the_verdict_open_and_says_which_flag_helps() {
    let history = Register { operations: 322, open: 40, in_doubt: 20, ..USUAL }.record(1);
    for (time, memory_mib, flag) in [
        (Duration::from_micros(10), 1024, "--check-time-limit"),
        (Duration::from_secs(60), 0, "--check-memory"),
    ] {
        let budget = CheckBudget { time, memory_mib };
        let outcome = check(&Checks { budget, ..Checks::new(Workload::LinKv) }, &history);
        assert_eq!(outcome.valid, Validity::Unknown);
        let told = &outcome.findings[0];
        assert!(told.kind == "check-gave-up" && told.text.contains(flag), "{told:?}");
    }
}

/// A write of 1, one of 2, and then an operation that ended so, with and without
/// `compatible`.
fn after_two_writes(
    (f, kind): (&'static str, OpType),
    argument: &Value,
    error: &Value,
) -> [Outcome; 2] {
    let mut history = Vec::new();
    for value in [1, 2] {
        push(&mut history, 0, OpType::Invoke, "write", &json!([7, value]));
        push(&mut history, 0, OpType::Ok, "write", &json!([7, value]));
    }
    push(&mut history, 0, OpType::Invoke, f, &json!([7, argument]));
    let end = push(&mut history, 0, kind, f, &json!([7, argument]));
    end.error = (!error.is_null()).then(|| raw(error));
    [true, false]
        .map(|compatible| check(&Checks { compatible, ..Checks::new(Workload::LinKv) }, &history))
}

#[test]
fn refusals_that_say_something_of_the_key_count_unless_the_check_is_compatible() {
    let (read, cas) = (("read", OpType::Fail), ("cas", OpType::Fail));
    let absent = json!(["key-does-not-exist", "no such key"]);
    let differs = json!(["precondition-failed", "it differs"]);
    let (none, from_1, from_2) = (Value::Null, json!([1, 3]), json!([2, 3]));
    for (ended, argument, error, what) in [
        (read, &none, &absent, "told that there is no key 7"),
        (("read", OpType::Ok), &none, &none, "read null from key 7"),
        (cas, &from_2, &absent, "told that there is no key 7"),
        (cas, &from_2, &differs, "told that 2 is not in key 7"),
    ] {
        let [compatible, outcome] = after_two_writes(ended, argument, error);
        assert_eq!(
            (compatible.valid, outcome.valid),
            (Validity::Valid, Validity::Invalid),
            "{what}"
        );
        let told = &outcome.findings[0];
        assert_eq!((told.kind.as_str(), &told.ops[..]), ("not-linearizable", &[4, 5][..]));
        assert!(told.text.contains(what), "{}", told.text);
        assert!(told.text.contains("by then the key had to be 2"), "{}", told.text);
    }
    for (ended, argument, error) in [
        (cas, &from_1, &differs),
        (cas, &from_2, &json!(["temporarily-unavailable", "later"])),
        (read, &none, &json!("net-timeout")),
        (read, &none, &none),
        // A write needs no key, so what this says is not known.
        (("write", OpType::Fail), &json!(3), &absent),
    ] {
        for outcome in after_two_writes(ended, argument, error) {
            assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings);
        }
    }
}
