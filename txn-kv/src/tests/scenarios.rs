//! Single situations, told step by step.

use std::time::Duration;

use super::oracle;
use super::world::{Settings, World};
use crate::injected_bugs::{Bug, Bugs};

const MS: Duration = Duration::from_millis(1);

/// Reads a key at a node.
fn read(world: &mut World, node: usize, key: u64) -> Option<u64> {
    world.txn(node, &[(key, None)]).unwrap();
    world.history.last().unwrap().reads[0].1
}

fn write(world: &mut World, node: usize, key: u64, value: u64) {
    world.txn(node, &[(key, Some(value))]).unwrap();
}

fn cut(world: &mut World, a: usize, b: usize) {
    world.cuts.extend([(a, b), (b, a)]);
}

/// A world whose nodes have met.
fn world(settings: Settings) -> World {
    let mut world = World::new(settings);
    world.run(2000 * MS);
    world
}

/// Runs 1,000 transactions a second for 20 seconds; returns messages per
/// operation, and the median and greatest time until writes were everywhere.
fn measure(nodes: usize, latency: Duration) -> (f64, Duration, Duration) {
    let settings = Settings { latency, watch: true, ..Settings::calm(1, nodes) };
    let mut world = world(settings);
    let before = world.messages;
    for _ in 0..20_000 {
        let node = world.below(nodes);
        world.some_txn(node).unwrap();
        world.run(MS);
    }
    let per_operation = (world.messages - before) as f64 / 20_000.0;
    world.run(Duration::from_secs(10));
    let spread = world.spread.iter().map(|spread| spread.everywhere.unwrap() - spread.committed);
    let mut spread: Vec<Duration> = spread.collect();
    spread.sort_unstable();
    let (median, most) = (spread[spread.len() / 2], *spread.last().unwrap());
    println!(
        "{nodes} nodes, {latency:?} mean latency: {per_operation:.3} messages an operation, \
         writes everywhere after {median:?} (median), {most:?} (at most)"
    );
    (per_operation, median, most)
}

#[test]
fn two_nodes_need_few_messages_and_writes_are_soon_everywhere() {
    let (per_operation, _, most) = measure(2, Duration::ZERO);
    assert!(per_operation <= 0.2);
    assert!(most <= 100 * MS);
    let (per_operation, median, _) = measure(2, 100 * MS);
    assert!(per_operation <= 0.2);
    assert!(median <= 200 * MS);
}

#[test]
fn ten_nodes_do_not_get_in_one_anothers_way() {
    let (_, _, most) = measure(10, Duration::ZERO);
    assert!(most <= 100 * MS);
}

#[test]
fn nodes_with_nothing_to_say_are_silent() {
    let mut world = world(Settings::calm(1, 10));
    write(&mut world, 3, 1, 1);
    world.run(5000 * MS);
    let before = world.messages;
    world.run(Duration::from_secs(3600));
    assert_eq!(world.messages, before);
    world.check_end().unwrap();
}

#[test]
fn a_write_takes_another_way_when_the_direct_one_is_cut() {
    let mut world = world(Settings::calm(1, 3));
    cut(&mut world, 0, 2);
    for value in 1..200 {
        write(&mut world, 0, 1, value);
        world.run(10 * MS);
    }
    world.run(1000 * MS);
    assert_eq!(read(&mut world, 2, 1), Some(199));
    write(&mut world, 0, 1, 200);
    world.run(150 * MS);
    assert_eq!(read(&mut world, 2, 1), Some(200), "once known to be needed, it is quick");
}

#[test]
fn an_effect_waits_for_its_cause() {
    for (bug, seen) in [(None, None), (Some(Bug::OutOfOrder), Some(2))] {
        let bugs = bug.map_or_else(Bugs::default, Bugs::only);
        let mut world = world(Settings { bugs, ..Settings::calm(1, 3) });
        cut(&mut world, 0, 2);
        write(&mut world, 0, 1, 1);
        world.run(100 * MS);
        assert_eq!(read(&mut world, 1, 1), Some(1));
        write(&mut world, 1, 2, 2);
        world.run(100 * MS);
        assert_eq!(read(&mut world, 2, 2), seen, "the cause is cut off yet");
        world.run(2000 * MS);
        assert_eq!((read(&mut world, 2, 1), read(&mut world, 2, 2)), (Some(1), Some(2)));
        assert_eq!(oracle::check(&world.history).is_err(), bug.is_some() && seen.is_none());
    }
}

#[test]
fn who_overwrites_what_it_read_wins() {
    for (bug, last) in [(None, 100), (Some(Bug::DeafClock), 99)] {
        let bugs = bug.map_or_else(Bugs::default, Bugs::only);
        let mut world = world(Settings { bugs, ..Settings::calm(1, 2) });
        for value in 1..100 {
            write(&mut world, 0, 1, value);
        }
        world.run(100 * MS);
        assert_eq!(read(&mut world, 1, 1), Some(99));
        write(&mut world, 1, 1, 100);
        world.run(100 * MS);
        assert_eq!(read(&mut world, 0, 1), Some(last));
        assert_eq!(oracle::check(&world.history).is_err(), bug.is_some());
    }
}

#[test]
fn a_transaction_is_seen_whole() {
    for bug in [None, Some(Bug::TwoSteps)] {
        let bugs = bug.map_or_else(Bugs::default, Bugs::only);
        let mut world = world(Settings { bugs, latency: 20 * MS, ..Settings::calm(1, 2) });
        world.txn(0, &[(1, Some(1)), (2, Some(2))]).unwrap();
        for _ in 0..200 {
            world.txn(1, &[(1, None), (2, None)]).unwrap();
            world.run(MS);
        }
        assert_eq!(oracle::check(&world.history).is_err(), bug.is_some());
    }
}

