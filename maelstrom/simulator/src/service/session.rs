//! Who asks a service: a participant of the network, and which of its lives.
//!
//! Maelstrom's services know a client by its name alone. Where more is promised to
//! one that goes on than to one that begins anew, a process that was killed and
//! started again is a client that begins anew, as it is to a service that knows its
//! clients by their connections (ZooKeeper's sessions, for one). What a former life
//! still had under way is that life's, whenever it arrives.

use std::collections::BTreeMap;

use crate::net::Address;

/// A client of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) address: Address,
    /// Which of its lives, from 0.
    pub(super) life: usize,
}

/// When participants began new lives.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The ids from which on messages are of the next life, ascending.
    begun: BTreeMap<Address, Vec<u64>>,
}

impl Lives {
    pub(super) fn begin(&mut self, address: Address, first_id: u64) {
        self.begun.entry(address).or_default().push(first_id);
    }

    /// The sender of the message with this id.
    pub(super) fn sender(&self, address: Address, id: u64) -> Client {
        let begun = self.begun.get(&address);
        let life = begun.map_or(0, |ids| ids.partition_point(|&first| first <= id));
        Client { address, life }
    }
}
