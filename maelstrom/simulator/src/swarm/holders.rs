//! Who certainly has a value, in a cluster whose nodes keep values in memory and promise
//! that what a live node has held for a while is on every live node.

use std::collections::{BTreeMap, BTreeSet};

/// What happens to nodes and network.
pub(super) enum Event {
    Killed(BTreeSet<String>),
    Started(BTreeSet<String>),
    /// By one fault more, or one less.
    Hindered,
    Freed,
}

/// A node that is up.
struct Node {
    since: f64,
    /// Since when it certainly has the value; infinity if that is not certain.
    holds: f64,
}

/// The nodes that certainly have a value, if one that a live node holds is on all others
/// that are up after `window` ms in which nothing hinders them.
pub(super) struct Holders<'a> {
    window: f64,
    hindrances: usize,
    /// When the number of hindrances changed last.
    changed: f64,
    alive: BTreeMap<&'a str, Node>,
}

impl<'a> Holders<'a> {
    pub(super) fn among(nodes: impl Iterator<Item = &'a str>, window: f64) -> Self {
        let node = |name| (name, Node { since: 0.0, holds: f64::INFINITY });
        Self { window, hindrances: 0, changed: 0.0, alive: nodes.map(node).collect() }
    }

    /// A node has been seen to hold the value.
    pub(super) fn note(&mut self, now: f64, node: &str) {
        self.advance(now);
        if let Some(node) = self.alive.get_mut(node) {
            node.holds = node.holds.min(now);
        }
    }

    pub(super) fn apply(&mut self, now: f64, event: &'a Event) {
        self.advance(now);
        match event {
            Event::Killed(nodes) => self.alive.retain(|&node, _| !nodes.contains(node)),
            Event::Started(nodes) => {
                let node = |name: &'a String| (&**name, Node { since: now, holds: f64::INFINITY });
                self.alive.extend(nodes.iter().map(node));
            }
            Event::Hindered => {
                self.hindrances += 1;
                self.changed = now;
            }
            Event::Freed => {
                self.hindrances -= 1;
                self.changed = now;
            }
        }
    }

    /// Whether a node certainly has the value.
    pub(super) fn has(&mut self, now: f64, node: &str) -> bool {
        self.advance(now);
        self.alive.get(node).is_some_and(|node| node.holds <= now)
    }

    /// Whether anybody who is up certainly has it.
    pub(super) fn is_anywhere(&self) -> bool {
        self.alive.values().any(|node| node.holds.is_finite())
    }

    /// Those that are up have it by now if one of them has held it for long enough.
    fn advance(&mut self, now: f64) {
        let held = self.alive.values().map(|node| node.holds).fold(f64::INFINITY, f64::min);
        let (changed, window) = (self.changed, self.window);
        if self.hindrances > 0 || held.max(changed) + window > now {
            return;
        }
        for node in self.alive.values_mut().filter(|node| node.holds.is_infinite()) {
            let has = node.since.max(held).max(changed) + window;
            if has <= now {
                node.holds = has;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_a_live_node_held_for_the_window_all_have() {
        let mut holders = Holders::among(["n0", "n1"].into_iter(), 100.0);
        holders.note(50.0, "n0");
        assert!(holders.has(50.0, "n0") && !holders.has(149.0, "n1"));
        assert!(holders.has(150.0, "n1"));
    }

    #[test]
    fn a_node_that_dies_earlier_takes_it_along() {
        let (killed, started) = (Event::Killed(nodes(&["n0"])), Event::Started(nodes(&["n0"])));
        let other_killed = Event::Killed(nodes(&["n1"]));
        let mut holders = Holders::among(["n0", "n1"].into_iter(), 100.0);
        holders.note(50.0, "n0");
        holders.apply(149.0, &killed);
        assert!(!holders.is_anywhere());
        holders.apply(160.0, &started);
        holders.note(170.0, "n1");
        assert!(!holders.has(269.0, "n0") && holders.has(270.0, "n0"));
        holders.apply(280.0, &other_killed);
        assert!(holders.is_anywhere());
    }

    #[test]
    fn a_node_that_starts_has_the_window_and_so_has_everybody_after_a_hindrance() {
        let (killed, started) = (Event::Killed(nodes(&["n1"])), Event::Started(nodes(&["n1"])));
        let mut holders = Holders::among(["n0", "n1", "n2"].into_iter(), 100.0);
        holders.note(0.0, "n0");
        holders.apply(20.0, &killed);
        holders.apply(80.0, &started);
        assert!(holders.has(100.0, "n2") && !holders.has(179.0, "n1") && holders.has(180.0, "n1"));
        let mut holders = Holders::among(["n0", "n1"].into_iter(), 100.0);
        holders.note(0.0, "n0");
        holders.apply(90.0, &Event::Hindered);
        assert!(!holders.has(500.0, "n1"));
        holders.apply(600.0, &Event::Freed);
        assert!(!holders.has(699.0, "n1") && holders.has(700.0, "n1"));
    }
}
