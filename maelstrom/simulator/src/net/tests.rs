use std::collections::BTreeSet;

use rand::SeedableRng as _;

use super::*;
use crate::settings::LatencyDist;

const N0: Address = Address::Node(0);
const N1: Address = Address::Node(1);
const C0: Address = Address::Client(0);
const KV: Address = Address::Service(ServiceName::LinKv);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn network(latency: u64) -> Network {
    let latency = Latency { mean: ms(latency), dist: LatencyDist::Constant };
    Network::new(3, latency, StdRng::seed_from_u64(0), StdRng::seed_from_u64(1))
}

/// Sends an empty body; the message's id.
fn send(net: &mut Network, src: Address, dest: Address, at: u64) -> u64 {
    let body = RawValue::from_string("{}".to_owned()).unwrap();
    let message = net.register(src, dest, body, ms(at));
    let id = message.id;
    net.post(message, ms(at));
    id
}

/// The ids of what is received by a time, with the times at which it was due.
fn receive(net: &mut Network, by: u64) -> Vec<(u64, u64)> {
    let mut received = Vec::new();
    while let Some(due) = net.next_due().filter(|&due| due <= ms(by)) {
        let message = net.receive(due).unwrap();
        received.push((message.id, u64::try_from(due.as_millis()).unwrap()));
    }
    received
}

#[test]
fn nodes_and_services_have_latency_and_clients_have_none() {
    let mut net = network(100);
    let to_node = send(&mut net, N1, N0, 0);
    let to_service = send(&mut net, N1, KV, 0);
    let from_client = send(&mut net, C0, N1, 0);
    assert_eq!(receive(&mut net, 99), [(from_client, 0)]);
    assert_eq!(receive(&mut net, 100), [(to_node, 100), (to_service, 100)]);
    let from_service = send(&mut net, KV, N1, 100);
    assert_eq!(receive(&mut net, 1000), [(from_service, 200)]);
}

#[test]
fn nothing_is_received_before_it_is_due() {
    let mut net = network(100);
    send(&mut net, N1, N0, 0);
    assert_eq!(net.next_due(), Some(ms(100)));
    assert!(net.receive(ms(99)).is_none());
    assert!(net.receive(ms(100)).is_some());
    assert_eq!(net.next_due(), None);
}

#[test]
fn a_message_in_hand_holds_back_what_comes_after_it() {
    let mut net = network(100);
    let slow = send(&mut net, N1, N0, 0);
    let request = send(&mut net, C0, N0, 10);
    assert_eq!(net.next_due(), Some(ms(100)), "not the client's request, due at 10");
    assert_eq!(receive(&mut net, 100), [(slow, 100), (request, 10)]);
}

#[test]
fn what_waits_behind_the_message_in_hand_is_taken_in_the_order_it_is_due() {
    let mut net = network(100);
    let in_hand = send(&mut net, N1, N0, 0);
    let later = send(&mut net, N1, N0, 20);
    let sooner = send(&mut net, C0, N0, 50);
    assert_eq!(receive(&mut net, 1000), [(in_hand, 100), (sooner, 50), (later, 120)]);
}

#[test]
fn messages_due_at_the_same_time_come_in_the_order_they_were_sent() {
    let mut net = network(0);
    let sent: Vec<u64> = (0..20).map(|n| send(&mut net, Address::Node(n % 3), N0, 0)).collect();
    let received: Vec<u64> = receive(&mut net, 0).into_iter().map(|(id, _)| id).collect();
    assert_eq!(received, sent);
}

#[test]
fn receivers_do_not_hold_back_each_other() {
    let mut net = network(100);
    let slow = send(&mut net, N1, N0, 0);
    let quick = send(&mut net, C0, N1, 5);
    assert_eq!(receive(&mut net, 1000), [(quick, 5), (slow, 100)]);
}

/// n0 no longer hears n1; everybody else hears everybody.
fn deaf_to_n1() -> Grudge {
    vec![BTreeSet::from([1]), BTreeSet::new(), BTreeSet::new()]
}

#[test]
fn a_partition_stops_what_is_taken_while_it_lasts() {
    let mut net = network(0);
    net.cut(deaf_to_n1());
    send(&mut net, N1, N0, 0);
    let other_way = send(&mut net, N0, N1, 0);
    let other_sender = send(&mut net, Address::Node(2), N0, 0);
    assert_eq!(receive(&mut net, 0), [(other_way, 0), (other_sender, 0)]);
    net.heal();
    let after = send(&mut net, N1, N0, 1);
    assert_eq!(receive(&mut net, 1), [(after, 1)], "what was stopped does not come back");
}

