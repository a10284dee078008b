//! What became of values, nodes and network in a run, and so which values a node
//! that keeps them in memory may have lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checkers::history::{self, Op, OpType, Process};

use super::holders::{Event, Holders};
use crate::settings::Settings;
use crate::simulation::Finished;

/// What happened to broadcast values, nodes and network, and when.
pub struct Timeline {
    pub(super) nodes: BTreeSet<String>,
    pub(super) acknowledged: BTreeMap<String, Acknowledged>,
    pub(super) events: Vec<(Duration, Event)>,
}

/// When a value was acknowledged, by which operation, and by which node.
pub(super) struct Acknowledged {
    pub(super) at: Duration,
    pub(super) index: u64,
    pub(super) node: String,
}

pub(super) fn node_of(process: u64, settings: &Settings) -> String {
    let thread = process % settings.concurrency as u64;
    format!("n{}", thread % settings.node_count as u64)
}

/// A value as results have it, whatever way it was spelt.
pub(super) fn name_of(value: &str) -> String {
    checkers::text_in_results(value)
}

impl Timeline {
    /// Of a run that was recorded.
    ///
    /// # Errors
    ///
    /// When its history cannot be read.
    pub fn read(run: &Finished) -> Result<Self, String> {
        let settings = &run.settings;
        let nodes = (0..settings.node_count).map(|node| format!("n{node}")).collect();
        let mut timeline = Self { nodes, acknowledged: BTreeMap::new(), events: Vec::new() };
        let ops = history::read(run.history.as_bytes()).map_err(|error| error.to_string())?;
        let (mut asked, mut hindrances) = (false, BTreeSet::new());
        for op in ops {
            let op = op.map_err(|error| error.to_string())?;
            match op.process {
                // Every other operation says what was asked, not what was done.
                Process::Nemesis => {
                    asked = !asked;
                    if !asked {
                        timeline.fault(&op, &mut hindrances);
                    }
                }
                Process::Client(process) if op.kind == OpType::Ok && op.f == "broadcast" => {
                    let node = node_of(process, settings);
                    let acknowledged = Acknowledged { at: op.at(), index: op.index, node };
                    timeline.acknowledged.insert(name_of(op.value.get()), acknowledged);
                }
                Process::Client(_) => {}
            }
        }
        Ok(timeline)
    }

    /// `hindrances` has the faults in force that keep values from spreading.
    fn fault(&mut self, op: &Op, hindrances: &mut BTreeSet<String>) {
        let nodes = || op.decode::<BTreeSet<String>>().unwrap_or_default();
        let fault = op.f.trim_start_matches("start-").trim_start_matches("stop-");
        let begins = op.f == "pause" || op.f.starts_with("start-");
        let fault = if fault == "resume" { "pause" } else { fault };
        let event = match &*op.f {
            "kill" => Event::Killed(nodes()),
            "start" => Event::Started(nodes()),
            // They delay values, but do not stop them, or have no part in it.
            _ if ["duplicate", "reorder", "slow", "clock", "full", "twin"].contains(&fault) => {
                return;
            }
            "start-partition" if !hindrances.contains(fault) => match sides(op) {
                Some(sides) => Event::Split(sides),
                None => {
                    hindrances.insert(fault.to_owned());
                    Event::Hindered
                }
            },
            _ if begins && hindrances.insert(fault.to_owned()) => Event::Hindered,
            _ if !begins && hindrances.remove(fault) => Event::Freed,
            "stop-partition" if self.is_split() => Event::Split(Vec::new()),
            _ => return,
        };
        self.events.push((op.at(), event));
    }

    fn is_split(&self) -> bool {
        let mut splits = self.events.iter().rev().filter_map(|(_, event)| match event {
            Event::Split(sides) => Some(!sides.is_empty()),
            _ => None,
        });
        splits.next().unwrap_or_default()
    }

    /// Whether a value may be lost because all died who certainly had it, if
    /// values need this long to be everywhere.
    pub fn excuses(&self, value: &str, window: Duration) -> bool {
        let Some(Acknowledged { at: acknowledged, node, .. }) = self.acknowledged.get(value) else {
            // Nobody was told that it is safe.
            return true;
        };
        let (before, after): (Vec<_>, Vec<_>) =
            self.events.iter().partition(|(at, _)| at < acknowledged);
        let mut holders = Holders::among(self.nodes.iter().map(String::as_str), window, false);
        for (at, event) in before {
            holders.apply(*at, event);
        }
        holders.note(*acknowledged, node);
        after.into_iter().any(|(at, event)| {
            holders.apply(*at, event);
            !holders.is_anywhere()
        })
    }

    /// The operation that acknowledged a value.
    pub fn acknowledgement(&self, value: &str) -> Option<u64> {
        self.acknowledged.get(value).map(|acknowledged| acknowledged.index)
    }

    /// How many values were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }
}

/// The sides of a partition, if on each side all hear each other and nobody else.
fn sides(op: &Op) -> Option<Vec<BTreeSet<String>>> {
    let (_, cut) = op.decode::<(&str, BTreeMap<String, BTreeSet<String>>)>().ok()?;
    let nodes = cut.len();
    let mut sides: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for (node, unheard) in cut {
        sides.entry(unheard).or_default().insert(node);
    }
    let is_clean = |(unheard, side): (&BTreeSet<String>, &BTreeSet<String>)| {
        unheard.is_disjoint(side) && unheard.len() + side.len() == nodes
    };
    sides.iter().all(is_clean).then(|| sides.into_values().collect())
}
