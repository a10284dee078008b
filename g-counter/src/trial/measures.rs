//! What the counter costs, and how fast it is: messages, latencies, convergence.

use std::time::Duration;

use simulator::settings::SeqKv;

use super::world::{Weather, World};
use super::{Fault, SECOND, Schedule, acknowledged, heal, judge};
use crate::injected_bugs::{Bug, Bugs};

fn calm(nodes: usize, rate: f64, length: Duration) -> Schedule {
    Schedule { nodes, rate, largest: 4, length, faults: Vec::new(), interval: SECOND }
}

fn world(nodes: usize, latency: Duration) -> World {
    let weather = Weather { latency, ..Weather::fair() };
    World::new(1, nodes, weather, Bugs::default())
}

fn messages_per_request(world: &World) -> f64 {
    world.messages as f64 / world.asked.len() as f64
}

/// The median time from an add to its acknowledgement.
fn median_add(world: &World) -> Duration {
    let adds = world.asked.iter().filter(|asked| asked.added());
    let mut times: Vec<Duration> =
        adds.filter_map(|asked| asked.answer.as_ref().map(|(at, _)| *at - asked.at)).collect();
    times.sort();
    times[times.len() / 2]
}

/// How long after now all nodes read the sum of all acknowledged adds.
fn convergence(world: &mut World) -> Duration {
    let (start, sum) = (world.now, acknowledged(&world.asked));
    while world.read_all().iter().any(|&value| value != Some(sum)) {
        assert!(world.now < start + 60 * SECOND, "it does not converge");
        world.run_until(world.now + Duration::from_millis(10));
    }
    world.now - start
}

#[test]
fn the_challenge_costs_at_most_0_8_messages_per_request_and_answers_all() {
    for seed in 0..10 {
        let mut world = World::new(seed, 3, Weather::fair(), Bugs::default());
        let challenge = Schedule {
            faults: vec![Fault::Partition],
            interval: 10 * SECOND,
            ..calm(3, 100.0, 20 * SECOND)
        };
        challenge.run(&mut world);
        heal(&mut world);
        world.run_until(world.now + 10 * SECOND);
        assert_eq!(judge(&mut world), Ok(()));
        assert!(world.asked.iter().all(|asked| asked.answer.is_some()));
        let cost = messages_per_request(&world);
        assert!(cost <= 0.8, "seed {seed}: {cost} messages per request");
    }
}

#[test]
fn an_add_takes_one_round_trip_to_the_service() {
    let mut world = world(3, SECOND / 10);
    calm(3, 10.0, 60 * SECOND).run(&mut world);
    world.run_until(world.now + SECOND);
    // Each way takes between 0 and 100 ms. Some adds wait for the one before.
    let median = median_add(&world);
    assert!(median < Duration::from_millis(110), "{median:?}");
}

#[test]
fn a_hundred_nodes_agree_within_two_seconds_of_the_last_add() {
    for latency in [Duration::ZERO, SECOND / 10] {
        let mut world = world(100, latency);
        calm(100, 1_000.0, 5 * SECOND).run(&mut world);
        // What is under way is acknowledged within a round trip or two.
        let messages = messages_per_request(&world);
        world.run_until(world.now + 4 * latency);
        let time = convergence(&mut world) + 4 * latency;
        assert!(time <= 2 * SECOND, "{time:?}");
        assert!(messages < 2.0, "{messages} messages per request");
    }
}

#[test]
fn with_all_adds_known_nothing_is_sent() {
    let mut world = world(25, SECOND / 10);
    calm(25, 100.0, 2 * SECOND).run(&mut world);
    world.run_until(world.now + 5 * SECOND);
    let messages = world.messages;
    world.run_until(world.now + 600 * SECOND);
    assert_eq!(world.messages, messages);
}

#[test]
fn what_a_dead_or_cut_off_node_added_comes_from_the_service() {
    for seq_kv in SeqKv::ALL {
        let weather = Weather { seq_kv, ..Weather::fair() };
        let mut world = World::new(1, 4, weather, Bugs::default());
        world.run_until(5 * SECOND);
        // Nobody hears anybody, and the node that adds is dead for long.
        world.cut = (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).collect();
        world.add(3, 40);
        world.run_until(6 * SECOND);
        world.kill(3);
        // The others notice that they are cut off when they add themselves.
        for node in 0..3 {
            world.add(node, 1);
        }
        world.run_until(60 * SECOND);
        // At its worst the service may show nothing of it before the node is back.
        if seq_kv == SeqKv::Real {
            assert_eq!(world.read_all(), [Some(43); 3]);
        }
        world.cut.clear();
        world.restart(3);
        world.run_until(120 * SECOND);
        assert_eq!(world.read_all(), [Some(43); 4]);
    }
}

/// How long after an add at node 2 all others show it, while these nodes are dead and
/// nobody else adds; each is read once a second.
fn freshness(nodes: usize, bugs: Bugs, dead: &[usize], latency: Duration) -> Option<Duration> {
    let weather = Weather { latency, ..Weather::fair() };
    let mut world = World::new(1, nodes, weather, bugs);
    world.run_until(5 * SECOND);
    for &node in dead {
        world.kill(node);
    }
    world.run_until(60 * SECOND);
    if dead.is_empty() {
        world.cut = (0..nodes).map(|other| (2, other)).collect();
    }
    world.add(2, 40);
    world.run_until(world.now + 4 * latency);
    assert!(world.asked[0].added());
    if dead.is_empty() {
        // Nor is who has added there any more, and has told nobody.
        world.kill(2);
    }
    let start = world.now;
    while world.read_all().iter().any(|&value| value != Some(40)) {
        if world.now >= start + 60 * SECOND {
            return None;
        }
        world.run_until(world.now + SECOND);
    }
    Some(world.now - start)
}

#[test]
fn who_only_reads_is_up_to_date_without_both_hubs_and_without_who_added() {
    for nodes in [3, 4, 10, 100] {
        for latency in [Duration::ZERO, SECOND / 10] {
            for dead in [&[0, 1][..], &[0], &[]] {
                let time = freshness(nodes, Bugs::default(), dead, latency);
                println!("{nodes} nodes, {latency:?} a hop, {dead:?} dead: {time:?}");
                assert!(time.is_some_and(|time| time <= 8 * SECOND));
            }
        }
    }
    let never_asks = Bugs::only(Bug::NeverAsk);
    assert_eq!(freshness(10, never_asks, &[0, 1], Duration::ZERO), None);
}
