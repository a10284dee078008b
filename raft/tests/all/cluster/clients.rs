//! What clients are told, and what they can do to a cluster.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use lin_kv::{Command, Key, Store};
use maelstrom::machine::{Client, Output, Rank};
use raft::{
    Append, Appended, Bugs, Change, Config, Entry, Index, Kept, LogTime, Options, Packet, Part,
    Payload, Position, Raft, Received, Request,
};
use serde_json::value::RawValue;
use simulator::cluster::Conditions;
use simulator::{DiskFault, Effect, Latency, LatencyDist};

use crate::cluster::SECOND;
use crate::cluster::world::World;

fn world(nodes: usize, options: &Options) -> World {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, write_time: SECOND / 200, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, options);
    world.cluster.run_for(3 * SECOND).unwrap();
    world
}

/// A client that waits for as long as it takes.
fn write(world: &mut World, node: Rank) -> Client {
    let json = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let command = Command::Write(Key::from(&*json("1")), json("1").into());
    world.cluster.ask(node, Request::Command(command))
}

fn is_done(world: &World, client: Client) -> bool {
    matches!(world.cluster.reply(client), Some(Ok(_)))
}

fn leader(world: &World) -> Rank {
    let leads = |node: &Rank| world.cluster.machine(*node).is_some_and(Raft::is_leader);
    (0..world.cluster.size()).find(leads).unwrap()
}

#[test]
fn who_waits_at_a_node_that_cannot_write_is_told_at_once_that_it_may_be_done() {
    for asked in 0..3 {
        let mut world = world(3, &Options::default());
        let client = write(&mut world, asked);
        world.cluster.run_for(SECOND / 500).unwrap();
        world.cluster.apply(Effect::Upset(DiskFault::FailOnce, vec![asked]));
        // A follower writes when it hears of what others do.
        write(&mut world, (asked + 1) % 3);
        world.cluster.run_for(SECOND / 5).unwrap();
        assert!(world.cluster.machine(asked).unwrap().is_halted());
        match world.cluster.reply(client) {
            Some(Err(error)) => assert!(!error.code().is_definite(), "{error}"),
            Some(Ok(_)) => {}
            None => panic!("n{asked} says nothing to who waits"),
        }
        let late = write(&mut world, asked);
        let Some(Err(error)) = world.cluster.reply(late) else { panic!("n{asked} goes on") };
        assert!(error.code().is_definite(), "{error}");
    }
}

#[test]
fn after_a_silence_longer_than_sessions_last_the_next_command_is_carried_out() {
    let mut options = Options::default();
    options.session_expiry = SECOND;
    let mut world = world(3, &options);
    for node in [0, 1, 2, 0, 1, 2] {
        let client = write(&mut world, node);
        world.cluster.run_for(SECOND / 5).unwrap();
        assert!(is_done(&world, client), "n{node}: {:?}", world.cluster.reply(client));
        world.cluster.run_for(5 * SECOND).unwrap();
    }
}

#[test]
fn who_wants_a_dead_node_to_lead_keeps_nobody_waiting() {
    let mut world = world(3, &Options::default());
    let lead = leader(&world);
    let dead = (lead + 1) % 3;
    world.cluster.apply(Effect::Kill(vec![dead]));
    world.cluster.run_for(SECOND).unwrap();
    for _ in 0..20 {
        world.lead(lead, dead);
        let client = write(&mut world, lead);
        world.cluster.run_for(SECOND / 10).unwrap();
        assert!(is_done(&world, client));
    }
}

#[test]
fn members_that_do_not_exist_are_refused_by_whoever_is_asked() {
    let mut world = world(3, &Options::default());
    for members in [Config::new([0, 1, 99]), Config::new([]), Config::new([0]).with_learners([7])] {
        let client = world.cluster.ask(0, Request::Change(Change::Members(members.clone())));
        let Some(Err(error)) = world.cluster.reply(client) else { panic!("{members:?}") };
        assert!(error.code().is_definite(), "{error}");
        // Nor does a leader take it from another node.
        let (lead, part) = (leader(&world), Part::Change(Index::ZERO, Change::Members(members)));
        say(&mut world, (lead + 1) % 3, lead, part);
        world.cluster.run_for(SECOND).unwrap();
        let client = write(&mut world, 1);
        world.cluster.run_for(SECOND).unwrap();
        assert!(is_done(&world, client));
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    let raft = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        let members = maelstrom::machine::Members::new(&"n0".into(), &["n0".into(), "n1".into()]);
        let rng = rand::SeedableRng::seed_from_u64(1);
        Raft::new(&members, rng, Store::default(), &Kept::of(Vec::new(), 7, false), options)
    };
    assert!(raft(|_| ()).is_ok());
    assert!(raft(|options| options.chunk_bytes = 0).is_err());
    assert!(raft(|options| options.heartbeat = options.election).is_err());
    assert!(raft(|options| options.voters = Some(3)).is_err());
}

