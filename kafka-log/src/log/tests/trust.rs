//! Peers that are wrong, and registers that say nothing.

use super::*;

/// What a peer says of partition 1.
fn said(first: u64, texts: &[&str]) -> Segments {
    let texts = texts.iter().map(|&text| text.into()).collect();
    Segments { runs: vec![Run { partition: 1, first, texts }], ..Segments::default() }
}

fn hears(cluster: &mut Cluster, node: usize, segments: Segments) {
    let now = cluster.now;
    cluster.logs[node].receive(now, 1, segments);
}

#[test]
fn a_peer_that_talks_nonsense_costs_reads_and_nothing_else() {
    for (first, text) in [
        (0, "no segment"),
        (0, r#"{"by":"x","seen":[0,7]}"#),
        (0, r#"{"by":"x","seen":[1]}"#),
        (0, r#"{"by":"x","seen":[0,1],"sends":{"k":[[2,"not partition 1's"]]}}"#),
        (5, "far ahead"),
        (u64::MAX - 1, "farther"),
    ] {
        let mut cluster = Cluster::new(2, Options::default());
        hears(&mut cluster, 0, said(first, &[text]));
        cluster.run(0);
        assert!(cluster.reads < 100, "{} reads", cluster.reads);
        for message in 0..4 {
            cluster.send(message as usize % 2, "k", message);
            cluster.run(100);
        }
        cluster.run(5000);
        for node in 0..2 {
            assert_eq!(cluster.shown(node, "k").len(), 4, "n{node} after {text}");
        }
    }
}

#[test]
fn a_peers_forgery_is_forgotten_when_the_service_contradicts_it() {
    let mut cluster = Cluster::new(2, Options::default());
    let forged = r#"{"by":"x","seen":[0,1],"sends":{"k":[[101,"forged"]]}}"#;
    hears(&mut cluster, 0, said(0, &[forged]));
    cluster.run(0);
    cluster.send(1, "k", 1);
    cluster.run(0);
    cluster.send(1, "k", 2);
    cluster.run(5000);
    assert_eq!(cluster.shown(1, "k").len(), 2);
    assert_eq!(cluster.shown(0, "k"), cluster.shown(1, "k"));
    // It still hears what there is, and reads it.
    cluster.send(1, "k", 3);
    cluster.run(5000);
    assert_eq!(cluster.shown(0, "k").len(), 3);
}

#[test]
fn a_register_that_says_nothing_is_passed_over_by_everybody() {
    let mut cluster = Cluster::new(2, Options::default());
    for index in [0, 1, 4] {
        cluster.registers.insert(Register::Segment(1, index), "no segment".into());
    }
    for message in 0..8 {
        cluster.send(message as usize % 2, "k", message);
        cluster.run(100);
    }
    cluster.run(5000);
    let shown = cluster.shown(0, "k");
    assert_eq!((shown.len(), &shown), (8, &cluster.shown(1, "k")));
    for node in 0..2 {
        cluster.restart(node);
        cluster.run(100);
        assert_eq!(cluster.shown(node, "k"), shown);
    }
}

#[test]
fn a_service_that_contradicts_itself_stops_the_node_and_it_says_so() {
    let mut log = Log::new(0, 1, "n0-0".to_owned(), Options::default());
    let mut alarms = Vec::new();
    for _ in 0..2 {
        log.found(Register::Snapshot(0), None);
        log.found(Register::Segment(0, 0), Some(r#"{"by":"x","seen":[7]}"#.into()));
        alarms.extend(log.advance(Time::ZERO).into_iter().filter_map(|command| match command {
            Command::Alarm(alarm) => Some(alarm),
            _ => None,
        }));
    }
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].contains("segment/0/0 in lin-kv is not usable"), "{alarms:?}");
    assert!(!log.is_serving());
}
