//! What the beginning and the end of a fault do.

use super::{Change, DiskFault, Skew};
use crate::net::{Grudge, Network};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Cut the network.
    Partition(Grudge),
    /// End every cut.
    Heal,
    /// Kill those of these nodes that run.
    Kill(Vec<usize>),
    /// Start the nodes that do not run.
    Start,
    /// Stop those of these nodes that run.
    Pause(Vec<usize>),
    /// Let the nodes go on that are stopped.
    Resume,
    /// Cut the network in one direction; an empty grudge ends that.
    OneWay(Grudge),
    /// Lose a share of messages, or do so no longer.
    Loss(bool),
    /// Deliver a share of messages twice, or do so no longer.
    Duplicate(bool),
    /// Put a share of messages out of order, or do so no longer.
    Reorder(bool),
    /// Slow down the links that this number picks, or none.
    Slow(Option<u64>),
    /// Let clocks go otherwise from now on.
    Clock(Vec<Skew>),
    /// Let this be wrong with the disks of those of these nodes that run.
    Upset(DiskFault, Vec<usize>),
    /// Let it be wrong with no disk any more.
    Mend(DiskFault),
    /// Start a second process in the directories of those of these nodes that are
    /// ready, and see whether it serves.
    Twin(Vec<usize>),
    /// Ask for these changes of the members.
    Change(Vec<Change>),
    /// Do nothing, where a fault has no end of its own.
    Nothing,
}

impl Effect {
    /// Has a fault of the network begin or end. One of nodes does nothing there.
    pub(crate) fn apply_to<B: Clone>(self, net: &mut Network<B>) {
        match self {
            Self::Partition(grudge) => net.cut(grudge),
            Self::Heal => net.cut(Grudge::new()),
            Self::OneWay(grudge) => net.cut_one_way(grudge),
            Self::Loss(loss) => net.faults().loss = loss,
            Self::Duplicate(duplicate) => net.faults().duplicate = duplicate,
            Self::Reorder(reorder) => net.faults().reorder = reorder,
            Self::Slow(slow) => net.faults().slow = slow,
            _ => {}
        }
    }
}
