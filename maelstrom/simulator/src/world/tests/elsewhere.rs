//! Messages that others carry, and machines that are gone.

use super::*;
use crate::nemesis::Fault;
use crate::net::{Address, Cause, Elsewhere, What};
use crate::settings::Workload;

fn harness(faults: &[Fault], script: Script) -> Harness {
    let mut settings = settings(Workload::Broadcast);
    settings.time_limit = Duration::from_secs(30);
    settings.nemesis = faults.iter().map(|&fault| fault.into()).collect();
    settings.nemesis_interval = Duration::from_secs(4);
    Harness::new(&settings, script)
}

/// A world whose nodes are being initialised, and what it wanted done so far.
fn begun() -> (World, Vec<Command>) {
    let mut world = World::new(&settings(Workload::Echo)).unwrap();
    world.leave(Elsewhere::Nodes);
    let mut out = Vec::new();
    world.start(Duration::ZERO, &mut out);
    (world, out)
}

fn line(dest: &str) -> Vec<u8> {
    json!({"src": "n1", "dest": dest, "body": {"type": "x"}}).to_string().into_bytes()
}

#[test]
fn messages_that_are_left_to_others_are_counted_and_go_no_further() {
    let (mut world, mut out) = begun();
    let before = world.net_counts().servers;
    let id = world.node_line(1, &line("n0"), Duration::ZERO, &mut out).unwrap();
    let kept = world.node_line(1, &line("lin-kv"), Duration::ZERO, &mut out).unwrap();
    assert!(id.is_some() && kept.is_none());
    world.advance(Duration::ZERO, &mut out).unwrap();
    let counts = world.net_counts().servers;
    assert_eq!((counts.send_count - before.send_count, counts.recv_count), (3, 2));
    world.became(What::Received(id.unwrap()), Duration::ZERO);
    world.became(What::Dropped(id.unwrap(), Cause::Partition), Duration::ZERO);
    assert_eq!(world.net_counts().servers.recv_count, 3);
    let delivered = out.iter().filter(|command| {
        matches!(command, Command::Deliver(0, Message { src: Address::Node(1), .. }))
    });
    assert_eq!(delivered.count(), 0);
}

#[test]
fn whoever_carries_messages_is_told_of_the_faults_of_the_network() {
    for elsewhere in [Elsewhere::Nothing, Elsewhere::Nodes, Elsewhere::NodesAndServices] {
        let mut harness = harness(&[Fault::Partition, Fault::Loss], answers());
        harness.world.leave(elsewhere);
        let harness = harness.run().unwrap();
        let told = harness.events.iter().filter(|(_, _, what)| what == "network").count();
        let changes = harness.nemesis().count() / 2;
        assert_eq!(told, if elsewhere == Elsewhere::Nothing { 0 } else { changes });
        assert!(changes > 4, "{changes}");
    }
}

#[test]
fn a_node_that_is_lost_stays_so_and_the_test_goes_on() {
    let mut harness = harness(&[Fault::Kill], answers());
    harness.lost = Some((Duration::from_secs(10), 2));
    let harness = harness.run().unwrap();
    let since = |(at, node, what): &&(Duration, usize, String)| {
        *at > Duration::from_secs(11) && *node == 2 && what != "network"
    };
    assert_eq!(harness.events.iter().filter(since).count(), 0);
    assert_eq!(harness.world.stats().quirks.count(Quirk::NodeLost), 1);
    let last = harness.ops(OpType::Ok).last().unwrap();
    assert!(seconds(last) > 29.0, "the others go on");
}

#[test]
fn a_test_cannot_begin_without_one_of_its_nodes() {
    let (mut world, _) = begun();
    let fault = world.lose(2, "it was switched off", Duration::ZERO).unwrap_err();
    assert!(fault.to_string().contains("before the test began: it was switched off"), "{fault}");
}

#[test]
fn nodes_that_an_outage_found_being_prepared_are_started_again() {
    let (mut world, mut out) = begun();
    let asked = out.len();
    let init_ok = json!({"src": "n0", "dest": "c0", "body": {"type": "init_ok", "in_reply_to": 1}});
    world.advance(Duration::ZERO, &mut out).unwrap();
    let init_ok = init_ok.to_string().into_bytes();
    world.node_line(0, &init_ok, Duration::ZERO, &mut out).unwrap();
    out.drain(..asked);
    world.outage("for a second", Duration::from_secs(1), &mut out);
    let starts = |node: usize| {
        out.iter().filter(|command| matches!(command, Command::Start(n) if *n == node)).count()
    };
    assert_eq!([0, 1, 2].map(starts), [0, 1, 1]);
    assert_eq!(world.stats().quirks.count(Quirk::Outage), 1);
}
