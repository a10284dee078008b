//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// The first write of a transaction from elsewhere takes effect when it
    /// arrives, the others with the next tick.
    TwoSteps = "two-steps",
    /// Transactions from elsewhere take effect in the order in which they
    /// arrive, whatever they depend on.
    OutOfOrder = "out-of-order",
    /// The clock does not advance when a transaction arrives.
    DeafClock = "deaf-clock",
    /// A batch that was not acknowledged in time is taken for delivered.
    ForgetUnacknowledged = "forget-unacknowledged",
    /// A peer's question is answered with what is new alone, whoever asks.
    PartialAnswer = "partial-answer",
    /// A transaction is answered before its record is safe.
    EarlyAnswer = "early-answer",
}
