//! What the node can be told on its command line.

use crate::injected_bugs::Bugs;

/// How the node is to behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// `--inject`: what was put in on purpose.
    pub bugs: Bugs,
}

/// An argument that is none of the node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown argument `{0}`: there is `--ack-early`")]
pub struct OptionsError(String);

/// What `--help` prints.
pub const HELP: &str = "\
A Maelstrom node for challenges 5a to 5c: speaks the protocol on standard input
and output, and keeps the log in lin-kv.

Usage: kafka-log [--ack-early]

  --ack-early  Answer a send as soon as its offset is decided, before lin-kv has
               it: sends take no time, and cost a tenth of the messages. The
               price: what was answered within the last tenth of a second or so
               is lost when the node is killed, and its offsets may be given out
               again. And nobody can step in for a silent node: while one is down
               or cut off from lin-kv, new messages are shown nowhere.
               Give it to all nodes or to none.
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
        let error = parse(&["--ack-late"]).unwrap_err();
        assert_eq!(error.to_string(), "unknown argument `--ack-late`: there is `--ack-early`");
    }
}
