//! Faults of a node's own clock and disk, in virtual time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maelstrom::{Context, Error, Node};
use simulator::{DiskFault, Effect, Fault, Scenario, Simulation, Skew, Workload};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

maelstrom::message_types! {
    /// Asks what time it is by every clock that a node can look at.
    "time": struct Time {} -> #[derive(PartialEq)] struct Times {
        instant: u64,
        /// How often a periodic task of 100 ms ran.
        periods: u64,
        /// How often a loop that sleeps 100 ms came round.
        sleeps: u64,
        /// How often a wait of 100 ms timed out.
        timeouts: u64,
    };
    /// Writes to the disk, durably or not.
    "note": struct Note { sync: bool } -> struct Length { length: u64 };
}

struct State {
    started: Instant,
    periods: AtomicU64,
    sleeps: AtomicU64,
    timeouts: AtomicU64,
}

const TENTH: Duration = Duration::from_millis(100);

fn node() -> Node<State> {
    let zero = || AtomicU64::new(0);
    Node::new(move |_| State {
        started: Instant::now(),
        periods: zero(),
        sleeps: zero(),
        timeouts: zero(),
    })
    .on_init(async |context: Context<State>| {
        let (sleeper, waiter) = (context.clone(), context.clone());
        context.spawn(async move {
            loop {
                sleep(TENTH).await;
                sleeper.state().sleeps.fetch_add(1, Ordering::Relaxed);
            }
        });
        context.spawn(async move {
            loop {
                let _ = timeout(TENTH, std::future::pending::<()>()).await;
                waiter.state().timeouts.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    })
    .every(TENTH, async |context: Context<State>| {
        // A task that goes on in its next turn goes on at the same time.
        tokio::task::yield_now().await;
        context.state().periods.fetch_add(1, Ordering::Relaxed);
    })
    .handle(async |context: Context<State>, _: Time| {
        let State { started, periods, sleeps, timeouts } = context.state();
        let [periods, sleeps, timeouts] =
            [periods, sleeps, timeouts].map(|count| count.load(Ordering::Relaxed));
        let instant = started.elapsed().as_millis() as u64;
        Ok::<_, Error>(Times { instant, periods, sleeps, timeouts })
    })
    .handle(async |context: Context<State>, note: Note| {
        let disk = context.disk().ok_or_else(|| Error::crash("there is no disk"))?;
        let notes = disk.create("notes").map_err(Error::crash)?;
        notes.append(b"note").map_err(Error::unavailable)?;
        if note.sync {
            notes.sync().and_then(|()| disk.sync()).map_err(Error::crash)?;
        }
        Ok(Length { length: notes.length().map_err(Error::crash)? })
    })
}

fn scene() -> Scenario {
    // All clocks begin at once, so that they can be compared.
    let simulation = Simulation::new(Workload::Echo, node).nodes(3).start_spread(0);
    simulation.nemesis(&[Fault::Clock], 1.0).scenario()
}

fn skew(scene: &mut Scenario, node: usize, rate: u32, jump: Duration) {
    scene.inflict(Effect::Clock(vec![Skew { node, rate, jump }]));
}

#[track_caller]
fn assert_time(scene: &mut Scenario, node: usize, instant: u64, rounds: u64) {
    let times = scene.ask(node, &Time {}).unwrap();
    let near = |a: u64, b: u64| a.abs_diff(b) <= 1 + b / 50;
    assert!(near(times.instant, instant), "{times:?}");
    let Times { periods, sleeps, timeouts, .. } = times;
    assert!([periods, sleeps, timeouts].iter().all(|&count| near(count, rounds)), "{times:?}");
}

#[test]
fn everything_in_a_node_follows_its_own_clock() {
    let mut scene = scene();
    skew(&mut scene, 1, 1200, Duration::ZERO);
    skew(&mut scene, 2, 800, Duration::ZERO);
    scene.run_for(10 * SECOND);
    assert_time(&mut scene, 0, 10_000, 100);
    assert_time(&mut scene, 1, 12_000, 120);
    assert_time(&mut scene, 2, 8_000, 80);
    scene.inflict(Effect::Clock((0..3).map(Skew::none).collect()));
    scene.run_for(10 * SECOND);
    assert_time(&mut scene, 1, 22_000, 220);
    assert_time(&mut scene, 2, 18_000, 180);
}

#[test]
fn what_a_node_puts_off_to_its_next_turn_is_done_though_a_run_stops_there() {
    let mut scene = Simulation::new(Workload::Echo, node).nodes(1).scenario();
    for _ in 0..10 {
        scene.run_for(TENTH);
    }
    assert_time(&mut scene, 0, 1_000, 10);
}

#[test]
fn a_clock_that_jumps_makes_timers_late_once() {
    let mut scene = scene();
    skew(&mut scene, 1, 1000, 5 * SECOND);
    scene.run_for(SECOND);
    assert_time(&mut scene, 0, 1_000, 10);
    // The timer that the jump passed over, and those of the second after it.
    assert_time(&mut scene, 1, 6_000, 11);
}

#[test]
fn a_node_that_starts_again_has_the_clock_that_it_had() {
    let mut scene = scene();
    skew(&mut scene, 1, 800, Duration::ZERO);
    scene.kill(&[1]);
    scene.run_for(SECOND);
    scene.restart();
    scene.run_for(10 * SECOND);
    assert_time(&mut scene, 1, 8_000, 80);
}

#[test]
fn nodes_that_share_a_clock_cannot_be_skewed() {
    let mut scene = Simulation::new(Workload::Echo, node).nodes(1).scenario();
    let skewed = std::panic::AssertUnwindSafe(|| {
        skew(&mut scene, 0, 800, Duration::ZERO);
        scene.run_for(SECOND);
    });
    let panic = std::panic::catch_unwind(skewed).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("share one clock unless `--nemesis clock`"), "{text}");
}

#[test]
fn a_kill_with_lost_data_loses_what_was_not_synced_and_no_more() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut scene = Simulation::new(Workload::Echo, node).nodes(1).seed(seed).scenario();
        scene.ask(0, &Note { sync: true }).unwrap();
        scene.ask(0, &Note { sync: false }).unwrap();
        scene.kill(&[0]);
        scene.restart();
        assert_eq!(scene.ask(0, &Note { sync: true }).unwrap().length, 12);
        scene.ask(0, &Note { sync: false }).unwrap();
        scene.kill_with(&[0], &[DiskFault::LoseUnsynced]);
        scene.restart();
        let notes = &scene.files(0)["notes"];
        assert!(notes.starts_with(b"notenotenote") && notes.len() <= 16);
        lost += usize::from(notes.len() < 16);
    }
    assert!((5..20).contains(&lost), "{lost} of 20");
}

