//! What became of values, nodes and network in a run, and so which values a node
//! that keeps them in memory may have lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::element::Element;
use crate::history::{self, Op, OpType, Process};
use crate::simulation::Finished;

/// What happened to broadcast values, nodes and network, and when, in ms.
pub struct Timeline {
    nodes: BTreeSet<String>,
    /// By value.
    acknowledged: BTreeMap<String, Acknowledged>,
    events: Vec<(f64, Event)>,
}

/// When a value was acknowledged, by which operation, and by which node.
struct Acknowledged {
    at: f64,
    index: u64,
    node: String,
}

enum Event {
    Killed(BTreeSet<String>),
    Started(BTreeSet<String>),
    /// By one fault more, or one less.
    Hindered,
    Freed,
}

/// A value as results have it, whatever way it was spelt.
fn name_of(value: &str) -> String {
    Element::parse(value).to_value().to_string()
}

impl Timeline {
    /// Of a run that was recorded.
    ///
    /// # Errors
    ///
    /// When its history cannot be read.
    pub fn read(run: &Finished) -> Result<Self, String> {
        let settings = &run.settings;
        let name = |node| format!("n{node}");
        let nodes = (0..settings.node_count).map(name).collect();
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
                    let thread = process % settings.concurrency as u64;
                    let node = name((thread % settings.node_count as u64) as usize);
                    let acknowledged = Acknowledged { at: op.millis(), index: op.index, node };
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
            _ if begins && hindrances.insert(fault.to_owned()) => Event::Hindered,
            _ if !begins && hindrances.remove(fault) => Event::Freed,
            _ => return,
        };
        self.events.push((op.millis(), event));
    }

    /// Whether a value may be lost because all died who certainly had it, if
    /// values need this long, in ms, to be everywhere.
    pub fn excuses(&self, value: &str, window: f64) -> bool {
        let Some(Acknowledged { at: acknowledged, node, .. }) = self.acknowledged.get(value) else {
            // Nobody was told that it is safe.
            return true;
        };
        let (before, after): (Vec<_>, Vec<_>) =
            self.events.iter().partition(|(at, _)| at < acknowledged);
        let mut spread = Spread { hindrances: 0, alive: BTreeMap::new(), window };
        spread.alive = self.nodes.iter().map(|node| (node.as_str(), f64::INFINITY)).collect();
        for (at, event) in before {
            spread.apply(*at, event);
        }
        spread.begin(*acknowledged, node);
        after.into_iter().any(|(at, event)| {
            spread.apply(*at, event);
            !spread.is_known(*at)
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

/// How a value spreads, at the slowest.
struct Spread<'a> {
    hindrances: usize,
    /// The nodes that are up, and when each has the value.
    alive: BTreeMap<&'a str, f64>,
    window: f64,
}

impl<'a> Spread<'a> {
    fn begin(&mut self, now: f64, first: &str) {
        let everywhere = self.everywhere(now);
        for (node, known) in &mut self.alive {
            *known = if *node == first { now } else { everywhere };
        }
    }

    fn apply(&mut self, now: f64, event: &'a Event) {
        match event {
            Event::Killed(nodes) => self.alive.retain(|&node, _| !nodes.contains(node)),
            Event::Started(nodes) => {
                let known = self.everywhere(now);
                self.alive.extend(nodes.iter().map(|node| (node.as_str(), known)));
            }
            Event::Hindered => {
                self.hindrances += 1;
                self.put_off(now);
            }
            Event::Freed => {
                self.hindrances -= 1;
                self.put_off(now);
            }
        }
    }

    /// When those have it that do not have it yet.
    fn everywhere(&self, now: f64) -> f64 {
        if self.hindrances == 0 { now + self.window } else { f64::INFINITY }
    }

    fn put_off(&mut self, now: f64) {
        let everywhere = self.everywhere(now);
        for known in self.alive.values_mut().filter(|known| **known > now) {
            *known = everywhere;
        }
    }

    fn is_known(&self, now: f64) -> bool {
        self.alive.values().any(|&known| known <= now)
    }
}
