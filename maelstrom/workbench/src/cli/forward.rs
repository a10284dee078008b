//! What `workbench-cluster` does, and this program does not: that one takes long to build, and
//! few need it.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::host::find_in_path;

const PROGRAM: &str = "workbench-cluster";
const COMMANDS: [&str; 3] = ["agent", "cluster", "gateway"];

/// Whether these arguments, the program's name included, ask for nodes on other machines.
pub(super) fn is_asked(args: &[OsString]) -> bool {
    let own = args.iter().skip(1).take_while(|arg| *arg != "--");
    let is_flag = |arg: &OsStr| {
        // Flags of a test may stand within one of a challenge.
        arg.to_string_lossy()
            .split(' ')
            .any(|word| word == "--cluster" || word.starts_with("--cluster="))
    };
    COMMANDS.iter().any(|&name| args.get(1).is_some_and(|command| command == name))
        || own.clone().any(|arg| is_flag(arg))
}

/// Goes on as that program. Returns only if there is none.
pub(super) fn exec(args: &[OsString]) -> anyhow::Error {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    let found = beside.filter(|path| path.is_file()).or_else(|| find_in_path(PROGRAM.as_ref()));
    let program = found.unwrap_or_else(|| PathBuf::from(PROGRAM));
    let error = Command::new(&program).args(args.iter().skip(1)).exec();
    anyhow::anyhow!(
        "nodes on other machines are what {PROGRAM} is for, which has to be beside this program or \
         in PATH ({error}); in the source, `cargo build --release -p maelstrom-cluster --features \
         nats` builds it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_asked_for_by_a_command_or_a_flag() {
        let is_asked = |line: &[&str]| {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            is_asked(&args)
        };
        assert!(is_asked(&["workbench", "agent", "--bin", "x"]));
        assert!(is_asked(&["workbench", "gateway", "--bin", "x"]));
        assert!(is_asked(&["workbench", "test", "--bin", "x", "--cluster", "nats://x"]));
        assert!(is_asked(&["workbench", "test", "--cluster=nats://x"]));
        assert!(is_asked(&[
            "workbench",
            "challenge",
            "1",
            "--flags",
            "--rate 1 --cluster nats://x"
        ]));
        assert!(!is_asked(&["workbench", "test", "--bin", "agent"]));
        assert!(!is_asked(&["workbench", "test", "--bin", "x", "--", "--cluster"]));
        assert!(!is_asked(&["workbench"]));
    }
}
