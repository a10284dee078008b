//! What remains of a run: its counts.

use std::collections::BTreeMap;

use super::{Idle, Late, Quirks, Tally, World};
use crate::nemesis::DiskFault;
use crate::net::NetCounts;

/// What remains of a run that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStats {
    /// Messages.
    pub net: NetCounts,
    /// Operations.
    pub tally: Tally,
    /// The nodes that never sent anything to another node or to a service.
    pub silent: Vec<usize>,
    /// What nodes did that is odd but no fault.
    pub quirks: Quirks,
    /// The answers that came after their operations had been given up, by function.
    pub late: BTreeMap<&'static str, Late>,
    /// What nodes said in idle time, if the settings state a promise.
    pub idle: Option<Idle>,
}

impl World {
    /// What remains of a run that went through.
    pub fn stats(&self) -> RunStats {
        // Whoever cannot write what it has may have to keep it to itself.
        let mutes = |fault: &DiskFault| matches!(fault, DiskFault::Full | DiskFault::FailOnce);
        let is_mute = self.settings.disk.iter().any(mutes);
        let nodes = self.nodes.iter().enumerate();
        let silent = nodes.filter(|(_, node)| !node.is_heard && !is_mute);
        RunStats {
            net: self.net_counts(),
            tally: self.recorder.tally,
            silent: silent.map(|(number, _)| number).collect(),
            quirks: self.wire.quirks.clone(),
            late: self.wire.late.clone(),
            idle: self.settings.promise.map(|_| self.idle.clone()),
        }
    }
}
