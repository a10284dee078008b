//! Loss, duplication, reordering, slow links, one-way cuts, kills and pauses.

use std::collections::BTreeSet;
use std::time::Duration;

use broadcast::config::Config;
use maelstrom::machine::{Output, Rank};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use simulator::cluster::Conditions;
use simulator::{Effect, Fault, Latency, LatencyDist};

use crate::cluster::world::{MS, S, World, steady};

fn config(period: u32) -> Config {
    Config { period: period * MS, ..Config::default() }
}

#[test]
fn everything_arrives_over_links_that_lose_duplicate_and_reorder() {
    let all = [Effect::Loss(true), Effect::Duplicate(true), Effect::Reorder(true)];
    for seed in 0..2 {
        for dist in [LatencyDist::Constant, LatencyDist::Exponential] {
            for period in [340, 0] {
                let latency = Latency { mean: 50 * MS, dist };
                let conditions = Conditions { latency, ..Conditions::default() };
                let mut world = World::new(10, seed, &config(period), conditions);
                all.iter().for_each(|effect| world.cluster.apply(effect.clone()));
                world.run_for(S);
                world.load(10 * S, 40.0);
                world.run_for(20 * S);
                let values = world.values();
                let context = format!("{dist:?}, period {period}, seed {seed}");
                world.assert_everywhere(&values, &context);
            }
        }
    }
}

/// The root gets killed at any moment, and stays dead or comes back empty. What
/// the others accepted must be everywhere 3 s later.
#[test]
fn a_killed_root_takes_nothing_with_it() {
    for seed in 0..2 {
        for comes_back in [false, true] {
            for rate in [50.0, 1.0] {
                let mut world = World::new(25, seed, &config(340), steady(100 * MS));
                world.run_until(S);
                let before = 4 * S + world.some_time(S);
                world.load(before, rate);
                let killed = world.cluster.now();
                world.cluster.apply(Effect::Kill(vec![0]));
                let down = world.some_time(2 * S);
                world.load(down, rate);
                if comes_back {
                    world.cluster.apply(Effect::Start);
                }
                world.load(3 * S, rate);
                world.run_for(15 * S);
                let context = format!("seed {seed}, comes back: {comes_back}, rate {rate}");
                assert_survivors_have_all(&mut world, killed, &context);
            }
        }
    }
}

/// Two rounds before it was killed, the root had passed on what it had. What it alone had
/// may be gone or not.
fn assert_survivors_have_all(world: &mut World, killed: Duration, context: &str) {
    let rounds = 2 * 340 * MS + 300 * MS;
    let mut values = BTreeSet::new();
    for (&value, fate) in world.fates().iter() {
        if fate.origin == 0 && fate.sent + rounds >= killed && fate.sent <= killed {
            continue;
        }
        values.insert(value);
        let others = fate.reached.iter().filter(|&(&node, _)| node != 0);
        let took = others.clone().map(|(_, &at)| at - fate.sent).max();
        assert_eq!(others.count(), 24, "{value} ({context})");
        assert!(took <= Some(3 * S), "{value}: {took:?} ({context})");
    }
    assert!(world.read_all().iter().all(|read| values.is_subset(read)), "{context}");
}

#[test]
fn a_node_that_comes_back_empty_is_filled_again() {
    for seed in 0..3 {
        for period in [340, 0] {
            let mut world = World::new(10, seed, &config(period), steady(20 * MS));
            world.run_until(S);
            world.load(9 * S, 100.0);
            world.run_for(2 * S);
            for node in 0..4 {
                let (pause, down) = (world.some_time(S), world.some_time(S));
                world.run_for(pause);
                world.restart(vec![node], down);
            }
            world.run_for(5 * S);
            let values = world.values();
            world.assert_everywhere(&values, &format!("period {period}, seed {seed}"));
        }
    }
}

#[test]
fn a_large_history_comes_in_pages() {
    let mut world = World::new(5, 1, &config(340), steady(10 * MS));
    world.cluster.check(|step| {
        for output in step.outputs {
            let Output::Send(_, broadcast::wire::Message::Spread(spread)) = output else {
                continue;
            };
            let values = spread.runs.iter().flat_map(|run| &run.values);
            let bytes: usize = values.map(|value| value.get().len() + 1).sum();
            if bytes > 256 * 1024 {
                return Err(format!("{bytes} bytes of values in one message"));
            }
        }
        Ok(())
    });
    world.run_until(S);
    // Values of some 20 digits: 30,000 of them are more than two pages.
    for value in 0..30_000 {
        world.broadcast((value % 5) as Rank, 10_u64.pow(19) + value);
        world.run_for(MS / 10);
    }
    world.run_for(2 * S);
    world.restart(vec![0, 3], S / 2);
    world.run_for(6 * S);
    let values = world.values();
    world.assert_everywhere(&values, "large history");
}

