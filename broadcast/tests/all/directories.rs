//! Nodes with directories in virtual time, on disks that forget and run full.

use std::collections::BTreeSet;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::machine::Broadcaster;
use broadcast::{Broadcast, Read, node_with};
use maelstrom::journal::Sync;
use maelstrom::machine::Driver;
use maelstrom::{CallError, Node};
use serde_json::value::to_raw_value;
use simulator::{DiskFault, Effect, Fault, Links, Promise, Scenario, Simulation, Workload};

const SECOND: Duration = Duration::from_secs(1);

fn synced(sync: Sync) -> impl Fn() -> Node<Driver<Broadcaster>> {
    move || node_with(Config { sync, ..Config::default() })
}

fn cluster(nodes: usize, sync: Sync) -> Scenario {
    Simulation::new(Workload::Broadcast, synced(sync)).nodes(nodes).latency(100).scenario()
}

fn broadcast(scene: &mut Scenario, node: usize, value: u64) -> Result<(), CallError> {
    let message = to_raw_value(&value).unwrap().into();
    scene.ask(node, &Broadcast { message }).map(|_| ())
}

fn read(scene: &mut Scenario, node: usize) -> BTreeSet<u64> {
    let messages = scene.ask(node, &Read {}).unwrap().messages;
    serde_json::from_str(messages.get()).unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    const DISK: &[DiskFault] = &[DiskFault::LoseUnsynced, DiskFault::Torn, DiskFault::Full];
    for seed in 0..4 {
        // A killed process has what it wrote, synced or not.
        for (sync, disk) in [(Sync::EveryGroup, DISK), (Sync::Never, &DISK[2..])] {
            let run = Simulation::new(Workload::Broadcast, synced(sync)).nodes(5).rate(50.0);
            let run = run.seconds(15).latency(10).seed(seed).disk(disk);
            run.nemesis(&[Fault::Kill, Fault::Partition], 2.0).run().assert_valid();
        }
    }
}

/// However short the rounds are for the distance, nodes that were all restarted find their
/// places and are quiet then.
#[test]
fn nodes_that_were_killed_become_quiet_whatever_the_period_is() {
    let periods = [10, 30, 100, 380].map(Duration::from_millis);
    let cases = periods.iter().flat_map(|&period| [(period, 100), (period, 300)]);
    for ((period, latency), seed) in cases.flat_map(|case| (1..6).map(move |seed| (case, seed))) {
        let node =
            move || node_with(Config { period, sync: Sync::EveryGroup, ..Config::default() });
        let run = Simulation::new(Workload::Broadcast, node).nodes(25).rate(20.0).seconds(11);
        let run = run.latency(latency).links(Links::Tree).nemesis(&[Fault::Kill], 10.0);
        let within = Duration::from_millis(10_000 + 40 * latency);
        let promise = Promise { within, idle_messages: Some(50.0), shown_within: None };
        run.seed(seed).set(|settings| settings.promise = Some(promise)).run().assert_valid();
    }
}

#[test]
fn all_are_killed_just_after_they_acknowledged_and_have_it_all() {
    let mut scene = cluster(5, Sync::EveryGroup);
    (0..5).for_each(|node| broadcast(&mut scene, node, node as u64).unwrap());
    scene.kill_with(&[0, 1, 2, 3, 4], &[DiskFault::LoseUnsynced]);
    scene.restart();
    assert!((0..5).all(|node| read(&mut scene, node).contains(&(node as u64))));
    scene.run_for(4 * SECOND);
    let all: BTreeSet<u64> = (0..5).collect();
    assert!((0..5).all(|node| read(&mut scene, node) == all), "{}", scene.journal());
}

/// How many incarnations of node 1 accepted values, of two starts; what every node reads in
/// the end.
fn incarnations(sync: Sync, faults: &[DiskFault]) -> (usize, BTreeSet<u64>) {
    let mut scene = cluster(2, sync);
    broadcast(&mut scene, 1, 1).unwrap();
    scene.run_for(2 * SECOND);
    scene.kill_with(&[1], faults);
    scene.restart();
    broadcast(&mut scene, 1, 2).unwrap();
    scene.run_for(4 * SECOND);
    let logs = scene.journal().split("\"runs\":[[1,").skip(1);
    let incarnations: BTreeSet<&str> = logs.filter_map(|log| log.split(',').next()).collect();
    let incarnations = incarnations.len();
    let [read, other] = [0, 1].map(|node| read(&mut scene, node));
    assert_eq!(read, other);
    (incarnations, read)
}

#[test]
fn an_incarnation_goes_on_unless_something_may_be_lost() {
    let both = BTreeSet::from([1, 2]);
    let lost = [DiskFault::LoseUnsynced];
    assert_eq!(incarnations(Sync::EveryGroup, &lost), (1, both.clone()));
    assert_eq!(incarnations(Sync::Never, &[]), (1, both.clone()));
    assert_eq!(incarnations(Sync::Never, &lost), (2, both));
}

#[test]
fn a_full_disk_refuses_broadcasts_and_nothing_else() {
    let mut scene = cluster(2, Sync::EveryGroup);
    scene.run_for(SECOND);
    scene.fill_disks(&[1]);
    broadcast(&mut scene, 0, 1).unwrap();
    scene.run_for(2 * SECOND);
    assert_eq!(read(&mut scene, 1), BTreeSet::from([1]));
    let refusal = broadcast(&mut scene, 1, 2).unwrap_err();
    assert!(refusal.to_string().contains("cannot be written now"), "{refusal}");
    scene.free_disks();
    scene.run_for(5 * SECOND);
    broadcast(&mut scene, 1, 3).unwrap();
    scene.kill(&[0, 1]);
    scene.restart();
    scene.run_for(4 * SECOND);
    assert_eq!(read(&mut scene, 0), BTreeSet::from([1, 3]));
}

/// Syncs fail now and then. The node that saw one refuses broadcasts until it is restarted,
/// goes on with all the rest, and has all that it acknowledged then.
#[test]
fn a_node_whose_journal_is_dead_says_so_and_acknowledges_nothing() {
    let mut scene = cluster(2, Sync::EveryGroup);
    let (mut acknowledged, mut deaths) = (BTreeSet::new(), 0);
    for value in 1..100 {
        scene.inflict(Effect::Upset(DiskFault::FailOnce, vec![1]));
        match broadcast(&mut scene, 1, value) {
            Ok(()) => drop(acknowledged.insert(value)),
            Err(error) if error.to_string().contains("until this node is restarted") => {
                deaths += 1;
                scene.inflict(Effect::Mend(DiskFault::FailOnce));
                let refusal = broadcast(&mut scene, 1, value).unwrap_err();
                assert!(refusal.to_string().contains("until this node is restarted"), "{refusal}");
                assert!(refusal.is_definite(), "{refusal}");
                broadcast(&mut scene, 0, 1000 + value).unwrap();
                acknowledged.insert(1000 + value);
                scene.run_for(2 * SECOND);
                assert!(acknowledged.is_subset(&read(&mut scene, 1)));
                scene.kill_with(&[0, 1], &[DiskFault::LoseUnsynced]);
                scene.restart();
                scene.run_for(4 * SECOND);
                assert!((0..2).all(|node| acknowledged.is_subset(&read(&mut scene, node))));
            }
            Err(error) => assert!(!error.is_definite(), "{error}"),
        }
    }
    assert!(deaths > 5, "{deaths}");
}
