//! Bugs that can be put into a node on purpose, to see whether tests find them.

maelstrom::injected_bugs! {
    /// A node that has lost its memory goes on as the voter that it was.
    VoteWithAmnesia = "vote-with-amnesia",
    /// A leader commits entries of former terms by counting who has them.
    CommitOldTerms = "commit-old-terms",
    /// A vote is told before it is safe.
    EarlyVote = "early-vote",
    /// Entries are acknowledged before they are safe.
    EarlyAcknowledgement = "early-acknowledgement",
    /// A candidate does not write down that it voted for itself.
    ForgetOwnVote = "forget-own-vote",
    /// A follower cuts its log off behind every append, whether it contradicts or not.
    TruncateAlways = "truncate-always",
    /// A refused vote puts off the election as a granted one does.
    RefusalResetsTimer = "refusal-resets-timer",
    /// A read is confirmed by acknowledgements from before it came.
    CountOldAcknowledgements = "count-old-acknowledgements",
    /// A node that starts again numbers its reads as it did before.
    ReuseReadNumbers = "reuse-read-numbers",
    /// New reads are asked for under the number of those that wait.
    ReuseReadContext = "reuse-read-context",
    /// A lease lasts as long as followers hold on, by another clock than theirs.
    LeaseIgnoresDrift = "lease-ignores-drift",
    /// The members that somebody wants count before they are in the log.
    ConfigBeforeLog = "config-before-log",
    /// Voters change one at a time, which needs no time in which both decide, and a leader
    /// begins before it has committed an entry of its term.
    ChangeBeforeNoop = "change-before-noop",
    /// A snapshot replaces whatever log there is.
    OldSnapshot = "old-snapshot",
    /// New voters take over from the old ones without a time in which both decide.
    SkipJoint = "skip-joint",
    /// A leader that is no member any more leads on.
    RemovedLeaderGoesOn = "removed-leader-goes-on",
    /// A command that comes again is carried out again.
    ApplyTwice = "apply-twice",
    /// A node votes for a candidate whose log is behind its own.
    VoteForAnyLog = "vote-for-any-log",
    /// A leader serves reads before it has committed an entry of its term.
    ReadBeforeNoop = "read-before-noop",
    /// Where a follower may know of a commit before the leader does, reads take the
    /// leader's word for it all the same.
    ReadKnownCommits = "read-known-commits",
}
