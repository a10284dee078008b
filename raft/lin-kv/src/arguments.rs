//! What the node can be told on its command line.

use std::time::Duration;

use maelstrom::journal::{Sync, UnknownSync};
use raft::{Bugs, Options, Reads};

/// What `--help` prints.
pub const HELP: &str = "\
A Maelstrom node for the workload lin-kv: a linearizable key-value store, replicated by
Raft. It speaks the protocol on standard input and output.

Usage: lin-kv [--sync=WHEN] [--in-memory] [--reads=HOW] [--drift=PART] [--round-ms=N]
              [--keep=BYTES]

  --sync=WHEN
             When what is written to the node's directory is safe: `every-group` (the default),
             once the disk has it, or `never`: it survives the death of all processes, and
             not of the machine. A node that is started without what it knew is a learner
             first; where a majority has forgotten, nothing is served any more.
  --in-memory
             Write nothing, as without a directory.
  --reads=HOW
             How reads are made linearizable: `index` (the default) asks a majority whether
             the leader leads, `lease` asks nobody while clocks go as they should, `log`
             writes an entry. Give it to all nodes.
  --drift=PART
             With leases: by which part of it one clock may go faster than another; 0.1
             unless given.
  --round-ms=N
             Send what clients wait for every N milliseconds instead of at once: the
             more load, the fewer messages an operation, and up to two rounds longer
             for each. 0 unless given. Give it to all nodes.
  --keep=BYTES
             Keep about so much of the log in memory for nodes that were away; 4194304 unless
             given. Who lacks more gets a snapshot.
  --help     Print this

Beside read, write and cas each node takes {\"type\":\"add_node\",\"node\":\"n3\"},
remove_node and transfer, in the same form: that node votes, is no member, or leads.
";

/// An argument that is none of the node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// There is none of that name, or with that value.
    #[error(
        "unknown argument `{0}`: there are `--sync=WHEN`, `--in-memory`, `--reads=HOW`, \
         `--drift=PART`, `--round-ms=N` and `--keep=BYTES`; see `--help`"
    )]
    Unknown(String),
    /// There is no such policy.
    #[error("`--sync`: {0}")]
    Sync(#[from] UnknownSync),
    /// What was answered and is lost would make a leader that lacks it.
    #[error("`--sync`: this node takes `never` or `every-group`, and nothing between them")]
    Interval,
}

/// Reads command line arguments, the program's name excluded.
///
/// # Errors
///
/// At the first that is unknown.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, ArgumentError> {
    let mut options = Options::default();
    for argument in arguments {
        if let Some(round) = argument.strip_prefix("--round-ms=").and_then(|ms| ms.parse().ok()) {
            options.round = Duration::from_millis(round);
        } else if let Some(reads) = argument.strip_prefix("--reads=").and_then(parse_reads) {
            options.reads = reads;
        } else if let Some(sync) = argument.strip_prefix("--sync=") {
            options.sync = sync.parse()?;
            if matches!(options.sync, Sync::Interval(_)) {
                return Err(ArgumentError::Interval);
            }
        } else if let Some(drift) = argument.strip_prefix("--drift=").and_then(parse_drift) {
            options.drift = drift;
        } else if let Some(bytes) = argument.strip_prefix("--keep=").and_then(|n| n.parse().ok()) {
            options.keep = bytes;
        } else if argument == "--in-memory" {
            options.in_memory = true;
        } else if let Some(bugs) = Bugs::parse(&argument) {
            options.bugs = bugs;
        } else {
            return Err(ArgumentError::Unknown(argument));
        }
    }
    Ok(options)
}

fn parse_reads(how: &str) -> Option<Reads> {
    match how {
        "index" => Some(Reads::Index),
        "lease" => Some(Reads::Lease),
        "log" => Some(Reads::Log),
        _ => None,
    }
}

fn parse_drift(part: &str) -> Option<f64> {
    part.parse().ok().filter(|part| (0.0..10.0).contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_known_or_refused() {
        let parse = |argument: &str| parse([argument.to_owned()]);
        assert_eq!(parse("--round-ms=100").unwrap().round, Duration::from_millis(100));
        assert_eq!(parse("--reads=lease").unwrap().reads, Reads::Lease);
        assert_eq!(parse("--drift=0.01").unwrap().drift.to_string(), "0.01");
        assert!(parse("--in-memory").unwrap().in_memory);
        assert_eq!(parse("--sync=never").unwrap().sync, Sync::Never);
        assert_eq!(parse("--keep=20").unwrap().keep, 20);
        for unknown in
            ["--keep=all", "--reads=never", "--drift=-1", "--round-ms=", "--round", "--round-ms=-1"]
        {
            assert_eq!(parse(unknown).unwrap_err(), ArgumentError::Unknown(unknown.to_owned()));
        }
        let told = parse("--sync=now").unwrap_err().to_string();
        assert!(told.starts_with("`--sync`: `now` does not say when to sync"), "{told}");
        assert_eq!(parse("--sync=every-20ms").unwrap_err(), ArgumentError::Interval);
    }
}
