//! The `workbench-cluster` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    cluster::main(std::env::args_os().collect())
}
