//! Nodes with disks: what was acknowledged is there whoever is killed, and incarnations go
//! on as long as nothing got lost.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::injected_bugs::{Bug, Bugs};
use broadcast::machine::{Broadcaster, Contents, Reply, Request};
use broadcast::wire::{LogId, Message, Run, Spread, Value};
use maelstrom::machine::{Client, Input, Machine as _, Output, Outputs, Rank};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;
use simulator::cluster::Conditions;
use simulator::{Effect, Fault};

use crate::cluster::world::{MS, S, World, steady};

fn config(period: u32) -> Config {
    Config { period: period * MS, ..Config::default() }
}

/// Nodes whose records take so long to be safe.
fn on_disks(nodes: usize, seed: u64, config: &Config, write_time: Duration) -> World {
    let conditions = Conditions { write_time, ..steady(20 * MS) };
    World::on_disks(nodes, seed, config, conditions, 0.0)
}

fn all(world: &World) -> Vec<Rank> {
    (0..world.cluster.size()).collect()
}

/// What is missing in the end of what was acknowledged, after so many times in which all
/// nodes are killed at once among other faults.
fn lost(seed: u64, config: &Config, loss: f64) -> Vec<(Rank, BTreeSet<u64>)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let faults = if rng.random() { vec![Fault::Kill, Fault::Loss] } else { vec![Fault::Partition] };
    let write_time = [Duration::ZERO, MS, 30 * MS, 300 * MS][rng.random_range(0..4)];
    let (write_faults, snapshot_every) = ([0.0, 0.005][rng.random_range(0..2)], 20);
    let conditions = Conditions { write_time, write_faults, snapshot_every, ..steady(20 * MS) };
    let conditions = Conditions { faults, interval: 2 * S, ..conditions };
    let mut world = World::on_disks(rng.random_range(1..8), seed, config, conditions, loss);
    for _ in 0..3 {
        let (up, down) = (world.some_time(3 * S), world.some_time(S));
        world.load(up, 50.0);
        world.restart(all(&world), down);
    }
    world.load(3 * S, 50.0);
    world.cluster.heal();
    world.run_for(30 * S);
    let acknowledged = world.acknowledged();
    assert!(acknowledged.len() > 50, "seed {seed}: {} values", acknowledged.len());
    let missing = world.read_all().into_iter().map(|read| &acknowledged - &read).enumerate();
    missing.filter(|(_, missing)| !missing.is_empty()).collect()
}

#[test]
fn nothing_acknowledged_is_lost_though_all_are_killed_at_once() {
    for seed in 0..20 {
        for period in [340, 0] {
            let lost = lost(seed, &config(period), 0.0);
            assert!(lost.is_empty(), "seed {seed}, period {period}: {lost:?}");
        }
    }
}

#[test]
fn an_answer_before_its_record_is_safe_is_found() {
    let config = Config { bugs: Bugs::only(Bug::UnsafeAnswer), ..config(340) };
    assert!((0..20).any(|seed| !lost(seed, &config, 0.0).is_empty()));
}

#[test]
fn what_was_acknowledged_after_a_loss_is_everywhere() {
    for seed in 0..20 {
        for period in [340, 0] {
            let (lost, before) = after_a_loss(seed, &config(period));
            assert_eq!((lost, before), (0, true), "seed {seed}, period {period}");
        }
    }
}

#[test]
fn an_incarnation_that_is_kept_though_something_was_lost_is_found() {
    let config = Config { bugs: Bugs::only(Bug::KeepIncarnation), ..config(340) };
    assert!((0..20).any(|seed| after_a_loss(seed, &config).0 > 0));
}

/// All nodes lose the end of what they had, and start again. How many of the values that
/// are acknowledged then are missing somewhere, and whether all have the same of the others.
fn after_a_loss(seed: u64, config: &Config) -> (usize, bool) {
    let nodes = 4;
    let conditions = Conditions { write_time: 5 * MS, ..steady(20 * MS) };
    let mut world = World::on_disks(nodes, seed, config, conditions, 0.5);
    world.load(5 * S, 50.0);
    world.run_for(2 * S);
    let before = world.acknowledged();
    for node in 0..nodes {
        world.restart(vec![node], S);
    }
    world.load(5 * S, 50.0);
    world.run_for(20 * S);
    let later = &world.acknowledged() - &before;
    let read = world.read_all();
    let missing = read.iter().map(|read| (&later - read).len()).max().unwrap();
    (missing, read.iter().all(|other| *other == read[0]))
}

/// A value that waits for the disk is on its way to nobody: whether it is found after a
/// restart is open.
#[test]
fn a_value_is_seen_by_nobody_before_it_is_safe() {
    let mut found = BTreeSet::new();
    for (seed, period) in (0..8).flat_map(|seed| [(seed, 340), (seed, 0)]) {
        let mut world = on_disks(3, seed, &config(period), S);
        world.run_for(S);
        world.broadcast(1, 1);
        world.run_for(900 * MS);
        assert_eq!([world.read(0), world.read(2)], [BTreeSet::new(), BTreeSet::new()]);
        assert!(world.fates()[&1].reached.is_empty());
        assert_eq!(world.acknowledged(), BTreeSet::new());
        world.restart(vec![1], S);
        world.broadcast(1, 2);
        world.run_for(5 * S);
        assert_eq!(world.acknowledged(), BTreeSet::from([2]));
        let read = world.read(0);
        assert!(read.contains(&2));
        world.assert_everywhere(&read, &format!("seed {seed}, period {period}"));
        found.insert(read.contains(&1));
    }
    assert_eq!(found.len(), 2);
}

