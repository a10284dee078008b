//! Nodes without disks, where whoever is killed forgets everything, and lost directories.

use std::time::Duration;

use maelstrom::machine::Rank;
use raft::{Bug, Bugs, Change, Index, Options, Packet, Raft, Reads, Reply, Server, Term};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use simulator::cluster::Conditions;
use simulator::{Effect, Fault, Latency, LatencyDist};

use crate::cluster::world::World;
use crate::cluster::{SECOND, assert_caught, cut_in_two, cut_off, serves};

/// What is wrong with the network, besides.
const FAULTS: [Fault; 6] =
    [Fault::Partition, Fault::OneWay, Fault::Loss, Fault::Duplicate, Fault::Reorder, Fault::Pause];

/// A cluster whose network has some of these faults.
fn world(have_disks: bool, seed: u64, bugs: Bugs, faults: usize) -> (World, StdRng) {
    let mut rng = StdRng::seed_from_u64(seed);
    let nodes = [3, 3, 4, 5, 7][rng.random_range(0..5)];
    let mut chosen = FAULTS.to_vec();
    chosen.shuffle(&mut rng);
    chosen.truncate(faults);
    let mut seconds = |until: f64| SECOND.mul_f64(rng.random_range(0.0..until));
    let conditions = Conditions {
        latency: Latency { mean: seconds(0.03), dist: LatencyDist::Exponential },
        faults: chosen,
        interval: seconds(2.0),
        write_time: seconds(0.01),
        ..Conditions::default()
    };
    let mut options = Options::default();
    options.bugs = bugs;
    if rng.random() {
        options.keep = 1_000;
    }
    (World::with_disks(have_disks, nodes, seed, conditions, &options), rng)
}

/// Whether somebody else remembers something. If nobody does, all is lost.
fn may_forget(world: &World, node: Rank) -> bool {
    let remembers = |other: Rank| {
        let machine = world.cluster.machine(other);
        machine.is_some_and(|machine| machine.term() > Term::default())
    };
    (0..world.cluster.size()).any(|other| other != node && remembers(other))
}

/// Kills anybody at any time, often more than there should be.
fn forget(seed: u64, bugs: Bugs) -> Result<(), String> {
    let (mut world, mut rng) = world(false, seed, bugs, seed as usize % 4);
    let nodes = world.cluster.size();
    world.load(2 * SECOND, 50.0)?;
    for _ in 0..rng.random_range(5..40) {
        let node = rng.random_range(0..nodes);
        if may_forget(&world, node) {
            world.cluster.apply(Effect::Kill(vec![node]));
        }
        if rng.random_ratio(3, 4) {
            world.cluster.apply(Effect::Start);
        }
        let time = if rng.random() { 0.1 } else { 2.0 };
        world.load(SECOND.mul_f64(rng.random_range(0.0..time)), 50.0)?;
    }
    world.cluster.heal();
    world.load(3 * SECOND, 50.0)?;
    world.is_linearizable()
}

/// Some are cut off. The leader commits what it can with the others, who forget it, and are alone
/// with those who never knew it.
fn forget_what_was_committed(seed: u64, bugs: Bugs) -> Result<(), String> {
    let (mut world, mut rng) = world(false, seed, bugs, 0);
    let nodes = world.cluster.size();
    world.load(2 * SECOND, 50.0)?;
    for _ in 0..5 {
        let Some(leader) = (0..nodes).find_map(|node| world.cluster.machine(node)?.leader()) else {
            break;
        };
        let mut others: Vec<Rank> = (0..nodes).filter(|&node| node != leader).collect();
        others.shuffle(&mut rng);
        let away = others.split_off(nodes / 2);
        world.cluster.apply(cut_in_two(&away.into_iter().collect(), nodes));
        world.load(SECOND / 5, 100.0)?;
        world.cluster.apply(cut_off(leader, nodes));
        world.cluster.apply(Effect::Kill(others));
        world.cluster.apply(Effect::Start);
        world.load(2 * SECOND, 50.0)?;
        world.cluster.apply(Effect::Heal);
        world.load(2 * SECOND, 50.0)?;
    }
    world.is_linearizable()
}

