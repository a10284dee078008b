//! Followers that are behind, and what they cost the others.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use checkers::history::raw;
use lin_kv::{Command, Key};
use maelstrom::machine::{Output, Rank, draw_incarnation};
use raft::{Kept, Options, Part, Raft, Request, StateMachine};
use serde::{Deserialize, Serialize};
use simulator::cluster::{Cluster, Conditions};
use simulator::{Effect, Latency, LatencyDist};

use crate::cluster::SECOND;
use crate::cluster::world::World;

fn world(nodes: usize, latency: Duration, write_time: Duration, options: &Options) -> World {
    let latency = Latency { mean: latency, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, write_time, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, options);
    world.cluster.run_for(2 * SECOND).unwrap();
    world
}

/// One that does not lead.
fn follower(world: &World) -> Rank {
    let follows = |node: &Rank| world.cluster.machine(*node).is_some_and(|raft| !raft.is_leader());
    (0..world.cluster.size()).find(follows).unwrap()
}

/// How long requests took, from the shortest to the longest, since there were so many, all
/// but those of one node.
fn times(world: &World, since: usize, but: Option<Rank>) -> Vec<Duration> {
    let took = world.cluster.asked()[since..].iter().filter(|asked| Some(asked.node) != but);
    let mut times: Vec<Duration> =
        took.map(|asked| asked.reply.as_ref().unwrap().0 - asked.at).collect();
    times.sort();
    times
}

/// Snapshots of some hundred bytes go in chunks so small that it takes a second.
fn slow_snapshots() -> Options {
    let mut options = Options::default();
    options.keep = 1_000;
    (options.chunk_bytes, options.window_bytes) = (5, 10);
    options
}

#[test]
fn who_is_sent_a_snapshot_keeps_nobody_waiting_and_catches_up() {
    let mut world = world(3, SECOND / 100, Duration::ZERO, &slow_snapshots());
    let behind = follower(&world);
    world.cluster.apply(Effect::Kill(vec![behind]));
    world.load(5 * SECOND, 100.0).unwrap();
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(SECOND / 10).unwrap();
    let since = world.operations();
    world.load(SECOND / 2, 100.0).unwrap();
    let applied = |world: &World, node| world.cluster.machine(node).map(Raft::applied_index);
    let all = |world: &World| (0..3).filter_map(|node| applied(world, node)).max().unwrap();
    let lacks = all(&world).since(applied(&world, behind).unwrap());
    assert!(lacks > 20, "it took too short a time: {lacks}");
    world.load(4 * SECOND, 100.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, since, Some(behind));
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 <= SECOND / 10, "{p99:?}");
    assert_eq!(applied(&world, behind), Some(all(&world)));
    assert_eq!(world.is_linearizable(), Ok(()));
}

/// A message at a time: what a step of the leader takes does not depend on how much a node lacks.
#[test]
fn who_lacks_much_gets_it_by_and_by() {
    // As a snapshot, and as entries.
    for keep in [0, 16 << 20] {
        let mut options = Options::default();
        (options.keep, options.chunk_bytes, options.batch_bytes) = (keep, 10_000, 10_000);
        let mut world = world(3, SECOND / 100, Duration::ZERO, &options);
        let behind = follower(&world);
        world.cluster.apply(Effect::Kill(vec![behind]));
        let leader = world.cluster.machine((behind + 1) % 3).unwrap().leader().unwrap();
        for key in 0..200 {
            let command = Command::Write(Key::from(&*raw(&key)), raw(&"x".repeat(5_000)).into());
            world.cluster.ask(leader, Request::Command(command));
        }
        world.cluster.run_for(SECOND).unwrap();
        let sent = Rc::new(Cell::new(0));
        let counted = Rc::clone(&sent);
        world.cluster.check(move |step| {
            let mut parts = 0;
            for output in step.outputs {
                let Output::Send(to, packet) = output else { continue };
                let is_large = |part: &&Part<_>| match part {
                    Part::Append(append) => !append.entries.is_empty(),
                    part => matches!(part, Part::Chunk(_)),
                };
                parts += packet.parts.iter().filter(is_large).filter(|_| *to == behind).count();
            }
            counted.set(counted.get() + parts);
            if parts <= 1 { Ok(()) } else { Err(format!("{parts} parts at once")) }
        });
        world.cluster.apply(Effect::Start);
        let applied = |world: &World, node| world.cluster.machine(node).map(Raft::applied_index);
        let start = world.cluster.now();
        while applied(&world, behind) != applied(&world, leader) {
            assert!(world.cluster.now() < start + 2 * SECOND, "{} parts took too long", sent.get());
            world.cluster.run_for(SECOND / 100).unwrap();
        }
        assert!(sent.get() >= 100, "{} parts", sent.get());
    }
}