#[test]
fn a_disk_is_full_until_there_is_room_again_or_a_restart() {
    let mut scene = Simulation::new(Workload::Echo, node).nodes(2).scenario();
    scene.fill_disks(&[0]);
    assert!(scene.ask(0, &Note { sync: true }).is_err());
    scene.ask(1, &Note { sync: true }).unwrap();
    scene.free_disks();
    scene.ask(0, &Note { sync: true }).unwrap();
    scene.fill_disks(&[0, 1]);
    scene.kill(&[1]);
    scene.restart();
    assert!(scene.ask(0, &Note { sync: true }).is_err());
    scene.ask(1, &Note { sync: true }).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_clocks_and_disks_that_fail() {
    let run = |seed| {
        let simulation = Simulation::new(Workload::Echo, node);
        let faults = [Fault::Clock, Fault::Kill];
        simulation
            .nodes(3)
            .rate(50.0)
            .seconds(10)
            .nemesis(&faults, 1.0)
            .disk(&DiskFault::ALL)
            .seed(seed)
            .recorded()
            .run()
    };
    let (one, again, other) = (run(7), run(7), run(8));
    assert!(one.history == again.history && one.journal == again.journal);
    assert_ne!(one.history, other.history);
    for f in ["start-clock", "stop-clock", "start-full", "stop-full", "start-twin", "kill"] {
        assert!(one.history.contains(f), "{f}");
    }
}
