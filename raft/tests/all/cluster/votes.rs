//! Who has voted has voted, whatever happens to it.

use maelstrom::machine::Rank;
use raft::{Bug, Bugs, Options, Packet, Part, Raft};
use simulator::cluster::Conditions;
use simulator::{Effect, Latency, LatencyDist};

use crate::cluster::world::World;
use crate::cluster::{SECOND, assert_caught, cut_off};

/// A node is made to lead, and then it starts again, or who voted for it does. Another one,
/// which has heard nothing of that, is made to stand for election in the same term, and asks
/// who has started again for a vote.
fn stand_twice(seed: u64, bugs: Bugs) -> Result<(), String> {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency, write_time: SECOND / 30, ..Conditions::default() };
    let mut options = Options::default();
    options.bugs = bugs;
    let mut world = World::new(3, seed, conditions, &options);
    world.cluster.run_for(2 * SECOND)?;
    let leads =
        |world: &World, node: Rank| world.cluster.machine(node).is_some_and(Raft::is_leader);
    let leader = (0..3).find(|&node| leads(&world, node)).ok_or("nobody leads")?;
    let [first, second] = [1, 2].map(|offset| (leader + offset) % 3);
    let term = world.cluster.machine(leader).unwrap().term();
    let lead_now = || Packet { term, incarnation: 0, parts: vec![Part::LeadNow] };
    world.cluster.apply(cut_off(second, 3));
    world.cluster.tell(leader, first, lead_now());
    while !leads(&world, first) {
        world.cluster.run_for(SECOND / 1000)?;
    }
    let (again, other) = if seed.is_multiple_of(2) { (first, leader) } else { (leader, first) };
    world.cluster.apply(Effect::Kill(vec![again]));
    world.cluster.apply(cut_off(other, 3));
    world.cluster.apply(Effect::Start);
    world.cluster.tell(again, second, lead_now());
    world.cluster.run_for(SECOND / 3)
}

#[test]
fn who_has_voted_and_starts_again_votes_for_nobody_else_in_that_term() {
    for seed in 0..200 {
        assert_eq!(stand_twice(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_candidate_that_forgets_its_own_vote_is_caught() {
    assert_caught(Bug::ForgetOwnVote, stand_twice, "election safety");
}

#[test]
fn votes_that_are_told_before_they_are_safe_are_caught() {
    assert_caught(Bug::EarlyVote, stand_twice, "election safety");
}