/// Any mix of everything, for 20 s; then it heals, and all must be well.
#[test]
fn after_any_chaos_everything_is_everywhere() {
    for seed in 0..8 {
        for period in [340, 0] {
            let mut world = chaos(seed, period);
            let nodes = world.cluster.size();
            world.load(20 * S, 30.0);
            world.cluster.heal();
            world.run_for(20 * S);
            let context = format!("{nodes} nodes, period {period}, seed {seed}");
            let read = world.read_all();
            let union: BTreeSet<u64> = read.iter().flatten().copied().collect();
            world.assert_everywhere(&union, &context);
            // Lost can be only what a killed node had accepted.
            for (value, fate) in world.fates().iter() {
                let is_excused = world.restarted().contains(&fate.origin);
                assert!(union.contains(value) || is_excused, "{value} is lost ({context})");
            }
            world.run_for(10 * S);
            let before = world.messages();
            world.run_for(10 * S);
            let idle = world.messages() - before;
            assert!(idle <= 10 * nodes as u64, "{idle} messages while idle ({context})");
        }
    }
}

/// A cluster as the seed has it.
fn chaos(seed: u64, period: u32) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let nodes = rng.random_range(2..14);
    let mut faults = Fault::OF_NETWORKS_AND_NODES.to_vec();
    faults.shuffle(&mut rng);
    faults.truncate(rng.random_range(1..=5));
    let dist = LatencyDist::ALL[rng.random_range(0..LatencyDist::ALL.len())];
    let latency = Latency { mean: 40 * MS, dist };
    let interval = S.mul_f64(rng.random_range(0.5..3.0));
    let conditions = Conditions { latency, faults, interval, ..Conditions::default() };
    World::new(nodes, seed, &Config { fan_out: 4, ..config(period) }, conditions)
}

/// A line is all that there is of the network: each value has to go from hand to hand.
#[test]
fn values_take_any_path_that_there_is() {
    for seed in 0..3 {
        for period in [340, 0] {
            let mut order: Vec<Rank> = (0..9).collect();
            order.shuffle(&mut StdRng::seed_from_u64(seed));
            let mut links = vec![BTreeSet::new(); 9];
            for pair in order.windows(2) {
                links[pair[0]].insert(pair[1]);
                links[pair[1]].insert(pair[0]);
            }
            let conditions = Conditions { links: Some(links), ..steady(20 * MS) };
            let mut world = World::new(9, seed, &config(period), conditions);
            world.run_until(2 * S);
            world.load(10 * S, 20.0);
            world.run_for(if period == 0 { 90 * S } else { 18 * S });
            let values = world.values();
            let context = format!("line {order:?}, period {period}, seed {seed}");
            world.assert_everywhere(&values, &context);
        }
    }
}

/// A node that can hear but not be heard still gets everything from the others,
/// and the others get what it has once it is heard.
#[test]
fn one_way_cuts_stop_only_that_way() {
    for (from, to) in [(0, 4), (4, 0)] {
        let mut world = World::new(9, 1, &config(340), steady(20 * MS));
        world.run_until(S);
        world.load(2 * S, 20.0);
        world.cut_one_way(from, to);
        world.load(10 * S, 20.0);
        world.run_for(3 * S);
        let values = world.values();
        world.assert_everywhere(&values, &format!("{to} does not hear {from}"));
    }
}

