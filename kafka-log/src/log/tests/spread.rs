//! How soon and at what cost news are everywhere, and what faults change.

use super::*;

/// Whether a node shows these messages of key `k`.
fn shows(cluster: &Cluster, node: usize, messages: &[u64]) -> bool {
    let mut shown: Vec<String> = cluster.shown(node, "k").into_iter().map(|(_, m)| m).collect();
    let mut messages: Vec<String> = messages.iter().map(ToString::to_string).collect();
    shown.sort();
    messages.sort();
    shown == messages
}

/// How long it takes until all nodes but one that is down show these messages, in ms.
fn until_shown(cluster: &mut Cluster, messages: &[u64]) -> u64 {
    let begun = cluster.now;
    let is_shown = |cluster: &Cluster| {
        (0..cluster.logs.len())
            .filter(|&node| !cluster.down[node])
            .all(|node| shows(cluster, node, messages))
    };
    while !is_shown(cluster) {
        assert!(cluster.now < begun + Duration::from_secs(60), "never shown");
        cluster.run(1);
    }
    (cluster.now - begun).as_millis() as u64
}

/// The longest time until a message was shown everywhere, in ms: of those that nodes
/// in turn send for a second, one so many ms after the other.
fn slowest(nodes: usize, apart: u64) -> u64 {
    let mut cluster = Cluster::new(nodes, Options::default());
    cluster.run(500);
    let mut open: BTreeMap<u64, Time> = BTreeMap::new();
    let (mut slowest, mut sent) = (Duration::ZERO, 0);
    while sent < 1000 / apart || !open.is_empty() {
        if sent < 1000 / apart && (cluster.now.as_millis() as u64).is_multiple_of(apart) {
            cluster.send((sent * 7) as usize % nodes, "k", sent);
            open.insert(sent, cluster.now);
            sent += 1;
        }
        cluster.run(1);
        let ends = (0..nodes).map(|node| cluster.shown(node, "k"));
        let everywhere = ends.min_by_key(Vec::len).unwrap_or_default();
        for (_, message) in everywhere {
            let since = open.remove(&message.parse().unwrap());
            slowest = slowest.max(since.map_or(Duration::ZERO, |since| cluster.now - since));
        }
    }
    slowest.as_millis() as u64
}

#[test]
fn a_message_is_shown_everywhere_soon_also_in_large_clusters() {
    for (nodes, most) in [(2, 100), (5, 250), (25, 300)] {
        for apart in [1000, 100, 10] {
            let took = slowest(nodes, apart);
            eprintln!("{nodes} nodes, a message each {apart} ms: shown everywhere in {took} ms");
            assert!(took <= most, "{nodes} nodes, each {apart} ms: {took} ms");
        }
    }
}

#[test]
fn idle_nodes_say_little() {
    for nodes in [2, 25] {
        let mut cluster = Cluster::new(nodes, Options::default());
        cluster.send(nodes / 2, "k", 1);
        cluster.run(3000);
        let count = |cluster: &Cluster| cluster.announced + 2 * (cluster.reads + cluster.proposed);
        let before = count(&cluster);
        cluster.run(10_000);
        let rate = (count(&cluster) - before) as f64 / 10.0;
        eprintln!("{nodes} idle nodes send {rate} messages a second");
        assert!(rate <= 2.1 * (nodes as f64 - 1.0), "{nodes} nodes: {rate}");
    }
}

#[test]
fn what_is_behind_an_edge_that_fails_is_read_from_the_service() {
    for severed in [&[(0, 1), (1, 0)][..], &[(0, 1)], &[(1, 0)], &[(0, 1), (1, 0), (2, 0), (1, 9)]]
    {
        let mut cluster = Cluster::new(20, Options::default());
        cluster.severed.extend(severed);
        cluster.run(5000);
        for (node, message) in [(9, 1), (19, 2), (0, 3)] {
            cluster.send(node, "k", message);
            let messages: Vec<u64> = (1..=message).collect();
            let took = until_shown(&mut cluster, &messages);
            assert!(took <= 3500, "{severed:?}: message {message} took {took} ms");
            cluster.run(3000);
        }
    }
}

#[test]
fn a_node_that_is_down_costs_those_behind_it_a_few_seconds() {
    let mut cluster = Cluster::new(20, Options::default());
    cluster.run(1000);
    for (down, message) in [(1, 1), (0, 2), (2, 3)] {
        cluster.down[down] = true;
        cluster.send(10, "k", message);
        let messages: Vec<u64> = (1..=message).collect();
        let took = until_shown(&mut cluster, &messages);
        assert!(took <= 5000, "n{down} is down: {took} ms");
        cluster.restart(down);
        cluster.run(2000);
        assert!(shows(&cluster, down, &messages), "n{down} is up again");
    }
}

#[test]
fn what_gets_lost_on_its_way_is_told_again() {
    let mut cluster = Cluster::new(20, Options::default());
    cluster.run(1000);
    let before = cluster.reads;
    for (message, lost) in [(1, (9, 1)), (2, (0, 2)), (3, (1, 10))] {
        cluster.send(9, "k", message);
        cluster.severed.insert(lost);
        cluster.run(20);
        cluster.severed.clear();
        let messages: Vec<u64> = (1..=message).collect();
        let took = until_shown(&mut cluster, &messages);
        assert!(took <= 1500, "lost from n{} to n{}: {took} ms", lost.0, lost.1);
        cluster.run(2000);
    }
    assert!(cluster.reads < before + 60, "{} reads", cluster.reads - before);
}
