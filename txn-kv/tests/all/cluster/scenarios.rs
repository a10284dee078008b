//! Single situations, told step by step.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use maelstrom::machine::{Output, Rank, Time};
use rand::RngExt as _;
use simulator::cluster::Conditions;
use simulator::{Effect, Latency, LatencyDist};
use txn_kv::injected_bugs::{Bug, Bugs};

use crate::cluster::world::{Settings, World};
use crate::cluster::{MS, SECOND};

/// A world whose nodes have met.
fn world_with(nodes: usize, latency: Duration, settings: Settings) -> World {
    let latency = Latency { mean: latency, dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, settings);
    world.run(2 * SECOND);
    world
}

/// The same without latency.
fn world(nodes: usize) -> World {
    world_with(nodes, Duration::ZERO, Settings::default())
}

/// Replicas without a bug, and with it.
fn with_and_without(bug: Bug) -> [(bool, Settings); 2] {
    let settings = Settings::default();
    [(false, settings), (true, Settings { bugs: Bugs::only(bug), ..settings })]
}

/// Replicas whose logs are lost when they are killed.
fn in_memory() -> Settings {
    Settings { durable: false, ..Settings::default() }
}

/// Runs 1,000 transactions a second for 10 seconds; returns messages for each, and the
/// median and greatest time until writes were everywhere.
fn measure(nodes: usize, latency: Duration) -> (f64, Duration, Duration) {
    let mut world = world_with(nodes, latency, Settings::default());
    let before = world.messages();
    let (mut pending, mut spread) = (VecDeque::new(), Vec::new());
    for step in 0..11_000 {
        let node = world.cluster.rng().random_range(0..nodes);
        if step < 10_000 {
            world.some_txn(node);
            let replica = world.replica(node);
            let incarnation = replica.incarnation().clone();
            let time = replica.database().have().get(&incarnation);
            pending.push_back((world.cluster.now(), incarnation, time));
        }
        world.run(MS);
        let now = world.cluster.now();
        pending.retain(|(since, incarnation, time)| {
            let have = |node| world.replica(node).database().have();
            let is_everywhere = (0..nodes).all(|node| have(node).get(incarnation) >= *time);
            spread.extend(is_everywhere.then(|| now - *since));
            !is_everywhere
        });
    }
    assert!(pending.is_empty(), "a second later all is everywhere");
    spread.sort_unstable();
    let per_transaction = (world.messages() - before) as f64 / 10_000.0;
    (per_transaction, spread[spread.len() / 2], spread[spread.len() - 1])
}

#[test]
fn two_nodes_need_few_messages_and_writes_are_soon_everywhere() {
    let (messages, _, longest) = measure(2, Duration::ZERO);
    assert!(messages <= 0.2 && longest <= 100 * MS, "{messages}, {longest:?}");
    let (messages, median, _) = measure(2, 100 * MS);
    assert!(messages <= 0.2 && median <= 200 * MS, "{messages}, {median:?}");
}

#[test]
fn ten_nodes_do_not_get_in_one_anothers_way() {
    let (_, _, longest) = measure(10, Duration::ZERO);
    assert!(longest <= 100 * MS, "{longest:?}");
}

#[test]
fn nodes_with_nothing_to_say_are_silent() {
    let mut world = world(10);
    world.write(3, 1, 1);
    world.run(5 * SECOND);
    let before = world.messages();
    world.run(3600 * SECOND);
    assert_eq!(world.messages(), before);
    world.check_rest().unwrap();
}

#[test]
fn a_write_takes_another_way_when_the_direct_one_is_cut() {
    let mut world = world(3);
    world.cut(0, 2);
    for value in 1..200 {
        world.write(0, 1, value);
        world.run(10 * MS);
    }
    world.run(SECOND);
    assert_eq!(world.read(2, 1), Some(199));
    world.write(0, 1, 200);
    world.run(150 * MS);
    assert_eq!(world.read(2, 1), Some(200), "once known to be needed, it is quick");
}

#[test]
fn an_effect_waits_for_its_cause() {
    for (is_broken, settings) in with_and_without(Bug::OutOfOrder) {
        let mut world = world_with(3, Duration::ZERO, settings);
        world.cut(0, 2);
        world.write(0, 1, 1);
        world.run(100 * MS);
        assert_eq!(world.read(1, 1), Some(1));
        world.write(1, 2, 2);
        world.run(100 * MS);
        assert_eq!(world.read(2, 2), is_broken.then_some(2), "the cause is cut off yet");
        assert_eq!(world.read(2, 1), None);
        assert_eq!(!world.findings().is_empty(), is_broken);
        world.run(2 * SECOND);
        assert_eq!((world.read(2, 1), world.read(2, 2)), (Some(1), Some(2)));
    }
}

