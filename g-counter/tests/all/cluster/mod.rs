//! Clusters of counters under every fault, in virtual time: the machines alone, over the
//! bench's network and its `seq-kv`, as it is and adversarial.
//!
//! What a schedule contains is drawn from its seed. After the faults the network
//! is healed and dead nodes are started; then service is required: all nodes
//! answer, they agree, and what they agree on is the sum of all acknowledged
//! adds and of some of those of which nobody knows. That these checks can fail
//! is shown by nodes with a classic mistake each.

mod measures;
mod world;

use std::time::Duration;

use g_counter::injected_bugs::{Bug, Bugs};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use simulator::cluster::Conditions;
use simulator::{Effect, Fault, Latency, LatencyDist, SeqKv};

use self::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// A world, as the seed has it.
fn under_faults(seed: u64, bugs: Bugs) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let nodes = rng.random_range(1..=6);
    let mut faults = Fault::OF_NETWORKS_AND_NODES.to_vec();
    faults.shuffle(&mut rng);
    faults.truncate(rng.random_range(0..=5));
    let dist = LatencyDist::ALL[rng.random_range(0..LatencyDist::ALL.len())];
    let conditions = Conditions {
        latency: Latency { mean: SECOND.mul_f64(rng.random_range(0.0..0.2)), dist },
        seq_kv: SeqKv::ALL[rng.random_range(0..SeqKv::ALL.len())],
        faults,
        interval: SECOND.mul_f64(rng.random_range(0.1..4.0)),
        ..Conditions::default()
    };
    World::new(nodes, seed, conditions, bugs)
}

/// Runs a seed's schedule, heals, and checks.
fn run(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut world = under_faults(seed, bugs);
    world.load(20 * SECOND, 10.0, 1_000)?;
    world.cluster.heal();
    world.cluster.run_for(20 * SECOND)?;
    world.check()?;
    // Reads have nodes ask others whether they are there.
    world.cluster.run_for(5 * SECOND)?;
    let messages = world.messages();
    world.cluster.run_for(60 * SECOND)?;
    if world.messages() == messages { Ok(()) } else { Err("they never fall silent".to_owned()) }
}

#[test]
fn whatever_happens_all_nodes_end_with_one_sum_of_what_was_acknowledged() {
    for seed in 0..300 {
        assert_eq!(run(seed, Bugs::default()), Ok(()));
    }
}

#[test]
fn a_network_that_never_gets_better_delays_but_loses_nothing() {
    for seed in 0..20 {
        let conditions = Conditions {
            latency: Latency { mean: 2 * SECOND, dist: LatencyDist::Uniform },
            seq_kv: SeqKv::ALL[seed as usize % 2],
            ..Conditions::default()
        };
        let mut world = World::new(4, seed, conditions, Bugs::default());
        for effect in [Effect::Loss(true), Effect::Duplicate(true), Effect::Reorder(true)] {
            world.cluster.apply(effect);
        }
        world.load(30 * SECOND, 10.0, 1_000).unwrap();
        world.cluster.run_for(300 * SECOND).unwrap();
        assert_eq!(world.check(), Ok(()), "seed {seed}");
        assert!(world.cluster.asked().iter().all(|asked| asked.reply.is_some()), "seed {seed}");
    }
}

/// Asserts that such nodes are seen to end with a wrong sum, within so many seeds.
fn assert_caught(bug: Bug, seeds: u64) {
    let is_wrong = |seed| run(seed, Bugs::only(bug)).is_err_and(|what| what.contains("sum"));
    assert!((0..seeds).any(is_wrong), "{bug:?} passes {seeds} seeds");
}

#[test]
fn an_acknowledgement_before_the_write_is_caught() {
    assert_caught(Bug::EarlyAcknowledgement, 100);
}

#[test]
fn a_write_made_anew_after_a_timeout_is_caught() {
    assert_caught(Bug::RecomputedRetry, 20);
}

#[test]
fn an_incarnation_that_begins_with_a_stale_read_is_caught() {
    assert_caught(Bug::BlindFence, 20);
}

#[test]
fn incarnations_that_cannot_be_told_apart_are_caught() {
    assert_caught(Bug::SameIncarnation, 100);
}
