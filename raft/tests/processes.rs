//! `lin-kv` as processes with directories, all of which are killed at once under load.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use maelstrom::disk::Disk;
use maelstrom::journal::{Finding, inspect};
use raft::lin_kv::{self, Command};
use raft::{Options, Record};
use simulator::{Fault, Finished, Simulation, Workload};
use workbench::{ProcessOptions, run_processes};

/// Processes are killed every other second or so; which of them, the seed says.
fn scenario(seed: u64) -> Simulation {
    Simulation::new(Workload::LinKv, || lin_kv::node(Options::default()))
        .nodes(3)
        .clients(12)
        .rate(300.0)
        .seconds(8)
        .seed(seed)
        .nemesis(&[Fault::Kill], 1.0)
        .recorded()
}

/// How often all nodes were killed at once.
fn deaths_of_all(run: &Finished) -> usize {
    run.history.matches(r#""f":"kill","value":["n0","n1","n2"]"#).count()
}

#[test]
fn all_processes_are_killed_at_once_and_what_they_acknowledged_is_there() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("killed");
    // Nodes go on with what an earlier run has left to them.
    let _ = fs::remove_dir_all(&directory);
    let seed = (0..1000).find(|&seed| deaths_of_all(&scenario(seed).run()) >= 2).unwrap();
    let scenario = scenario(seed);
    let options = ProcessOptions {
        bin: env!("CARGO_BIN_EXE_lin-kv").into(),
        args: vec!["--snapshot-every=10".into()],
        node_log_dir: directory.join("node-logs"),
        work_dir: directory.join("nodes"),
        journal: false,
        trace: false,
        watchdog: None,
    };
    let run =
        scenario.run_on(None, |watcher| run_processes(scenario.settings(), &options, watcher));
    run.assert_valid();
    assert!(deaths_of_all(&run) >= 2, "{}", run.history);
    let logs = ["n0.log", "n1.log", "n2.log"].map(|name| options.node_log_dir.join(name));
    let logs = logs.map(|path| fs::read_to_string(path).unwrap()).concat();
    for role in ["follower", "candidate", "leader"] {
        assert!(logs.contains(&format!(" role={role} term=1\n")), "{logs}");
    }
    let kinds = kinds(&options.work_dir.join("n1"));
    assert!(["Start", "Found", "Vote", "Append", "Snapshot"].iter().all(|&kind| kinds[kind] > 0));
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
