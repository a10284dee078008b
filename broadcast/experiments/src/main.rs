//! The experiments as commands.

use std::process::ExitCode;

use broadcast_experiments::{delay, exit_code, frontier, losses, scale, sparse};
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
    Delay(delay::Flags),
    /// Measure over the range of the setting, and draw the picture
    Frontier(frontier::Flags),
}

fn main() -> ExitCode {
    exit_code(match Command::parse() {
        Command::Scale(flags) => scale::run(&flags),
        Command::Sparse(flags) => sparse::run(&flags),
        Command::Losses(flags) => losses::run(&flags),
        Command::Delay(flags) => delay::run(&flags),
        Command::Frontier(flags) => frontier::run(&flags),
    })
}
