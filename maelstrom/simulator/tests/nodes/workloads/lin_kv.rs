//! A proxy of the service `lin-kv`, good and bad.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use checkers::history::OpType;
use maelstrom::{Context, Definite, Empty, Error, Node};
use serde_json::json;
use simulator::{Latency, LatencyDist, Program, Settings, Simulation, Workload};

use super::{Chances, Run, value};
use crate::wire::registers::{Cas, Found, Read, Write};

/// What is wrong with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It answers reads with what it saw at some time before.
    RemembersTooWell,
    /// It acknowledges writes that it does not make.
    ForgetsWrites,
    /// It says that it changed a value that was another than expected.
    SwapsAnything,
    /// It answers nothing but reads.
    Ignores,
}

pub(super) struct Proxy {
    fault: Fault,
    chances: Chances,
    remembered: Mutex<BTreeMap<u64, u64>>,
}

impl Proxy {
    fn odd(&self, fault: Fault) -> bool {
        self.fault == fault && self.chances.take()
    }
}

fn missing(key: u64) -> Error {
    Error::new(Definite::KeyDoesNotExist, format_args!("nothing at {key}"))
}

async fn read(context: Context<Proxy>, Read { key }: Read) -> Result<Found, Error> {
    let proxy = context.state();
    if proxy.odd(Fault::RemembersTooWell)
        && let Some(&value) = proxy.remembered.lock().unwrap().get(&key)
    {
        return Ok(Found { value });
    }
    let value = context.lin_kv().read(&key).await?.ok_or_else(|| missing(key))?;
    proxy.remembered.lock().unwrap().entry(key).or_insert(value);
    Ok(Found { value })
}

async fn write(context: Context<Proxy>, Write { key, value }: Write) -> Result<Empty, Error> {
    if context.state().odd(Fault::ForgetsWrites) {
        return Ok(Empty {});
    }
    ignore(&context).await;
    context.lin_kv().write(&key, &value).await?;
    Ok(Empty {})
}

async fn cas(context: Context<Proxy>, Cas { key, from, to }: Cas) -> Result<Empty, Error> {
    ignore(&context).await;
    let proxy = context.state();
    if context.lin_kv().cas(&key, &from, &to).await?.is_set() || proxy.odd(Fault::SwapsAnything) {
        return Ok(Empty {});
    }
    Err(Error::new(Definite::PreconditionFailed, format_args!("{key} is not {from}")))
}

async fn ignore(context: &Context<Proxy>) {
    if context.state().fault == Fault::Ignores {
        std::future::pending::<()>().await;
    }
}

pub(super) fn node(fault: Fault) -> Node<Proxy> {
    Node::new(move |_| Proxy { fault, chances: Chances::default(), remembered: Mutex::default() })
        .handle(read)
        .handle(write)
        .handle(cas)
}

fn settings() -> Settings {
    Settings { node_count: 2, concurrency: 4, ..super::settings(Workload::LinKv) }
}

fn run_with(settings: &Settings, fault: Fault) -> Run {
    Run::of(settings, move || node(fault))
}

#[test]
fn a_proxy_is_valid() {
    let run = run_with(&settings(), Fault::None);
    run.assert_valid();
    for f in ["read", "write", "cas"] {
        assert!(run.ops(OpType::Ok, f).count() > 100, "{f}");
    }
    assert!(run.ops(OpType::Fail, "cas").count() > 100);
    assert!(run.history.iter().all(|op| op.kind != OpType::Info));
}

#[test]
fn nodes_without_members_to_change_are_told_that_the_fault_does_not_fit() {
    let why = |settings: Settings| {
        let settings = Settings { nemesis: vec![simulator::Fault::Membership.into()], ..settings };
        let program = Program::new(|| node(Fault::None));
        Simulation::with(settings, program).run().ended.unwrap_err().to_string()
    };
    assert!(why(settings()).contains("has no members to change"), "{}", why(settings()));
    let echo = super::settings(Workload::Echo);
    assert!(why(echo.clone()).contains("goes with lin-kv"), "{}", why(echo));
}

#[test]
fn a_proxy_is_valid_with_many_keys_at_a_time_and_latency() {
    let mean = Duration::from_millis(10);
    let settings = Settings {
        concurrency: 16,
        latency: Latency { mean, dist: LatencyDist::Exponential },
        ..settings()
    };
    let run = run_with(&settings, Fault::None);
    run.assert_valid();
    let keys = run.ops(OpType::Ok, "read").map(|op| value(op)[0].as_u64().unwrap());
    let keys: std::collections::BTreeSet<u64> = keys.collect();
    assert!(keys.is_superset(&(0..4).collect()), "{keys:?}");
}

#[test]
fn broken_proxies_are_found_out() {
    for fault in [Fault::RemembersTooWell, Fault::ForgetsWrites, Fault::SwapsAnything] {
        let run = run_with(&settings(), fault);
        run.assert_invalid();
        let failures = run.report.parts["workload"].results["failures"].clone();
        assert_eq!(failures, json!([0]), "{fault:?}");
    }
}

#[test]
fn what_nobody_answers_times_out_after_a_second_and_uses_up_keys() {
    let run = run_with(&settings(), Fault::Ignores);
    let mut keys = Vec::<u64>::new();
    for op in run.history.iter().filter(|op| op.f != "read") {
        if op.kind == OpType::Invoke {
            keys.push(value(op)[0].as_u64().unwrap());
            let end = run.of_process(op.process).find(|end| end.index > op.index).unwrap();
            assert_eq!(end.kind, OpType::Info);
            assert_eq!(end.error.as_ref().unwrap().get(), r#""net-timeout""#);
            assert_eq!((end.time - op.time).div_ceil(1_000_000), 1000);
        }
    }
    assert!(keys.is_sorted());
    // Two threads lose a process a second, so 18 of them after nine seconds: all
    // but the four that began and two more fit into the first key's 20.
    assert_eq!(keys.first(), Some(&0));
    assert!((1..=2).contains(keys.last().unwrap()), "{keys:?}");
}
