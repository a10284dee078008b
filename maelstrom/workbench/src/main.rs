//! The `workbench` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    workbench::cli::main(std::env::args_os())
}
