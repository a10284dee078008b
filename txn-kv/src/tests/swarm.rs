//! Random hardship, then peace; and replicas that are broken on purpose.

use std::time::Duration;

use super::oracle;
use super::world::{Settings, World};
use crate::database::MAX_JOURNAL_BYTES;
use crate::injected_bugs::{Bug, Bugs};

const MS: Duration = Duration::from_millis(1);
/// How long it may take until all is as it should be.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings drawn from the seed.
fn settings(seed: u64, bugs: Bugs) -> Settings {
    let pick = |shift: u32, count: u64| {
        ((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) % count) as usize
    };
    Settings {
        nodes: [2, 3, 5, 10][pick(8, 4)],
        latency: [0, 5, 30, 200][pick(16, 4)] * MS,
        loss: [0.0, 0.05, 0.3][pick(24, 3)],
        duplicates: [0.0, 0.2][pick(32, 2)],
        durable: pick(40, 3) > 0,
        keys: [2, 5, 40][pick(48, 3)],
        max_journal_bytes: [MAX_JOURNAL_BYTES, 2_000][pick(52, 2)],
        bugs,
        ..Settings::calm(seed, 0)
    }
}

/// Runs clients under faults, ends the faults, and checks everything.
fn run(settings: Settings) -> Result<World, String> {
    let mut world = World::new(settings);
    for _ in 0..40 {
        fault(&mut world);
        for _ in 0..world.below(20) {
            let (node, pause) = (world.below(world.settings.nodes), world.below(20));
            if world.is_live(node) {
                world.some_txn(node)?;
            }
            world.run(pause as u32 * MS);
        }
    }
    peace(&mut world);
    let healed = world.now;
    oracle::check(&world.history)?;
    while let Err(problem) = world.check_end() {
        if world.now > healed + PATIENCE {
            return Err(format!("{problem}, {PATIENCE:?} after the last fault"));
        }
        world.run(Duration::from_secs(2));
    }
    Ok(world)
}

fn fault(world: &mut World) {
    let nodes = world.settings.nodes;
    let node = world.below(nodes);
    match world.below(9) {
        0 => {
            // Two sides.
            let side: Vec<bool> = (0..nodes).map(|_| world.chance(0.5)).collect();
            let pairs = (0..nodes * nodes).map(|pair| (pair / nodes, pair % nodes));
            world.cuts = pairs.filter(|&(from, to)| side[from] != side[to]).collect();
        }
        1 => {
            // One direction.
            let other = world.below(nodes);
            world.cuts.insert((node, other));
        }
        2 => world.cuts.clear(),
        3 => world.kill(node),
        4 | 5 => world.start(node),
        6 if world.is_live(node) => world.pause(node),
        _ => world.resume(node),
    }
}

fn peace(world: &mut World) {
    world.cuts.clear();
    world.settings.loss = 0.0;
    for node in 0..world.settings.nodes {
        world.resume(node);
        world.start(node);
    }
}

#[test]
fn replicas_keep_their_promises_under_every_fault() {
    let seeds: u64 = std::env::var("SEEDS").map_or(100, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let settings = settings(seed, Bugs::default());
        if let Err(problem) = run(settings.clone()) {
            panic!("{problem}\n{settings:#?}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_course_of_events() {
    for seed in 0..5 {
        let once = run(settings(seed, Bugs::default())).unwrap();
        let twice = run(settings(seed, Bugs::default())).unwrap();
        assert_eq!((once.messages, once.bytes), (twice.messages, twice.bytes));
    }
}

/// How many of the first seeds find the fault.
fn found(bug: Bug, seeds: u64) -> u64 {
    (0..seeds).filter(|&seed| run(settings(seed, Bugs::only(bug))).is_err()).count() as u64
}

#[test]
fn a_transaction_that_takes_effect_in_two_steps_is_found() {
    let found = found(Bug::TwoSteps, 30);
    println!("found with {found} seeds of 30");
    assert!(found > 0);
}

#[test]
fn replication_out_of_causal_order_is_found() {
    let found = found(Bug::OutOfOrder, 30);
    println!("found with {found} seeds of 30");
    assert!(found > 0);
}

#[test]
fn a_clock_that_does_not_advance_on_receive_is_found() {
    let found = found(Bug::DeafClock, 30);
    println!("found with {found} seeds of 30");
    assert!(found > 0);
}

#[test]
fn a_batch_that_is_dropped_when_its_acknowledgement_is_lost_is_found() {
    let found = found(Bug::ForgetUnacknowledged, 30);
    println!("found with {found} seeds of 30");
    assert!(found > 0);
}

#[test]
fn an_answer_without_what_the_former_incarnation_knew_is_found() {
    let found = found(Bug::PartialAnswer, 30);
    println!("found with {found} seeds of 30");
    assert!(found > 0);
}
