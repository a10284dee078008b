//! What can go wrong with a node's disk.

named! {
    /// A kind of disk fault.
    pub enum DiskFault {
        /// At a kill, what was not synced is lost: each write is there or not, the last
        /// one perhaps in part; of the changes of names, the first few are there.
        LoseUnsynced = "lose-unsynced",
        /// At a kill, the last write, if it was not synced, is cut at a random byte.
        Torn = "torn",
        /// At every other kill or so, a bit of a random place of the files is flipped.
        Flip = "flip",
        /// For a while, writes fail because there is no space left; no file can be made,
        /// and some cannot be renamed.
        Full = "full",
        /// Now and then, a second process is started on the same directory.
        Locked = "locked",
        /// For a while, all calls take a hundred times as long as usual.
        Slow = "slow",
        /// Now and then, one call of any kind fails. What a sync of a file that failed was
        /// to make durable never is; a change of names that failed may have happened.
        FailOnce = "fail-once",
    }
}

impl DiskFault {
    /// Whether it strikes a node that is killed; the others come and go by
    /// themselves.
    pub fn strikes_at_kills(self) -> bool {
        matches!(self, Self::LoseUnsynced | Self::Torn | Self::Flip)
    }

    /// What the history says when one that comes and goes begins.
    pub(super) fn begins(self) -> &'static str {
        match self {
            Self::Locked => "start-twin",
            Self::Slow => "start-slow-disk",
            Self::FailOnce => "start-failing-disk",
            _ => "start-full",
        }
    }

    /// And when it ends.
    pub(super) fn ends(self) -> &'static str {
        match self {
            Self::Locked => "stop-twin",
            Self::Slow => "stop-slow-disk",
            Self::FailOnce => "stop-failing-disk",
            _ => "stop-full",
        }
    }

    /// Whether it can be brought about where nodes are processes on a real disk.
    pub fn works_with_processes(self) -> bool {
        matches!(self, Self::Torn | Self::Flip | Self::Locked)
    }
}
