//! The command line.
//!
//! Names, meanings and defaults are those of the original; what is not in the
//! original says so. Exit codes are an interface: see [`Exit`].
//!
//! - [`flags`]: the flags of `test`, and the plan that they make.
//! - [`run_flags`]: which run a command looks at.
//! - [`values`]: what a flag's value may be.
//! - [`original`]: the original's command, and whether it left results.
//! - [`forward`]: what another program does.
//! - [`replay`]: the command that runs a plan again.
//! - [`tips`]: what was meant by a command line that is wrong.
//! - [`tell`]: what programs are told of a test, of which [`ran`] is what came of it.
//! - [`runs`], which runs a [`test`] once or many times, [`check`], [`challenge`], [`new`],
//!   [`inspect`], [`explain`], [`messages`], [`export`], [`serve`], [`manual`]: the subcommands.

mod challenge;
mod check;
mod explain;
mod export;
mod flags;
mod forward;
mod inspect;
mod manual;
mod messages;
mod new;
mod original;
mod ran;
mod replay;
mod run_flags;
mod runs;
mod serve;
mod tell;
mod test;
mod tips;
mod values;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use self::flags::SettingsFlags;
use checkers::Validity;
use simulator::{Observer, RunError, RunStats, Settings};

use crate::host::process::ProcessOptions;
use crate::host::watchdog;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The history is what it should be, and every limit was kept.
    Valid = 0,
    /// It is not.
    Invalid = 1,
    /// Too little was seen to say.
    Unknown = 2,
    /// The bench itself failed, or was used wrongly.
    Failed = 255,
}

impl From<Validity> for Exit {
    fn from(valid: Validity) -> Self {
        match valid {
            Validity::Valid => Self::Valid,
            Validity::Unknown => Self::Unknown,
            Validity::Invalid => Self::Invalid,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    valid
  1    invalid: an anomaly, a node that failed, or a limit that was missed
  2    unknown: too little was seen to say
  255  the bench itself failed, or was used wrongly

In the source, docs/README.md is a guide with a chapter for each challenge, and
maelstrom/workbench/DIFFERENCES.md says where verdicts differ from Maelstrom's, and why";

const FIRST_STEPS: &str = "\
First steps, with a node that echoes; then see what the other challenges ask for:
  workbench new my-node --lang python
  workbench challenge 1 --bin my-node/node.py
  workbench challenge --list";

const EXAMPLES: &str = "\
Examples:
  workbench test -w echo --bin target/release/echo --node-count 1 --time-limit 10
  workbench test -w broadcast --bin ./broadcast.py --time-limit 20 --rate 10 --nemesis partition
  workbench test -w broadcast --bin target/release/broadcast --node-count 25 --time-limit 20 \\
      --rate 100 --latency 100 --limits 'msgs-per-op<30,stable-median<400,stable-max<600'
  workbench test -w g-counter --bin ./counter --seed 42 -- --log debug
  workbench check -w broadcast store/latest/history.jsonl";

const NEW_EXAMPLES: &str = "\
Examples:
  workbench new my-node --lang python
  workbench new my-node --lang go --workload broadcast";

/// What `demo` says.
const NO_DEMOS: &str = "the original's demos come with the original. Here are examples of nodes: \
     `workbench new my-node --lang python --workload broadcast` writes one, and \
     `workbench test -w broadcast --bin FILE` runs any of the original's";

/// Tests distributed systems that speak the Maelstrom protocol.
#[derive(Debug, Parser)]
#[command(name = "workbench", version, max_term_width = 100,
          after_help = format!("{FIRST_STEPS}\n\n{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run nodes under a workload and check what clients saw
    ///
    /// Starts the nodes as processes, connects them by a simulated network, has
    /// clients perform a workload, injects faults, and checks the history.
    /// Results go to the store: see store/latest.
    #[command(args_override_self = true, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
    Test(Box<runs::TestCommand>),

    /// Check a history that was recorded before
    #[command(after_help = EXIT_CODES)]
    Check(check::CheckFlags),

    /// Run challenges of Gossip Glomers, with their flags and limits
    #[command(after_help = EXIT_CODES)]
    Challenge(challenge::ChallengeFlags),

    /// Write a node to begin with, in one of several languages
    ///
    /// It answers echo, and what other workloads ask is there to be written. It needs
    /// nothing but its language.
    #[command(after_help = NEW_EXAMPLES)]
    New(new::NewFlags),

    /// Print what workloads ask of a node, and what to answer
    Doc(new::DocFlags),

    /// The original's own demos, which are not here
    #[command(hide = true, disable_help_flag = true)]
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<OsString>,
    },

    /// Print what the journal of a node's directory has, and whether it is sound
    #[command(after_help = "Exit codes: 0 sound, 1 corrupt, 255 it cannot be read")]
    Inspect(inspect::InspectFlags),

    /// Say why a run failed
    #[command(
        after_help = "Exit codes: 0 something is told, 1 nothing was found, 255 it cannot be read"
    )]
    Explain(explain::ExplainFlags),

