//! What nodes do that the original takes without a word, though it hides
//! something or is a mistake.

use std::collections::BTreeMap;

use checkers::Finding;

named! {
    /// A kind of it.
    pub enum Quirk {
        /// A node sends in another's name.
        ForgedSource = "forged-source",
        /// A client hears from another node than the one that it talks to.
        ForeignReply = "foreign-reply",
        /// A client gets a message that answers nothing which it ever asked.
        UnmatchedReply = "unmatched-reply",
        /// A line has more on it than a message.
        TrailingText = "trailing-text",
        /// A line is not UTF-8.
        NotUtf8 = "not-utf-8",
        /// The last line of a node's output is a message, but has no end.
        UnendedLine = "unended-line",
        /// A node's thread ended with an exception, and the node went on.
        ThreadEnded = "thread-ended",
        /// The machine of a node was gone.
        NodeLost = "node-lost",
        /// What carries the messages between machines did not do so for a while.
        Outage = "outage",
        /// Services that others have were out of their reach.
        ServicesAway = "services-away",
    }
}

/// All that was noticed, each kind with a count and its first example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks(BTreeMap<Quirk, (u64, String)>);

impl Quirks {
    /// Counts one. `example` is only asked for if it is the first.
    pub(crate) fn note(&mut self, quirk: Quirk, example: impl FnOnce() -> String) {
        self.0.entry(quirk).or_insert_with(|| (0, example())).0 += 1;
    }

    /// How many there were of a kind.
    pub fn count(&self, quirk: Quirk) -> u64 {
        self.0.get(&quirk).map_or(0, |&(count, _)| count)
    }

    /// A sentence or two about each kind.
    pub fn findings(&self) -> Vec<Finding> {
        self.0.iter().map(|(quirk, (count, example))| quirk.finding(*count, example)).collect()
    }
}

impl Quirk {
    fn finding(self, count: u64, example: &str) -> Finding {
        let (what, consequence) = self.words();
        let text = format!("{what}: {count} times, first {example}. {consequence}");
        Finding::new(self.name(), text.replacen(": 1 times, first ", ": once, ", 1), Vec::new())
    }

    /// What happened, and what follows from it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ForgedSource => (
                "A node sent in another's name",
                "The original accepts every name that is registered, and goes by it: what is sent \
                 in a client's name has no latency, crosses every partition and is not counted \
                 as a message between nodes.",
            ),
            Self::ForeignReply => (
                "A client heard from another node than the one that it asked",
                "Messages to clients have no latency, cross every partition and are not counted \
                 as messages between nodes, so this hides the way back to the node that was \
                 asked.",
            ),
            Self::UnmatchedReply => (
                "A client got a message that answers none of its requests",
                "It is ignored, in the original, too. The `in_reply_to` of a reply is the \
                 request's `msg_id`, an integer.",
            ),
            Self::TrailingText => (
                "A line had more on it than a message",
                "Only the first message on a line is read, in the original, too; the rest is \
                 lost. Messages have to be on lines of their own.",
            ),
            Self::NotUtf8 => (
                "A line was not UTF-8",
                "As in the original, what could not be read was replaced by `\u{fffd}`.",
            ),
            Self::UnendedLine => (
                "A node's output ended with a message that has no end of line",
                "Nobody reads it, in the original neither: a message ends with a line break.",
            ),
            Self::ThreadEnded => (
                "A thread of a node ended with an exception, and the node went on without it",
                "What that thread did is not done any more; `node-logs` has the rest of what it \
                 said.",
            ),
            Self::NodeLost => (
                "A node was gone with the machine that it ran on",
                "It was not started again, and what clients asked of it since has no answer.",
            ),
            Self::Outage => (
                "Messages between machines were not carried for a while",
                "Those of that time are lost, as in a partition.",
            ),
            Self::ServicesAway => (
                "Services were out of reach for a while",
                "Nodes were told so, or that nobody knows what became of their requests.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quirk_is_counted_and_told_with_its_first_example() {
        let mut quirks = Quirks::default();
        assert!(quirks.findings().is_empty());
        quirks.note(Quirk::TrailingText, || "by n0".to_owned());
        let text = &quirks.findings()[0].text;
        assert!(text.starts_with("A line had more on it than a message: once, by n0. "), "{text}");
        quirks.note(Quirk::TrailingText, || unreachable!("there is an example"));
        let findings = quirks.findings();
        assert_eq!((findings.len(), findings[0].kind.as_str()), (1, "trailing-text"));
        assert!(findings[0].text.contains(": 2 times, first by n0. "), "{}", findings[0].text);
        assert_eq!((quirks.count(Quirk::TrailingText), quirks.count(Quirk::NotUtf8)), (2, 0));
    }
}