#[test]
fn a_change_of_members_is_known_wherever_it_is_asked_for_after_a_restart_with_snapshots() {
    let mut options = Options::default();
    (options.keep, options.bugs) = (0, Bugs::default());
    let mut world = world(3, &options);
    world.load(SECOND, 100.0).unwrap();
    let lead = leader(&world);
    world.cluster.apply(Effect::Kill(vec![lead]));
    world.load(2 * SECOND, 100.0).unwrap();
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(2 * SECOND).unwrap();
    assert_ne!(leader(&world), lead);
    world.change(lead, Config::new(0..2));
    world.load(2 * SECOND, 100.0).unwrap();
    let machine = world.cluster.machine(leader(&world)).unwrap();
    assert!(machine.log().config().has_nodes_of(&Config::new(0..2)));
}

fn say(world: &mut World, from: Rank, to: Rank, part: Part<Command>) {
    let machine = world.cluster.machine(to).unwrap();
    let (term, incarnation) = (machine.term(), machine.log().config().members()[&from]);
    world.cluster.tell(from, to, Packet { term, incarnation, parts: vec![part] });
}

/// Says something to a node as its leader, or to its leader, would.
fn tell(world: &mut World, from: Rank, to: Rank, part: Part<Command>) {
    say(world, from, to, part);
    world.cluster.run_for(SECOND).unwrap();
    let client = write(world, leader(world));
    world.cluster.run_for(SECOND).unwrap();
    assert!(is_done(world, client));
}

#[test]
fn acknowledgements_of_what_was_never_sent_count_for_nothing() {
    let mut options = Options::default();
    (options.keep, options.chunk_bytes, options.window_bytes) = (0, 50, 50);
    let mut world = world(3, &options);
    world.load(SECOND, 100.0).unwrap();
    let (lead, matched) = (leader(&world), Index::from(1 << 52));
    let from = (lead + 1) % 3;
    tell(&mut world, from, lead, Part::Appended(Appended { matched, question: 0, rejected: None }));
    world.cluster.apply(Effect::Kill(vec![from, (lead + 2) % 3]));
    let client = write(&mut world, lead);
    world.cluster.run_for(SECOND / 10).unwrap();
    assert!(!is_done(&world, client));
    world.cluster.apply(Effect::Start);
    world.cluster.run_for(3 * SECOND).unwrap();
    let (lead, from) = (leader(&world), (leader(&world) + 1) % 3);
    // And of a snapshot that it is being sent.
    world.cluster.apply(Effect::Kill(vec![from]));
    world.load(SECOND, 100.0).unwrap();
    let sent = Rc::new(Cell::new(None));
    let seen = Rc::clone(&sent);
    world.cluster.check(move |step| {
        for output in step.outputs {
            let Output::Send(_, packet) = output else { continue };
            let mut chunks = packet.parts.iter().filter_map(|part| match part {
                Part::Chunk(chunk) => Some(chunk.number),
                _ => None,
            });
            seen.set(chunks.next_back().or(seen.get()));
        }
        Ok(())
    });
    world.cluster.apply(Effect::Start);
    while sent.get().is_none() {
        world.cluster.run_for(SECOND / 1000).unwrap();
    }
    let (number, bytes) = (sent.get().unwrap(), usize::MAX);
    tell(&mut world, from, lead, Part::Received(Received { number, bytes }));
}

#[test]
fn a_leader_that_contradicts_what_is_committed_is_not_believed() {
    let mut world = world(3, &Options::default());
    let lead = leader(&world);
    let follower = (lead + 1) % 3;
    let machine = world.cluster.machine(follower).unwrap();
    let (commit, question, urgent) = (machine.commit_index(), 0, false);
    let entry = Arc::new(Entry { term: 77.into(), at: LogTime::default(), payload: Payload::Noop });
    let (previous, time) = (Position::default(), LogTime::default());
    let entries = vec![entry];
    let (safe, election_ms) = (commit, 0);
    let append = Append { previous, entries, commit, safe, time, election_ms, question, urgent };
    tell(&mut world, lead, follower, Part::Append(append));
    assert!(world.cluster.machine(follower).unwrap().is_halted());
}

#[test]
fn where_answers_take_long_timeouts_are_longer_and_the_leader_stays() {
    for latency in [SECOND / 5, SECOND * 2 / 5] {
        let latency = Latency { mean: latency, dist: LatencyDist::Uniform };
        let conditions = Conditions { latency, ..Conditions::default() };
        let mut world = World::new(5, 2, conditions, &Options::default());
        world.cluster.run_for(15 * SECOND).unwrap();
        let (lead, term) = (leader(&world), world.cluster.machine(0).unwrap().term());
        let clients: Vec<Client> = (0..5).map(|node| write(&mut world, node)).collect();
        world.cluster.run_for(30 * SECOND).unwrap();
        assert!(clients.into_iter().all(|client| is_done(&world, client)));
        assert_eq!((leader(&world), world.cluster.machine(0).unwrap().term()), (lead, term));
    }
}
