//! The experiments as commands.

use std::io::Write as _;
use std::process::ExitCode;

use broadcast_experiments::{excess, frontier, losses, scale, sparse};
use clap::Parser;

/// Measures broadcast in virtual time, and compares with what it promises.
#[derive(Debug, Parser)]
#[command(name = "broadcast-experiments", version, max_term_width = 100)]
enum Command {
    /// Measure clusters of growing size
    Scale(scale::Flags),
    /// Measure clusters in which few nodes have a link to each other
    Sparse(sparse::Flags),
    /// Measure what is lost when nodes are killed
    Losses(losses::Flags),
    /// Compare with flooding under partitions, over many seeds
    Excess(excess::Flags),
    /// Measure over the range of the setting, and draw the picture
    Frontier(frontier::Flags),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Scale(flags) => scale::run(&flags),
        Command::Sparse(flags) => sparse::run(&flags),
        Command::Losses(flags) => losses::run(&flags),
        Command::Excess(flags) => excess::run(&flags),
        Command::Frontier(flags) => frontier::run(&flags),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(255)
        }
    }
}
