//! Who certainly has a value, in a cluster whose nodes keep values in memory and promise
//! that what a live node has held for a while is on every live node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) enum Event {
    Killed(BTreeSet<String>),
    Started(BTreeSet<String>),
    /// By one fault more, or one less.
    Hindered,
    Freed,
    /// Into sides whose nodes all hear each other and nobody else; none when it is over.
    Split(Vec<BTreeSet<String>>),
}

struct Node {
    since: Duration,
    /// Since when it certainly has the value, if that is certain.
    holds: Option<Duration>,
    /// On which side of a split it is.
    side: usize,
}

/// The nodes that certainly have a value, if one that a live node holds is on all others
/// that are up after a window in which nothing hinders them. A split hinders them, too, or
/// if `is_sided` only those on different sides.
pub(super) struct Holders<'a> {
    window: Duration,
    is_sided: bool,
    sides: &'a [BTreeSet<String>],
    hindrances: usize,
    /// When the number of hindrances changed last.
    changed: Duration,
    alive: BTreeMap<&'a str, Node>,
}

impl<'a> Holders<'a> {
    pub(super) fn among(
        nodes: impl Iterator<Item = &'a str>,
        window: Duration,
        is_sided: bool,
    ) -> Self {
        let node = |name| (name, Node { since: Duration::ZERO, holds: None, side: 0 });
        let (alive, changed) = (nodes.map(node).collect(), Duration::ZERO);
        Self { window, is_sided, sides: &[], hindrances: 0, changed, alive }
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
                let sides = self.sides;
                let node = |name: &'a String| {
                    (&**name, Node { since: now, holds: None, side: side(sides, name) })
                };
                self.alive.extend(nodes.iter().map(node));
            }
            Event::Hindered => self.hinder(now, true),
            Event::Freed => self.hinder(now, false),
            Event::Split(sides) if self.is_sided => {
                self.sides = sides;
                self.changed = now;
                self.alive.iter_mut().for_each(|(name, node)| node.side = side(sides, name));
            }
            Event::Split(sides) => self.hinder(now, !sides.is_empty()),
        }
    }

    fn hinder(&mut self, now: Duration, begins: bool) {
        self.hindrances = if begins { self.hindrances + 1 } else { self.hindrances - 1 };
        self.changed = now;
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

    /// Those that are up have it by now if one of them, on their side, has held it for long
    /// enough.
    fn advance(&mut self, now: Duration) {
        let (changed, window) = (self.changed, self.window);
        if self.hindrances > 0 || changed + window > now {
            return;
        }
        for side in 0..self.sides.len().max(1) {
            let there = self.alive.values().filter(|node| node.side == side);
            let Some(held) = there.filter_map(|node| node.holds).min() else { continue };
            let lacks = |node: &&mut Node| node.side == side && node.holds.is_none();
            for node in self.alive.values_mut().filter(lacks) {
                let has = node.since.max(held).max(changed) + window;
                if has <= now {
                    node.holds = Some(has);
                }
            }
        }
    }
}

/// The number of the side that a node is on.
fn side(sides: &[BTreeSet<String>], node: &str) -> usize {
    sides.iter().position(|side| side.contains(node)).unwrap_or_default()
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
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100), true);
        holders.note(ms(50), "n0");
        assert!(holders.has(ms(50), "n0") && !holders.has(ms(149), "n1"));
        assert!(holders.has(ms(150), "n1"));
    }

    #[test]
    fn a_node_that_dies_earlier_takes_it_along() {
        let (killed, started) = (Event::Killed(nodes(&["n0"])), Event::Started(nodes(&["n0"])));
        let other_killed = Event::Killed(nodes(&["n1"]));
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100), true);
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
        let mut holders = Holders::among(["n0", "n1", "n2"].into_iter(), ms(100), true);
        holders.note(ms(0), "n0");
        holders.apply(ms(20), &killed);
        holders.apply(ms(80), &started);
        assert!(
            holders.has(ms(100), "n2") && !holders.has(ms(179), "n1") && holders.has(ms(180), "n1")
        );
        let mut holders = Holders::among(["n0", "n1"].into_iter(), ms(100), true);
        holders.note(ms(0), "n0");
        holders.apply(ms(90), &Event::Hindered);
        assert!(!holders.has(ms(500), "n1"));
        holders.apply(ms(600), &Event::Freed);
        assert!(!holders.has(ms(699), "n1") && holders.has(ms(700), "n1"));
    }

    #[test]
    fn during_a_split_what_a_node_held_is_on_its_side_alone() {
        let sides = Event::Split(vec![nodes(&["n0", "n1"]), nodes(&["n2"])]);
        let healed = Event::Split(Vec::new());
        for is_sided in [true, false] {
            let mut holders = Holders::among(["n0", "n1", "n2"].into_iter(), ms(100), is_sided);
            holders.apply(ms(10), &sides);
            holders.note(ms(20), "n0");
            assert_eq!(holders.has(ms(120), "n1"), is_sided);
            assert!(!holders.has(ms(900), "n2"));
            holders.apply(ms(1000), &healed);
            assert!(!holders.has(ms(1099), "n2") && holders.has(ms(1100), "n2"));
        }
    }
}
