//! A log that skips an offset, and a transaction that is refused and read all the same.

use std::collections::BTreeMap;
use std::sync::Mutex;

use maelstrom::{Context, Empty, Error, Node};
use simulator::{Simulation, Workload};

use super::told;

maelstrom::message_types! {
    "send": struct Send { key: String, msg: u64 } -> struct Sent { offset: u64 };
    "poll": struct Poll { offsets: BTreeMap<String, u64> }
        -> struct Polled { msgs: BTreeMap<String, Vec<(u64, u64)>> };
    "commit_offsets": struct Commit { offsets: BTreeMap<String, u64> } -> Empty;
    "list_committed_offsets": struct ListCommitted { keys: Vec<String> }
        -> struct Committed { offsets: BTreeMap<String, u64> };
    "txn": struct Txn { txn: Vec<(String, u64, Option<u64>)> } -> Txn;
}

type Logs = Mutex<BTreeMap<String, Vec<u64>>>;

/// Leaves out what it has at offset 3 of a log.
fn skips_an_offset() -> Node<Logs> {
    Node::new(|_| Logs::default())
        .handle(async |ctx: Context<Logs>, Send { key, msg }| {
            let mut logs = ctx.state().lock().unwrap();
            let log = logs.entry(key).or_default();
            log.push(msg);
            Ok(Sent { offset: log.len() as u64 - 1 })
        })
        .handle(async |ctx: Context<Logs>, Poll { offsets }| {
            let logs = ctx.state().lock().unwrap();
            let from = |(key, from): (String, u64)| {
                let log = (0..).zip(logs.get(&key).into_iter().flatten().copied());
                let batch = log.filter(|(offset, _)| *offset >= from && *offset != 3).collect();
                (key, batch)
            };
            Ok(Polled { msgs: offsets.into_iter().map(from).collect() })
        })
        .handle(async |_: Context<Logs>, _: Commit| Ok(Empty {}))
        .handle(async |_: Context<Logs>, _: ListCommitted| {
            Ok(Committed { offsets: BTreeMap::new() })
        })
}

#[test]
fn a_node_that_skips_an_offset() {
    let simulation = Simulation::new(Workload::Kafka, skips_an_offset).nodes(1).clients(2);
    let simulation = simulation.rate(100.0).seconds(10);
    for kind in ["poll-skip", "lost-write"] {
        told(&simulation, kind).says(&[
            "n0 acknowledged message ",
            " with offset 3 at ",
            ", and n0 left it out of its answer at ",
            ": n0 had it, so n0 itself skips the offset.",
        ]);
    }
}

type Registers = Mutex<BTreeMap<u64, u64>>;

/// Refuses every tenth transaction after it has carried it out.
fn reads_what_was_refused() -> Node<Registers> {
    Node::new(|_| Registers::default()).handle(async |ctx: Context<Registers>, Txn { mut txn }| {
        let mut registers = ctx.state().lock().unwrap();
        let mut is_odd = false;
        for (f, key, value) in &mut txn {
            match f.as_str() {
                "r" => *value = registers.get(key).copied(),
                _ => {
                    is_odd |= value.is_some_and(|value| value % 10 == 7);
                    registers.insert(*key, value.unwrap());
                }
            }
        }
        if is_odd { Err(Error::abort("not today")) } else { Ok(Txn { txn }) }
    })
}

#[test]
fn a_node_that_reads_what_it_has_refused() {
    let simulation = Simulation::new(Workload::TxnRwRegister, reads_what_was_refused).nodes(1);
    told(&simulation.clients(2).rate(100.0).seconds(10), "G1a").says(&[
        "n0 refused op ",
        ", but had already put ",
        " into key ",
        " and kept it there: it answered op ",
        " with it at ",
    ]);
}
