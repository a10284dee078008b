//! Runs the counter that also takes negative deltas on standard input and
//! output.

use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run(g_counter::pn_node())
}
