//! Runs the node on standard input and output.

use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run(unique_ids::node())
}
