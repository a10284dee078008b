//! lin-kv: histories that are hard to check are decided all the same, and what refused
//! operations say of a key counts.

#[path = "lin_kv_support/mod.rs"]
mod lin_kv_support;

use std::time::Duration;

use checkers::history::{Op, OpType, Process, raw};
use checkers::{CheckBudget, Checks, Names, Outcome, Validity, Workload, workload_checker};
use serde_json::Value;

use lin_kv_support::{Register, USUAL};

fn check(checks: &Checks, history: &[Op]) -> Outcome {
    let mut checker = workload_checker(checks, Names::unknown());
    history.iter().for_each(|op| checker.observe(op));
    checker.finish()
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

/// A write of 1, one of 2, and then an operation that ended so.
fn after_two_writes(
    f: &'static str,
    argument: &str,
    kind: OpType,
    value: &str,
    error: &str,
) -> Vec<Op> {
    let op = |kind, f, value: &str| {
        let value: Value = serde_json::from_str(value).unwrap();
        Op::new(Process::Client(0), kind, f, raw(&value))
    };
    let mut history = vec![
        op(OpType::Invoke, "write", "[7,1]"),
        op(OpType::Ok, "write", "[7,1]"),
        op(OpType::Invoke, "write", "[7,2]"),
        op(OpType::Ok, "write", "[7,2]"),
        op(OpType::Invoke, f, argument),
        op(kind, f, value),
    ];
    history[5].error = serde_json::from_str::<Option<Value>>(error).unwrap().map(|it| raw(&it));
    for (index, op) in history.iter_mut().enumerate() {
        op.index = index as u64;
    }
    history
}

#[test]
fn refusals_that_say_something_of_the_key_count_unless_the_check_is_compatible() {
    use OpType::{Fail, Ok};
    let absent = r#"["key-does-not-exist","no such key"]"#;
    let differs = r#"["precondition-failed","it differs"]"#;
    let told = |f, argument, kind, value, error| {
        let history = after_two_writes(f, argument, kind, value, error);
        let checks = Checks::new(Workload::LinKv);
        let compatible = Checks { compatible: true, ..checks.clone() };
        assert_eq!(check(&compatible, &history).valid, Validity::Valid);
        check(&checks, &history)
    };
    for (outcome, what) in [
        (told("read", "[7,null]", Fail, "[7,null]", absent), "told that there is no key 7"),
        (told("read", "[7,null]", Ok, "[7,null]", "null"), "read null from key 7"),
        (told("cas", "[7,[2,3]]", Fail, "[7,[2,3]]", absent), "told that there is no key 7"),
        (told("cas", "[7,[2,3]]", Fail, "[7,[2,3]]", differs), "told that 2 is not in key 7"),
    ] {
        assert_eq!(outcome.valid, Validity::Invalid, "{what}");
        let told = &outcome.findings[0];
        assert_eq!((told.kind.as_str(), &told.ops[..]), ("not-linearizable", &[4, 5][..]));
        assert!(told.text.contains(what), "{}", told.text);
        assert!(told.text.contains("by then the key had to be 2"), "{}", told.text);
    }
    for outcome in [
        told("cas", "[7,[1,3]]", Fail, "[7,[1,3]]", differs),
        told("cas", "[7,[2,3]]", Fail, "[7,[2,3]]", r#"["temporarily-unavailable","later"]"#),
        told("read", "[7,null]", Fail, "[7,null]", r#""net-timeout""#),
        told("read", "[7,null]", Fail, "[7,null]", "null"),
        // A write needs no key, so what this says is not known.
        told("write", "[7,3]", Fail, "[7,3]", absent),
    ] {
        assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings);
    }
}
