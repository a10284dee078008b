//! Runs the node on standard input and output.

use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use maelstrom::journal::Sync;
use txn_kv::Options;

/// A Maelstrom node: a replicated key-value store with transactions that never
/// wait. It keeps its journal in the directory that NODE_DIRECTORY names; without
/// one it keeps everything in memory.
#[derive(Parser)]
struct Args {
    /// Pause between two batches to the same node, in milliseconds.
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// When what was answered is safe from the death of the machine: never, every-group (it
    /// is answered only when the disk has it), or so long after, such as every-20ms.
    #[arg(long, default_value_t = Sync::Never, value_name = "WHEN")]
    sync: Sync,
    #[arg(long, hide = true)]
    fsync: bool,
    /// Set a corrupt journal aside, and begin with an empty one: what other nodes have
    /// comes back from them.
    #[arg(long)]
    discard_corrupt: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.fsync {
        let said = "there is no `--fsync`: write `--sync=every-group`";
        Args::command().error(ErrorKind::UnknownArgument, said).exit();
    }
    let options = Options {
        interval: Duration::from_millis(args.interval),
        sync: args.sync,
        discard_corrupt: args.discard_corrupt,
        ..Options::default()
    };
    maelstrom::run(txn_kv::node_with(options))
}
