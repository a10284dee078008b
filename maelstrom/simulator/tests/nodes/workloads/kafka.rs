//! Brokers, good and bad.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checkers::history::{Op, OpType, Process};
use serde_json::json;
use simulator::{Settings, Workload};

use super::kafka_node::{Fault, node};
use super::{Run, settings, value};

fn run(fault: Fault) -> Run {
    Run::of(&settings(Workload::Kafka), move || node(fault))
}

/// The names of the anomalies that make this broker's history invalid.
fn anomalies(fault: Fault) -> BTreeSet<String> {
    let run = run(fault);
    run.assert_invalid();
    let names = &run.report.parts["workload"].results["bad-error-types"];
    serde_json::from_value(names.clone()).unwrap()
}

#[test]
fn a_broker_in_memory_is_valid() {
    let run = run(Fault::None);
    run.assert_valid();
    let polled = run.ops(OpType::Ok, "poll").filter(|op| op.value.get().len() > 20).count();
    assert!(polled > 100, "{polled} polls received something");
}

#[test]
fn a_broker_that_answers_null_for_no_messages_is_valid_with_a_warning() {
    let run = run(Fault::AnswersNull);
    run.assert_valid();
    let warnings = &run.report.parts["workload"].warnings;
    let nulls = warnings.iter().filter(|warning| warning.text.contains("returned null"));
    assert_eq!(nulls.count(), 1, "{warnings:?}");
}

#[test]
fn brokers_are_found_out_by_the_anomaly_they_are_made_for() {
    for (fault, anomaly) in [
        (Fault::Loses, "lost-write"),
        (Fault::StoresTwice, "duplicate"),
        (Fault::ReusesOffsets, "inconsistent-offsets"),
        (Fault::RefusesButStores, "G1a"),
        (Fault::LeavesOut, "int-poll-skip"),
        (Fault::StartsLate, "poll-skip"),
        (Fault::Repeats, "nonmonotonic-poll"),
        (Fault::Disorders, "int-nonmonotonic-poll"),
    ] {
        let found = anomalies(fault);
        assert!(found.contains(anomaly), "{fault:?}: {found:?}");
    }
}

#[test]
fn a_crash_ends_a_process_and_its_successor_starts_with_nothing_assigned() {
    let run = run(Fault::None);
    let mut crashes = 0;
    for crash in run.ops(OpType::Info, "crash") {
        crashes += 1;
        assert!(crash.error.is_none());
        assert_eq!(run.of_process(crash.process).last().unwrap().index, crash.index);
        let Process::Client(number) = crash.process else { panic!("{crash:?}") };
        let next = Process::Client(number + 4);
        let first = |op: &&Op| op.kind == OpType::Ok && op.f != "send";
        match run.of_process(next).find(first) {
            Some(poll) if poll.f == "poll" => assert_eq!(value(poll), json!([["poll", {}]])),
            _ => {}
        }
    }
    assert!(crashes > 4, "{crashes}");
    assert_eq!(run.ops(OpType::Invoke, "crash").count(), crashes, "no crash ends otherwise");
}

#[test]
fn at_the_end_every_process_reads_every_key_from_its_beginning() {
    let run = run(Fault::None);
    let mut newest = BTreeMap::<String, i64>::new();
    for send in run.ops(OpType::Ok, "send") {
        let [(_, key, (offset, _))]: [(String, String, (i64, u64)); 1] = send.decode().unwrap();
        newest.insert(key, offset);
    }
    let rewinds: Vec<&Op> =
        run.ops(OpType::Ok, "assign").filter(|assign| assign.seek_to_beginning).collect();
    assert_eq!(rewinds.len(), 4, "one a thread");
    for rewind in rewinds {
        let keys: BTreeSet<String> = rewind.decode().unwrap();
        assert!(keys.iter().eq(newest.keys()));
        let after = run.of_process(rewind.process).skip_while(|op| op.index < rewind.index);
        let polls: Vec<&Op> = after.filter(|op| op.kind == OpType::Ok && op.f == "poll").collect();
        let [poll] = polls[..] else { panic!("one poll sees all: {polls:?}") };
        assert_eq!(poll.poll_ms, Some(1000));
        type Batches = BTreeMap<String, Vec<(i64, u64)>>;
        let [(_, batches)]: [(String, Batches); 1] = poll.decode().unwrap();
        let last =
            |(key, batch): (&String, &Vec<(i64, u64)>)| (key.clone(), batch.last().unwrap().0);
        assert_eq!(batches.iter().map(last).collect::<BTreeMap<_, _>>(), newest);
    }
    const REST: u64 = 10_000_000_000;
    let pause = run.history.windows(2).find(|pair| pair[1].time - pair[0].time >= REST);
    let rested = pause.expect("ten seconds of rest")[1].index as usize;
    let after =
        |f: &str| run.ops(OpType::Invoke, f).filter(|op| op.index as usize >= rested).count();
    assert_eq!((after("crash"), after("assign"), after("poll"), after("send")), (4, 4, 4, 0));
}

#[test]
fn a_timeout_fails_an_assign_and_leaves_everything_else_open() {
    let settings = Settings { time_limit: Duration::from_secs(300), ..settings(Workload::Kafka) };
    let run = Run::of(&settings, || node(Fault::Dawdles(Duration::from_secs(7))));
    let mut timeouts = BTreeSet::<(&str, &str)>::new();
    for op in &run.history {
        if op.error.as_ref().is_some_and(|error| error.get() == r#""net-timeout""#) {
            let kind = if op.kind == OpType::Fail { "fail" } else { "info" };
            timeouts.insert((&op.f, kind));
        }
    }
    let expected = [("assign", "fail"), ("poll", "info"), ("send", "info")];
    assert_eq!(timeouts, BTreeSet::from(expected));
}

#[test]
fn what_is_acknowledged_after_the_last_operation_is_polled_too() {
    let settings = Settings { time_limit: Duration::from_secs(1), ..settings(Workload::Kafka) };
    let run = Run::of(&settings, || node(Fault::AcknowledgesLate(Duration::from_secs(2))));
    run.assert_valid();
    let mut sent = BTreeSet::new();
    for send in run.ops(OpType::Ok, "send") {
        assert!(send.time > 1_000_000_000, "late");
        sent.insert(value(send)[0][1].as_str().unwrap().to_owned());
    }
    assert!(!sent.is_empty());
    let rewinds: Vec<&Op> =
        run.ops(OpType::Ok, "assign").filter(|op| op.seek_to_beginning).collect();
    assert_eq!(rewinds.len(), 4);
    assert!(rewinds.iter().all(|rewind| rewind.decode::<BTreeSet<String>>().unwrap() == sent));
}
