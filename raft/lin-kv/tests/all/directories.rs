//! `lin-kv` with disks, in virtual time: whole nodes with their journals, on disks that
//! forget what was not synced, tear, run full and fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checkers::Validity;
use lin_kv::{Cas, Read, Transfer, Write};
use maelstrom::journal::Sync;
use maelstrom::{CallError, Definite};
use raft::storage::MAX_COMMAND_BYTES;
use raft::{Bug, Bugs, Options};
use serde_json::value::{RawValue, to_raw_value};
use simulator::{
    DiskFault, Effect, Fault, Finished, Latency, LatencyDist, Scenario, Simulation, Workload,
};

const MIB: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
/// What a machine's death does to a disk.
const DEATH: &[DiskFault] = &[DiskFault::LoseUnsynced, DiskFault::Torn];

/// Nodes that keep so many bytes of their log.
fn cluster(nodes: usize, keep: usize) -> Simulation {
    with(nodes, keep, Bugs::default())
}

fn with(nodes: usize, keep: usize, bugs: Bugs) -> Simulation {
    let mut options = Options::default();
    (options.keep, options.bugs) = (keep, bugs);
    let node = move || lin_kv::node(options.clone());
    Simulation::new(Workload::LinKv, node).nodes(nodes).clients(2 * nodes).latency(10)
}

fn text(value: impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(&value).unwrap()
}

fn write(scene: &mut Scenario, node: usize, key: u64, value: &str) -> Result<(), CallError> {
    scene.ask(node, &Write { key: text(key), value: text(value) }).map(|_| ())
}

fn read(scene: &mut Scenario, node: usize, key: u64) -> Result<String, CallError> {
    let read = scene.ask(node, &Read { key: text(key) })?;
    Ok(serde_json::from_str(read.value.get()).unwrap())
}

/// Has a node answer, however long it takes.
fn wait_until_served(scene: &mut Scenario, node: usize) -> Duration {
    let start = scene.now();
    let is_served = |scene: &mut Scenario| match read(scene, node, 0) {
        Ok(_) => true,
        Err(CallError::Remote { error, .. }) => error.code() == Definite::KeyDoesNotExist.into(),
        Err(_) => false,
    };
    while !is_served(scene) {
        assert!(scene.now() < start + 10 * SECOND, "n{node} does not serve");
        scene.run_for(SECOND / 100);
    }
    scene.now() - start
}

fn lead(scene: &mut Scenario, node: usize) {
    while scene.ask(node, &Transfer { node: format!("n{node}") }).is_err() {
        scene.run_for(SECOND / 10);
    }
}

/// A run in which nodes are killed, and so are machines.
fn run(seed: u64, bugs: Bugs) -> Finished {
    let (nodes, keep) = ([1, 3, 5][seed as usize % 3], [MIB, 2_000, 0][seed as usize / 3 % 3]);
    let run = with(nodes, keep, bugs).rate(100.0).seconds(10).seed(seed);
    let disk = [DEATH, &[DiskFault::Full, DiskFault::Slow], &[DiskFault::FailOnce]].concat();
    run.disk(&disk).nemesis(&[Fault::Kill, Fault::Partition, Fault::Pause], 2.0).run()
}

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    for seed in 0..60 {
        let finished = run(seed, Bugs::default());
        // Where all disks have failed nobody is served.
        assert!(finished.failures().is_empty(), "{finished}");
    }
}

#[test]
fn what_is_acknowledged_before_the_disk_has_it_is_seen_to_be_lost() {
    let bugs = Bugs::only(Bug::EarlyAcknowledgement);
    let is_wrong = |seed| run(seed, bugs).valid() == Validity::Invalid;
    assert!((0..500).any(is_wrong), "it passes 500 seeds");
}

