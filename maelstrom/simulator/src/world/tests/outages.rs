//! Nodes that are killed and paused.

use super::*;
use crate::nemesis::Fault;
use crate::settings::Workload;

fn harness(faults: &[Fault], script: Script) -> Harness {
    let mut settings = settings(Workload::Broadcast);
    settings.time_limit = Duration::from_secs(60);
    settings.nemesis = faults.iter().map(|&fault| fault.into()).collect();
    settings.nemesis_interval = Duration::from_secs(4);
    Harness::new(&settings, script)
}

/// What was done to a node and what it got, in order.
fn status(harness: &Harness, node: usize) -> Vec<&str> {
    harness
        .events
        .iter()
        .filter(|status| status.1 == node)
        .map(|status| status.2.as_str())
        .collect()
}

fn count(status: &[&str], what: &str) -> usize {
    status.iter().filter(|&&other| other == what).count()
}

#[test]
fn a_killed_node_gets_nothing_until_it_is_started_initialised_and_set_up_again() {
    let harness = harness(&[Fault::Kill], answers()).run().unwrap();
    let mut kills = 0;
    for node in 0..3 {
        let status = status(&harness, node);
        kills += count(&status, "kill");
        assert_eq!(count(&status, "start"), count(&status, "kill") + 1, "it is up in the end");
        for (n, what) in status.iter().enumerate() {
            match *what {
                "kill" => assert_eq!(status[n + 1], "start"),
                "start" => assert_eq!(status[n + 1], "init"),
                _ => {}
            }
        }
        assert_eq!(count(&status, "topology"), count(&status, "start"));
    }
    assert!(kills > 3, "{kills}");
}

#[test]
fn operations_of_a_killed_node_are_left_open_and_its_clients_go_on_later() {
    let harness = harness(&[Fault::Kill], answers()).run().unwrap();
    let open: Vec<&Op> = harness.ops(OpType::Info).collect();
    assert!(open.len() > 3);
    assert!(open.iter().all(|op| op.f == "broadcast"));
    let last = open.last().unwrap().process;
    let Process::Client(number) = last else { panic!("{last}") };
    let next = Process::Client(number + 3);
    assert!(harness.ops(OpType::Ok).any(|op| op.process == next));
    assert_eq!(harness.ops(OpType::Ok).filter(|op| op.is_final).count(), 3);
}

#[test]
fn the_history_tells_who_was_killed_and_started() {
    let harness = harness(&[Fault::Kill], answers()).run().unwrap();
    let mut down = std::collections::BTreeSet::new();
    for pair in harness.nemesis().collect::<Vec<_>>().chunks(2) {
        let nodes: Vec<String> = pair[1].decode().unwrap();
        match pair[0].f.as_ref() {
            "kill" => {
                let asked: Option<String> = pair[0].decode().unwrap();
                assert_eq!(asked.as_deref() == Some("all"), nodes.len() == 3 && asked.is_some());
                down.extend(nodes);
            }
            "start" => {
                assert_eq!(pair[0].value.get(), "\"all\"");
                assert!(nodes.iter().eq(down.iter()));
                down.clear();
            }
            other => panic!("{other}"),
        }
    }
    assert!(down.is_empty(), "the last operation is a start");
}

#[test]
fn paused_nodes_go_on_before_the_recovery() {
    let harness = harness(&[Fault::Pause], answers()).run().unwrap();
    let paused = harness.events.iter().filter(|status| status.2 == "pause").count();
    assert!(paused > 3, "{paused}");
    for node in 0..3 {
        let status = status(&harness, node);
        let turns: Vec<&str> =
            status.into_iter().filter(|what| ["pause", "resume"].contains(what)).collect();
        for (n, turn) in turns.iter().enumerate() {
            assert_eq!(*turn, if n % 2 == 0 { "pause" } else { "resume" });
        }
        assert!(turns.len().is_multiple_of(2));
    }
    let last = harness.nemesis().last().unwrap();
    let first_final = harness.history.iter().find(|op| op.is_final).unwrap();
    assert!(seconds(first_final) - seconds(last) >= 10.0);
}

#[test]
fn a_node_is_not_paused_while_it_is_prepared_and_a_killed_one_not_at_all() {
    // Preparing takes two seconds, so that pauses fall into it.
    let slow: Script = Box::new(|_, message, body| {
        let prepares = body["type"] == "init" || body["type"] == "topology";
        vec![later(if prepares { 1.0 } else { 0.0 }, answer(message, body))]
    });
    let harness = harness(&[Fault::Kill, Fault::Pause], slow).run().unwrap();
    let mut pauses = 0;
    for node in 0..3 {
        let mut ready_at = Duration::MAX;
        for (at, _, what) in harness.events.iter().filter(|status| status.1 == node) {
            match what.as_str() {
                "start" | "kill" => ready_at = Duration::MAX,
                "topology" => ready_at = *at + Duration::from_secs(1),
                "pause" => {
                    pauses += 1;
                    assert!(*at >= ready_at, "paused at {at:?}");
                }
                _ => {}
            }
        }
    }
    assert!(pauses > 3, "{pauses}");
}

#[test]
fn a_node_that_does_not_come_back_is_named() {
    let mut initialised = std::collections::BTreeSet::new();
    let once: Script = Box::new(move |node, message, body| {
        let comes_back = body["type"] == "init" && !initialised.insert(node);
        if comes_back { vec![] } else { vec![answer(message, body)] }
    });
    let fault = harness(&[Fault::Kill], once).run().err().unwrap();
    assert!(matches!(fault.kind, FaultKind::Silent { request: "init", seconds: 10, .. }));
}

#[test]
fn what_a_killed_node_left_in_its_pipe_is_ignored() {
    let mut settings = settings(Workload::Echo);
    settings.nemesis = vec![Fault::Kill.into()];
    let mut world = World::new(&settings).unwrap();
    let mut out = Vec::new();
    world.start(Duration::ZERO, &mut out);
    world.kill_node(1, Duration::ZERO, &mut out);
    assert!(world.node_line(1, b"half a li", Duration::ZERO, &mut out).is_ok());
    assert!(world.node_line(0, b"half a li", Duration::ZERO, &mut out).is_err());
}
