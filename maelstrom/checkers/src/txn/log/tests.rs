use serde_json::json;

use super::*;
use crate::history::{null, raw};

fn op(index: u64, kind: OpType, value: &Value) -> Op {
    Op { index, time: index, ..Op::new(Process::Client(0), kind, "txn", raw(value)) }
}

fn log(kind: Kind, ops: &[(OpType, Value)]) -> Log {
    let mut log = Log::new(kind);
    for (i, (kind, value)) in ops.iter().enumerate() {
        log.observe(&op(i as u64, *kind, value));
    }
    log.finish();
    log
}

#[test]
fn a_committed_transaction_has_its_reads_and_others_only_their_writes() {
    let log = log(
        Kind::Registers,
        &[
            (OpType::Invoke, json!([["r", 1, null], ["w", 1, 5]])),
            (OpType::Ok, json!([["r", 1, 7], ["w", 1, 5]])),
            (OpType::Invoke, json!([["r", 1, 9], ["w", 1, 6]])),
            (OpType::Info, json!([["r", 1, 9], ["w", 1, 6]])),
        ],
    );
    assert_eq!(log.txn_text(0), r#"[["r",1,7] ["w",1,5]]"#);
    assert_eq!(log.txn_text(1), r#"[["r",1,null] ["w",1,6]]"#);
    assert_eq!(log.txn(1).fate, Fate::Indeterminate);
    assert_eq!(log.anomalies.kinds().next(), None);
}

#[test]
fn a_list_that_goes_on_from_a_known_one_is_the_same_as_decoded_at_once() {
    let lists = [
        "[1,2]",
        "[1,2,3]",
        " [ 1,2,3 , 4 ] ",
        "[1,2,34]",
        "[[1],[2]]",
        "[[1],[2],[3]]",
        "[]",
        "null",
        "[1,2]",
    ];
    let mut log = Log::new(Kind::Lists);
    let key = log.names.number("1");
    for text in lists {
        let list = log.decode_list(key, text).unwrap();
        let elements = log.lists.elements(list).into_iter().map(|e| log.json(e));
        let expected: Option<Vec<Value>> = serde_json::from_str(text).unwrap();
        assert_eq!(elements.collect::<Vec<_>>(), expected.unwrap_or_default(), "{text}");
    }
}

#[test]
fn an_answer_that_changes_the_question_is_a_finding() {
    let asked = || json!([["w", 1, 5]]);
    for answer in [json!([["w", 1, 6]]), json!([["w", 2, 5]]), json!([["r", 1, 5]]), json!([])] {
        let log = log(Kind::Registers, &[(OpType::Invoke, asked()), (OpType::Ok, answer)]);
        assert_eq!(log.anomalies.kinds().next(), Some(Anomaly::ReplyMismatch));
    }
}

#[test]
fn an_answer_that_is_no_transaction_leaves_it_indeterminate() {
    let asked = || json!([["r", 1, null], ["append", 1, 5]]);
    let answers =
        [json!(7), json!([["r", 1]]), json!([["x", 1, 2]]), json!([["r", 1, 3], ["append", 1, 5]])];
    for answer in answers {
        let log = log(Kind::Lists, &[(OpType::Invoke, asked()), (OpType::Ok, answer)]);
        assert_eq!(log.anomalies.kinds().next(), Some(Anomaly::MalformedReply));
        assert_eq!(log.txn(0).fate, Fate::Indeterminate);
        assert_eq!(log.mops(0).len(), 2);
    }
}

#[test]
fn an_open_transaction_stays_indeterminate_and_an_orphaned_completion_is_taken() {
    let mut log = Log::new(Kind::Registers);
    log.observe(&op(0, OpType::Ok, &json!([["w", 1, 1]])));
    log.observe(&op(1, OpType::Invoke, &json!([["w", 1, 2]])));
    log.observe(&op(2, OpType::Invoke, &json!([["w", 1, 3]])));
    log.observe(&Op { value: null(), ..op(3, OpType::Info, &Value::Null) });
    log.finish();
    let fates: Vec<Fate> = log.transactions.iter().map(|t| t.fate).collect();
    assert_eq!(fates, [Fate::Committed, Fate::Indeterminate, Fate::Indeterminate]);
    assert_eq!(log.txn_text(1), r#"[["w",1,2]]"#);
}
