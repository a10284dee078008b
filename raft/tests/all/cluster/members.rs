//! Changes of the members.

use std::collections::BTreeSet;

use maelstrom::machine::Rank;
use raft::{Bug, Bugs, Change, Config, Options, Raft, Reply};
use simulator::cluster::Conditions;
use simulator::{Effect, Latency, LatencyDist};

use crate::cluster::world::World;
use crate::cluster::{SECOND, assert_caught, cut_in_two};

/// A cluster of five nodes of which the first ones, so many, are members.
fn world(voters: usize, bugs: Bugs) -> World {
    let mut options = Options::default();
    (options.voters, options.bugs) = (Some(voters), bugs);
    let mut world = World::new(5, 1, Conditions::default(), &options);
    world.cluster.run_for(3 * SECOND).unwrap();
    world
}

fn leader(world: &World) -> Rank {
    let leads = |node: &Rank| world.cluster.machine(*node).is_some_and(Raft::is_leader);
    (0..world.cluster.size()).find(leads).unwrap()
}

fn change(world: &mut World, members: Config) {
    world.change(leader(world), members);
    world.cluster.run_for(2 * SECOND).unwrap();
    let reply = &world.cluster.asked().last().unwrap().reply;
    assert!(matches!(reply, Some((_, Ok(Reply::Changed)))), "{reply:?}");
}

