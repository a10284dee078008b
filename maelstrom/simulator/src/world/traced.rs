//! What the world tells of itself: the trace of a run, if somebody wants it.
//!
//! The network notes what becomes of messages by itself; that is taken down before
//! whatever comes after it.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Command, NodeFault, World};
use crate::nemesis::{DiskFault, Effect, Skew};
use crate::net::{Address, Grudge, ServiceName, is_slow};
use crate::trace::{Tape, TraceLines};

impl World {
    /// Has everything told by [`Command::Trace`].
    pub fn trace(&mut self) {
        self.tape.get_or_insert_default();
        self.wire.net.trace();
    }

    /// A node logged a line.
    pub fn node_logged(&mut self, node: usize, line: &[u8], now: Duration) {
        self.note(|tape| tape.log(node, line, now));
    }

    /// The rest of the trace of a run that is over, because of this fault perhaps.
    pub fn end_trace(&mut self, fault: Option<&NodeFault>, now: Duration) -> Option<TraceLines> {
        self.note(|tape| {
            if let Some(fault) = fault {
                tape.exit(fault.node, &fault.kind.to_string(), now);
            }
        });
        self.tape.as_mut()?.take(true)
    }

    pub(super) fn begin_trace(&mut self, origin: Duration) {
        self.note(|tape| tape.begin(origin));
    }

    pub(super) fn tell_trace(&mut self, out: &mut Vec<Command>) {
        self.note(|_| {});
        let lines = self.tape.as_mut().and_then(|tape| tape.take(false));
        out.extend(lines.map(Command::Trace));
    }

    pub(super) fn trace_node(&mut self, event: &str, node: usize, now: Duration) {
        self.note(|tape| tape.node(event, node, now));
    }

    /// A client is told something that waits for it no more.
    pub(super) fn trace_late(
        &mut self,
        src: Address,
        dest: Address,
        body: &RawValue,
        at: Duration,
    ) {
        self.note(|tape| tape.late(src, dest, body, at));
    }

    /// A fault of nodes begins, if it hits any.
    pub(super) fn trace_fault(&mut self, fault: &str, nodes: &[usize], now: Duration) {
        if !nodes.is_empty() {
            self.note(|tape| tape.fault(fault, Some(nodes), None, now));
        }
    }

    pub(super) fn trace_fault_end(&mut self, fault: &str, now: Duration) {
        self.note(|tape| tape.fault_end(fault, now));
    }

    /// A fault of nodes is there and gone at once.
    pub(super) fn trace_moment(&mut self, fault: &str, nodes: &[usize], now: Duration) {
        self.trace_fault(fault, nodes, now);
        self.trace_fault_end(fault, now);
    }

    /// A fault of clocks begins or ends.
    pub(super) fn trace_clocks(&mut self, skews: &[Skew], now: Duration) {
        let skewed = skews.iter().filter(|skew| **skew != Skew::none(skew.node));
        let skewed: Vec<usize> = skewed.map(|skew| skew.node).collect();
        if skewed.is_empty() {
            self.trace_fault_end("clock", now);
        }
        self.trace_fault("clock", &skewed, now);
    }

    /// A fault of the network begins or ends.
    pub(super) fn trace_network(&mut self, effect: &Effect, now: Duration) {
        let (name, is_on, links) = match effect {
            Effect::Partition(grudge) => ("partition", true, Some(cut(grudge))),
            Effect::Heal => ("partition", false, None),
            Effect::OneWay(grudge) => ("one-way", !grudge.is_empty(), Some(cut(grudge))),
            Effect::Loss(is_on) => ("loss", *is_on, None),
            Effect::Duplicate(is_on) => ("duplicate", *is_on, None),
            Effect::Reorder(is_on) => ("reorder", *is_on, None),
            Effect::Slow(salt) => ("slow", salt.is_some(), salt.map(|salt| self.slow(salt))),
            _ => return,
        };
        self.note(|tape| match is_on {
            true => tape.fault(name, None, links.as_deref(), now),
            false => tape.fault_end(name, now),
        });
    }

    /// The links that are slow, as this number picks them.
    fn slow(&self, salt: u64) -> Vec<(Address, Address)> {
        let nodes = (0..self.nodes.len()).map(Address::Node);
        let services = ServiceName::ALL.into_iter().map(Address::Service);
        let all: Vec<Address> = nodes.chain(services).collect();
        let pairs = all.iter().flat_map(|&src| all.iter().map(move |&dest| (src, dest)));
        let is_link = |(src, dest): &(Address, Address)| {
            src != dest && [src, dest].into_iter().any(|of| matches!(of, Address::Node(_)))
        };
        pairs.filter(is_link).filter(|&(src, dest)| is_slow(salt, src, dest)).collect()
    }

    fn note(&mut self, what: impl FnOnce(&mut Tape)) {
        let Some(tape) = &mut self.tape else { return };
        self.wire.net.happenings().for_each(|happening| tape.happening(&happening));
        what(tape);
    }
}

/// The links that a partition cuts.
fn cut(grudge: &Grudge) -> Vec<(Address, Address)> {
    let of = |(dest, cut): (usize, &std::collections::BTreeSet<usize>)| {
        let pairs = cut.iter().map(move |&src| (Address::Node(src), Address::Node(dest)));
        pairs.collect::<Vec<_>>()
    };
    grudge.iter().enumerate().flat_map(of).collect()
}

/// The name of a disk's fault among all faults.
pub(super) fn name_of(fault: DiskFault) -> String {
    format!("disk-{}", fault.name())
}
