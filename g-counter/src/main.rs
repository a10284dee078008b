//! Runs the grow-only counter on standard input and output.

use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run(g_counter::node())
}
