//! What the node can be told on its command line.

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
    /// is lost when the node is killed (a later one that was not answered cannot
    /// take its offset, for nobody saw it); commits likewise. And as nobody can
    /// know what a silent node has promised, nobody can step in for it: while it
    /// is down or cut off from the service, messages that it has not seen are not
    /// shown anywhere.
    pub ack_early: bool,
}

/// An argument that is none of the node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown argument `{0}`: the only one there is is `--ack-early`")]
pub struct OptionsError(String);

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
        assert_eq!(parse(&[]), Ok(Options { ack_early: false }));
        assert_eq!(parse(&["--ack-early"]), Ok(Options { ack_early: true }));
        let error = parse(&["--ack-late"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown argument `--ack-late`: the only one there is is `--ack-early`"
        );
    }
}