#[test]
fn all_machines_die_just_after_they_acknowledged_and_have_it_all() {
    for (nodes, keep) in [(1, MIB), (3, MIB), (3, 0), (5, 500)] {
        let mut scene = cluster(nodes, keep).scenario();
        wait_until_served(&mut scene, 0);
        for round in 0..5 {
            for key in 0..nodes as u64 {
                let value = format!("{round}.{key}");
                write(&mut scene, key as usize, key, &value).unwrap();
            }
            scene.kill_with(&(0..nodes).collect::<Vec<_>>(), DEATH);
            scene.restart();
            for key in 0..nodes as u64 {
                let node = (key as usize + 1) % nodes;
                wait_until_served(&mut scene, node);
                assert_eq!(read(&mut scene, node, key).unwrap(), format!("{round}.{key}"));
            }
        }
    }
}

/// Nodes that sync nothing.
fn unsynced(nodes: usize) -> Scenario {
    let mut options = Options::default();
    options.sync = Sync::Never;
    let node = move || lin_kv::node(options.clone());
    Simulation::new(Workload::LinKv, node).nodes(nodes).clients(2 * nodes).scenario()
}

#[test]
fn a_killed_process_that_syncs_nothing_has_what_it_acknowledged() {
    let mut scene = unsynced(1);
    write(&mut scene, 0, 1, "kept").unwrap();
    scene.kill(&[0]);
    scene.restart();
    wait_until_served(&mut scene, 0);
    assert_eq!(read(&mut scene, 0, 1).unwrap(), "kept");
}

#[test]
fn after_the_death_of_its_machine_it_is_a_learner_first() {
    let mut scene = unsynced(3);
    for round in 0..6 {
        let value = format!("{round}");
        write(&mut scene, (round + 1) % 3, 1, &value).unwrap();
        scene.kill_with(&[round % 3], &[DiskFault::LoseUnsynced]);
        scene.restart();
        scene.run_for(3 * SECOND);
        assert_eq!(read(&mut scene, round % 3, 1).unwrap(), value);
    }
    // Most have forgotten who they were.
    scene.kill_with(&[0, 1], &[DiskFault::LoseUnsynced]);
    scene.restart();
    scene.run_for(10 * SECOND);
    assert!((0..3).all(|node| read(&mut scene, node, 1).is_err()));
}

/// Nodes that sync every group or nothing, as it is said when they are started.
fn synced_as_said(nodes: usize, seed: u64) -> (Scenario, Arc<AtomicBool>) {
    let syncs = Arc::new(AtomicBool::new(true));
    let said = Arc::clone(&syncs);
    let node = move || {
        let mut options = Options::default();
        options.sync = if said.load(Ordering::Relaxed) { Sync::EveryGroup } else { Sync::Never };
        lin_kv::node(options)
    };
    let cluster = Simulation::new(Workload::LinKv, node).nodes(nodes).clients(2 * nodes);
    (cluster.seed(seed).scenario(), syncs)
}

#[test]
fn who_may_have_lost_records_begins_anew_however_often_and_with_whatever_it_is_started() {
    (0..20).for_each(forget_and_restart);
}

fn forget_and_restart(seed: u64) {
    let (mut scene, syncs) = synced_as_said(3, seed);
    wait_until_served(&mut scene, 0);
    scene.kill(&[0, 1, 2]);
    syncs.store(false, Ordering::Relaxed);
    scene.restart();
    lead(&mut scene, 0);
    // Two of three have it, and one of them loses it.
    scene.cut(&[0, 1], &[2]);
    (0..5).for_each(|round| write(&mut scene, 0, 1, &format!("{round}")).unwrap());
    write(&mut scene, 0, 1, "acknowledged").unwrap();
    scene.kill_with(&[1], DEATH);
    scene.heal();
    scene.cut(&[0], &[1, 2]);
    syncs.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        // It is killed before it does anything.
        scene.restart();
        scene.kill(&[1]);
    }
    scene.restart();
    scene.run_for(5 * SECOND);
    // Who remembers it is away, so nobody can say what the key has, or that there is none.
    match read(&mut scene, 1, 1) {
        Err(CallError::Remote { error, .. }) => {
            assert_ne!(error.code(), Definite::KeyDoesNotExist.into(), "seed {seed}");
        }
        answer => panic!("seed {seed}: {answer:?}"),
    }
    scene.heal();
    scene.run_for(3 * SECOND);
    assert_eq!(read(&mut scene, 1, 1).unwrap(), "acknowledged");
}

