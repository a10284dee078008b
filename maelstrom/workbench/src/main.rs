//! The `workbench` command.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    workbench::main(std::env::args_os())
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!(
        "error: none of workbench's commands works on this system: it runs nodes as processes of \
         Unix, with process groups, signals and pipes. On Windows, use the Windows Subsystem for \
         Linux: `wsl --install` sets it up; install workbench, and run it and the nodes, in there."
    );
    ExitCode::from(255)
}
