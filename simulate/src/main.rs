//! Runs this workspace's nodes in virtual time: single tests, challenges, swarms
//! of seeds, noise.
//!
//! - [`nodes`]: the nodes that there are.
//! - [`single`]: one test, with its log, history and journal on request.
//! - [`challenges`]: the challenges in a row, and their table.
//! - [`swarm`]: many seeds over challenges and faults, on all cores; [`shards`]: on many
//!   machines.
//! - [`starts`]: many starts of every node, and whether one sends too early.
//! - [`oracle`]: what a run under faults has to show; [`promises`]: how soon and how
//!   quietly after the last fault.
//! - [`figures`]: all that the documentation claims, measured again.
//! - [`noise`]: noise between valid requests.
//! - [`determinism`]: the same seed in two processes; [`fingerprint`]: checksums of
//!   what seeds do, to compare two versions by.
//! - [`clock`]: virtual time in log lines.

mod challenges;
mod clock;
mod determinism;
mod figures;
mod fingerprint;
mod nodes;
mod noise;
mod oracle;
mod promises;
mod shards;
mod single;
mod starts;
mod swarm;

use std::process::ExitCode;

use broadcast_experiments::{exit_code, millis, print};
use clap::{Parser, Subcommand};

/// Runs this workspace's nodes in virtual time, reproducibly from a seed.
#[derive(Debug, Parser)]
#[command(name = "simulate", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one test; its flags are those of `workbench test`
    Test(Box<single::Flags>),
    /// Run challenges with their flags and limits, then show them in a table
    Challenge(challenges::Flags),
    /// Run many seeds over challenges and faults, on all cores
    Swarm(swarm::Flags),
    /// Tell what came of all parts of a swarm together
    Merge(shards::Flags),
    /// Start nodes many times, and look whether one sends to a name that is not there
    /// yet
    Starts(starts::Flags),
    /// Measure every figure of the documentation again, and compare
    Figures(figures::Flags),
    /// Feed nodes noise between valid requests
    Fuzz(noise::Flags),
    /// Run every challenge twice with the same seed, in processes of their own,
    /// and compare histories and journals byte for byte
    Determinism(determinism::Flags),
    /// Print a checksum of the history and the journal of every challenge and of swarm
    /// seeds of every node, for comparison with another version's
    Fingerprint(fingerprint::Flags),
}

fn main() -> ExitCode {
    exit_code(match Cli::parse().command {
        Command::Test(flags) => single::run(*flags),
        Command::Challenge(flags) => challenges::run(&flags),
        Command::Swarm(flags) => swarm::run(&flags),
        Command::Merge(flags) => shards::merge(&flags),
        Command::Starts(flags) => starts::run(&flags),
        Command::Figures(flags) => figures::run(&flags),
        Command::Fuzz(flags) => noise::run(&flags),
        Command::Determinism(flags) => determinism::run(&flags),
        Command::Fingerprint(flags) => fingerprint::run(&flags),
    })
}

/// Those that were named; all when none was.
fn or_all<T>(named: &[&'static T], all: &'static [T]) -> Vec<&'static T> {
    if named.is_empty() { all.iter().collect() } else { named.to_vec() }
}
