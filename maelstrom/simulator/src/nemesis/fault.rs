//! Which faults there are.

use std::time::Duration;

use super::DiskFault;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The network is cut.
    Partition,
    /// Nodes are killed, then started again.
    Kill,
    /// Nodes are stopped, then go on.
    Pause,
    /// Some nodes no longer hear others, who still hear them.
    OneWay,
    /// A share of messages is lost.
    Loss,
    /// A share of messages arrives twice.
    Duplicate,
    /// A share of messages comes late, behind others.
    Reorder,
    /// A third of the links gets ten times slower.
    Slow,
    /// Nodes' clocks go at rates of their own, and jump ahead.
    Clock,
    /// Clients have members removed and added again, and leaders replaced: for nodes of
    /// `lin-kv` that can be asked for that.
    Membership,
    /// A disk fault that comes and goes.
    Disk(DiskFault),
}

impl Fault {
    /// Every kind that needs nothing of a node.
    pub const OF_NETWORKS_AND_NODES: [Self; 8] = [
        Self::Partition,
        Self::Kill,
        Self::Pause,
        Self::OneWay,
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Slow,
    ];

    /// These, and clocks that differ: every kind that a node of any workload can be under,
    /// without a disk.
    pub const OF_ANY_NODE: [Self; 9] = {
        let [a, b, c, d, e, f, g, h] = Self::OF_NETWORKS_AND_NODES;
        [a, b, c, d, e, f, g, h, Self::Clock]
    };

    /// Every kind that `--nemesis` knows: all but those of disks.
    pub const ALL: [Self; 10] = {
        let [a, b, c, d, e, f, g, h, i] = Self::OF_ANY_NODE;
        [a, b, c, d, e, f, g, h, i, Self::Membership]
    };

    /// Whether it hits nodes, of which [targets](super::Targets) say how many.
    pub fn has_targets(self) -> bool {
        matches!(self, Self::Kill | Self::Pause | Self::Clock | Self::Disk(_))
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::OneWay => "one-way",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Slow => "slow",
            Self::Clock => "clock",
            Self::Membership => "membership",
            Self::Disk(fault) => fault.name(),
        }
    }
}

/// A kind of fault that the nemesis brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// Which.
    pub fault: Fault,
    /// Mean time between its beginnings and ends; `None` for that of the settings.
    pub interval: Option<Duration>,
    /// Mean time between an end and the next beginning, if that is another one.
    pub calm: Option<Duration>,
}

impl From<Fault> for PlannedFault {
    fn from(fault: Fault) -> Self {
        Self { fault, interval: None, calm: None }
    }
}
