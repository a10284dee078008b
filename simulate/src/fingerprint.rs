//! Checksums of histories and journals: a change that is to keep behaviour keeps them.

use clap::Args;
use simulator::Simulation;
use simulator::swarm::{Case, parallel};
use workbench::Challenge;

use crate::challenges;
use crate::nodes::{KINDS, Kind};
use crate::{or_all, print};

/// What the command line of `simulate fingerprint` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which nodes; all, and the challenges, when none is named
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    nodes: Vec<&'static Kind>,

    /// How many swarm seeds of each node
    #[arg(long, value_name = "NUM", default_value = "50")]
    seeds: u64,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    if flags.nodes.is_empty() {
        for challenge in Challenge::ALL {
            let kind = Kind::find(challenge.node)?;
            let (settings, _) = challenges::settings(challenge, 0)?;
            let sum = checksum(kind, &Case { settings, arguments: Vec::new() })?;
            print(&format!("challenge {:<6} {sum:08x}\n", challenge.id));
        }
    }
    for kind in or_all(&flags.nodes, KINDS) {
        let sums = parallel::over(0..flags.seeds, |seed| {
            checksum(kind, &Case::draw(seed, &kind.subject, &[]))
        });
        for (seed, sum) in sums.into_iter().enumerate() {
            print(&format!("{} seed {seed} {:08x}\n", kind.subject.name, sum?));
        }
    }
    Ok(true)
}

/// Of a seed of each of these nodes. Programs that do otherwise have others.
pub(crate) fn of_seed(
    nodes: &[&'static Kind],
    seed: u64,
    arguments: &[String],
) -> anyhow::Result<Vec<u32>> {
    let sum = |kind: &&Kind| checksum(kind, &Case::draw(seed, &kind.subject, arguments));
    nodes.iter().map(sum).collect()
}

/// Of what clients saw, and of every message as it was sent and received.
fn checksum(kind: &Kind, case: &Case) -> anyhow::Result<u32> {
    let program = kind.program(&case.arguments)?;
    let finished = Simulation::with(case.settings.clone(), program).recorded().run();
    Ok(crc32fast::hash((finished.history + &finished.journal).as_bytes()))
}
