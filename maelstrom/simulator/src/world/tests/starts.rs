//! Nodes are started one after the other, and nobody is there before its start.

use super::*;
use crate::settings::Workload;

fn spread(nodes: usize, seed: u64) -> Settings {
    let (time_limit, start_spread) = (Duration::from_secs(1), Duration::from_millis(500));
    Settings { node_count: nodes, time_limit, start_spread, seed, ..settings(Workload::Echo) }
}

/// When which node was started.
fn starts(harness: &Harness) -> Vec<(Duration, usize)> {
    let starts = harness.events.iter().filter(|(.., what)| what == "start");
    starts.map(|&(at, node, _)| (at, node)).collect()
}

#[test]
fn nodes_are_started_within_the_spread_in_an_order_that_the_seed_decides() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let harness = Harness::new(&spread(5, seed), answers()).run().unwrap();
        let (times, order): (Vec<Duration>, Vec<usize>) = starts(&harness).into_iter().unzip();
        assert_eq!(times[0], Duration::ZERO);
        assert!(times.is_sorted() && times[4] <= Duration::from_millis(500), "{times:?}");
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        orders.insert(order);
    }
    assert!(orders.len() > 15, "{orders:?}");
}

#[test]
fn a_lone_node_starts_at_once_and_without_a_spread_all_do_in_order() {
    let harness = Harness::new(&spread(1, 3), answers()).run().unwrap();
    assert_eq!(starts(&harness), [(Duration::ZERO, 0)]);
    let harness = Harness::new(&settings(Workload::Echo), answers()).run().unwrap();
    assert_eq!(starts(&harness), [0, 1, 2].map(|node| (Duration::ZERO, node)));
}

#[test]
fn operations_begin_when_all_nodes_are_initialised_and_their_times_count_from_then() {
    for seed in 0..10 {
        let harness = Harness::new(&spread(5, seed), answers()).run().unwrap();
        let last = starts(&harness)[4].0;
        let first = harness.events.iter().find(|status| status.2 == "echo").unwrap().0;
        assert_eq!(first, last);
        assert_eq!(harness.history[0].time, 0);
        let end = harness.history.last().unwrap().time;
        assert!(end > 900_000_000 && end < 1_000_000_000, "{end}");
    }
}

/// The fault of three nodes of which one, when it gets `init`, sends this to `dest`
/// before its answer, or after it.
fn fault_of(seed: u64, node: usize, dest: &'static str, is_first: bool) -> Option<NodeFault> {
    let script: Script = Box::new(move |number, message, body| {
        let kind = body["type"].as_str().unwrap();
        if !["init", "echo"].contains(&kind) {
            return vec![];
        }
        let mut sends = vec![answer(message, body)];
        if kind == "init" && number == node {
            sends.insert(usize::from(!is_first), now(dest, json!({"type": "hello"})));
        }
        sends
    });
    Harness::new(&spread(3, seed), script).run().err()
}

#[test]
fn a_message_to_a_node_before_its_start_is_a_fault_that_says_what_the_original_does() {
    let mut faults = 0;
    for seed in 0..10 {
        let order = starts(&Harness::new(&spread(3, seed), answers()).run().unwrap());
        let is_before = |at: usize, of: usize| {
            let position = |node| order.iter().position(|&(_, other)| other == node);
            let time = |node| order[position(node).unwrap()].0;
            (position(at) < position(of), time(at) < time(of))
        };
        for is_first in [true, false] {
            for (node, dest, other) in [(1, "n2", 2), (2, "n1", 1), (1, "n0", 0), (1, "lin-kv", 0)]
            {
                let fault = fault_of(seed, node, dest, is_first);
                let (_, is_early) = is_before(node, other);
                assert_eq!(fault.is_some(), is_early, "{seed} {node} {dest} {order:?}");
                let Some(fault) = fault else { continue };
                faults += 1;
                assert!(matches!(&fault.kind, FaultKind::TooEarly { dest: to, .. } if to == dest));
                let text = fault.to_string();
                assert!(text.contains("respond to an init message"), "{text}");
                assert_eq!(fault.node, node);
            }
        }
    }
    assert!(faults > 20, "{faults}");
}

#[test]
fn n0_and_whoever_has_been_started_may_be_sent_to() {
    for seed in 0..10 {
        for dest in ["n0", "seq-kv", "lin-tso"] {
            assert_eq!(fault_of(seed, 0, dest, true), None);
        }
    }
}
