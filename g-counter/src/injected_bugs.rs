//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// Adds are acknowledged when their write is sent.
    EarlyAcknowledgement = "early-acknowledgement",
    /// A write without an answer is made anew on top of what was found.
    RecomputedRetry = "recomputed-retry",
    /// An incarnation begins with what a read of its key shows, compared with nothing.
    BlindFence = "blind-fence",
    /// All incarnations draw the same number.
    SameIncarnation = "same-incarnation",
    /// A sum beyond 64 bits cannot be read.
    NarrowSums = "narrow-sums",
    /// A node that is asked to read does not ask its neighbours whether they are there.
    NeverAsk = "never-ask",
}
