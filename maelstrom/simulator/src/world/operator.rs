//! A client that asks nodes to change who belongs to the cluster, and who leads it.

use std::time::Duration;

use serde::Deserialize;

use super::fault::{FaultKind, NodeFault};
use super::wire::{Connection, Owner, Wire};
use crate::nemesis::{Change, Fault};
use crate::net::{Address, Message, Network};
use crate::settings::Settings;

/// Maelstrom's code of an error that says that a node does not know such requests.
const NOT_SUPPORTED: u64 = 10;

pub(super) struct Operator {
    connection: Connection,
    /// How many requests it has made.
    asked: u64,
}

impl Operator {
    /// There is one where changes are asked for.
    pub(super) fn new(settings: &Settings, wire: &mut Wire) -> Option<Self> {
        let changes = settings.nemesis.iter().any(|planned| planned.fault == Fault::Membership);
        changes.then(|| Self { connection: wire.open(Owner::Operator), asked: 0 })
    }

    pub(super) fn tell(&mut self, change: &Change, net: &mut Network, now: Duration) {
        self.asked += 1;
        let (src, dest) = (self.connection.address(), Address::Node(change.asked));
        let message = net.register(src, dest, change.request().body(self.asked), now);
        net.post(message, now);
    }
}

/// Whatever a node says is well, unless it does not know what it was asked.
pub(super) fn check_answer(src: Address, reply: &Message) -> Result<(), NodeFault> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u64,
    }
    let refusal: Result<Refusal, _> = serde_json::from_str(reply.body.get());
    match (src, refusal) {
        (Address::Node(node), Ok(Refusal { code: NOT_SUPPORTED })) => {
            Err(FaultKind::NoMembers { body: reply.body.get().to_owned() }.of(node))
        }
        _ => Ok(()),
    }
}
