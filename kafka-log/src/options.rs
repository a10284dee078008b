//! What the node can be told on its command line.

use crate::injected_bugs::Bugs;
use crate::retention::Retention;

/// How the node is to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// `--ack-early`: answer a send as soon as its offset is decided, before the
    /// service has it. All nodes should be given it, or none.
    ///
    /// What it buys: nobody waits for a segment, so that segments can be large
    /// and few, and sends are answered at once. Its price: a message that was
    /// answered and not yet written, those of the last tenth of a second or so,
    /// is lost when the node is killed; commits likewise. And as nobody can know
    /// what a silent node has promised, nobody can step in for it: while it is
    /// down or cut off from the service, messages that it has not seen are shown
    /// nowhere.
    pub ack_early: bool,
    /// `--snapshot-every=N`: how many segments, of all partitions together, make the next
    /// snapshot due. A restart reads about so many at most.
    pub snapshot_every: u64,
    /// `--retain=RULE`, any number of times: which messages may be dropped.
    pub retain: Retention,
    /// `--inject`: what was put in on purpose.
    pub bugs: Bugs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ack_early: false,
            snapshot_every: 1024,
            retain: Retention::default(),
            bugs: Bugs::default(),
        }
    }
}

/// An argument that is none of the node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown argument `{0}`: there are `--ack-early`, `--snapshot-every=N` with N at least 1, and \
     `--retain=RULE`; see `--help`"
)]
pub struct OptionsError(String);

/// What `--help` prints.
pub const HELP: &str = "\
A Maelstrom node for challenges 5a to 5c: speaks the protocol on standard input
and output, and keeps the log in lin-kv.

Usage: kafka-log [--ack-early] [--snapshot-every=N] [--retain=RULE]...

  --ack-early  Answer a send as soon as its offset is decided, before lin-kv has
               it: sends take no time, and cost a tenth of the messages. The
               price: what was answered within the last tenth of a second or so
               is lost when the node is killed, and its offsets may be given out
               again. And nobody can step in for a silent node: while one is down
               or cut off from lin-kv, new messages are shown nowhere.
               Give it to all nodes or to none.
  --snapshot-every=N
               Write a snapshot after N segments, 1024 unless given. A node that
               starts reads the last snapshot, and the segments since.
  --retain=committed | bytes:N | ms:N
               Drop messages: those with a committed offset, those of a key with N
               bytes of newer ones, those that are older than N ms. With several
               rules a message has to satisfy each. A poll from an offset that was
               dropped begins at the earliest message that is kept.
               Nothing is dropped unless this is given; give it to all nodes.
  --help       Print this
";

impl Options {
    /// Reads command line arguments, the program's name excluded.
    ///
    /// # Errors
    ///
    /// At the first that is unknown.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--ack-early" => options.ack_early = true,
                _ if let Some(every) = argument
                    .strip_prefix("--snapshot-every=")
                    .and_then(|every| every.parse().ok().filter(|&every| every > 0)) =>
                {
                    options.snapshot_every = every;
                }
                _ if let Some(rule) = argument.strip_prefix("--retain=")
                    && options.retain.add(rule) => {}
                _ if let Some(bugs) = Bugs::parse(&argument) => options.bugs = bugs,
                _ => return Err(OptionsError(argument)),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_known_or_refused() {
        let parse = |arguments: &[&str]| Options::parse(arguments.iter().map(|&a| a.to_owned()));
        assert_eq!(parse(&[]), Ok(Options::default()));
        assert!(parse(&["--ack-early"]).unwrap().ack_early);
        assert_eq!(parse(&["--snapshot-every=7"]).unwrap().snapshot_every, 7);
        for unknown in ["--ack-late", "--snapshot-every=0", "--snapshot-every=many"] {
            let error = parse(&[unknown]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("unknown argument `{unknown}`: there are ")));
        }
    }
}
