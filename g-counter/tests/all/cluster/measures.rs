//! What the counter costs, and how fast it is: messages, latencies, convergence.

use std::time::Duration;

use g_counter::counter::Reply;
use g_counter::injected_bugs::{Bug, Bugs};
use maelstrom::machine::Rank;
use simulator::cluster::Conditions;
use simulator::{Effect, Latency, LatencyDist, SeqKv};

use crate::cluster::SECOND;
use crate::cluster::world::World;

/// A cluster whose messages take up to `latency`.
fn world(nodes: usize, latency: Duration) -> World {
    let latency = Latency { mean: latency / 2, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency, ..Conditions::default() };
    World::new(nodes, 1, conditions, Bugs::default())
}

fn messages_per_request(world: &World) -> f64 {
    world.messages() as f64 / world.cluster.asked().len() as f64
}

/// The median time from an add to its acknowledgement.
fn median_add(world: &World) -> Duration {
    let mut times: Vec<Duration> = world
        .asked()
        .filter_map(|(asked, _)| match asked.reply {
            Some((at, Ok(Reply::Added))) => Some(at - asked.at),
            _ => None,
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// How long after now all nodes read the sum of all acknowledged adds.
fn convergence(world: &mut World) -> Duration {
    let (start, sum) = (world.cluster.now(), world.acknowledged());
    while world.read_all().iter().any(|&value| value != Some(sum)) {
        assert!(world.cluster.now() < start + 60 * SECOND, "it does not converge");
        world.cluster.run_for(Duration::from_millis(10)).unwrap();
    }
    world.cluster.now() - start
}

#[test]
fn an_add_takes_one_round_trip_to_the_service() {
    let mut world = world(3, SECOND / 10);
    world.load(60 * SECOND, 10.0, 4).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    // Each way takes between 0 and 100 ms. Some adds wait for the one before.
    let median = median_add(&world);
    assert!(median < Duration::from_millis(110), "{median:?}");
}

#[test]
fn a_hundred_nodes_agree_within_two_seconds_of_the_last_add() {
    for latency in [Duration::ZERO, SECOND / 10] {
        let mut world = world(100, latency);
        world.load(5 * SECOND, 1_000.0, 4).unwrap();
        // What is under way is acknowledged within a round trip or two.
        let messages = messages_per_request(&world);
        world.cluster.run_for(4 * latency).unwrap();
        let time = convergence(&mut world) + 4 * latency;
        assert!(time <= 2 * SECOND, "{time:?}");
        assert!(messages < 2.0, "{messages} messages per request");
    }
}

#[test]
fn with_all_adds_known_nothing_is_sent() {
    let mut world = world(25, SECOND / 10);
    world.load(2 * SECOND, 100.0, 4).unwrap();
    world.cluster.run_for(5 * SECOND).unwrap();
    let messages = world.messages();
    world.cluster.run_for(600 * SECOND).unwrap();
    assert_eq!(world.messages(), messages);
}

/// Has nobody hear anybody.
fn everybody_alone(nodes: usize) -> Effect {
    Effect::Partition(vec![(0..nodes).collect(); nodes])
}

#[test]
fn what_a_dead_or_cut_off_node_added_comes_from_the_service() {
    for seq_kv in SeqKv::ALL {
        let conditions = Conditions { seq_kv, ..Conditions::default() };
        let mut world = World::new(4, 1, conditions, Bugs::default());
        world.cluster.run_until(5 * SECOND).unwrap();
        // Nobody hears anybody, and the node that adds is dead for long.
        world.cluster.apply(everybody_alone(4));
        world.add(3, 40);
        world.cluster.run_until(6 * SECOND).unwrap();
        world.cluster.apply(Effect::Kill(vec![3]));
        // The others notice that they are cut off when they add themselves.
        for node in 0..3 {
            world.add(node, 1);
        }
        world.cluster.run_until(60 * SECOND).unwrap();
        // At its worst the service may show nothing of it before the node is back.
        if seq_kv == SeqKv::Real {
            assert_eq!(world.read_all(), [Some(43); 3]);
        }
        world.cluster.apply(Effect::Heal);
        world.cluster.apply(Effect::Start);
        world.cluster.run_until(120 * SECOND).unwrap();
        assert_eq!(world.read_all(), [Some(43); 4]);
    }
}

/// How long after an add at node 2 all others show it, while these nodes are dead and
/// nobody else adds; each is read once a second.
fn freshness(nodes: usize, bugs: Bugs, dead: &[Rank], latency: Duration) -> Option<Duration> {
    let latencies = Latency { mean: latency / 2, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency: latencies, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, bugs);
    world.cluster.run_until(5 * SECOND).unwrap();
    world.cluster.apply(Effect::Kill(dead.to_vec()));
    world.cluster.run_until(60 * SECOND).unwrap();
    if dead.is_empty() {
        world.cluster.apply(Effect::Partition(vec![[2].into(); nodes]));
    }
    let add = world.add(2, 40);
    world.cluster.run_for(4 * latency + Duration::from_millis(1)).unwrap();
    assert_eq!(world.cluster.reply(add), Some(&Ok(Reply::Added)));
    if dead.is_empty() {
        // Nor is who has added there any more, and has told nobody.
        world.cluster.apply(Effect::Kill(vec![2]));
    }
    let start = world.cluster.now();
    while world.read_all().iter().any(|&value| value != Some(40)) {
        if world.cluster.now() >= start + 60 * SECOND {
            return None;
        }
        world.cluster.run_for(SECOND).unwrap();
    }
    Some(world.cluster.now() - start)
}

#[test]
fn who_only_reads_is_up_to_date_without_both_hubs_and_without_who_added() {
    for nodes in [3, 4, 10, 100] {
        for latency in [Duration::ZERO, SECOND / 10] {
            for dead in [&[0, 1][..], &[0], &[]] {
                let time = freshness(nodes, Bugs::default(), dead, latency);
                let is_fresh = time.is_some_and(|time| time <= 8 * SECOND);
                assert!(is_fresh, "{nodes} nodes, {latency:?} a hop, {dead:?} dead: {time:?}");
            }
        }
    }
    let never_asks = Bugs::only(Bug::NeverAsk);
    assert_eq!(freshness(10, never_asks, &[0, 1], Duration::ZERO), None);
}
