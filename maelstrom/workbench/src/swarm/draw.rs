//! The scenario of a seed: a pure function of the seed and the subject.

use clap::Parser;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::Subject;
use crate::cli::SettingsFlags;
use crate::nemesis::{DiskFault, Fault};
use crate::settings::{Settings, Workload};

/// What is run: everything that a seed decides before a run begins.
#[derive(Clone, Debug)]
pub struct Case {
    /// The settings, the seed among them.
    pub settings: Settings,
    /// The arguments of the program.
    pub arguments: Vec<String>,
}

#[derive(Debug, Parser)]
struct TestCommand {
    #[command(flatten)]
    flags: SettingsFlags,
}

/// What a seed asks for, within what a node promises to bear. With `arguments`
/// none are drawn.
///
/// # Errors
///
/// When the subject's flags do not go together.
pub fn case(seed: u64, subject: &Subject, arguments: &[String]) -> anyhow::Result<Case> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut settings = settings(&mut rng, seed, subject)?;
    // Drawn last, so that what else a seed asks for stays as it is.
    let drawn = subject.arguments.choose(&mut rng).copied().unwrap_or_default();
    let arguments = match arguments {
        [] => drawn.split_whitespace().map(str::to_owned).collect(),
        given => given.to_vec(),
    };
    draw_local_faults(&mut rng, subject, &arguments, &mut settings);
    Ok(Case { settings, arguments })
}

/// Faults of disks and clocks, in some runs, as far as the node bears them.
fn draw_local_faults(
    rng: &mut StdRng,
    subject: &Subject,
    arguments: &[String],
    settings: &mut Settings,
) {
    let kills = settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let disk = (subject.disk)(arguments).iter().copied();
    let strikes = |fault: &DiskFault| kills || !fault.strikes_at_kills();
    settings.disk = disk.filter(strikes).filter(|_| rng.random()).collect();
    // Each clock costs as much as a small run, so these are few.
    if subject.clock && rng.random_ratio(1, 8) {
        settings.nemesis.push(Fault::Clock.into());
    }
}

fn settings(rng: &mut StdRng, seed: u64, subject: &Subject) -> anyhow::Result<Settings> {
    let flags = subject.flags.choose(rng).copied().unwrap_or_default();
    let nodes = subject.node_counts.choose(rng).copied().unwrap_or(1);
    let latency = [0, 1, 10, 50, 100].choose(rng).copied().unwrap_or(0);
    let dist = ["constant", "uniform", "exponential"].choose(rng).copied().unwrap_or("constant");
    // lin-kv needs two clients for each key, and keys are shared by nobody else.
    let clients = match (rng.random_range(1..3), subject.workload) {
        (_, Workload::LinKv) => 2,
        (drawn, _) => drawn,
    };
    let mut words = format!(
        "swarm {flags} --node-count {nodes} --concurrency {clients}n --rate {} --time-limit {} \
         --latency {latency} --latency-dist {dist}",
        rng.random_range(5..subject.rate.max(6)),
        rng.random_range(5..15),
    );
    let faults: Vec<&str> = Fault::OF_NETWORKS_AND_NODES
        .map(Fault::name)
        .into_iter()
        .filter(|_| rng.random())
        .collect();
    if !faults.is_empty() {
        let interval = rng.random_range(1..5);
        words.push_str(&format!(" --nemesis {} --nemesis-interval {interval}", faults.join(",")));
    }
    let command = TestCommand::try_parse_from(words.split_whitespace())?;
    let settings = command.flags.or_workload(subject.workload).settings(seed);
    Ok(settings.map_err(anyhow::Error::msg)?.0)
}
