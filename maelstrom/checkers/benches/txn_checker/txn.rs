//! Transactions: many of them, and one key with a long list.

#[path = "../../tests/txn_support/mod.rs"]
mod txn_support;

use checkers::Validity;
use checkers::history::{Op, OpType, Process};
use checkers::txn::{Model, Options, list_append, rw_register};
use serde_json::value::RawValue;

use self::txn_support::database::{self, Data, Isolation, Load};
use super::scaling::{Measured, Row, Timed};

const MODELS: [Model; 1] = [Model::StrictSerializable];

const MANY: [usize; 3] = [12_500, 50_000, 200_000];
const ONE_KEY: [usize; 3] = [1_250, 5_000, 20_000];

/// Everything that is measured here.
pub(crate) fn rows() -> Vec<Row> {
    let row = |name, sizes, run| Row { name, unit: "transactions", sizes, run };
    vec![
        row("txn registers, right", MANY, |n| {
            many(Data::Registers, Isolation::StrictSerializable, n)
        }),
        row("txn registers, stale", MANY, |n| many(Data::Registers, Isolation::StaleReads, n)),
        row("txn registers, torn", MANY, |n| many(Data::Registers, Isolation::ReadCommitted, n)),
        row("txn lists, right", MANY, |n| many(Data::Lists, Isolation::StrictSerializable, n)),
        row("txn lists, stale", MANY, |n| many(Data::Lists, Isolation::StaleReads, n)),
        row("txn lists, torn", MANY, |n| many(Data::Lists, Isolation::ReadCommitted, n)),
        row("txn one register", ONE_KEY.map(|n| 10 * n), |n| one_key(Data::Registers, n)),
        Row { unit: "elements read", ..row("txn one list", ONE_KEY, |n| one_key(Data::Lists, n)) },
    ]
}

fn many(data: Data, isolation: Isolation, transactions: usize) -> Measured {
    let load = Load {
        isolation,
        data,
        transactions,
        processes: 10,
        keys: 10,
        writes_per_key: 32,
        seed: 1,
    };
    let history = database::run(load);
    let mut checker = timed(data);
    history.ops().iter().for_each(|op| checker.observe(op));
    let (outcome, spent) = checker.finish();
    let is_right = isolation == Isolation::StrictSerializable;
    assert_eq!(outcome.valid == Validity::Valid, is_right, "{:?}", outcome.findings.first());
    Measured { units: transactions as u64, spent }
}

fn timed(data: Data) -> Timed {
    Timed::new(match data {
        Data::Registers => rw_register(&MODELS, Options::default()),
        Data::Lists => list_append(&MODELS, Options::default()),
    })
}

/// One key that is written and read back `n` times.
fn one_key(data: Data, n: usize) -> Measured {
    let mut checker = timed(data);
    let (mut index, mut list, mut elements) = (0, String::new(), 0);
    let mut transaction = |asked: String, answer: String| {
        for (kind, text) in [(OpType::Invoke, asked), (OpType::Ok, answer)] {
            let value = RawValue::from_string(text).expect("JSON");
            let op = Op::new(Process::Client(index / 2 % 10), kind, "txn", value);
            checker.observe(&Op { index, time: index * 1_000, ..op });
            index += 1;
        }
    };
    for i in 1..=n {
        list += &if i == 1 { i.to_string() } else { format!(",{i}") };
        let (write, read) = match data {
            Data::Registers => (format!(r#"[["w",1,{i}]]"#), format!(r#"[["r",1,{i}]]"#)),
            Data::Lists => (format!(r#"[["append",1,{i}]]"#), format!(r#"[["r",1,[{list}]]]"#)),
        };
        transaction(write.clone(), write);
        transaction(r#"[["r",1,null]]"#.to_owned(), read);
        elements += i as u64;
    }
    let (outcome, spent) = checker.finish();
    assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings.first());
    Measured { units: if data == Data::Lists { elements } else { 2 * n as u64 }, spent }
}
