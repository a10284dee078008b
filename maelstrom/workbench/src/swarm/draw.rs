//! The scenario of a seed: a pure function of the seed and the subject.

use clap::Parser;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::Subject;
use crate::cli::SettingsFlags;
use crate::nemesis::Fault;
use crate::settings::Settings;

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
    let settings = settings(&mut rng, seed, subject)?;
    // Drawn last, so that what else a seed asks for stays as it is.
    let drawn = subject.arguments.choose(&mut rng).copied().unwrap_or_default();
    let arguments = match arguments {
        [] => drawn.split_whitespace().map(str::to_owned).collect(),
        given => given.to_vec(),
    };
    Ok(Case { settings, arguments })
}

fn settings(rng: &mut StdRng, seed: u64, subject: &Subject) -> anyhow::Result<Settings> {
    let flags = subject.flags.choose(rng).copied().unwrap_or_default();
    let nodes = subject.node_counts.choose(rng).copied().unwrap_or(1);
    let latency = [0, 1, 10, 50, 100].choose(rng).copied().unwrap_or(0);
    let dist = ["constant", "uniform", "exponential"].choose(rng).copied().unwrap_or("constant");
    let mut words = format!(
        "swarm {flags} --node-count {nodes} --concurrency {}n --rate {} --time-limit {} \
         --latency {latency} --latency-dist {dist}",
        rng.random_range(1..3),
        rng.random_range(5..subject.rate.max(6)),
        rng.random_range(5..15),
    );
    let faults: Vec<&str> =
        Fault::ALL.into_iter().map(Fault::name).filter(|_| rng.random()).collect();
    if !faults.is_empty() {
        let interval = rng.random_range(1..5);
        words.push_str(&format!(" --nemesis {} --nemesis-interval {interval}", faults.join(",")));
    }
    let command = TestCommand::try_parse_from(words.split_whitespace())?;
    let settings = command.flags.or_workload(subject.workload).settings(seed);
    Ok(settings.map_err(anyhow::Error::msg)?.0)
}