/// Whether all nodes vote as the servers that they are.
pub(crate) fn has_taken_in_all(world: &World) -> bool {
    let nodes = world.cluster.size();
    let Some(leader) = (0..nodes).find_map(|node| world.cluster.machine(node)?.leader()) else {
        return false;
    };
    let servers = (0..nodes).filter_map(|node| Some(world.cluster.machine(node)?.server()));
    let servers: Vec<Server> = servers.collect();
    let Some(config) = world.cluster.machine(leader).map(|machine| machine.log().config()) else {
        return false;
    };
    servers.len() == nodes && *config == raft::Config::of(servers)
}

/// Whether soon all are voters again.
pub(crate) fn takes_in_all(world: &mut World) -> Result<(), String> {
    world.load(5 * SECOND, 50.0)?;
    match has_taken_in_all(world) {
        true => Ok(()),
        false => Err(format!("not all are voters again at {:?}", world.cluster.now())),
    }
}

/// Whether all serve, and nobody was ever told anything wrong.
pub(crate) fn is_well(world: &mut World) -> Result<(), String> {
    world.cluster.run_for(SECOND)?;
    serves(world)?;
    world.is_linearizable()
}

/// Some nodes of so many.
pub(crate) fn draw(rng: &mut StdRng, nodes: usize, count: usize) -> Vec<Rank> {
    let mut all: Vec<Rank> = (0..nodes).collect();
    all.shuffle(rng);
    all.truncate(count);
    all
}

/// A minority is not there or loses all that it knew, at any time, the beginning among them, and
/// messages are lost; again when all are voters.
fn lose_minorities(have_disks: bool, seed: u64, bugs: Bugs) -> Result<(), String> {
    let (mut world, mut rng) = world(have_disks, seed, bugs, 0);
    let nodes = world.cluster.size();
    for _ in 0..4 {
        let mut away = draw(&mut rng, nodes, (nodes - 1) / 2);
        let lost = away.split_off(rng.random_range(0..away.len()));
        world.cluster.apply(cut_in_two(&away.into_iter().collect(), nodes));
        world.cluster.apply(Effect::Loss(rng.random()));
        world.load(SECOND.mul_f64(rng.random_range(0.0..2.0)), 50.0)?;
        world.lose(&lost);
        if rng.random() {
            world.load(SECOND.mul_f64(rng.random_range(0.0..1.0)), 50.0)?;
        }
        let part = rng.random_range(0..nodes);
        world.cluster.apply(Effect::Heal);
        world.cluster.apply(cut_in_two(&draw(&mut rng, nodes, part).into_iter().collect(), nodes));
        world.cluster.apply(Effect::Start);
        world.load(SECOND.mul_f64(rng.random_range(0.0..3.0)), 50.0)?;
        world.cluster.apply(Effect::Heal);
        world.cluster.apply(Effect::Loss(false));
        takes_in_all(&mut world)?;
    }
    is_well(&mut world)
}

/// Kills one node, or the same one twice, while the cluster begins and messages are lost.
fn begin(seed: u64, bugs: Bugs) -> Result<(), String> {
    let (mut world, mut rng) = world(false, seed, bugs, 0);
    let node = rng.random_range(0..world.cluster.size());
    world.cluster.apply(Effect::Loss(rng.random()));
    world.cluster.apply(Effect::Reorder(rng.random()));
    for _ in 0..rng.random_range(1..=2) {
        world.load(Duration::from_millis(rng.random_range(0..300)), 100.0)?;
        world.cluster.apply(Effect::Kill(vec![node]));
        if rng.random() {
            world.load(Duration::from_millis(rng.random_range(0..300)), 100.0)?;
        }
        world.cluster.apply(Effect::Start);
    }
    world.load(SECOND, 100.0)?;
    world.cluster.heal();
    takes_in_all(&mut world)?;
    is_well(&mut world)
}