#[test]
fn who_overwrites_what_it_read_wins() {
    for (is_broken, settings) in with_and_without(Bug::DeafClock) {
        let mut world = world_with(2, Duration::ZERO, settings);
        for value in 1..100 {
            world.write(0, 1, value);
        }
        world.run(100 * MS);
        assert_eq!(world.read(1, 1), Some(99));
        world.write(1, 1, 100);
        world.run(100 * MS);
        assert_eq!(world.read(0, 1), Some(if is_broken { 99 } else { 100 }));
    }
}

#[test]
fn a_transaction_is_seen_whole() {
    for (is_broken, settings) in with_and_without(Bug::TwoSteps) {
        let mut world = world_with(2, 20 * MS, settings);
        world.txn(0, &[(1, Some(1)), (2, Some(2))]);
        for _ in 0..200 {
            world.txn(1, &[(1, None), (2, None)]);
            world.run(MS);
        }
        assert_eq!(!world.findings().is_empty(), is_broken);
    }
}

#[test]
fn what_is_not_acknowledged_is_sent_again() {
    for (is_broken, settings) in with_and_without(Bug::ForgetUnacknowledged) {
        let mut world = world_with(2, Duration::ZERO, settings);
        world.cut(0, 1);
        world.write(0, 1, 1);
        world.run(SECOND);
        world.cluster.heal();
        world.run(1500 * MS);
        assert_eq!(world.read(1, 1), (!is_broken).then_some(1));
    }
}

#[test]
fn nothing_is_said_of_a_write_that_is_not_safe() {
    let mut found = BTreeSet::new();
    for seed in 1..10 {
        let conditions = Conditions { write_time: SECOND, ..Conditions::default() };
        let mut world = World::new(2, seed, conditions, Settings::default());
        world.run(2 * SECOND);
        let (write, read) = (world.txn(0, &[(1, Some(1))]), world.txn(0, &[(1, None)]));
        world.run(900 * MS);
        assert_eq!(world.read(1, 1), None);
        assert!(world.cluster.reply(write).is_none() && world.cluster.reply(read).is_none());
        world.restart(0);
        // Nobody has seen it, so it may be lost, or found.
        found.insert(world.read(0, 1));
        world.write(0, 1, 2);
        world.run(4 * SECOND);
        assert_eq!(world.read(1, 1), Some(2));
        assert!(world.cluster.reply(write).is_none());
        world.check_rest().unwrap();
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [None, Some(1)]);
}

#[test]
fn a_node_that_was_filled_finds_that_again() {
    let conditions = Conditions { write_time: 20 * MS, ..Conditions::default() };
    let settings = Settings { max_journal_bytes: 2_000, ..Settings::default() };
    let mut world = World::new(2, 1, conditions, settings);
    world.run(2 * SECOND);
    world.cluster.apply(Effect::Kill(vec![1]));
    world.write(0, 1, 1);
    world.run(2 * SECOND);
    // It comes too late for the transactions: it gets versions.
    for value in 0..2_000 {
        world.write(0, 2, value);
    }
    world.run(SECOND);
    world.cluster.apply(Effect::Start);
    world.run(5 * SECOND);
    assert_eq!((world.read(1, 1), world.read(1, 2)), (Some(1), Some(1_999)));
    world.cut(0, 1);
    world.restart(1);
    assert_eq!((world.read(1, 1), world.read(1, 2)), (Some(1), Some(1_999)));
}