#[test]
fn what_was_synced_is_there_however_it_is_started_later_though_last_writes_were_torn() {
    for seed in 0..30 {
        let (mut scene, syncs) = synced_as_said(1, seed);
        wait_until_served(&mut scene, 0);
        write(&mut scene, 0, 1, "synced").unwrap();
        // Some of what is written when a sync fails is on the disk, and what is before it is not.
        scene.inflict(Effect::Upset(DiskFault::FailOnce, vec![0]));
        (0..3).for_each(|_| drop(write(&mut scene, 0, 2, "perhaps")));
        scene.kill_with(&[0], &[DiskFault::LoseUnsynced]);
        scene.restart();
        wait_until_served(&mut scene, 0);
        scene.kill(&[0]);
        syncs.store(false, Ordering::Relaxed);
        scene.restart();
        wait_until_served(&mut scene, 0);
        assert_eq!(read(&mut scene, 0, 1).unwrap(), "synced", "seed {seed}");
    }
}

#[test]
fn whenever_nodes_die_while_their_journals_are_compacted_all_is_there() {
    for millis in [1, 10, 50, 200] {
        let mut scene = cluster(3, MIB).scenario();
        wait_until_served(&mut scene, 0);
        let value = "x".repeat(MIB / 2);
        for key in 0..34 {
            write(&mut scene, key as usize % 3, key, &value).unwrap();
        }
        scene.run_for(Duration::from_millis(millis));
        scene.kill_with(&[0, 1, 2], DEATH);
        scene.restart();
        wait_until_served(&mut scene, 1);
        assert!((0..34).all(|key| read(&mut scene, 1, key).unwrap() == value));
    }
    let mut scene = cluster(1, MIB).scenario();
    wait_until_served(&mut scene, 0);
    (0..40).for_each(|key| write(&mut scene, 0, key, &"x".repeat(MIB / 2)).unwrap());
    scene.run_for(5 * SECOND);
    let files = scene.files(0);
    assert!(files.keys().any(|file| file.starts_with("snapshot")), "{:?}", files.keys());
}

#[test]
fn a_snapshot_that_is_longer_than_a_record_is_in_several_and_comes_back() {
    let mut scene = cluster(3, 0).scenario();
    wait_until_served(&mut scene, 0);
    let value = |key: u64| format!("{key}").repeat(2 * MIB);
    (0..8).for_each(|key| write(&mut scene, 0, key, &value(key)).unwrap());
    scene.kill(&[2]);
    (0..8).for_each(|key| write(&mut scene, 1, key, &value(key + 1)).unwrap());
    scene.restart();
    wait_until_served(&mut scene, 2);
    assert!((0..8).all(|key| read(&mut scene, 2, key).unwrap() == value(key + 1)));
    scene.kill_with(&[0, 1, 2], DEATH);
    scene.restart();
    wait_until_served(&mut scene, 2);
    assert!((0..8).all(|key| read(&mut scene, 2, key).unwrap() == value(key + 1)));
}

#[test]
fn a_leader_that_cannot_write_leads_no_more_and_says_so() {
    let mut halted = 0;
    for seed in 0..20 {
        let mut scene = cluster(3, MIB).seed(seed).scenario();
        lead(&mut scene, 1);
        scene.inflict(Effect::Upset(DiskFault::FailOnce, vec![1]));
        (0..3).for_each(|_| drop(write(&mut scene, 1, 1, "perhaps")));
        scene.run_for(SECOND);
        let begun = scene.now();
        write(&mut scene, 0, 2, "others").unwrap();
        write(&mut scene, 2, 2, "go on").unwrap();
        assert!(scene.now() < begun + SECOND / 2);
        match write(&mut scene, 1, 3, "here") {
            Ok(()) => {}
            Err(CallError::Remote { error, .. }) => {
                assert!(
                    error.code().is_definite() && error.text().contains("cannot write"),
                    "{error}"
                );
                halted += 1;
            }
            Err(error) => panic!("{error}"),
        }
        scene.kill(&[1]);
        scene.restart();
        wait_until_served(&mut scene, 1);
        assert_eq!(read(&mut scene, 1, 2).unwrap(), "go on");
    }
    assert!(halted > 3, "{halted} of 20 had a sync that failed");
}

