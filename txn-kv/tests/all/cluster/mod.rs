//! Clusters of replicas under every fault, in virtual time: the machines alone, over the
//! bench's network.
//!
//! What a run contains is drawn from its seed. After the faults the network is healed and
//! dead nodes are started; then replicas have to agree, and to have all that was
//! acknowledged. What clients were told has to be read atomic and causal. That these
//! checks can fail is shown by replicas with a classic mistake each.

mod scenarios;
mod world;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use simulator::cluster::Conditions;
use simulator::{Fault, Latency, LatencyDist};
use txn_kv::database::MAX_JOURNAL_BYTES;
use txn_kv::injected_bugs::{Bug, Bugs};

use self::world::{Settings, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// How long it may take until all is as it should be.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster, as the seed has it.
fn draw(seed: u64, bugs: Bugs) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pick = |choices: &[u64]| *choices.choose(&mut rng).unwrap();
    let nodes = pick(&[2, 3, 5, 10]) as usize;
    let mean = pick(&[0, 5, 30, 200]) as u32 * MS;
    let write_time = pick(&[0, 0, 5, 40]) as u32 * MS;
    let write_faults = pick(&[0, 0, 1, 5]) as f64 / 100.0;
    let snapshot_every = pick(&[0, 20, 100]) as usize;
    let settings = Settings {
        durable: pick(&[0, 1, 1]) > 0,
        keys: pick(&[2, 5, 40]),
        max_journal_bytes: pick(&[MAX_JOURNAL_BYTES as u64, 2_000]) as usize,
        bugs,
    };
    let mut faults = Fault::OF_NETWORKS_AND_NODES.to_vec();
    faults.shuffle(&mut rng);
    faults.truncate(rng.random_range(0..=5));
    let conditions = Conditions {
        latency: Latency { mean, dist: LatencyDist::Exponential },
        faults,
        interval: SECOND.mul_f64(rng.random_range(0.1..2.0)),
        write_time,
        write_faults,
        snapshot_every,
        ..Conditions::default()
    };
    World::new(nodes, seed, conditions, settings)
}

/// Runs a seed's clients under its faults, ends the faults, and checks everything.
fn run(seed: u64, bugs: Bugs) -> Result<World, String> {
    let mut world = draw(seed, bugs);
    for _ in 0..400 {
        let (node, pause) = {
            let nodes = world.cluster.size();
            let rng = world.cluster.rng();
            (rng.random_range(0..nodes), rng.random_range(0..40) * MS)
        };
        if world.cluster.machine(node).is_some() {
            world.some_txn(node);
        }
        world.cluster.run_for(pause)?;
    }
    world.cluster.heal();
    world.cluster.run_for(SECOND)?;
    world.check_history()?;
    let healed = world.cluster.now();
    while let Err(problem) = world.check_rest() {
        if world.cluster.now() > healed + PATIENCE {
            return Err(format!("{problem}, {PATIENCE:?} after the last fault"));
        }
        world.cluster.run_for(SECOND)?;
    }
    world.read_all();
    world.check_history()?;
    Ok(world)
}

#[test]
fn replicas_keep_their_promises_under_every_fault() {
    let seeds: u64 = std::env::var("SEEDS").map_or(100, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        assert_eq!(run(seed, Bugs::default()).err(), None, "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_course_of_events() {
    let course = |seed| {
        let world = run(seed, Bugs::default()).unwrap();
        (world.cluster.steps(), world.messages(), world.cluster.now())
    };
    for seed in 0..5 {
        assert_eq!(course(seed), course(seed));
    }
}

/// Asserts that replicas with this bug are found within so many seeds, by one of these.
fn is_found(bug: Bug, seeds: u64, findings: &[&str]) {
    let problem = (0..seeds).find_map(|seed| run(seed, Bugs::only(bug)).err());
    let problem = problem.unwrap_or_else(|| panic!("{bug:?} is not found with {seeds} seeds"));
    assert!(findings.iter().any(|finding| problem.contains(finding)), "{problem}");
}

#[test]
fn a_transaction_that_takes_effect_in_two_steps_is_found() {
    is_found(Bug::TwoSteps, 30, &["fractured-read", "causality-violation"]);
}

#[test]
fn replication_out_of_causal_order_is_found() {
    is_found(Bug::OutOfOrder, 30, &["causality-violation"]);
}

#[test]
fn a_clock_that_does_not_advance_on_receive_is_found() {
    is_found(Bug::DeafClock, 30, &["still keeps", "causality-violation"]);
}

#[test]
fn a_batch_that_is_dropped_when_its_acknowledgement_is_lost_is_found() {
    is_found(Bug::ForgetUnacknowledged, 30, &["do not have the same transactions"]);
}

#[test]
fn an_answer_before_its_record_is_safe_is_found() {
    is_found(Bug::EarlyAnswer, 30, &["causality-violation", "is lost"]);
}

#[test]
fn an_answer_without_what_the_former_incarnation_knew_is_found() {
    is_found(Bug::PartialAnswer, 30, &["messages with nothing to say", "still keeps"]);
}
