//! Which operations there are, on whom they fall, and how they look on the wire.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::*;
use crate::settings::{self, Latency, LatencyDist};
use crate::workload::{Context, FreeThreads, Next};

fn settings(node_count: usize, concurrency: usize) -> Settings {
    Settings { node_count, concurrency, ..Settings::new(settings::Workload::LinKv) }
}

/// So many operations of threads that need no time. After each, `crashes` says
/// whether the thread gets a new process.
fn draw(
    workload: &LinKv,
    threads: usize,
    count: usize,
    crashes: impl Fn(&Operation) -> bool,
) -> Vec<(usize, Operation)> {
    let mut generator = workload.generator();
    let mut rng = StdRng::seed_from_u64(1);
    let mut free = FreeThreads::all(threads);
    let mut processes: Vec<u64> = (0..threads as u64).collect();
    let mut one = || {
        let context = Context { now: Duration::ZERO, free: &free, processes: &processes };
        let Next::Invoke(thread, operation) = generator.next(&context, &mut rng) else {
            panic!("an operation is expected")
        };
        free.take(thread);
        free.give_back(thread);
        if crashes(&operation) {
            processes[thread] += threads as u64;
        }
        (thread, operation)
    };
    (0..count).map(|_| one()).collect()
}

fn parts(operation: &Operation) -> (u64, Value) {
    serde_json::from_str(operation.value.get()).unwrap()
}

#[test]
fn half_are_reads_a_third_cas_and_a_sixth_writes_of_0_to_4() {
    let workload = LinKv::new(&settings(2, 4)).unwrap();
    let mut counts = BTreeMap::<&str, u64>::new();
    let mut values = BTreeSet::new();
    for (thread, operation) in draw(&workload, 4, 6000, |_| false) {
        *counts.entry(operation.f).or_default() += 1;
        assert_eq!(operation.f == "read", thread < 2, "threads 0 and 1 read, 2 and 3 do not");
        match (operation.f, parts(&operation)) {
            ("read", (0, Value::Null)) => {}
            ("write", (0, Value::Number(value))) => {
                values.insert(value.as_u64());
            }
            ("cas", (0, Value::Array(from_to))) if from_to.len() == 2 => {
                values.extend(from_to.iter().map(Value::as_u64));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((2850..3150).contains(&counts["read"]), "{counts:?}");
    assert!((880..1120).contains(&counts["write"]), "{counts:?}");
    assert!((1850..2150).contains(&counts["cas"]), "{counts:?}");
    assert_eq!(values, (0..5).map(Some).collect());
}

#[test]
fn each_group_has_a_key_readers_and_writers_of_its_own() {
    let workload = LinKv::new(&settings(2, 12)).unwrap();
    let mut counts = BTreeMap::<(u64, bool), u64>::new();
    for (thread, operation) in draw(&workload, 12, 6000, |_| false) {
        let (key, _) = parts(&operation);
        assert_eq!(key, thread as u64 / 4);
        assert_eq!(operation.f == "read", thread % 4 < 2);
        *counts.entry((key, operation.f == "read")).or_default() += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn a_key_touched_by_20_processes_is_replaced_by_the_next() {
    let workload = LinKv::new(&settings(1, 4)).unwrap();
    let mut processes = BTreeMap::<u64, u64>::new();
    let drawn = draw(&workload, 4, 1000, |operation| operation.f == "cas");
    for (_, operation) in &drawn {
        *processes.entry(parts(operation).0).or_insert(2) += u64::from(operation.f == "cas");
    }
    let keys: Vec<u64> = processes.keys().copied().collect();
    assert_eq!(keys, (0..keys.len() as u64).collect::<Vec<_>>(), "keys come in order");
    assert!(keys.len() > 10, "{}", keys.len());
    // The two keys in use last need not be full. A key is given up when the 21st
    // process is there, before that process does anything.
    let full = processes.values().filter(|&&count| count == 21).count();
    assert!(full >= keys.len() - 2, "{processes:?}");
}

#[test]
fn a_group_of_more_than_20_keeps_its_key_while_nobody_crashes() {
    let workload = LinKv::new(&settings(15, 30)).unwrap();
    let drawn = draw(&workload, 30, 500, |_| false);
    assert!(drawn.iter().all(|(_, operation)| parts(operation).0 == 0));
}

#[test]
fn only_a_concurrency_that_can_be_divided_into_groups_will_do() {
    for (nodes, concurrency) in [(5, 5), (2, 6), (3, 0)] {
        let error = LinKv::new(&settings(nodes, concurrency)).unwrap_err().to_string();
        assert!(error.contains(&format!("a multiple of {}", 2 * nodes)), "{error}");
        assert!(error.contains(&format!("not {concurrency}")), "{error}");
    }
    assert!(LinKv::new(&settings(5, 10)).is_ok());
}

#[test]
fn a_client_waits_ten_times_the_mean_latency_and_at_least_a_second() {
    let timeout = |millis| {
        let mean = Duration::from_millis(millis);
        let latency = Latency { mean, dist: LatencyDist::Uniform };
        LinKv::new(&Settings { latency, ..settings(1, 2) }).unwrap().timeout()
    };
    assert_eq!(timeout(0), Duration::from_secs(1));
    assert_eq!(timeout(100), Duration::from_secs(1));
    assert_eq!(timeout(300), Duration::from_secs(3));
}
