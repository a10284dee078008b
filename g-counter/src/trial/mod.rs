//! Clusters of counters under every fault, in virtual time: the state machine
//! alone, without bytes and without tasks.
//!
//! What a schedule contains is drawn from its seed. After the faults the network
//! is healed and dead nodes are started; then service is required: all nodes
//! answer, they agree, and what they agree on is the sum of all acknowledged
//! adds and of some of those of which nobody knows. That these checks can fail
//! is shown by nodes with a classic mistake each.

mod service;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;

use self::service::Staleness;
use self::world::{Mutation, Weather, World};
use crate::counter::{Answer, Refusal};
use crate::ledger::Bug;

const SECOND: Duration = Duration::from_secs(1);

/// Something that happens beside the clients' requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Partition,
    OneWay,
    Kill,
    Pause,
}

const FAULTS: [Fault; 4] = [Fault::Partition, Fault::OneWay, Fault::Kill, Fault::Pause];

/// A load, and what happens meanwhile.
struct Schedule {
    nodes: usize,
    rate: f64,
    length: Duration,
    faults: Vec<Fault>,
    /// The mean time between two faults.
    interval: Duration,
}

impl Schedule {
    fn run(&self, world: &mut World) {
        let end = world.now + self.length;
        let mut next_fault = world.now + self.interval.mul_f64(world.rng.random_range(0.0..2.0));
        while world.now < end {
            let gap = Duration::from_secs_f64(world.rng.random_range(0.0..2.0) / self.rate);
            world.run_until(world.now + gap);
            if world.now >= next_fault && !self.faults.is_empty() {
                self.fault(world);
                next_fault += self.interval.mul_f64(world.rng.random_range(0.0..2.0));
            }
            self.request(world);
        }
    }

    /// The mix of the real g-counter test: of adds between −5 and 4 and as many
    /// reads, the negative adds are left out.
    fn request(&self, world: &mut World) {
        let node = world.rng.random_range(0..self.nodes);
        match world.rng.random_range(0..15) {
            delta @ 0..5 => world.add(node, delta),
            _ => {
                world.read(node);
            }
        }
    }

    fn fault(&self, world: &mut World) {
        let node = world.rng.random_range(0..self.nodes);
        let kind = world.rng.random_range(0..self.faults.len());
        match self.faults[kind] {
            Fault::Partition => partition(world, self.nodes, true),
            Fault::OneWay => partition(world, self.nodes, false),
            Fault::Kill if world.is_alive(node) => world.kill(node),
            Fault::Kill => world.restart(node),
            Fault::Pause => {
                let length = self.interval.mul_f64(world.rng.random_range(0.0..3.0));
                world.pause(node, length);
            }
        }
    }
}

/// Ends the partition, or cuts the nodes in two, in both directions or one.
fn partition(world: &mut World, nodes: usize, both: bool) {
    if !world.cut.is_empty() {
        return world.cut.clear();
    }
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(&mut world.rng);
    let (here, there) = order.split_at(world.rng.random_range(1..nodes.max(2)));
    for &a in here {
        for &b in there {
            world.cut.insert((a, b));
            if both {
                world.cut.insert((b, a));
            }
        }
    }
}

/// Ends all faults.
fn heal(world: &mut World) {
    world.cut.clear();
    world.weather = Weather { staleness: world.weather.staleness, ..Weather::fair() };
    for node in 0..world.names.len() {
        world.pause(node, Duration::ZERO);
        if !world.is_alive(node) {
            world.restart(node);
        }
    }
}

/// All sums that the final value may be: of the acknowledged adds, and of any of
/// those without a certain answer.
fn acceptable(world: &World) -> BTreeSet<i64> {
    let mut sums = BTreeSet::from([0]);
    for asked in &world.asked {
        let Some(delta) = asked.delta else { continue };
        sums = match asked.answer {
            Some((_, Answer::Added)) => sums.into_iter().map(|sum| sum + delta).collect(),
            Some((_, Answer::Refused(Refusal::OutOfRange))) => sums,
            _ => sums.into_iter().flat_map(|sum| [sum, sum + delta]).collect(),
        };
    }
    sums
}

/// What is wrong at the end, if anything.
fn verdict(world: &mut World) -> Result<(), String> {
    let values = world.read_all();
    let acceptable = acceptable(world);
    let first = values[0].ok_or("the first node does not answer")?;
    if values.iter().any(|&value| value != Some(first)) {
        return Err(format!("the nodes disagree: {values:?}"));
    }
    if !acceptable.contains(&first) {
        return Err(format!("all read {first}, which is none of {acceptable:?}"));
    }
    reads_never_go_back(world)
}

/// A node's reads rise, and contain what it has acknowledged, across its lives.
fn reads_never_go_back(world: &World) -> Result<(), String> {
    for node in 0..world.names.len() {
        let asked = || world.asked.iter().filter(|asked| asked.node == node);
        for read in asked().filter(|asked| asked.delta.is_none()) {
            let Some((_, Answer::Value(value))) = read.answer else { continue };
            let before = |asked: &&world::Asked| asked.answer.is_some_and(|(at, _)| at < read.at);
            let acknowledged = asked().filter(before).filter_map(|asked| match asked.answer {
                Some((_, Answer::Added)) => asked.delta,
                _ => None,
            });
            let least: i64 = acknowledged.sum();
            if value < least {
                return Err(format!("n{node} read {value} after acknowledging {least}"));
            }
        }
    }
    Ok(())
}

/// Weather and faults of a seed.
fn storm(seed: u64, mutation: Mutation) -> (World, Schedule) {
    let staleness = if seed.is_multiple_of(2) { Staleness::Random } else { Staleness::Greatest };
    let mut world = World::new(seed, 0, Weather::fair(), mutation);
    let nodes = world.rng.random_range(1..=6);
    let weather = Weather {
        staleness,
        latency: SECOND.mul_f64(world.rng.random_range(0.0..0.2)),
        slow: SECOND.mul_f64(world.rng.random_range(0.0..6.0)),
        loss: world.rng.random_range(0.0..0.2),
        doubling: world.rng.random_range(0.0..0.2),
    };
    let mut faults = FAULTS.to_vec();
    faults.shuffle(&mut world.rng);
    faults.truncate(world.rng.random_range(0..=FAULTS.len()));
    let interval = SECOND.mul_f64(world.rng.random_range(0.1..4.0));
    let world = World::new(seed, nodes, weather, mutation);
    let length = 20 * SECOND;
    (world, Schedule { nodes, rate: 10.0, length, faults, interval })
}

/// Runs a seed's schedule, heals, and judges.
fn trial(seed: u64, mutation: Mutation) -> Result<(), String> {
    let (mut world, schedule) = storm(seed, mutation);
    schedule.run(&mut world);
    heal(&mut world);
    world.run_until(world.now + 20 * SECOND);
    let (messages, requests) = (world.messages, world.asked.len());
    verdict(&mut world).map_err(|why| format!("seed {seed}: {why}"))?;
    world.run_until(world.now + 60 * SECOND);
    if world.messages != messages || world.asked.len() == requests {
        return Err(format!("seed {seed}: it does not fall silent"));
    }
    Ok(())
}

#[test]
fn whatever_happens_all_nodes_end_with_one_sum_of_what_was_acknowledged() {
    for seed in 0..2_000 {
        if let Err(why) = trial(seed, Mutation::None) {
            panic!("{why}");
        }
    }
}
