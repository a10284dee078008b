//! Peers that are wrong, and registers that say nothing.

use super::*;
use crate::announce::Run;

/// What a peer says of partition 1.
fn said(first: u64, texts: &[&str]) -> Segments {
    let texts = texts.iter().map(|&text| text.into()).collect();
    Segments { runs: vec![Run { partition: 1, first, texts }], ..Segments::default() }
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
        let mut world = World::new(2, Options::default());
        world.cluster.tell(1, 0, said(first, &[text]));
        world.run(0);
        assert!(world.counts().reads < 100, "{} reads", world.counts().reads);
        for message in 0..4 {
            world.send(message as usize % 2, "k", message);
            world.run(100);
        }
        world.run(5000);
        for node in 0..2 {
            assert_eq!(world.shown(node, "k").len(), 4, "n{node} after {text}");
        }
    }
}

#[test]
fn a_peers_forgery_is_forgotten_when_the_service_contradicts_it() {
    let mut world = World::new(2, Options::default());
    let forged = r#"{"by":"x","seen":[0,1],"sends":{"k":[[101,"forged"]]}}"#;
    world.cluster.tell(1, 0, said(0, &[forged]));
    world.run(0);
    world.send(1, "k", 1);
    world.run(0);
    world.send(1, "k", 2);
    world.run(5000);
    assert_eq!(world.shown(1, "k").len(), 2);
    assert_eq!(world.shown(0, "k"), world.shown(1, "k"));
    // It still hears what there is, and reads it.
    world.send(1, "k", 3);
    world.run(5000);
    assert_eq!(world.shown(0, "k").len(), 3);
}

#[test]
fn a_register_that_says_nothing_is_passed_over_by_everybody() {
    let mut world = World::new(2, Options::default());
    for index in [0, 1, 4] {
        world.overwrite(Register::Segment(1, index), "no segment");
    }
    for message in 0..8 {
        world.send(message as usize % 2, "k", message);
        world.run(100);
    }
    world.run(5000);
    let shown = world.shown(0, "k");
    assert_eq!((shown.len(), &shown), (8, &world.shown(1, "k")));
    for node in 0..2 {
        world.restart(node);
        world.run(100);
        assert_eq!(world.shown(node, "k"), shown);
    }
}
