//! Noise between valid requests, for as long as one likes.

use std::time::Duration;

use clap::Args;
use workbench::fuzz::Fuzz;

use crate::nodes::{KINDS, Kind};
use crate::print;

/// What the command line of `simulate fuzz` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which nodes; all when none is named
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    nodes: Vec<&'static Kind>,

    /// For how long each node is fed
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    seconds: u64,

    /// Decides the noise of the first batch; later ones count on from it
    #[arg(long, value_name = "NUM", default_value = "0")]
    seed: u64,
}

/// A node is started anew, with a new seed, after so many rounds.
const BATCH: u64 = 10_000;

#[expect(clippy::disallowed_methods, reason = "real seconds are what was asked for")]
pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let all: Vec<&'static Kind> = KINDS.iter().collect();
    let nodes = if flags.nodes.is_empty() { &all } else { &flags.nodes };
    let mut is_well = true;
    for node in nodes {
        let program = node.program(&[])?;
        let until = std::time::Instant::now() + Duration::from_secs(flags.seconds);
        let (mut rounds, mut seed, mut failure) = (0, flags.seed, None);
        while failure.is_none() && std::time::Instant::now() < until {
            let bodies = node.bodies.iter().map(|&body| body.to_owned()).collect();
            let more = |round| round < BATCH && std::time::Instant::now() < until;
            failure = Fuzz { seed, bodies }
                .run(&program, |round| {
                    rounds += u64::from(more(round));
                    more(round)
                })
                .err();
            seed += 1;
        }
        let verdict = match &failure {
            None => "every valid request was answered".to_owned(),
            Some(failure) => format!("seed {}: {failure}", seed - 1),
        };
        print(&format!("{}: {rounds} rounds of noise: {verdict}\n", node.subject.name));
        is_well &= failure.is_none();
    }
    Ok(is_well)
}