/// Whether most of the first voters have entries when this node has lost its own: they tell
/// whoever knows nothing that the cluster has begun.
fn may_lose(world: &World, node: Rank, voters: usize) -> bool {
    let has_entries = |&other: &Rank| {
        let machine = world.cluster.machine(other);
        other != node && machine.is_some_and(|machine| machine.log().last().index > Index::ZERO)
    };
    2 * (0..voters).filter(has_entries).count() >= voters
}

/// Anything at once: members change, directories are lost, snapshots replace logs, reads are
/// of every kind, and the network has faults. Whatever is lost, somebody remembers.
fn upheave(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let nodes = [3, 4, 5][rng.random_range(0..3)];
    let mut faults = FAULTS.to_vec();
    faults.shuffle(&mut rng);
    faults.truncate(rng.random_range(0..3));
    let mut options = Options::default();
    options.reads = [Reads::Index, Reads::Lease, Reads::Lease, Reads::Log][rng.random_range(0..4)];
    options.keep = rng.random_range(0..1_000);
    let voters = rng.random_range(2..=nodes);
    options.voters = Some(voters);
    options.bugs = bugs;
    let mean = SECOND.mul_f64(rng.random_range(0.0..0.02));
    let conditions = Conditions {
        latency: Latency { mean, dist: LatencyDist::Exponential },
        faults,
        interval: SECOND,
        write_time: SECOND / 200,
        ..Conditions::default()
    };
    let mut world = World::new(nodes, seed, conditions, &options);
    world.changes = true;
    world.load(3 * SECOND, 100.0)?;
    for _ in 0..rng.random_range(5..15) {
        let node = rng.random_range(0..nodes);
        match rng.random_range(0..3) {
            0 if may_lose(&world, node, voters) => world.lose(&[node]),
            1 => world.cluster.apply(Effect::Kill(vec![node])),
            _ => world
                .cluster
                .apply(cut_in_two(&draw(&mut rng, nodes, 2).into_iter().collect(), nodes)),
        }
        world.load(SECOND.mul_f64(rng.random_range(0.0..1.0)), 100.0)?;
        world.cluster.apply(Effect::Start);
        if rng.random() {
            world.cluster.apply(Effect::Heal);
        }
        world.load(SECOND.mul_f64(rng.random_range(0.0..2.0)), 100.0)?;
    }
    world.cluster.heal();
    world.load(3 * SECOND, 50.0)?;
    world.is_linearizable()
}