#[test]
fn a_leader_whose_disk_is_full_serves_with_the_disks_of_others() {
    for nodes in [3, 5] {
        let mut scene = cluster(nodes, MIB).scenario();
        lead(&mut scene, 1);
        scene.fill_disks(&[1]);
        for node in (0..nodes).chain(0..nodes) {
            write(&mut scene, node, 1, "there").unwrap();
            let begun = scene.now();
            write(&mut scene, node, 2, "soon").unwrap();
            assert_eq!(read(&mut scene, node, 2).unwrap(), "soon");
            let took = scene.now() - begun;
            assert!(took < Duration::from_millis(150), "n{node} of {nodes} takes {took:?}");
        }
        // What stands in its log and not on its disk is there all the same.
        scene.kill_with(&(0..nodes).collect::<Vec<_>>(), DEATH);
        scene.restart();
        wait_until_served(&mut scene, 0);
        assert_eq!(read(&mut scene, 0, 2).unwrap(), "soon");
    }
}

#[test]
fn a_command_that_has_no_place_in_a_record_is_refused_and_others_have_theirs_together() {
    let mut scene = cluster(3, MIB).scenario();
    wait_until_served(&mut scene, 0);
    let longest = "x".repeat(MAX_COMMAND_BYTES - 100);
    for node in 0..2 {
        for request in ["write", "cas"] {
            let value = text("x".repeat(MAX_COMMAND_BYTES));
            let (key, create_if_not_exists) = (text(1), true);
            let refusal = match request {
                "write" => scene.ask(node, &Write { key, value }).map(|_| ()),
                _ => {
                    let (from, to) = (text(1), value);
                    scene.ask(node, &Cas { key, from, to, create_if_not_exists }).map(|_| ())
                }
            };
            let Err(CallError::Remote { error, .. }) = refusal else { panic!("{refusal:?}") };
            assert_eq!(error.code(), Definite::MalformedRequest.into(), "{error}");
        }
    }
    write(&mut scene, 2, 2, &longest).unwrap();
    scene.kill_with(&[0, 1, 2], DEATH);
    scene.restart();
    wait_until_served(&mut scene, 1);
    assert!(read(&mut scene, 1, 2).unwrap() == longest);
    assert!(read(&mut scene, 1, 1).is_err());
}

/// How long it takes until clients of all nodes are served that are left, when the leader is
/// killed or cut off. A fourth of them have records to read again: they were killed, too.
fn fail_over(seed: u64) -> Duration {
    let nodes = [3, 5][seed as usize % 2];
    let run = cluster(nodes, 5_000).set(|settings| {
        settings.latency = Latency { mean: SECOND / 100, dist: LatencyDist::Exponential };
        settings.seed = seed;
    });
    let mut scene = run.scenario();
    let leader = seed as usize / 2 % nodes;
    lead(&mut scene, leader);
    (0..60).for_each(|key| write(&mut scene, key as usize % nodes, key, "value").unwrap());
    let others: Vec<usize> = (0..nodes).filter(|&node| node != leader).collect();
    match seed / 2 % 4 {
        0 => scene.kill_with(&[leader], DEATH),
        1 => scene.cut(&[leader], &others),
        2 => scene.pause(&[leader]),
        _ => {
            scene.kill_with(&(0..nodes).collect::<Vec<_>>(), DEATH);
            scene.restart();
        }
    }
    others.into_iter().map(|node| wait_until_served(&mut scene, node)).sum()
}

#[test]
fn whether_the_leader_dies_or_is_cut_off_clients_are_served_again_within_a_second_mostly() {
    let mut times: Vec<Duration> = (0..200).map(fail_over).collect();
    times.sort();
    let (median, worst) = (times[100], times[199]);
    println!("median {median:?}, worst {worst:?}");
    assert!(median <= SECOND && worst <= 3 * SECOND, "median {median:?}, worst {worst:?}");
}
