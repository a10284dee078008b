//! How soon and at what cost news are everywhere, and what faults change.

use super::*;

/// Whether a node shows these messages of key `k`.
fn shows(world: &World, node: usize, messages: &[u64]) -> bool {
    let mut shown: Vec<String> = world.shown(node, "k").into_iter().map(|(_, m)| m).collect();
    let mut messages: Vec<String> = messages.iter().map(ToString::to_string).collect();
    shown.sort();
    messages.sort();
    shown == messages
}

/// How long it takes until all nodes but one that is down show these messages, in ms.
fn until_shown(world: &mut World, messages: &[u64]) -> u64 {
    let begun = world.now();
    let is_shown = |world: &World| {
        let nodes = 0..world.cluster.size();
        let mut running = nodes.filter(|&node| world.cluster.machine(node).is_some());
        running.all(|node| shows(world, node, messages))
    };
    while !is_shown(world) {
        assert!(world.now() < begun + Duration::from_secs(60), "never shown");
        world.run(1);
    }
    (world.now() - begun).as_millis() as u64
}

/// The longest time until a message was shown everywhere, in ms: of those that nodes
/// in turn send for a second, one so many ms after the other.
fn slowest(nodes: usize, apart: u64) -> u64 {
    let mut world = World::new(nodes, Options::default());
    world.run(500);
    let mut open: BTreeMap<u64, Time> = BTreeMap::new();
    let (mut slowest, mut sent) = (Duration::ZERO, 0);
    while sent < 1000 / apart || !open.is_empty() {
        if sent < 1000 / apart && (world.now().as_millis() as u64).is_multiple_of(apart) {
            world.send((sent * 7) as usize % nodes, "k", sent);
            open.insert(sent, world.now());
            sent += 1;
        }
        world.run(1);
        let ends = (0..nodes).map(|node| world.shown(node, "k"));
        let everywhere = ends.min_by_key(Vec::len).unwrap_or_default();
        for (_, message) in everywhere {
            let since = open.remove(&message.parse().unwrap());
            slowest = slowest.max(since.map_or(Duration::ZERO, |since| world.now() - since));
        }
    }
    slowest.as_millis() as u64
}

#[test]
fn a_message_is_shown_everywhere_soon_also_in_large_clusters() {
    for (nodes, most) in [(2, 100), (5, 250), (25, 300)] {
        for apart in [1000, 100, 10] {
            let took = slowest(nodes, apart);
            assert!(took <= most, "{nodes} nodes, each {apart} ms: {took} ms");
        }
    }
}

#[test]
fn idle_nodes_say_little() {
    for nodes in [2, 25] {
        let mut world = World::new(nodes, Options::default());
        world.send(nodes / 2, "k", 1);
        world.run(3000);
        let count = |world: &World| {
            let Counts { reads, proposed, announced, .. } = world.counts();
            announced + 2 * (reads + proposed)
        };
        let before = count(&world);
        world.run(10_000);
        let rate = (count(&world) - before) as f64 / 10.0;
        assert!(rate <= 2.1 * (nodes as f64 - 1.0), "{nodes} nodes: {rate}");
    }
}

#[test]
fn what_is_behind_an_edge_that_fails_is_read_from_the_service() {
    for severed in [&[(0, 1), (1, 0)][..], &[(0, 1)], &[(1, 0)], &[(0, 1), (1, 0), (2, 0), (1, 9)]]
    {
        let mut world = World::new(20, Options::default());
        world.sever(severed);
        world.run(5000);
        for (node, message) in [(9, 1), (19, 2), (0, 3)] {
            world.send(node, "k", message);
            let messages: Vec<u64> = (1..=message).collect();
            let took = until_shown(&mut world, &messages);
            assert!(took <= 3500, "{severed:?}: message {message} took {took} ms");
            world.run(3000);
        }
    }
}

#[test]
fn a_node_that_is_down_costs_those_behind_it_a_few_seconds() {
    let mut world = World::new(20, Options::default());
    world.run(1000);
    for (down, message) in [(1, 1), (0, 2), (2, 3)] {
        world.kill(down);
        world.send(10, "k", message);
        let messages: Vec<u64> = (1..=message).collect();
        let took = until_shown(&mut world, &messages);
        assert!(took <= 5000, "n{down} is down: {took} ms");
        world.restart(down);
        world.run(2000);
        assert!(shows(&world, down, &messages), "n{down} is up again");
    }
}

#[test]
fn what_gets_lost_on_its_way_is_told_again() {
    let mut world = World::new(20, Options::default());
    world.run(1000);
    let before = world.counts().reads;
    for (message, lost) in [(1, (9, 1)), (2, (0, 2)), (3, (1, 10))] {
        world.send(9, "k", message);
        world.sever(&[lost]);
        world.run(20);
        world.sever(&[]);
        let messages: Vec<u64> = (1..=message).collect();
        let took = until_shown(&mut world, &messages);
        assert!(took <= 1500, "lost from n{} to n{}: {took} ms", lost.0, lost.1);
        world.run(2000);
    }
    let reads = world.counts().reads - before;
    assert!(reads < 60, "{reads} reads");
}