#[test]
fn what_is_not_acknowledged_is_sent_again() {
    for (bug, seen) in [(None, Some(1)), (Some(Bug::ForgetUnacknowledged), None)] {
        let bugs = bug.map_or_else(Bugs::default, Bugs::only);
        let mut world = world(Settings { bugs, ..Settings::calm(1, 2) });
        cut(&mut world, 0, 1);
        write(&mut world, 0, 1, 1);
        world.run(1000 * MS);
        world.cuts.clear();
        world.run(1500 * MS);
        assert_eq!(read(&mut world, 1, 1), seen);
    }
}

/// A world in which every node has thousands of keys and no transactions.
fn full(nodes: usize, durable: bool) -> World {
    let mut world = world(Settings { durable, ..Settings::calm(1, nodes) });
    for key in 0..5_000 {
        write(&mut world, 0, key, key);
        if key % 100 == 0 {
            world.run(10 * MS);
        }
    }
    world.run(3000 * MS);
    assert!(world.replica(0).database().journal().is_empty());
    world
}

#[test]
fn a_node_that_lost_everything_is_filled_again_and_shows_no_half() {
    let mut world = full(3, false);
    world.kill(2);
    world.start(2);
    world.settings.loss = 0.3;
    let mut steps = 0;
    while read(&mut world, 2, 0).is_none() {
        assert_eq!(read(&mut world, 2, 4_999), None, "half a snapshot is seen");
        world.run(10 * MS);
        steps += 1;
        assert!(steps < 2_000, "it takes too long");
    }
    assert!((0..5_000).all(|key| read(&mut world, 2, key) == Some(key)));
    write(&mut world, 2, 1, 9_999);
    world.settings.loss = 0.0;
    world.run(5000 * MS);
    assert_eq!(read(&mut world, 0, 1), Some(9_999));
    world.check_end().unwrap();
}

#[test]
fn a_node_that_is_gone_for_good_does_not_fill_the_others_memory() {
    let mut world = world(Settings { max_journal_bytes: 10_000, ..Settings::calm(1, 3) });
    world.kill(2);
    for value in 0..3_000 {
        write(&mut world, 0, value % 50, value);
        if value % 20 == 0 {
            world.run(10 * MS);
        }
        assert!(world.replica(0).database().journal().bytes() < 30_000);
    }
    world.start(2);
    world.run(Duration::from_secs(10));
    assert_eq!(read(&mut world, 2, 49), Some(2_999));
    world.check_end().unwrap();
}

#[test]
fn a_message_of_a_life_that_is_over_does_not_make_a_node_be_taken_for_filled() {
    let mut world = world(Settings { durable: false, ..Settings::calm(1, 2) });
    write(&mut world, 0, 1, 1);
    world.run(1000 * MS);
    // Its last words are under way, and slow.
    write(&mut world, 1, 2, 2);
    world.settings.latency = 2000 * MS;
    world.run(60 * MS);
    world.kill(1);
    world.settings.latency = Duration::ZERO;
    world.start(1);
    world.run(Duration::from_secs(30));
    assert_eq!(read(&mut world, 1, 1), Some(1));
    world.check_end().unwrap();
}

/// Kills nodes without a disk, `kills` times in turn; each comes back, and commits.
fn kill_often(world: &mut World, kills: u64) {
    for kill in 0..kills {
        let node = (kill % 5) as usize;
        write(world, (node + 1) % 5, kill % 7, 2 * kill);
        world.kill(node);
        world.run(100 * MS);
        world.start(node);
        world.run(700 * MS);
        write(world, node, kill % 7, 2 * kill + 1);
        world.run(100 * MS);
    }
}

/// The largest message because of one write at a node, and how many bytes all come to.
fn cost_of_a_write(world: &mut World, node: usize) -> (usize, u64) {
    let before = world.bytes;
    world.largest = 0;
    write(world, node, 1, 10_000 + before);
    world.run(3000 * MS);
    (world.largest, world.bytes - before)
}

#[test]
fn after_many_kills_messages_are_as_small_as_before() {
    let mut world = world(Settings { durable: false, ..Settings::calm(1, 5) });
    kill_often(&mut world, 400);
    assert!(world.replica(0).database().have().len() > 400);
    world.run(5000 * MS);
    for node in 0..5 {
        let (largest, all) = cost_of_a_write(&mut world, node);
        assert!(largest < 300 && all < 6_000, "{largest} bytes, {all} in all");
    }
    // And so is what a new incarnation writes first, once it is filled.
    world.kill(2);
    world.start(2);
    world.run(5000 * MS);
    let (largest, all) = cost_of_a_write(&mut world, 2);
    assert!(largest < 500 && all < 6_000, "{largest} bytes, {all} in all");
    world.check_end().unwrap();
}

#[test]
fn nor_are_they_larger_while_a_node_is_gone_for_good() {
    let mut world = world(Settings { durable: false, ..Settings::calm(1, 6) });
    world.kill(5);
    kill_often(&mut world, 60);
    world.run(5000 * MS);
    let (largest, _) = cost_of_a_write(&mut world, 1);
    assert!(largest < 500, "{largest} bytes");
    world.start(5);
    world.run(Duration::from_secs(10));
    world.check_end().unwrap();
}
