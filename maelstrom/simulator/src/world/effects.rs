//! Carrying out what the nemesis decides.
//!
//! The history has two operations for it: what was asked, and what was done.

use std::time::Duration;

use checkers::history::{null, raw};
use serde_json::value::RawValue;

use super::nodes::{Node, Status};
use super::traced::name_of;
use super::{Command, World};
use crate::links::by_name;
use crate::nemesis::{Action, Change, DiskFault, Effect, Fault, changes_by_name, skews_by_name};
use crate::net::Address;

impl World {
    pub(super) fn carry_out(&mut self, action: Action, now: Duration, out: &mut Vec<Command>) {
        out.push(Command::Record(self.recorder.nemesis(action.f, action.asked, now)));
        let done = self.apply_effect(action.effect, now, out);
        out.push(Command::Record(self.recorder.nemesis(action.f, done, now)));
    }

    /// Does it, and says what was done.
    pub(super) fn apply_effect(
        &mut self,
        effect: Effect,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Box<RawValue> {
        match effect {
            Effect::Kill(nodes) => {
                let killed = self.those(nodes, |node| node.status.is_up());
                self.trace_fault("kill", &killed, now);
                killed.iter().for_each(|&node| self.kill_node(node, now, out));
                names(&killed)
            }
            Effect::Start => {
                let started = self.those(self.every(), |node| node.status == Status::Down);
                self.trace_fault_end("kill", now);
                started.iter().for_each(|&node| self.start_node(node, now, out));
                names(&started)
            }
            Effect::Pause(nodes) => {
                // A node that is being prepared has a deadline that it cannot
                // keep when it is paused.
                let paused = self.those(nodes, Node::is_serving);
                self.trace_fault("pause", &paused, now);
                paused.iter().for_each(|&node| self.pause_node(node, true, now, out));
                names(&paused)
            }
            Effect::Resume => {
                let resumed = self.those(self.every(), |node| node.is_paused);
                self.trace_fault_end("pause", now);
                resumed.iter().for_each(|&node| self.pause_node(node, false, now, out));
                names(&resumed)
            }
            Effect::Change(changes) => self.ask_for_changes(changes, now),
            Effect::Clock(_) | Effect::Upset(..) | Effect::Mend(_) | Effect::Twin(_) => {
                self.upset_machine(effect, now, out)
            }
            effect => self.disturb_network(effect, now, out),
        }
    }

    /// Effects on the network.
    fn disturb_network(
        &mut self,
        effect: Effect,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Box<RawValue> {
        let done = match &effect {
            Effect::Partition(grudge) => raw(&("isolated", by_name(grudge))),
            Effect::Heal => raw("network-healed"),
            Effect::OneWay(grudge) => raw(&("deaf-to", by_name(grudge))),
            _ => null(),
        };
        self.trace_network(&effect, now);
        effect.apply_to(&mut self.wire.net);
        self.tell_network(out);
        done
    }

    /// Effects on the machine that a node runs on: its clock, its disk, its directory.
    fn upset_machine(
        &mut self,
        effect: Effect,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Box<RawValue> {
        match effect {
            Effect::Clock(skews) => {
                self.trace_clocks(&skews, now);
                let done = skews_by_name(&skews);
                out.extend(skews.into_iter().map(Command::Clock));
                done
            }
            Effect::Upset(fault, nodes) => {
                // A node that is being prepared has to answer, and need not be able
                // to without space.
                let upset = self.those(nodes, |node| node.status == Status::Ready);
                self.trace_fault(&name_of(fault), &upset, now);
                out.extend(upset.iter().map(|&node| Command::Upset(node, fault, true)));
                names(&upset)
            }
            Effect::Mend(fault) => {
                self.trace_fault_end(&name_of(fault), now);
                let every = self.every().into_iter();
                out.extend(every.map(|node| Command::Upset(node, fault, false)));
                null()
            }
            Effect::Twin(nodes) => {
                let doubled = self.those(nodes, Node::is_serving);
                self.trace_moment(&name_of(DiskFault::Locked), &doubled, now);
                out.extend(doubled.iter().map(|&node| Command::Twin(node, self.twins_init(node))));
                names(&doubled)
            }
            _ => null(),
        }
    }

    /// Asks those nodes that can answer; nobody waits for what they say.
    fn ask_for_changes(&mut self, mut changes: Vec<Change>, now: Duration) -> Box<RawValue> {
        changes.retain(|change| self.nodes[change.asked].status == Status::Ready);
        let asked: Vec<usize> = changes.iter().map(|change| change.asked).collect();
        self.trace_moment(Fault::Membership.name(), &asked, now);
        for change in &changes {
            let Some(operator) = &mut self.operator else { break };
            operator.tell(change, &mut self.wire.net, now);
        }
        changes_by_name(&changes)
    }

    fn pause_node(&mut self, node: usize, paused: bool, now: Duration, out: &mut Vec<Command>) {
        self.nodes[node].is_paused = paused;
        self.trace_node(if paused { "pause" } else { "resume" }, node, now);
        out.push(if paused { Command::Pause(node) } else { Command::Resume(node) });
    }

    fn every(&self) -> Vec<usize> {
        (0..self.nodes.len()).collect()
    }

    fn those(&self, mut nodes: Vec<usize>, which: impl Fn(&Node) -> bool) -> Vec<usize> {
        nodes.retain(|&node| which(&self.nodes[node]));
        nodes
    }
}

fn names(nodes: &[usize]) -> Box<RawValue> {
    let names: Vec<String> = nodes.iter().map(|&node| Address::Node(node).to_string()).collect();
    raw(&names)
}