/// Texts, each of which is a slice.
#[derive(Clone, Serialize, Deserialize)]
struct Rows(Vec<Arc<str>>);

thread_local! {
    /// How many bytes of slices were made and read.
    static WORK: Cell<usize> = const { Cell::new(0) };
}

impl StateMachine for Rows {
    type Command = (usize, String);
    type Query = ();
    type Response = ();

    fn apply(&mut self, (row, text): &(usize, String)) {
        self.0[*row] = text.as_str().into();
    }

    fn query(&self, (): &()) {}

    fn slices(&self) -> usize {
        self.0.len()
    }

    fn slice(&self, number: usize) -> serde_json::Result<String> {
        let slice = serde_json::to_string(&self.0[number])?;
        WORK.set(WORK.get() + slice.len());
        Ok(slice)
    }

    fn restore(before: Option<Self>, slice: &str) -> serde_json::Result<Self> {
        WORK.set(WORK.get() + slice.len());
        let mut rows = before.map_or_else(Vec::new, |Self(rows)| rows);
        rows.push(serde_json::from_str(slice)?);
        Ok(Self(rows))
    }
}

/// However large a state is, a step makes or reads a slice of it, and commands that come meanwhile
/// change nothing of what is sent.
#[test]
fn a_snapshot_is_made_and_read_a_slice_at_a_time_while_commands_go_on() {
    const ROWS: usize = 200;
    const BYTES: usize = 1_000;
    let mut options = Options::default();
    (options.keep, options.keep_at_most, options.chunk_bytes) = (50_000, 100_000, 400);
    let latency = Latency { mean: SECOND / 1000, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut cluster = Cluster::new(3, 1, conditions, move |members, mut rng, _| {
        let kept = Kept::of(Vec::new(), draw_incarnation(&mut rng), false);
        let rows = Rows(vec!["".into(); ROWS]);
        Raft::new(&members, rng, rows, &kept, options.clone()).unwrap()
    });
    cluster.run_for(2 * SECOND).unwrap();
    let leader = (0..3).find(|&node| cluster.machine(node).unwrap().is_leader()).unwrap();
    let behind = (leader + 1) % 3;
    let write = |cluster: &mut Cluster<Raft<Rows>>, row: usize, letter: &str| {
        cluster.ask(leader, Request::Command((row, letter.repeat(BYTES))));
        cluster.run_for(SECOND / 500).unwrap();
    };
    cluster.apply(Effect::Kill(vec![behind]));
    (0..ROWS).for_each(|row| write(&mut cluster, row, "a"));
    WORK.set(0);
    let total = Rc::new(Cell::new(0));
    let counted = Rc::clone(&total);
    cluster.check(move |_| {
        let work = WORK.take();
        counted.set(counted.get() + work);
        if work <= BYTES + 2 { Ok(()) } else { Err(format!("{work} bytes in a step")) }
    });
    cluster.apply(Effect::Start);
    (0..ROWS).rev().for_each(|row| write(&mut cluster, row, "b"));
    let asked = cluster.asked();
    let times = asked.iter().map(|asked| asked.reply.as_ref().unwrap().0 - asked.at);
    assert!(times.max() < Some(SECOND / 100), "who asks waits for a follower");
    cluster.run_for(3 * SECOND).unwrap();
    assert!(total.get() >= 2 * ROWS * BYTES, "{} bytes", total.get());
    let (one, other) = (cluster.machine(leader).unwrap(), cluster.machine(behind).unwrap());
    assert_eq!(one.applied_index(), other.applied_index());
    assert_eq!(one.image().unwrap(), other.image().unwrap());
}

#[test]
fn an_acknowledgement_waits_for_its_own_entries_and_not_for_later_ones() {
    let (latency, write_time) = (SECOND / 500, SECOND / 200);
    let mut world = world(5, latency, write_time, &Options::default());
    world.load(5 * SECOND, 500.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, 0, None);
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 <= 4 * latency + 2 * write_time, "{p99:?}");
}

