//! What is wrong with a network for the time being.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Address, Cause, LinkFaults};

/// Who hears whom no longer: for each node, in order, the nodes whose messages
/// it does not get.
pub(crate) type Grudge = Vec<BTreeSet<usize>>;

/// Its faults in force. Without any, every message arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Empty when nothing is cut.
    pub(crate) grudge: Grudge,
    /// Likewise, of cuts in one direction.
    pub(crate) one_way: Grudge,
    pub(crate) faults: LinkFaults,
}

impl Conditions {
    /// Whether a partition keeps one node from hearing the other.
    pub fn cuts(&self, receiver: usize, sender: usize) -> bool {
        self.cut(receiver, Address::Node(sender)).is_some()
    }

    /// Which partition keeps a receiver from hearing a sender, if one does.
    pub(super) fn cut(&self, receiver: usize, src: Address) -> Option<Cause> {
        if is_cut(&self.grudge, receiver, src) {
            Some(Cause::Partition)
        } else {
            is_cut(&self.one_way, receiver, src).then_some(Cause::OneWay)
        }
    }
}

fn is_cut(grudge: &Grudge, receiver: usize, src: Address) -> bool {
    match src {
        Address::Node(src) => grudge.get(receiver).is_some_and(|cut| cut.contains(&src)),
        Address::Client(_) | Address::Service(_) => false,
    }
}