    /// Print the messages of a run, with what became of them
    #[command(after_help = "Exit codes: 0 printed, 255 it cannot be read")]
    Messages(messages::MessagesFlags),

    /// Write a run in a form that other programs show
    ///
    /// Says on standard error what is left out.
    #[command(after_help = "Exit codes: 0 written, 255 it cannot be read or written")]
    Export(export::ExportFlags),

    /// Show the store in a browser: runs, reports, histories, logs; two beside each other;
    /// and a run that is under way
    #[command(
        after_help = "Only this machine can see it. Exit codes: 0 ended by Ctrl-C, 255 it cannot listen"
    )]
    Serve(serve::ServeFlags),

    /// Have nodes on this machine, for tests elsewhere that have --cluster
    ///
    /// Needs workbench-cluster, which has its help.
    #[command(disable_help_flag = true)]
    Agent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<OsString>,
    },

    /// Start and end a cluster of agents on this machine, or see who is there
    ///
    /// Needs workbench-cluster, which has its help.
    #[command(disable_help_flag = true)]
    Cluster {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<OsString>,
    },

    /// Print a script that completes this command in a shell
    ///
    /// For instance: workbench completions bash >~/.local/share/bash-completion/completions/workbench
    Completions(manual::CompletionsFlags),

    /// Write manual pages, one for each command
    Man(manual::ManFlags),

    /// Kills what a bench leaves behind that was killed itself
    #[command(name = watchdog::SUBCOMMAND, hide = true)]
    Reap,
}

/// Runs nodes that are not on this machine, where the flag `--cluster` says.
pub trait Remote {
    /// As [`Processes::run`](crate::Processes::run), but there.
    ///
    /// # Errors
    ///
    /// When it did not go through: see [`RunError`].
    fn run(
        &self,
        cluster: &str,
        settings: &Settings,
        options: &ProcessOptions,
        observer: &mut dyn Observer,
    ) -> Result<RunStats, RunError>;
}

/// Runs the command with these arguments, the program's name included.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    main_with(args.into_iter().collect(), None)
}

/// The same where nodes may be on other machines.
pub fn main_with(args: Vec<OsString>, remote: Option<&dyn Remote>) -> ExitCode {
    if remote.is_none() && forward::is_asked(&args) {
        return ExitCode::from(failed(&forward::exec(&args)) as u8);
    }
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let exit = match Cli::try_parse_from(args) {
        Ok(cli) => run(cli.command, remote),
        Err(message) => {
            let message = tips::add(message, &words, &Cli::command());
            let is_wrong = message.use_stderr();
            // Nobody may be reading.
            let _ = message.print();
            if is_wrong { Exit::Failed } else { Exit::Valid }
        }
    };
    ExitCode::from(exit as u8)
}

fn run(command: Command, remote: Option<&dyn Remote>) -> Exit {
    let outcome = match command {
        Command::Test(command) => runs::test(&command, remote),
        Command::Check(flags) => check::check(&flags),
        Command::Challenge(flags) => challenge::challenge(&flags, remote),
        Command::New(flags) => new::new(&flags),
        Command::Doc(flags) => Ok(new::doc(&flags)),
        Command::Demo { .. } => Err(anyhow::anyhow!(NO_DEMOS)),
        Command::Agent { .. } | Command::Cluster { .. } => unreachable!("another program's"),
        Command::Inspect(flags) => inspect::inspect(&flags),
        Command::Explain(flags) => explain::run(&flags),
        Command::Messages(flags) => messages::run(&flags),
        Command::Export(flags) => export::run(&flags),
        Command::Completions(flags) => manual::completions(&flags),
        Command::Man(flags) => manual::man(&flags),
        Command::Serve(flags) => serve::serve(&flags),
        Command::Reap => {
            watchdog::reap(io::stdin().lock());
            return Exit::Valid;
        }
    };
    outcome.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> Exit {
    let _ = writeln!(io::stderr(), "error: {}", causes(error));
    Exit::Failed
}

/// An error and what caused it. Many an error's text has its cause in it already,
/// which is not said twice.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What came of something that a verdict does not depend on: what went wrong with it is a
/// warning.
fn or_warn<T>(result: anyhow::Result<T>) -> Option<T> {
    let warn = |error: &_| drop(writeln!(io::stderr(), "warning: {}", causes(error)));
    result.inspect_err(warn).ok()
}

/// A text that nodes may have written, without what would steer a terminal.
fn printable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { '·' } else { char };
    text.chars().map(shown).collect()
}

/// Writes to standard output. That nobody reads it is no failure.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The columns of the terminal, as the shell tells them.
fn columns() -> usize {
    const USUAL: usize = 100;
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = || anyhow::anyhow!("no such file");
        let nested = |text: &'static str| causes(&inner().context(text).context("cannot run"));
        assert_eq!(nested("cannot read x"), "cannot run: cannot read x: no such file");
        assert_eq!(
            nested("x: no such file (look again)"),
            "cannot run: x: no such file (look again)"
        );
    }
}
