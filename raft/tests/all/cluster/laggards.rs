//! Followers that are behind, and what they cost the others.

use std::time::Duration;

use maelstrom::machine::Rank;
use raft::{Options, Raft};
use simulator::cluster::Conditions;
use simulator::{Effect, Latency, LatencyDist};

use crate::cluster::SECOND;
use crate::cluster::world::World;

fn world(nodes: usize, latency: Duration, write_time: Duration, options: &Options) -> World {
    let latency = Latency { mean: latency, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, write_time, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, options);
    world.cluster.run_for(2 * SECOND).unwrap();
    world
}

/// One that does not lead.
fn follower(world: &World) -> Rank {
    let follows = |node: &Rank| world.cluster.machine(*node).is_some_and(|raft| !raft.is_leader());
    (0..world.cluster.size()).find(follows).unwrap()
}

/// How long requests took, from the shortest to the longest, since there were so many, all
/// but those of one node.
fn times(world: &World, since: usize, but: Option<Rank>) -> Vec<Duration> {
    let took = world.cluster.asked()[since..].iter().filter(|asked| Some(asked.node) != but);
    let mut times: Vec<Duration> =
        took.map(|asked| asked.reply.as_ref().unwrap().0 - asked.at).collect();
    times.sort();
    times
}

/// Snapshots of some hundred bytes go in chunks so small that it takes a second.
fn slow_snapshots() -> Options {
    let mut options = Options::default();
    (options.snapshot_every, options.keep) = (10, 10);
    (options.chunk_bytes, options.window_bytes) = (5, 10);
    options
}

#[test]
fn who_is_sent_a_snapshot_keeps_nobody_waiting_and_catches_up() {
    let mut world = world(3, SECOND / 100, Duration::ZERO, &slow_snapshots());
    let behind = follower(&world);
    world.cluster.apply(Effect::Kill(vec![behind]));
    world.load(5 * SECOND, 100.0).unwrap();
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(SECOND / 10).unwrap();
    let since = world.operations();
    world.load(SECOND / 2, 100.0).unwrap();
    let applied = |world: &World, node| world.cluster.machine(node).map(Raft::applied_index);
    let all = |world: &World| (0..3).filter_map(|node| applied(world, node)).max().unwrap();
    let lacks = all(&world).since(applied(&world, behind).unwrap());
    assert!(lacks > 20, "it took too short a time: {lacks}");
    world.load(4 * SECOND, 100.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, since, Some(behind));
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 <= SECOND / 10, "{p99:?}");
    assert_eq!(applied(&world, behind), Some(all(&world)));
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn an_acknowledgement_waits_for_its_own_entries_and_not_for_later_ones() {
    let (latency, write_time) = (SECOND / 500, SECOND / 200);
    let mut world = world(5, latency, write_time, &Options::default());
    world.load(5 * SECOND, 500.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, 0, None);
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 <= 4 * latency + 2 * write_time, "{p99:?}");
}

/// The leader asks for the read whether it leads, and the follower has the last entry, but not
/// safe yet.
#[test]
fn who_answers_a_question_before_its_entries_are_safe_says_so_when_they_are() {
    let (latency, write_time) = (SECOND / 500, SECOND / 200);
    let mut world = world(3, latency, write_time, &Options::default());
    world.load(20 * SECOND, 30.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, 0, None);
    let worst = times[times.len() - 1];
    assert!(worst <= 4 * latency + 4 * write_time, "{worst:?}");
}