#[test]
fn a_partition_does_not_stop_what_was_taken_before_it() {
    let mut net = network(100);
    let in_hand = send(&mut net, N1, N0, 0);
    let _behind_it = send(&mut net, N1, N0, 0);
    net.cut(deaf_to_n1());
    assert_eq!(receive(&mut net, 1000), [(in_hand, 100)]);
}

#[test]
fn what_waits_while_a_partition_comes_and_goes_gets_through() {
    let mut net = network(100);
    let in_hand = send(&mut net, N1, N0, 0);
    let behind_it = send(&mut net, N1, N0, 10);
    net.cut(deaf_to_n1());
    net.heal();
    assert_eq!(receive(&mut net, 1000), [(in_hand, 100), (behind_it, 110)]);
}

#[test]
fn clients_and_services_are_never_cut_off() {
    let mut net = network(0);
    net.cut(vec![BTreeSet::from([0, 1, 2]); 3]);
    let expected = [(send(&mut net, C0, N0, 0), 0), (send(&mut net, KV, N0, 0), 0)];
    assert_eq!(receive(&mut net, 0), expected);
    let request = send(&mut net, N0, KV, 0);
    assert_eq!(receive(&mut net, 0), [(request, 0)]);
}

#[test]
fn messages_are_counted_by_whether_a_client_takes_part() {
    let mut net = network(0);
    net.cut(deaf_to_n1());
    send(&mut net, C0, N0, 0);
    send(&mut net, N1, N0, 0);
    send(&mut net, N0, KV, 0);
    receive(&mut net, 0);
    let body = RawValue::from_string("{}".to_owned()).unwrap();
    let reply = net.register(N0, C0, body, ms(0));
    net.received(&reply, ms(0));
    let counts = |send_count, recv_count| Counts { send_count, recv_count, msg_count: send_count };
    let expected = NetCounts { all: counts(4, 3), clients: counts(2, 2), servers: counts(2, 1) };
    assert_eq!(net.counts(), expected);
}

#[test]
fn traffic_is_told_of_only_as_far_as_it_is_watched() {
    let mut net = network(0);
    send(&mut net, N1, N0, 0);
    assert_eq!(net.traffic().count(), 0);
    net.watch(Watch { send: false, recv: true });
    send(&mut net, N1, N0, 7);
    receive(&mut net, 7);
    let traffic: Vec<Traffic> = net.traffic().collect();
    assert!(traffic.iter().all(|traffic| traffic.event == TrafficEvent::Recv));
    assert_eq!(traffic.len(), 2);
}

#[test]
fn what_is_under_way_to_a_node_that_goes_down_is_lost_and_what_is_sent_meanwhile() {
    let mut net = network(100);
    let _in_hand = send(&mut net, N1, N0, 0);
    let _queued = send(&mut net, N1, N0, 0);
    let elsewhere = send(&mut net, N0, N1, 0);
    net.disconnect(0, Duration::ZERO);
    send(&mut net, N1, N0, 10);
    net.connect(0);
    let after = send(&mut net, N1, N0, 20);
    assert_eq!(receive(&mut net, 1000), [(elsewhere, 100), (after, 120)]);
    assert_eq!(net.counts().all.send_count, 5);
}

#[test]
fn nodes_without_a_link_never_hear_each_other_and_everybody_else_does() {
    let mut net = network(10);
    net.restrict(Some(crate::links::Links::Chain.neighbours(3).unwrap()));
    net.cut(vec![BTreeSet::new(); 3]);
    net.heal();
    let n2 = Address::Node(2);
    let near = send(&mut net, N0, N1, 0);
    let far = send(&mut net, N0, n2, 0);
    let back = send(&mut net, n2, N0, 0);
    let own = send(&mut net, N0, N0, 0);
    let (client, service) = (send(&mut net, C0, n2, 0), send(&mut net, KV, n2, 0));
    let received: BTreeSet<u64> = receive(&mut net, 1000).into_iter().map(|(id, _)| id).collect();
    assert_eq!(received, BTreeSet::from([near, own, client, service]), "not {far} and {back}");
    assert_eq!(net.counts().all.send_count - net.counts().all.recv_count, 2);
}