#[test]
fn any_voters_replace_any_others_after_they_have_caught_up() {
    let mut world = world(3, Bugs::default());
    world.load(5 * SECOND, 100.0).unwrap();
    change(&mut world, Config::new([2, 3, 4]));
    let leader = leader(&world);
    assert!(leader >= 2, "n{leader} leads, which was removed");
    // Those that are left are dead, and nobody misses them.
    world.cluster.apply(Effect::Kill(vec![0, 1]));
    world.ask(leader);
    world.cluster.run_for(SECOND).unwrap();
    assert!(matches!(world.cluster.asked().last().unwrap().reply, Some((_, Ok(_)))));
    let machine = world.cluster.machine(3).unwrap();
    assert!(machine.log().config().has_nodes_of(&Config::new([2, 3, 4])));
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn a_leader_that_is_removed_stops_and_disturbs_nobody() {
    let mut world = world(5, Bugs::default());
    let old = leader(&world);
    let others: BTreeSet<Rank> = (0..5).filter(|&node| node != old).collect();
    change(&mut world, Config::new(others));
    world.cluster.run_for(3 * SECOND).unwrap();
    let (new, term) = (leader(&world), world.cluster.machine(leader(&world)).unwrap().term());
    assert_ne!(new, old);
    world.cluster.run_for(30 * SECOND).unwrap();
    assert_eq!((leader(&world), world.cluster.machine(new).unwrap().term()), (new, term));
}

#[test]
fn a_removed_leader_that_goes_on_is_caught() {
    let mut world = world(5, Bugs::only(Bug::RemovedLeaderGoesOn));
    let old = leader(&world);
    let others: BTreeSet<Rank> = (0..5).filter(|&node| node != old).collect();
    change(&mut world, Config::new(others));
    world.cluster.run_for(3 * SECOND).unwrap();
    assert_eq!(leader(&world), old);
}

#[test]
fn leadership_goes_to_whom_a_client_names_within_a_few_round_trips() {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut world = World::new(5, 1, conditions, &Options::default());
    world.cluster.run_for(3 * SECOND).unwrap();
    for (asked, next) in [(0, 3), (3, 1), (2, 4), (4, 0)] {
        world.load(SECOND, 100.0).unwrap();
        let client = world.lead(asked, next);
        world.cluster.run_for(SECOND / 8).unwrap();
        assert!(matches!(world.cluster.reply(client), Some(Ok(Reply::Changed))));
        assert_eq!(leader(&world), next);
    }
    world.load(SECOND, 100.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    assert!(world.cluster.asked().iter().all(|asked| matches!(asked.reply, Some((_, Ok(_))))));
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn learners_have_everything_and_are_not_counted() {
    let mut world = world(1, Bugs::default());
    change(&mut world, Config::new([0]).with_learners([1, 2, 3, 4]));
    world.load(5 * SECOND, 100.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let applied = |world: &World, node| world.cluster.machine(node).unwrap().applied_index();
    assert!((1..5).all(|node| applied(&world, node) == applied(&world, 0)));
    world.cluster.apply(Effect::Kill(vec![1, 2, 3, 4]));
    world.ask(0);
    world.cluster.run_for(SECOND).unwrap();
    assert!(matches!(world.cluster.asked().last().unwrap().reply, Some((_, Ok(_)))));
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn a_leader_that_is_removed_leaves_no_time_without_one() {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut world = World::new(5, 1, conditions, &Options::default());
    world.cluster.run_for(3 * SECOND).unwrap();
    let old = leader(&world);
    world.change(old, Config::new((0..5).filter(|&node| node != old)));
    world.load(SECOND, 1_000.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    assert_ne!(leader(&world), old);
    let longest = world
        .cluster
        .asked()
        .iter()
        .map(|asked| asked.reply.as_ref().unwrap().0 - asked.at)
        .max()
        .unwrap();
    assert!(longest < SECOND / 5, "{longest:?}");
}

#[test]
fn who_is_no_member_serves_its_clients_all_the_same() {
    let mut world = world(3, Bugs::default());
    for node in [3, 4] {
        world.ask(node);
    }
    world.cluster.run_for(SECOND).unwrap();
    world.load(5 * SECOND, 100.0).unwrap();
    change(&mut world, Config::new([2, 3, 4]));
    world.load(5 * SECOND, 100.0).unwrap();
    // They have been quiet for a while, and then there is another leader.
    world.cluster.run_for(10 * SECOND).unwrap();
    for node in [0, 1] {
        world.ask(node);
    }
    world.cluster.run_for(SECOND).unwrap();
    assert!(world.cluster.asked().iter().all(|asked| matches!(asked.reply, Some((_, Ok(_))))));
    let old = leader(&world);
    world.cluster.apply(Effect::Kill(vec![old]));
    world.cluster.run_for(3 * SECOND).unwrap();
    for node in [0, 1] {
        world.wish(node, 3 * SECOND, Change::Add(node));
        world.ask(node);
        world.cluster.run_for(2 * SECOND).unwrap();
        let mut last = world.cluster.asked().iter().rev().take(2);
        assert!(last.all(|asked| matches!(asked.reply, Some((_, Ok(_))))), "n{node}");
    }
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn removed_nodes_are_told_so_and_are_quiet() {
    let mut world = world(5, Bugs::default());
    change(&mut world, Config::new([2, 3, 4]));
    world.cluster.run_for(3 * SECOND).unwrap();
    let before = world.cluster.net_counts().all.send_count;
    world.cluster.run_for(10 * SECOND).unwrap();
    let sent = world.cluster.net_counts().all.send_count - before;
    assert!(sent <= 410, "{sent} messages of three members and two that are none");
    // They hear of it when they are taken in again.
    change(&mut world, Config::new(0..5));
    let lead = leader(&world);
    world.cluster.apply(Effect::Kill(vec![lead, (lead + 1) % 5]));
    world.cluster.run_for(3 * SECOND).unwrap();
    world.ask((lead + 2) % 5);
    world.cluster.run_for(SECOND).unwrap();
    assert!(matches!(world.cluster.asked().last().unwrap().reply, Some((_, Ok(_)))));
}

/// Two leaders, one after the other, each begin a change of a cluster of four that is cut in
/// two, and only the second one's can be committed.
fn two_changes(seed: u64, bugs: Bugs) -> Result<(), String> {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    (options.voters, options.bugs) = (Some(4), bugs);
    let mut world = World::new(5, seed, conditions, &options);
    world.cluster.run_for(3 * SECOND)?;
    let old = leader(&world);
    let others: Vec<Rank> = (0..4).filter(|&node| node != old).collect();
    world.cluster.apply(cut_in_two(&[old, 4].into(), 5));
    world.change(old, Config::new(0..5));
    let new = loop {
        world.cluster.run_for(SECOND / 1000)?;
        let leads = |node: &Rank| world.cluster.machine(*node).is_some_and(Raft::is_leader);
        if let Some(new) = others.iter().copied().find(leads) {
            break new;
        }
    };
    let one = others.iter().copied().find(|&node| node != new).unwrap();
    world.cluster.apply(cut_in_two(&[new, one].into(), 5));
    world.change(new, Config::new(others));
    world.cluster.run_for(5 * SECOND)?;
    world.cluster.apply(Effect::Heal);
    world.cluster.run_for(2 * SECOND)
}

#[test]
fn a_leader_that_begins_a_change_before_it_has_committed_anything_is_caught() {
    assert_eq!(two_changes(1, Bugs::default()), Ok(()));
    assert_caught(Bug::ChangeBeforeNoop, two_changes, "leader completeness");
}
