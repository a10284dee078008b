//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// Registers are overwritten instead of written once.
    Overwrite = "overwrite",
    /// Messages are acknowledged when they are sent to the service.
    AnswerUnwritten = "answer-unwritten",
    /// A node that starts again does not read its own partition, and writes over it.
    ReuseIndexes = "reuse-indexes",
    /// Segments that nobody told of are taken to be empty.
    SkipSegments = "skip-segments",
    /// Messages are shown before it is certain that none comes below them.
    ShowUnstable = "show-unstable",
    /// Neighbours are relied on that say nothing.
    NoFailureDetector = "no-failure-detector",
    /// A commit that was not written is refused for certain.
    RefuseCommits = "refuse-commits",
    /// A snapshot sends its readers on to behind segments that it does not have.
    SnapshotAhead = "snapshot-ahead",
    /// A snapshot names parts that were never written.
    SkipParts = "skip-parts",
    /// What may be dropped when it is committed is dropped when it is shown.
    DropUncommitted = "drop-uncommitted",
}
