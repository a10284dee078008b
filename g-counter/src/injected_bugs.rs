//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// Adds are acknowledged when their write is sent.
    EarlyAcknowledgement = "early-acknowledgement",
    /// A write without an answer is made anew on top of what was found.
    RecomputedRetry = "recomputed-retry",
    /// An incarnation begins with what a read of its key shows, compared with nothing.
    BlindFence = "blind-fence",
    /// All incarnations draw the same nonce.
    SameNonce = "same-nonce",
}
