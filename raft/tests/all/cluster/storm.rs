//! Schedules in which everything is drawn: the cluster, its options, the faults, the load.

use std::ops::Range;

use maelstrom::machine::Rank;
use raft::{Bugs, Options, Raft, Reads};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use simulator::cluster::Conditions;
use simulator::{Effect, Fault, Latency, LatencyDist};

use super::world::World;
use super::{BROKEN_DISK, SECOND, serves, take_all_in};

/// How a schedule is drawn.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Timeouts are long enough for the network: after the faults service is required.
    Tuned,
    /// They need not be, and messages are small and few.
    Harsh,
    /// Elections all the time: faults come and go as fast as messages.
    Restless,
}

/// What a seed has drawn.
struct Storm {
    world: World,
    rate: f64,
    mood: Mood,
    /// Whether no node loses what clients wait for.
    keeps_clients: bool,
}

fn storm(seed: u64, bugs: Bugs) -> Storm {
    let mut rng = StdRng::seed_from_u64(seed);
    let mood = [Mood::Tuned, Mood::Harsh, Mood::Restless][seed as usize % 3];
    let nodes = [1, 2, 3, 3, 3, 4, 5, 5, 7][rng.random_range(0..9)];
    let mut faults = Fault::ALL.to_vec();
    faults.push(BROKEN_DISK);
    faults.shuffle(&mut rng);
    faults.truncate(rng.random_range(0..=5));
    let reads = [Reads::Index, Reads::Index, Reads::Lease, Reads::Log][rng.random_range(0..4)];
    // Clocks that jump no lease is meant for.
    faults.retain(|fault| reads != Reads::Lease || *fault != Fault::Clock);
    let dist = LatencyDist::ALL[rng.random_range(0..LatencyDist::ALL.len())];
    let (latency, election, interval) = match mood {
        Mood::Tuned => (0.0..0.04, 0.4..0.401, 0.1..3.0),
        Mood::Harsh => (0.0..0.1, 0.02..0.4, 0.1..3.0),
        Mood::Restless => (0.005..0.05, 0.02..0.15, 0.05..0.5),
    };
    let mut seconds = |range: Range<f64>| SECOND.mul_f64(rng.random_range(range));
    let mut options = Options::default();
    options.election = seconds(election);
    options.heartbeat = options.election / 4;
    let keeps_clients = !faults.contains(&Fault::Kill) && !faults.contains(&BROKEN_DISK);
    let snapshot_every = [0, 10, 100][seed as usize / 3 % 3];
    let conditions = Conditions {
        latency: Latency { mean: seconds(latency), dist },
        faults,
        interval: seconds(interval),
        write_time: seconds(0.0..0.02),
        // What a bug cuts off behind a snapshot leaves a gap, with which no node starts.
        snapshot_every: if bugs == Bugs::default() { snapshot_every } else { 0 },
        ..Conditions::default()
    };
    options.reads = reads;
    vary(&mut options, mood, &mut rng);
    options.bugs = bugs;
    let rate = rng.random_range(5.0..100.0);
    let mut world = World::new(nodes, seed, conditions, &options);
    world.changes = rng.random_ratio(1, 3);
    Storm { world, rate, mood, keeps_clients }
}

/// Draws what else may differ.
fn vary(options: &mut Options, mood: Mood, rng: &mut StdRng) {
    if mood != Mood::Tuned {
        options.adaptive = false;
        options.batch_bytes = [1, 100, 64 << 10][rng.random_range(0..3)];
        options.window_messages = [1, 2, 32][rng.random_range(0..3)];
        options.chunk_bytes = [50, 500][rng.random_range(0..2)];
        options.window_bytes = [100, 2_000, 1 << 20][rng.random_range(0..3)];
    }
    if rng.random() {
        options.keep = [0, 1_000, 10_000][rng.random_range(0..3)];
        options.keep_at_most = [1_000, 16 << 20][rng.random_range(0..2)];
    }
    if rng.random_ratio(1, 4) {
        options.round = options.heartbeat.mul_f64(rng.random_range(0.0..1.0));
    }
    if rng.random_ratio(1, 3) {
        options.session_expiry = [SECOND / 3, SECOND][rng.random_range(0..2)];
    }
}

/// Runs a seed's schedule, heals, and requires service.
pub(super) fn run(seed: u64, bugs: Bugs) -> Result<(), String> {
    let Storm { mut world, rate, mood, keeps_clients } = storm(seed, bugs);
    world.load(20 * SECOND, rate)?;
    world.cluster.heal();
    restart_halted(&mut world);
    world.cluster.run_for(5 * SECOND)?;
    if mood == Mood::Tuned {
        take_all_in(&mut world)?;
        serves(&mut world)?;
        if keeps_clients {
            world.answers_all()?;
        }
    }
    world.is_linearizable().map_err(|what| format!("seed {seed}: {what}"))
}

fn restart_halted(world: &mut World) {
    let is_halted = |&node: &Rank| world.cluster.machine(node).is_some_and(Raft::is_halted);
    let halted = (0..world.cluster.size()).filter(is_halted).collect();
    world.cluster.apply(Effect::Kill(halted));
    world.cluster.apply(Effect::Start);
}
