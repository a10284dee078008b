//! Stores of transactions, good and bad.

use std::collections::BTreeSet;

use checkers::history::{Op, OpType};
use simulator::Workload;

use super::txn_node::{Fault, MicroOp, State, apply, node};
use super::{Run, settings};

const BOTH: [Workload; 2] = [Workload::TxnRwRegister, Workload::TxnListAppend];

fn run(workload: Workload, fault: Fault) -> Run {
    Run::of(&settings(workload), move || node(fault))
}

/// The names of the anomalies in this store's history, which has to be invalid.
fn anomalies(workload: Workload, fault: Fault) -> BTreeSet<String> {
    let run = run(workload, fault);
    run.assert_invalid();
    let names = &run.report.parts["workload"].results["anomaly-types"];
    serde_json::from_value(names.clone()).unwrap()
}

#[test]
fn a_store_in_memory_is_valid() {
    for workload in BOTH {
        let run = run(workload, Fault::None);
        run.assert_valid();
        assert_eq!(run.ops(OpType::Ok, "txn").count(), run.history.len() / 2);
    }
}

#[test]
fn a_completed_transaction_is_the_one_that_was_asked_for_carried_out() {
    for workload in BOTH {
        let run = run(workload, Fault::None);
        let mut state = State::new();
        let micro_ops = |op: &Op| op.decode::<Vec<MicroOp>>().unwrap();
        // Clients and the node are no time apart, so completions stand in the
        // order in which the node carried transactions out.
        for ok in run.ops(OpType::Ok, "txn") {
            let asked = run.history[..ok.index as usize].iter().rev();
            let asked = asked.filter(|op| op.process == ok.process).map(micro_ops).next().unwrap();
            let expected: Vec<MicroOp> =
                asked.into_iter().map(|micro_op| apply(&mut state, micro_op)).collect();
            assert_eq!(micro_ops(ok), expected, "{workload:?} {}", ok.index);
        }
        assert!(state.len() > 50, "{}", state.len());
    }
}

#[test]
fn broken_stores_are_found_out() {
    use Fault::{AbortsTooLate, AppendsTwice, ForgetsWrites, IgnoresItself, ReadsThePast};
    use Workload::{TxnListAppend, TxnRwRegister};
    for (workload, fault, anomaly) in [
        (TxnRwRegister, AbortsTooLate, "G1a"),
        (TxnRwRegister, IgnoresItself, "internal"),
        (TxnRwRegister, ForgetsWrites, "internal"),
        (TxnRwRegister, ReadsThePast, "G-single-item-realtime"),
        (TxnListAppend, AbortsTooLate, "G1a"),
        (TxnListAppend, IgnoresItself, "internal"),
        (TxnListAppend, ForgetsWrites, "internal"),
        (TxnListAppend, ReadsThePast, "G-single-item-realtime"),
        (TxnListAppend, AppendsTwice, "duplicate-elements"),
    ] {
        let found = anomalies(workload, fault);
        assert!(found.contains(anomaly), "{workload:?} {fault:?}: {found:?}");
    }
}

#[test]
fn an_answer_that_is_no_transaction_leaves_the_operation_open_and_keeps_the_client() {
    let run = run(Workload::TxnRwRegister, Fault::TalksNonsense);
    let mut open = 0;
    for info in run.ops(OpType::Info, "txn") {
        open += 1;
        let error = info.error.as_ref().unwrap().get();
        assert!(error.contains("malformed txn_ok reply: `txn`: `nonsense` is neither"), "{error}");
        assert_eq!(run.of_process(info.process).last().unwrap().index, info.index);
    }
    assert!(open > 50, "{open}");
    // Four clients that nobody ever replaced, and the one that initialised the node.
    let last = |line: &str| {
        let (_, rest) = line.split_once("\"src\":\"c")?;
        rest.split('"').next()?.parse::<u64>().ok()
    };
    assert_eq!(run.journal.lines().filter_map(last).max(), Some(4));
}
