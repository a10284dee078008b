//! Nodes with directories as processes, all of which are killed at once under load: what
//! they acknowledged is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use broadcast::config::Config;
use lin_kv::Command;
use maelstrom::Node;
use maelstrom::disk::Disk;
use maelstrom::journal::{self, Finding, inspect};
use raft::{Options, Record};
use simulator::{Fault, Finished, Simulation, Workload};
use workbench::Processes;

/// A node whose records are synced before they count.
pub(crate) fn synced_broadcast() -> Node<impl Send + Sync + 'static> {
    broadcast::node_with(Config { sync: journal::Sync::EveryGroup, ..Config::default() })
}

/// A node that keeps nothing of its log in memory: who was away needs a snapshot.
pub(crate) fn lin_kv() -> Node<impl Send + Sync + 'static> {
    let mut options = Options::default();
    options.keep = 0;
    lin_kv::node(options)
}

/// Processes are killed every other second or so; which of them, the seed says.
fn killed(scenario: &Simulation, seed: u64) -> Simulation {
    scenario.clone().seconds(5).seed(seed).nemesis(&[Fault::Kill], 1.0).recorded()
}

/// How often all nodes were killed at once.
fn deaths_of_all(run: &Finished) -> usize {
    run.history.matches(r#""f":"kill","value":["n0","n1","n2"]"#).count()
}

/// Runs a scenario in which all nodes are killed at once more than once, and asserts that
/// nothing is lost; where the nodes have their logs and directories.
fn kill(node: &str, scenario: &Simulation) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{node}"));
    // Nodes go on with what an earlier run has left to them.
    let _ = fs::remove_dir_all(&directory);
    let is_deadly = |&seed: &u64| deaths_of_all(&killed(scenario, seed).run()) >= 2;
    let scenario = killed(scenario, (0..1000).find(is_deadly).expect("a seed"));
    let options = crate::processes(node, &directory);
    let run =
        scenario.run_on(None, |watcher| Processes::run(scenario.settings(), &options, watcher));
    run.assert_valid();
    assert!(deaths_of_all(&run) >= 2, "{}", run.history);
    directory
}

pub(crate) fn broadcast_has_what_it_acknowledged() {
    kill("broadcast", &Simulation::new(Workload::Broadcast, broadcast::node).nodes(3).rate(50.0));
}

pub(crate) fn broadcast_has_what_it_acknowledged_and_synced() {
    let scenario = Simulation::new(Workload::Broadcast, synced_broadcast);
    kill("synced-broadcast", &scenario.nodes(3).rate(50.0));
}

pub(crate) fn lin_kv_has_what_it_acknowledged() {
    let scenario = Simulation::new(Workload::LinKv, lin_kv).nodes(3).clients(12).rate(300.0);
    let directory = kill("lin-kv", &scenario);
    let logs = ["n0.log", "n1.log", "n2.log"].map(|name| directory.join("node-logs").join(name));
    let logs = logs.map(|path| fs::read_to_string(path).unwrap()).concat();
    for role in ["follower", "candidate", "leader"] {
        assert!(logs.contains(&format!(" role={role} term=1\n")), "{logs}");
    }
    let kinds = kinds(&directory.join("nodes/n1"));
    assert!(["Start", "Found", "Vote", "Append"].iter().all(|&kind| kinds[kind] > 0));
}

/// How many records of each kind the journal in a directory has, which is sound.
fn kinds(directory: &Path) -> BTreeMap<&'static str, usize> {
    let (mut kinds, mut is_sound) = (BTreeMap::new(), false);
    let found = inspect(&Disk::in_directory(directory), &mut |finding| {
        match finding {
            Finding::Record { content, .. } | Finding::Piece { content, .. } => {
                let kind = match serde_json::from_str::<Record<Command>>(content)? {
                    Record::Start { .. } => "Start",
                    Record::Found(_) => "Found",
                    Record::Vote(..) => "Vote",
                    Record::Append { .. } => "Append",
                    Record::Image { .. } => "Image",
                    Record::Snapshot(_) => "Snapshot",
                };
                *kinds.entry(kind).or_default() += 1;
            }
            Finding::Sound { .. } => is_sound = true,
            _ => {}
        }
        Ok(())
    });
    found.unwrap();
    assert!(is_sound, "{kinds:?}");
    kinds
}
