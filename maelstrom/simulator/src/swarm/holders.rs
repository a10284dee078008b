//! Who certainly has a value, in a cluster whose nodes keep values in memory and promise
//! that what a live node has held for a while is on every live node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    since: Duration,
    /// Since when it certainly has the value, if that is certain.
    holds: Option<Duration>,
}

/// The nodes that certainly have a value, if one that a live node holds is on all others
/// that are up after a window in which nothing hinders them.
pub(super) struct Holders<'a> {
    window: Duration,
    hindrances: usize,
    /// When the number of hindrances changed last.
    changed: Duration,
    alive: BTreeMap<&'a str, Node>,
}

impl<'a> Holders<'a> {
    pub(super) fn among(nodes: impl Iterator<Item = &'a str>, window: Duration) -> Self {
        let node = |name| (name, Node { since: Duration::ZERO, holds: None });
        Self { window, hindrances: 0, changed: Duration::ZERO, alive: nodes.map(node).collect() }
    }

    /// A node has been seen to hold the value.
    pub(super) fn note(&mut self, now: Duration, node: &str) {
        self.advance(now);
        if let Some(node) = self.alive.get_mut(node) {
            node.holds = node.holds.or(Some(now));
        }
    }

    pub(super) fn apply(&mut self, now: Duration, event: &'a Event) {
        self.advance(now);
        match event {
            Event::Killed(nodes) => self.alive.retain(|&node, _| !nodes.contains(node)),
            Event::Started(nodes) => {
                let node = |name: &'a String| (&**name, Node { since: now, holds: None });
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
    pub(super) fn has(&mut self, now: Duration, node: &str) -> bool {
        self.advance(now);
        self.alive.get(node).is_some_and(|node| node.holds.is_some())
    }

    /// Whether anybody who is up certainly has it.
    pub(super) fn is_anywhere(&self) -> bool {
        self.alive.values().any(|node| node.holds.is_some())
    }

    /// Those that are up have it by now if one of them has held it for long enough.
    fn advance(&mut self, now: Duration) {
        let held = self.alive.values().filter_map(|node| node.holds).min();
        let (changed, window) = (self.changed, self.window);
        let Some(held) = held.filter(|_| self.hindrances == 0) else { return };
        for node in self.alive.values_mut().filter(|node| node.holds.is_none()) {
            let has = node.since.max(held).max(changed) + window;
            if has <= now {
                node.holds = Some(has);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn nodes(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_a_live_node_held_for_the_window_all_have() {
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100));
        holders.note(ms(50), "n0");
        assert!(holders.has(ms(50), "n0") && !holders.has(ms(149), "n1"));
        assert!(holders.has(ms(150), "n1"));
    }

    #[test]
    fn a_node_that_dies_earlier_takes_it_along() {
        let (killed, started) = (Event::Killed(nodes(&["n0"])), Event::Started(nodes(&["n0"])));
        let other_killed = Event::Killed(nodes(&["n1"]));
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100));
        holders.note(ms(50), "n0");
        holders.apply(ms(149), &killed);
        assert!(!holders.is_anywhere());
        holders.apply(ms(160), &started);
        holders.note(ms(170), "n1");
        assert!(!holders.has(ms(269), "n0") && holders.has(ms(270), "n0"));
        holders.apply(ms(280), &other_killed);
        assert!(holders.is_anywhere());
    }

    #[test]
    fn a_node_that_starts_has_the_window_and_so_has_everybody_after_a_hindrance() {
        let (killed, started) = (Event::Killed(nodes(&["n1"])), Event::Started(nodes(&["n1"])));
        let mut holders = Holders::among(["n0", "n1", "n2"].into_iter(), ms(100));
        holders.note(ms(0), "n0");
        holders.apply(ms(20), &killed);
        holders.apply(ms(80), &started);
        assert!(
            holders.has(ms(100), "n2") && !holders.has(ms(179), "n1") && holders.has(ms(180), "n1")
        );
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100));
        holders.note(ms(0), "n0");
        holders.apply(ms(90), &Event::Hindered);
        assert!(!holders.has(ms(500), "n1"));
        holders.apply(ms(600), &Event::Freed);
        assert!(!holders.has(ms(699), "n1") && holders.has(ms(700), "n1"));
    }
}
