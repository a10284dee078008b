//! How a cluster begins where not all are there, and where directories are lost.

use std::collections::BTreeSet;
use std::time::Duration;

use maelstrom::machine::Rank;
use raft::{Bugs, Change, Options, Raft, Reply};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use simulator::cluster::{Asked, Conditions};
use simulator::{Effect, Latency, LatencyDist};

use crate::cluster::amnesia::{draw, is_well, takes_in_all};
use crate::cluster::world::World;
use crate::cluster::{SECOND, cut_in_two, cut_off, serves};

fn world(has_disks: bool, nodes: usize, seed: u64, bugs: Bugs) -> World {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, write_time: SECOND / 500, ..Conditions::default() };
    let mut options = Options::default();
    options.bugs = bugs;
    World::with_disks(has_disks, nodes, seed, conditions, &options)
}

/// How long it takes until all of these nodes have served a client.
fn time_until_served(world: &mut World, nodes: &[Rank]) -> Duration {
    let start = world.cluster.now();
    let mut waiting: BTreeSet<Rank> = nodes.iter().copied().collect();
    while !waiting.is_empty() {
        assert!(world.cluster.now() < start + 10 * SECOND, "{waiting:?} do not serve");
        waiting.iter().for_each(|&node| world.ask(node));
        world.cluster.run_for(SECOND / 50).unwrap();
        let is_served = |asked: &&Asked<_>| matches!(asked.reply, Some((_, Ok(_))));
        for asked in world.cluster.asked().iter().filter(is_served) {
            waiting.remove(&asked.node);
        }
    }
    world.cluster.now() - start
}

#[test]
fn a_majority_with_journals_begins_without_the_others_who_are_taken_in() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let nodes = [3, 5, 7][seed as usize % 3];
        let mut world = world(true, nodes, seed, Bugs::default());
        let majority = draw(&mut rng, nodes, nodes / 2 + 1);
        world.cluster.apply(cut_in_two(&majority.iter().copied().collect(), nodes));
        let time = time_until_served(&mut world, &majority);
        assert!(time <= SECOND * 3 / 2, "seed {seed}: {majority:?} of {nodes} take {time:?}");
        // Those who began are all needed until the others are there.
        if rng.random() {
            world.cluster.apply(Effect::Kill(vec![majority[0]]));
            world.cluster.apply(Effect::Start);
        }
        world.cluster.apply(Effect::Heal);
        assert_eq!(takes_in_all(&mut world), Ok(()), "seed {seed}");
        assert_eq!(is_well(&mut world), Ok(()), "seed {seed}");
    }
}

#[test]
fn nobody_is_removed_without_whom_the_others_could_not_decide_anything() {
    let mut world = world(true, 3, 1, Bugs::default());
    world.cluster.apply(cut_off(0, 3));
    time_until_served(&mut world, &[1, 2]);
    // The first node was never heard: of those that would be left one cannot vote yet.
    let client = world.wish(1, 100 * SECOND, Change::Remove(2));
    world.load(2 * SECOND, 50.0).unwrap();
    assert_eq!(world.cluster.reply(client), None);
    time_until_served(&mut world, &[1, 2]);
    world.cluster.apply(Effect::Heal);
    world.load(2 * SECOND, 50.0).unwrap();
    assert!(matches!(world.cluster.reply(client), Some(Ok(Reply::Changed))));
    time_until_served(&mut world, &[0, 1, 2]);
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn nodes_without_journals_wait_for_all_and_say_whom_they_have_not_heard() {
    for (nodes, away) in [(3, vec![2]), (5, vec![1, 3])] {
        let mut world = world(false, nodes, 1, Bugs::default());
        world.cluster.apply(cut_in_two(&away.iter().copied().collect(), nodes));
        world.cluster.run_for(5 * SECOND).unwrap();
        world.ask(0);
        world.cluster.run_for(2 * SECOND).unwrap();
        let Some((_, Err(error))) = &world.cluster.asked().last().unwrap().reply else {
            panic!("n0 serves")
        };
        let missing = if nodes == 3 { "n2 was never heard" } else { "n1, n3 were never heard" };
        assert!(error.text().contains(missing), "{error}");
        world.cluster.apply(Effect::Heal);
        world.cluster.run_for(SECOND).unwrap();
        serves(&mut world).unwrap();
    }
}

#[test]
fn while_a_cluster_does_not_begin_its_nodes_say_no_more_than_heartbeats() {
    for (has_disks, nodes, left) in [(false, 3, 2), (false, 7, 6), (true, 5, 2), (true, 7, 3)] {
        let mut world = world(has_disks, nodes, 1, Bugs::default());
        world.cluster.apply(Effect::Kill((left..nodes).collect()));
        world.cluster.run_for(20 * SECOND).unwrap();
        let sent = world.cluster.net_counts().all.send_count;
        let most = 20 * 20 * (nodes as u64 - 1);
        assert!(sent <= most, "{left} of {nodes} nodes say {sent} messages");
        assert!((0..left).all(|node| !world.cluster.machine(node).is_some_and(Raft::is_leader)));
    }
}

#[test]
fn a_majority_that_loses_its_directories_does_not_begin_again_beside_who_has_not() {
    for (nodes, lost) in [(3, vec![0, 1]), (5, vec![0, 2, 4])] {
        for seed in 0..20 {
            let mut world = world(true, nodes, seed, Bugs::default());
            world.load(3 * SECOND, 50.0).unwrap();
            world.lose(&lost);
            world.cluster.apply(Effect::Start);
            world.cluster.run_for(30 * SECOND).unwrap();
            let leads = |node| world.cluster.machine(node).is_some_and(Raft::is_leader);
            assert!(!(0..nodes).any(leads), "seed {seed}");
        }
    }
}
