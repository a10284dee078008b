//! A world that is driven from outside, step by step, instead of by a workload's
//! operations and the nemesis' schedule.
//!
//! Nodes are started, initialised and set up as ever. After that nothing happens
//! that was not asked for, and the main phase does not end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use super::wire::{Connection, Owner};
use super::{Command, Phase, World};
use crate::nemesis::Effect;
use crate::net::Message;
use crate::request::Request;
use crate::settings::Settings;
use crate::workload::Unsupported;

/// The requests that were made from outside, by number.
#[derive(Debug, Default)]
pub(super) struct Script {
    next: u64,
    open: BTreeMap<u64, Connection>,
    ended: BTreeMap<u64, Option<Box<RawValue>>>,
}

impl World {
    /// A world that is driven from outside.
    ///
    /// # Errors
    ///
    /// When the settings do not go with the workload.
    pub fn scripted(settings: &Settings) -> Result<Self, Unsupported> {
        Ok(Self { script: Some(Script::default()), ..Self::new(settings)? })
    }

    /// Whether all nodes were initialised and set up.
    pub fn is_prepared(&self) -> bool {
        !matches!(self.phase, Phase::Init | Phase::Setup)
    }

    /// Whether a node runs and was prepared since it was started.
    pub fn is_ready(&self, node: usize) -> bool {
        self.nodes[node].status == super::nodes::Status::Ready
    }

    /// Sends a request to a node from a client of its own; returns its number.
    pub fn ask(&mut self, node: usize, request: &Request, timeout: Duration, now: Duration) -> u64 {
        let script = self.script.get_or_insert_default();
        let number = script.next;
        script.next += 1;
        let mut connection = self.wire.open(Owner::Script(number));
        self.wire.request(&mut connection, node, request, None, timeout, now);
        script.open.insert(number, connection);
        number
    }

    /// The reply to a request that was answered; none if it was not.
    pub fn take_answer(&mut self, number: u64) -> Option<Box<RawValue>> {
        self.script.as_mut()?.ended.remove(&number)?
    }

    /// Whether a request was answered, or was waited for too long.
    pub fn is_over(&self, number: u64) -> bool {
        self.script.as_ref().is_some_and(|script| script.ended.contains_key(&number))
    }

    /// Brings a fault about, or its end. It comes beside those that are in force,
    /// but for a partition, of which there is one at a time, of each direction.
    pub fn inflict(&mut self, effect: Effect, now: Duration, out: &mut Vec<Command>) {
        self.apply_effect(effect, now, out);
    }

    /// A message for whoever made a request.
    pub(super) fn hand_to_script(&mut self, number: u64, message: Message, now: Duration) {
        let Some(script) = &mut self.script else { return };
        let Some(connection) = script.open.get_mut(&number) else { return };
        if let Some(reply) = self.wire.hand_over(connection, message, now) {
            self.end_request(number, Some(reply.body));
        }
    }

    /// Looks whether a request waited too long.
    pub(super) fn check_script(&mut self, number: u64, now: Duration) {
        let Some(script) = &mut self.script else { return };
        let Some(connection) = script.open.get_mut(&number) else { return };
        if self.wire.timed_out(connection, now) {
            self.end_request(number, None);
        }
    }

    fn end_request(&mut self, number: u64, reply: Option<Box<RawValue>>) {
        let Some(script) = &mut self.script else { return };
        if let Some(connection) = script.open.remove(&number) {
            self.wire.close(connection);
        }
        script.ended.insert(number, reply);
    }
}
