//! The `workbench` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    workbench::main(std::env::args_os())
}
