//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// A broadcast is answered before its value is stored, which takes five seconds.
    EarlyAnswer = "early-answer",
    /// What one node sends another that lacks it goes without its last value.
    SkipLast = "skip-last",
    /// A node whose parent does not answer asks nobody else.
    GiveUp = "give-up",
    /// A node that has just started waits for its preferred parent alone, with pauses
    /// that double, and messages of that parent do not make it join once more.
    WaitForParent = "wait-for-parent",
    /// A node that has just started offers the path of a parent that has not confirmed it.
    UnconfirmedPath = "unconfirmed-path",
    /// A farewell ends any link to its sender, also one that was made since.
    AnyFarewell = "any-farewell",
    /// Every acknowledgement renews the deadline of what was sent up, also one that
    /// confirms nothing new.
    RenewDeadline = "renew-deadline",
    /// A parent that was only slow counts as lost, and everybody is told so.
    LastingChurn = "lasting-churn",
    /// A broadcast is answered before its record is safe.
    UnsafeAnswer = "unsafe-answer",
    /// A node continues its former incarnation though its journal may have lost something.
    KeepIncarnation = "keep-incarnation",
}