/// A node sends up what one child told it, and that gets lost; then the other child keeps
/// it busy for a minute. Which offsets catch a message up that carries nothing else depends
/// on the rounds.
#[test]
fn a_lost_message_up_is_repaired_while_its_senders_other_children_keep_sending() {
    let config = Config { fan_out: 2, ..config(340) };
    for offset in (0..340).step_by(20) {
        let mut world = World::new(7, 1, &config, steady(100 * MS));
        let sent = 8 * S + offset * MS;
        let (cut, healed) = (sent + 380 * MS, sent + 460 * MS);
        let others = (0..2_000).map(|i| S + 30 * MS * i);
        let others = others.filter(|&at| at + 150 * MS < sent || at > sent + 250 * MS);
        let mut times: Vec<(Duration, Option<Rank>)> = others.map(|at| (at, Some(4))).collect();
        times.extend([(sent, Some(3)), (cut, None), (healed, None)]);
        times.sort();
        for (value, (at, node)) in times.into_iter().enumerate() {
            world.run_until(at);
            match node {
                Some(node) => world.broadcast(node, value as u64),
                None if at == cut => world.cut_one_way(1, 0),
                None => world.cluster.apply(Effect::OneWay(vec![BTreeSet::new(); 7])),
            }
        }
        world.run_for(10 * S);
        let fates = world.fates();
        let fate = fates.values().find(|fate| fate.origin == 3).unwrap();
        assert_eq!(fate.reached.len(), 7, "offset {offset}");
        assert!(fate.took() < 3 * S, "offset {offset}: {:?}", fate.took());
    }
}

#[test]
fn a_paused_root_delays_little() {
    for seed in 0..3 {
        let mut world = World::new(25, seed, &config(340), steady(100 * MS));
        world.run_until(S);
        world.load(4 * S, 50.0);
        world.cluster.apply(Effect::Pause(vec![0]));
        world.load(4 * S, 50.0);
        world.cluster.apply(Effect::Resume);
        world.load(3 * S, 50.0);
        world.run_for(8 * S);
        let values = world.values();
        world.assert_everywhere(&values, &format!("seed {seed}"));
        for (value, fate) in world.fates().iter().filter(|(_, fate)| fate.origin != 0) {
            let others = fate.reached.iter().filter(|&(&node, _)| node != 0);
            let took = others.map(|(_, &at)| at - fate.sent).max();
            assert!(took <= Some(2 * S), "seed {seed}, {value}: {took:?}");
        }
    }
}

#[test]
fn when_the_network_is_steady_again_so_is_the_cost() {
    let faults = vec![Fault::Partition];
    let conditions = Conditions { faults, interval: 3 * S, ..steady(100 * MS) };
    let mut world = World::new(25, 0, &Config::default(), conditions);
    world.run_until(2 * S);
    world.load(15 * S, 50.0);
    world.cluster.heal();
    world.load(14 * S, 50.0);
    let before = world.messages();
    world.load(10 * S, 50.0);
    let cost = (world.messages() - before) as f64 / (10.0 * 100.0);
    // Half of the operations are reads, which cost nothing.
    assert!(cost <= 1.25, "{cost} messages an operation");
    world.run_for(5 * S);
    let longest = world.latencies().last().copied().unwrap();
    assert!(longest < 30 * S, "{longest:?}");
}

/// How long it takes until a value of rank 2 is at all of so many nodes but one, which dies
/// after so much silence, and starts again a moment later or not.
fn after_silence(nodes: usize, (dead, comes_back): (Rank, bool), silence: Duration) -> Duration {
    let mut world = World::new(nodes, 1, &config(380), steady(100 * MS));
    world.run_until(S);
    world.load(4 * S, 50.0);
    world.run_for(silence);
    world.cluster.apply(Effect::Kill(vec![dead]));
    if comes_back {
        world.run_for(MS);
        world.cluster.apply(Effect::Start);
    }
    world.run_for(300 * MS);
    let value = 1_000_000;
    world.broadcast(2, value);
    world.run_for(20 * S);
    let fates = world.fates();
    let others = fates[&value].reached.iter().filter(|(node, _)| **node != dead);
    assert_eq!(others.clone().count(), nodes - 1, "after {silence:?}");
    others.map(|(_, at)| *at - fates[&value].sent).max().unwrap()
}

/// A child that has nothing to say learns of its parent's death when its lease ends, which is
/// 8 s after a long silence. As soon as the parent is back it has all of its children again.
#[test]
fn quiet_children_of_a_dead_node_have_everything_once_their_leases_have_ended() {
    let worst = |nodes, death| {
        let silences = (0..30).map(|step| step * 700 * MS);
        silences.map(|silence| after_silence(nodes, death, silence)).max().unwrap()
    };
    // Of 35 nodes rank 3 stands between the root and six others.
    let dead = worst(35, (3, false));
    assert!(dead > 7 * S && dead < 9 * S, "{dead:?}");
    assert!(worst(35, (3, true)) < S);
    // Where all are children of the root, one that has something to say tells the others.
    let flat = [true, false].map(|comes_back| worst(25, (0, comes_back)));
    assert!(flat.iter().all(|took| *took < 2 * S), "{flat:?}");
}