/// The leader asks for the read whether it leads, and the follower has the last entry, but not
/// safe yet.
#[test]
fn who_answers_a_question_before_its_entries_are_safe_says_so_when_they_are() {
    let (latency, write_time) = (SECOND / 500, SECOND / 200);
    let mut world = world(3, latency, write_time, &Options::default());
    world.load(20 * SECOND, 30.0).unwrap();
    world.cluster.run_for(SECOND).unwrap();
    let times = times(&world, 0, None);
    let worst = times[times.len() - 1];
    assert!(worst <= 4 * latency + 4 * write_time, "{worst:?}");
}

/// How many entries that are applied a leader of three nodes has had in its log at most, and how many
/// chunks of snapshots were sent, while a hundred commands of a thousand bytes came each second.
/// One of the followers is told of them with the heartbeats.
fn kept(heartbeat: Duration) -> (usize, usize) {
    let mut options = Options::default();
    (options.keep, options.keep_at_most) = (20_000, 60_000);
    (options.heartbeat, options.election, options.adaptive) = (heartbeat, 4 * heartbeat, false);
    let mut world = world(3, SECOND / 1000, Duration::ZERO, &options);
    world.cluster.run_for(10 * heartbeat).unwrap();
    let (most, chunks) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (seen, sent) = (Rc::clone(&most), Rc::clone(&chunks));
    world.cluster.check(move |step| {
        let base = step.machine.log().base().index;
        if step.machine.is_leader() {
            seen.set(seen.get().max(step.machine.applied_index().since(base)));
        }
        for output in step.outputs {
            let Output::Send(_, packet) = output else { continue };
            let are_chunks = packet.parts.iter().filter(|part| matches!(part, Part::Chunk(_)));
            sent.set(sent.get() + are_chunks.count());
        }
        Ok(())
    });
    let leads = |node: &Rank| world.cluster.machine(*node).is_some_and(Raft::is_leader);
    let leader = (0..3).find(leads).unwrap();
    for _ in 0..500 {
        let command = Command::Write(Key::from(&*raw(&1)), raw(&"x".repeat(850)).into());
        world.cluster.ask(leader, Request::Command(command));
        world.cluster.run_for(SECOND / 100).unwrap();
    }
    (most.get(), chunks.get())
}

#[test]
fn no_more_of_the_log_stays_in_memory_than_the_options_say() {
    let (entries, chunks) = kept(SECOND / 20);
    assert!((15..=22).contains(&entries) && chunks == 0, "{entries} entries, {chunks} chunks");
    // Who is slow needs more, and gets it.
    let (entries, chunks) = kept(SECOND * 3 / 10);
    assert!((30..=55).contains(&entries) && chunks == 0, "{entries} entries, {chunks} chunks");
    // Or a snapshot, which has one command's bytes.
    let (entries, chunks) = kept(2 * SECOND);
    assert!((55..=65).contains(&entries) && chunks > 0, "{entries} entries, {chunks} chunks");
}