#[test]
fn a_refusal_does_not_tell_of_a_write_that_is_not_safe_either() {
    let conditions = Conditions { write_time: SECOND, ..Conditions::default() };
    let mut world = World::new(1, 1, conditions, Settings::default());
    let long = format!(r#"[["w",1,"{}"]]"#, "x".repeat(1 << 19));
    let many = format!("[{}]", vec![r#"["r",1,null]"#; 40].join(","));
    let asked = [long, many].map(|txn| world.cluster.ask(0, serde_json::from_str(&txn).unwrap()));
    world.run(900 * MS);
    assert!(asked.iter().all(|client| world.cluster.reply(*client).is_none()));
    world.run(200 * MS);
    let refusal = world.cluster.reply(asked[1]).unwrap().as_ref().unwrap_err();
    assert!(refusal.to_string().contains("bytes of keys and values to answer"), "{refusal}");
}

#[test]
fn a_node_that_lost_everything_is_filled_again_and_shows_no_half() {
    let mut world = world_with(3, Duration::ZERO, in_memory());
    for key in 0..5_000 {
        world.write(0, key, key);
        if key % 100 == 0 {
            world.run(10 * MS);
        }
    }
    world.run(3 * SECOND);
    assert!(world.replica(0).database().journal().is_empty(), "there are keys, no transactions");
    world.restart(2);
    world.cluster.apply(Effect::Loss(true));
    let start = world.cluster.now();
    while world.read(2, 0).is_none() {
        assert_eq!(world.read(2, 4_999), None, "half a snapshot is seen");
        world.run(10 * MS);
        assert!(world.cluster.now() < start + 20 * SECOND, "it takes too long");
    }
    assert!((0..5_000).all(|key| world.read(2, key) == Some(key)));
    world.write(2, 1, 9_999);
    world.cluster.heal();
    world.run(5 * SECOND);
    assert_eq!(world.read(0, 1), Some(9_999));
    world.check_rest().unwrap();
}

#[test]
fn a_node_that_is_gone_for_good_does_not_fill_the_others_memory() {
    let settings = Settings { max_journal_bytes: 10_000, ..Settings::default() };
    let mut world = world_with(3, Duration::ZERO, settings);
    world.cluster.apply(Effect::Kill(vec![2]));
    for value in 0..3_000 {
        world.write(0, value % 50, value);
        if value % 20 == 0 {
            world.run(10 * MS);
        }
        assert!(world.replica(0).database().journal().bytes() < 30_000);
    }
    world.cluster.apply(Effect::Start);
    world.run(10 * SECOND);
    assert_eq!(world.read(2, 49), Some(2_999));
    world.check_rest().unwrap();
}

#[test]
fn a_message_of_an_incarnation_that_is_over_does_not_make_a_node_be_taken_for_filled() {
    // The number decides which links are slow: that from n1 to n0 for one in three.
    for slow in 0..9 {
        let latency = Latency { mean: 100 * MS, dist: LatencyDist::Constant };
        let conditions = Conditions { latency, ..Conditions::default() };
        let mut world = World::new(2, 1, conditions, in_memory());
        world.run(2 * SECOND);
        world.write(0, 1, 1);
        world.run(SECOND);
        // Its last words are under way, and slow.
        world.write(1, 2, 2);
        world.cluster.apply(Effect::Slow(Some(slow)));
        world.run(60 * MS);
        world.cluster.apply(Effect::Slow(None));
        world.restart(1);
        world.run(30 * SECOND);
        assert_eq!(world.read(1, 1), Some(1));
        world.check_rest().unwrap();
    }
}

/// Kills nodes, `kills` times in turn; each comes back, and commits.
fn kill_often(world: &mut World, kills: u64) {
    for kill in 0..kills {
        let node = (kill % 5) as Rank;
        world.write((node + 1) % 5, kill % 7, 2 * kill);
        world.cluster.apply(Effect::Kill(vec![node]));
        world.run(100 * MS);
        world.cluster.apply(Effect::Start);
        world.run(700 * MS);
        world.write(node, kill % 7, 2 * kill + 1);
        world.run(100 * MS);
    }
}

/// The largest message because of one write at a node, and how many bytes all come to.
fn cost_of_a_write(world: &mut World, node: Rank) -> (usize, usize) {
    let cost = Rc::new(Cell::new((0, 0)));
    let (counted, start) = (Rc::clone(&cost), world.cluster.now());
    world.cluster.check(move |step| {
        if (start..start + 3 * SECOND).contains(&step.now) {
            for output in step.outputs {
                if let Output::Send(_, message) = output {
                    let (bytes, (largest, all)) =
                        (serde_json::to_string(message).unwrap().len(), counted.get());
                    counted.set((largest.max(bytes), all + bytes));
                }
            }
        }
        Ok(())
    });
    world.write(node, 1, 10_000 + Time::as_secs(&start));
    world.run(3 * SECOND);
    cost.get()
}

#[test]
fn after_many_kills_messages_are_as_small_as_before() {
    let mut world = world_with(5, Duration::ZERO, in_memory());
    kill_often(&mut world, 200);
    assert!(world.replica(0).database().have().len() > 200);
    world.run(5 * SECOND);
    for node in 0..5 {
        let (largest, all) = cost_of_a_write(&mut world, node);
        assert!(largest < 300 && all < 6_000, "{largest} bytes, {all} in all");
    }
    // And so is what a new incarnation writes first, once it is filled.
    world.restart(2);
    world.run(5 * SECOND);
    let (largest, all) = cost_of_a_write(&mut world, 2);
    assert!(largest < 500 && all < 6_000, "{largest} bytes, {all} in all");
    world.check_rest().unwrap();
}

#[test]
fn nor_are_they_larger_while_a_node_is_cut_off_for_good() {
    let mut world = World::new(6, 1, Conditions::default(), in_memory());
    (0..5).for_each(|node| world.cut(node, 5));
    kill_often(&mut world, 60);
    world.run(5 * SECOND);
    let (largest, _) = cost_of_a_write(&mut world, 1);
    assert!(largest < 500, "{largest} bytes");
    world.cluster.heal();
    world.run(10 * SECOND);
    world.check_rest().unwrap();
}
