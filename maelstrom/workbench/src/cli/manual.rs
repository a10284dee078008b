//! `workbench completions` and `workbench man`: what shells and `man` know of this command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, print};

/// What the command line of `workbench completions` says.
#[derive(Args, Clone, Debug)]
pub(super) struct CompletionsFlags {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// What the command line of `workbench man` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ManFlags {
    /// The folder to write them to, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn completions(flags: &CompletionsFlags) -> anyhow::Result<Exit> {
    // Whoever is given a writer that fails panics.
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut visible(), "workbench", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(Exit::Valid)
}

/// The command with the subcommands that are for people: scripts would offer all.
fn visible() -> Command {
    let command = Cli::command();
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    Command::new("workbench").subcommands(subcommands.cloned())
}

pub(super) fn man(ManFlags { folder }: &ManFlags) -> anyhow::Result<Exit> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(Exit::Valid)
}
