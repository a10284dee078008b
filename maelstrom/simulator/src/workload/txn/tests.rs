//! Transactions as they are asked for, and what counts as an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::SeedableRng as _;

use super::*;
use crate::settings::{self, Promise};
use crate::workload::{Context, FreeThreads, Next};

type MicroOp = (String, u64, Option<u64>);

fn draw(workload: &Txn, count: usize) -> Vec<Vec<MicroOp>> {
    let mut generator = workload.generator();
    let mut rng = StdRng::seed_from_u64(1);
    let free = FreeThreads::all(1);
    let context = Context { now: Duration::ZERO, free: &free, processes: &[0] };
    let mut one = || match generator.next(&context, &mut rng) {
        Next::Invoke(0, Operation { f: "txn", value, .. }) => {
            serde_json::from_str(value.get()).unwrap()
        }
        next => panic!("a transaction is expected, not {next:?}"),
    };
    (0..count).map(|_| one()).collect()
}

fn settings(max_txn_length: usize) -> Settings {
    Settings { max_txn_length, ..Settings::new(settings::Workload::TxnRwRegister) }
}

#[test]
fn transactions_have_one_access_up_to_the_longest_each_length_as_often() {
    let mut lengths = BTreeMap::<usize, u64>::new();
    for transaction in draw(&Txn::rw_register(&settings(4)), 4000) {
        *lengths.entry(transaction.len()).or_default() += 1;
    }
    assert_eq!(lengths.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(lengths.values().all(|count| (890..1110).contains(count)), "{lengths:?}");
    assert!(draw(&Txn::rw_register(&settings(1)), 100).iter().all(|txn| txn.len() == 1));
}

fn answer(workload: &Txn, txn: &str) -> Result<String, String> {
    let body = RawValue::from_string(format!(r#"{{"type":"txn_ok","txn":{txn}}}"#)).unwrap();
    match workload.client().reply(&Operation::bare("txn"), &body) {
        Ok(Step::Ok(Some(value))) => Ok(value.get().to_owned()),
        Ok(step) => panic!("{step:?}"),
        Err(malformed) => Err(malformed.to_string()),
    }
}

#[test]
fn an_answer_is_taken_as_it_is_if_it_is_a_transaction() {
    let (registers, lists) = (Txn::rw_register(&settings(4)), Txn::list_append(&settings(4)));
    for txn in [r#"[["r", "k", {"a": 1}],["w",[],2]]"#, "[]"] {
        assert_eq!(answer(&registers, txn).unwrap(), txn);
    }
    for txn in [r#"[["r",1,[2, 3]],["r",1,null],["append",1,"x"]]"#, "[]"] {
        assert_eq!(answer(&lists, txn).unwrap(), txn);
    }
    assert_eq!(answer(&registers, "null").unwrap(), "[]");
}

#[test]
fn what_is_wrong_with_an_answer_is_named() {
    let (registers, lists) = (Txn::rw_register(&settings(4)), Txn::list_append(&settings(4)));
    for (workload, txn, problem) in [
        (&registers, r#"[["append",1,2]]"#, "`append` is neither `r` nor `w`"),
        (&registers, r#"[["r",1]]"#, "`txn`: a list of 2 instead of a list of 3"),
        (&registers, r#"[["w",1,2,3]]"#, "`txn`: a list that is too long"),
        (&registers, r#"{"r":1}"#, "`txn`: an object instead of a list"),
        (&lists, r#"[["w",1,2]]"#, "`w` is neither `r` nor `append`"),
        (&lists, r#"[["r",1,"[2]"]]"#, "`txn`: a read of a string instead of a list, "),
        (&lists, r#"[["r",1,2]]"#, "`txn`: a read of an integer instead of a list, "),
    ] {
        let error = answer(workload, txn).unwrap_err();
        assert!(error.starts_with("malformed txn_ok reply") && error.contains(problem), "{error}");
    }
}

#[test]
fn where_something_is_promised_each_client_reads_all_keys_in_the_end() {
    let mut settings = settings(4);
    assert!(Txn::rw_register(&settings).final_generator().is_none());
    let within = Duration::ZERO;
    settings.promise = Some(Promise { within, idle_messages: None, shown_within: None });
    let workload = Txn::rw_register(&settings);
    let used = draw(&workload, 2000).into_iter().flatten().map(|(_, key, _)| key).max();
    let mut generator = workload.final_generator().unwrap();
    let free = FreeThreads::all(1);
    let context = Context { now: Duration::ZERO, free: &free, processes: &[0] };
    let Next::Invoke(0, operation) = generator.next(&context, &mut StdRng::seed_from_u64(1)) else {
        panic!("a read is expected")
    };
    let reads: Vec<MicroOp> = serde_json::from_str(operation.value.get()).unwrap();
    assert!(operation.is_final && reads.iter().all(|(f, _, value)| f == "r" && value.is_none()));
    let keys: Vec<u64> = reads.into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys, (0..keys.len() as u64).collect::<Vec<_>>());
    assert!(keys.len() > 150 && keys.last() >= used.as_ref(), "{} keys", keys.len());
}
