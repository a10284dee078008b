//! Who asks a service: a participant of the network, and which of its incarnations.
//!
//! Maelstrom's services know a client by its name alone. Where more is promised to
//! one that goes on than to one that begins anew, a process that was killed and
//! started again is a client that begins anew, as it is to a service that knows its
//! clients by their connections (ZooKeeper's sessions, for one). What a former incarnation
//! still had under way is that incarnation's, whenever it arrives.

use std::collections::BTreeMap;

use crate::net::Address;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) address: Address,
    /// Which of its incarnations, from 0.
    pub(super) incarnation: usize,
}

/// When participants began new incarnations.
#[derive(Debug, Default)]
pub(super) struct Incarnations {
    /// The ids from which on messages are of the next incarnation, ascending.
    begun: BTreeMap<Address, Vec<u64>>,
}

impl Incarnations {
    pub(super) fn begin(&mut self, address: Address, first_id: u64) {
        self.begun.entry(address).or_default().push(first_id);
    }

    pub(super) fn sender(&self, address: Address, id: u64) -> Client {
        let begun = self.begun.get(&address);
        let incarnation = begun.map_or(0, |ids| ids.partition_point(|&first| first <= id));
        Client { address, incarnation }
    }
}
