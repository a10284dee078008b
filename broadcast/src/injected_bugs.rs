//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// A broadcast is answered before its value is stored, which takes five seconds.
    EarlyAnswer = "early-answer",
    /// What one node sends another that lacks it goes without its last value.
    SkipLast = "skip-last",
    /// A node whose parent does not answer asks nobody else.
    GiveUp = "give-up",
}