/// What others sent is passed on while it is written. Whoever loses it then gets it again,
/// although it has confirmed it.
#[test]
fn a_node_that_loses_what_it_confirmed_gets_it_again() {
    let mut lost = 0;
    for (seed, period) in (0..8).flat_map(|seed| [(seed, 340), (seed, 0)]) {
        let mut world = on_disks(3, seed, &config(period), 700 * MS);
        world.run_for(S);
        world.broadcast(2, 1);
        while !world.fates()[&1].reached.contains_key(&0) {
            world.run_for(MS);
        }
        world.run_for(500 * MS);
        world.restart(vec![0, 1], 100 * MS);
        lost += usize::from(world.cluster.machine(0).unwrap().arrived(0).count() == 0);
        world.run_for(5 * S);
        world.assert_everywhere(&BTreeSet::from([1]), &format!("seed {seed}, period {period}"));
    }
    assert!(lost > 4, "{lost}");
}

/// A read waits for the disk where it shows what another node sent and is not safe yet, so
/// that it is shown again after a restart.
#[test]
fn what_was_read_is_read_again_after_a_restart() {
    let mut world = on_disks(2, 1, &config(340), S);
    world.run_for(S);
    world.broadcast(1, 1);
    while world.fates()[&1].reached.len() < 2 {
        world.run_for(MS);
    }
    let read = world.cluster.ask(0, Request::Read);
    world.run_for(900 * MS);
    assert!(world.cluster.reply(read).is_none());
    world.run_for(200 * MS);
    assert!(world.cluster.reply(read).is_some());
    world.cluster.apply(Effect::Kill(vec![1]));
    world.restart(vec![0], S);
    assert_eq!(world.read(0), BTreeSet::from([1]));
}

/// A value whose record failed may be on the disk or not. It is told to nobody, and others are
/// refused; what comes from others is read and passed on.
#[test]
fn a_node_whose_disk_fails_reads_and_passes_on() {
    let (mut node, mut out) = (with_disk(0, 2), Outputs::default());
    let value = |number: u64| Value::from(RawValue::from_string(number.to_string()).unwrap());
    let broadcast = |number| Input::Request(Client(number), Request::Broadcast(value(number)));
    node.handle(Duration::ZERO, Input::Start, &mut out);
    node.handle(MS, broadcast(1), &mut out);
    assert!(matches!(out.drain().last(), Some(Output::Write(_))));
    node.handle(2 * MS, Input::WriteFailed(io::Error::other("no disk")), &mut out);
    assert!(
        matches!(out.as_slice(), [Output::Reply(Client(1), Err(error))] if !error.code().is_definite())
    );
    out.drain().for_each(drop);
    node.handle(3 * MS, broadcast(2), &mut out);
    assert!(
        matches!(out.as_slice(), [Output::Reply(Client(2), Err(error))] if error.code().is_definite())
    );
    out.drain().for_each(drop);
    let run = Run { log: LogId { origin: 1, incarnation: 7 }, first: 0, values: vec![value(3)] };
    let spread = Message::Spread(Spread { runs: vec![run], ..Spread::default() });
    node.handle(4 * MS, Input::Message(1, spread), &mut out);
    node.handle(5 * MS, Input::Request(Client(4), Request::Read), &mut out);
    let read = out.drain().find_map(|output| match output {
        Output::Reply(Client(4), Ok(Reply::Values(read))) => Some(read),
        _ => None,
    });
    assert_eq!(read.unwrap().get(), "[3]");
}

/// A journal ends with a record that it cannot take.
#[test]
fn a_value_that_no_journal_takes_is_refused_from_clients_and_from_nodes() {
    let (mut node, mut out) = (with_disk(0, 2), Outputs::default());
    let long = || Value::from(RawValue::from_string("1".repeat((32 << 20) + 1)).unwrap());
    node.handle(Duration::ZERO, Input::Request(Client(1), Request::Broadcast(long())), &mut out);
    let run = Run { log: LogId { origin: 1, incarnation: 7 }, first: 0, values: vec![long()] };
    let spread = Message::Spread(Spread { runs: vec![run], ..Spread::default() });
    node.handle(MS, Input::Message(1, spread), &mut out);
    let outputs: Vec<_> = out.drain().collect();
    assert!(matches!(&outputs[..], [Output::Reply(Client(1), Err(_))]), "{}", outputs.len());
}

fn with_disk(me: Rank, nodes: usize) -> Broadcaster {
    let (contents, rng) = (Contents::new(me, nodes), StdRng::seed_from_u64(1));
    Broadcaster::restored(contents, 7, &config(340), rng)
}

/// What was there when a node started is for those who ask; nobody is sent all of it.
#[test]
fn a_node_that_starts_with_much_says_little() {
    let mut world = on_disks(3, 1, &config(340), MS);
    world.run_for(S);
    world.load(20 * S, 200.0);
    world.run_for(2 * S);
    world.cluster.apply(Effect::Kill(all(&world)));
    world.cluster.check(|step| {
        let values = step.outputs.iter().map(|output| match output {
            Output::Send(_, Message::Spread(spread)) => {
                spread.runs.iter().map(|run| run.values.len()).sum()
            }
            _ => 0,
        });
        let values: usize = values.sum();
        if values > 20 { Err(format!("{values} values are sent")) } else { Ok(()) }
    });
    world.cluster.apply(Effect::Start);
    world.run_for(5 * S);
    let values = world.values();
    world.assert_everywhere(&values, "all start with the same");
}
