//! The challenges as Maelstrom runs them, in virtual time, with its checks: 5a to
//! 5c, what they cost, and what partitions change.

use std::collections::BTreeMap;
use std::time::Duration;

use checkers::history::{Op, OpType, Process};
use kafka_log::Options;
use simulator::{Availability, Fault, Finished, Simulation, Workload};

/// `-w kafka --concurrency 2n --time-limit 20 --rate 1000`.
fn challenge(nodes: usize, options: Options) -> Simulation {
    Simulation::new(Workload::Kafka, move || kafka_log::node(options))
        .nodes(nodes)
        .clients(2 * nodes)
        .rate(1000.0)
        .seconds(20)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Injected crashes of clients count as operations without success.
fn available(run: Simulation) -> Simulation {
    run.set(|settings| settings.availability = Some(Availability::Fraction(0.999)))
}

#[test]
fn a_lone_node_answers_within_milliseconds() {
    let run = available(challenge(1, Options::default())).run();
    run.assert_valid();
    assert!(run.msgs_per_op() <= 0.7, "{}", run.msgs_per_op());
    assert!(run.latencies("send").quantiles.max <= millis(8));
}

#[test]
fn two_nodes_answer_within_milliseconds_for_less_than_a_message_each() {
    let run = available(challenge(2, Options::default())).run();
    run.assert_valid();
    assert!(run.msgs_per_op() <= 0.64, "{}", run.msgs_per_op());
    assert!(run.latencies("send").quantiles.max <= millis(8));
    assert!(run.latencies("poll").quantiles.median < millis(2));
}

#[test]
fn clients_of_one_node_share_segments_whatever_the_seed() {
    let worst = |latency: u64, measure: &dyn Fn(&Finished) -> f64| {
        let figures = (1..=5).map(|seed| {
            let run = challenge(2, Options::default()).latency(latency).seed(seed).run();
            run.assert_valid();
            measure(&run)
        });
        figures.fold(0.0, f64::max)
    };
    let messages = worst(0, &Finished::msgs_per_op);
    let mean = worst(100, &|run| run.latencies("send").mean.as_secs_f64() * 1e3);
    assert!(messages <= 0.64, "{messages} messages an operation");
    assert!(mean <= 230.0, "a send takes {mean} ms at 100 ms of latency");
}

#[test]
fn clusters_of_any_size_are_valid_and_do_not_panic() {
    for nodes in [1, 2, 41, 42, 50, 100] {
        let run = challenge(nodes, Options::default()).rate(100.0).seconds(3).seed(1).run();
        run.assert_valid();
    }
}

#[test]
fn acknowledged_early_ten_operations_cost_less_than_a_message() {
    let early = Options::parse(["--ack-early".to_owned()]).expect("an argument");
    let run = available(challenge(2, early)).run();
    run.assert_valid();
    assert!(run.msgs_per_op() <= 0.1, "{}", run.msgs_per_op());
    assert!(run.latencies("send").quantiles.max <= millis(1));
}

/// Of each node the sends that were acknowledged, and all.
fn sends(run: &Finished) -> BTreeMap<u64, (usize, usize)> {
    let settings = &run.settings;
    let mut sends: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for line in run.history.lines() {
        let op: Op = serde_json::from_str(line).expect("an operation");
        if let Process::Client(process) = op.process
            && op.f == "send"
            && !op.is_invocation()
        {
            let thread = process % settings.concurrency as u64;
            let (acknowledged, all) = sends.entry(thread % settings.node_count as u64).or_default();
            *acknowledged += usize::from(op.kind == OpType::Ok);
            *all += 1;
        }
    }
    sends
}

#[test]
fn sends_go_on_at_every_node_while_partitions_separate_them() {
    for seed in 0..2 {
        let run = challenge(5, Options::default())
            .rate(200.0)
            .seconds(20)
            .nemesis(&[Fault::Partition], 3.0)
            .seed(seed)
            .recorded()
            .run();
        run.assert_valid();
        let sends = sends(&run);
        assert_eq!(sends.len(), 5, "{sends:?}");
        assert!(sends.values().all(|&(ok, all)| ok == all && all > 100), "{sends:?}");
        assert!(
            run.latencies("send").quantiles.max <= millis(14),
            "no slower than without partitions"
        );
    }
}