#[test]
fn whatever_is_lost_while_members_change_nothing_wrong_is_done_or_shown() {
    for seed in 0..100 {
        assert_eq!(upheave(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn whoever_forgets_nothing_wrong_is_done_or_shown() {
    for seed in 0..100 {
        assert_eq!(forget(seed, Bugs::default()), Ok(()), "seed {seed}");
        assert_eq!(forget_what_was_committed(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn voters_with_amnesia_are_caught() {
    assert_caught(Bug::VoteWithAmnesia, forget_what_was_committed, "leader completeness");
}

#[test]
fn minorities_that_lose_everything_are_voters_again_before_long() {
    for seed in 0..50 {
        for have_disks in [false, true] {
            let outcome = lose_minorities(have_disks, seed, Bugs::default());
            assert_eq!(outcome, Ok(()), "seed {seed}, directories: {have_disks}");
        }
    }
}

#[test]
fn voters_that_have_lost_their_directories_are_caught() {
    let lose = |seed, bugs| lose_minorities(true, seed, bugs);
    assert_caught(Bug::VoteWithAmnesia, lose, "leader completeness");
}

#[test]
fn a_node_that_forgets_everything_while_the_cluster_begins_belongs_to_it() {
    for seed in 0..200 {
        assert_eq!(begin(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_cluster_does_not_begin_again_while_one_node_remembers_it() {
    let mut world = World::with_disks(false, 3, 1, Conditions::default(), &Options::default());
    world.load(3 * SECOND, 50.0).unwrap();
    world.cluster.apply(Effect::Kill(vec![0, 1]));
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(30 * SECOND).unwrap();
    assert!((0..3).all(|node| !world.cluster.machine(node).is_some_and(Raft::is_leader)));
}

/// Three nodes without disks, of which the first one leads, and the second one was replaced: it
/// votes, as another server than at first.
fn replaced() -> (World, Server) {
    let mut world = World::with_disks(false, 3, 1, Conditions::default(), &Options::default());
    world.load(3 * SECOND, 50.0).unwrap();
    let former = world.cluster.machine(1).unwrap().server();
    world.cluster.apply(Effect::Kill(vec![1]));
    world.cluster.apply(Effect::Start);
    world.load(3 * SECOND, 50.0).unwrap();
    assert!(has_taken_in_all(&world) && world.cluster.machine(0).unwrap().is_leader());
    (world, former)
}

#[test]
fn what_comes_late_of_a_former_voter_does_not_put_out_the_latter() {
    let (mut world, former) = replaced();
    world.cluster.apply(cut_off(1, 3));
    world.cluster.run_for(SECOND / 2).unwrap();
    world.cluster.apply(Effect::Heal);
    let (term, incarnation) = (world.cluster.machine(0).unwrap().term(), former.incarnation);
    world.cluster.tell(1, 0, Packet { term, incarnation, parts: Vec::new() });
    world.load(3 * SECOND, 50.0).unwrap();
    assert!(has_taken_in_all(&world), "{:?}", world.cluster.machine(0).unwrap().log().config());
    world.cluster.apply(Effect::Kill(vec![2]));
    world.cluster.run_for(3 * SECOND).unwrap();
    world.ask(0);
    world.cluster.run_for(SECOND).unwrap();
    assert!(matches!(world.cluster.asked().last().unwrap().reply, Some((_, Ok(_)))));
}

/// A voter is silent for a time, and its former server is heard in its place. One of the others is
/// gone before that, or soon after it.
#[test]
fn what_comes_late_of_a_former_voter_keeps_the_last_majority_from_nothing() {
    for silence in (31..60).map(|hundredths| SECOND * hundredths / 100) {
        for is_gone_before in [true, false] {
            let (mut world, former) = replaced();
            let term = world.cluster.machine(0).unwrap().term();
            let late = Packet { term, incarnation: former.incarnation, parts: Vec::new() };
            let gone = Effect::Kill(vec![2]);
            world.cluster.run_for(SECOND * 14 / 100).unwrap();
            if is_gone_before {
                world.cluster.apply(gone.clone());
            }
            world.cluster.apply(cut_off(1, 3));
            world.cluster.run_for(silence).unwrap();
            world.cluster.apply(Effect::Heal);
            world.cluster.tell(1, 0, late);
            world.cluster.run_for(Duration::ZERO).unwrap();
            if !is_gone_before {
                world.cluster.apply(cut_off(1, 3));
                world.cluster.run_for(SECOND / 10).unwrap();
                world.cluster.apply(gone);
                world.cluster.run_for(SECOND).unwrap();
                world.cluster.apply(Effect::Heal);
            }
            world.cluster.run_for(3 * SECOND).unwrap();
            world.ask(0);
            world.cluster.run_for(SECOND).unwrap();
            let reply = &world.cluster.asked().last().unwrap().reply;
            assert!(matches!(reply, Some((_, Ok(_)))), "{silence:?}, {is_gone_before}: {reply:?}");
        }
    }
}

#[test]
fn whoever_has_caught_up_votes_again_while_somebody_else_is_awaited() {
    let mut world = World::with_disks(false, 5, 1, Conditions::default(), &Options::default());
    world.load(3 * SECOND, 50.0).unwrap();
    world.change(0, raft::Config::new(0..4));
    world.load(2 * SECOND, 50.0).unwrap();
    // It is wanted again, and is not there.
    world.cluster.apply(cut_off(4, 5));
    world.wish(0, 100 * SECOND, Change::Add(4));
    for forgetful in [1, 2] {
        world.load(SECOND, 50.0).unwrap();
        world.cluster.apply(Effect::Kill(vec![forgetful]));
        world.cluster.apply(Effect::Start);
        world.load(2 * SECOND, 50.0).unwrap();
    }
    assert!(world.cluster.machine(0).unwrap().is_leader());
    world.ask(0);
    world.cluster.run_for(SECOND).unwrap();
    assert!(matches!(world.cluster.asked().last().unwrap().reply, Some((_, Ok(_)))));
    world.cluster.apply(Effect::Heal);
    world.load(3 * SECOND, 50.0).unwrap();
    assert!(has_taken_in_all(&world));
    assert_eq!(world.is_linearizable(), Ok(()));
}

#[test]
fn whoever_forgets_votes_again_while_clients_go_on_asking_for_much() {
    let latency = Latency { mean: SECOND / 50, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut world = World::with_disks(false, 3, 1, conditions, &Options::default());
    world.load(3 * SECOND, 50.0).unwrap();
    world.cluster.apply(Effect::Kill(vec![1]));
    world.load(SECOND / 2, 5_000.0).unwrap();
    world.cluster.apply(Effect::Start);
    // More is committed in a round trip than one would ever allow a node to lack.
    world.load(2 * SECOND, 5_000.0).unwrap();
    assert!(has_taken_in_all(&world), "{:?}", world.cluster.machine(0).unwrap().log().config());
    let to_lead = world.lead(2, 1);
    world.load(SECOND, 5_000.0).unwrap();
    assert!(matches!(world.cluster.reply(to_lead), Some(Ok(Reply::Changed))));
}

/// The founder is killed when it has begun the first term, and told nobody that it founds the
/// cluster. Those who greet it meanwhile have heard that term.
#[test]
fn whoever_hears_the_first_term_hears_who_founded_the_cluster() {
    let latency = Latency { mean: SECOND / 200, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let world = || World::with_disks(false, 3, 1, conditions.clone(), &Options::default());
    let begins = |world: &World| world.cluster.machine(0).unwrap().term() > Term::default();
    let mut other = world();
    while !begins(&other) {
        other.cluster.run_for(SECOND / 1000).unwrap();
    }
    let mut world = world();
    // The answers that it waits for are on their way.
    world.cluster.run_for(other.cluster.now() - SECOND / 500).unwrap();
    world.cluster.apply(Effect::Partition(vec![[].into(), [0].into(), [0].into()]));
    world.cluster.run_for(SECOND / 20).unwrap();
    assert!(begins(&world));
    world.cluster.apply(Effect::Heal);
    world.cluster.run_for(SECOND / 5).unwrap();
    world.cluster.apply(Effect::Kill(vec![0]));
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(5 * SECOND).unwrap();
    assert!(has_taken_in_all(&world));
    serves(&mut world).unwrap();
}

#[test]
fn members_change_while_somebody_is_taken_in_who_votes_when_a_client_is_told_so() {
    let mut world = World::with_disks(false, 5, 1, Conditions::default(), &Options::default());
    world.load(3 * SECOND, 50.0).unwrap();
    world.cluster.apply(Effect::Kill(vec![1]));
    world.cluster.apply(Effect::Start);
    let is_member = |world: &World| {
        let [leader, one] = [0, 1].map(|node| world.cluster.machine(node).unwrap());
        leader.log().config().members().get(&1) == Some(&one.server().incarnation)
    };
    while !is_member(&world) {
        world.cluster.run_for(SECOND / 1000).unwrap();
    }
    world.cluster.apply(cut_off(1, 5));
    world.cluster.run_for(SECOND / 2).unwrap();
    assert!(!has_taken_in_all(&world));
    let added = world.wish(0, 100 * SECOND, Change::Add(1));
    world.cluster.run_for(SECOND).unwrap();
    assert_eq!(world.cluster.reply(added), None);
    let removed = world.wish(0, 100 * SECOND, Change::Remove(4));
    world.cluster.run_for(SECOND).unwrap();
    assert_eq!(world.cluster.reply(removed), None);
    world.cluster.apply(Effect::Heal);
    world.cluster.run_for(2 * SECOND).unwrap();
    for client in [added, removed] {
        assert!(matches!(world.cluster.reply(client), Some(Ok(Reply::Changed))));
    }
    let config = world.cluster.machine(0).unwrap().log().config();
    assert!(config.has_nodes_of(&raft::Config::new(0..4)), "{config:?}");
}
