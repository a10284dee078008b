//! Single schedules, step by step.

use std::time::Duration;

use broadcast::config::Config;
use broadcast::machine::Broadcaster;
use broadcast::{Broadcast, Read, node_with};
use maelstrom::Node;
use maelstrom::machine::Driver;
use serde_json::value::to_raw_value;
use simulator::{Links, Scenario, Simulation, Workload};

const SECOND: Duration = Duration::from_secs(1);

/// A node that begins with nothing whenever it starts.
fn node() -> Node<Driver<Broadcaster>> {
    node_with(Config { in_memory: true, ..Config::default() })
}

fn cluster(nodes: usize) -> Scenario {
    Simulation::new(Workload::Broadcast, node).nodes(nodes).latency(100).scenario()
}

fn broadcast(scene: &mut Scenario, node: usize, value: u64) {
    let message = to_raw_value(&value).unwrap().into();
    scene.ask(node, &Broadcast { message }).unwrap();
}

fn read(scene: &mut Scenario, node: usize) -> Vec<u64> {
    let messages = scene.ask(node, &Read {}).unwrap().messages;
    let mut values: Vec<u64> = serde_json::from_str(messages.get()).unwrap();
    values.sort_unstable();
    values
}

#[test]
fn both_sides_of_a_cut_go_on_and_learn_of_each_other_when_it_heals() {
    let mut scene = cluster(5);
    // Whoever has never been heard of is waited for longer.
    scene.run_for(SECOND);
    scene.cut(&[0, 1], &[2, 3, 4]);
    broadcast(&mut scene, 1, 1);
    broadcast(&mut scene, 4, 4);
    scene.run_for(4 * SECOND);
    assert_eq!([read(&mut scene, 0), read(&mut scene, 2)], [[1], [4]]);
    scene.heal();
    scene.run_for(3 * SECOND);
    assert!((0..5).all(|node| read(&mut scene, node) == [1, 4]), "{}", scene.journal());
}

#[test]
fn a_node_that_comes_back_without_its_memory_learns_everything_again() {
    let mut scene = cluster(5);
    (0..5).for_each(|node| broadcast(&mut scene, node, node as u64));
    scene.run_for(SECOND);
    scene.kill(&[0, 3]);
    broadcast(&mut scene, 1, 5);
    scene.run_for(SECOND);
    scene.restart();
    scene.run_for(3 * SECOND);
    assert!((0..5).all(|node| read(&mut scene, node) == [0, 1, 2, 3, 4, 5]), "{}", scene.journal());
}

#[test]
fn what_only_a_dead_node_knew_comes_back_from_the_one_that_it_told() {
    let mut scene = cluster(3);
    scene.cut(&[0, 1], &[2]);
    broadcast(&mut scene, 1, 7);
    scene.run_for(SECOND);
    scene.kill(&[1]);
    scene.heal();
    scene.run_for(4 * SECOND);
    assert_eq!([read(&mut scene, 0), read(&mut scene, 2)], [[7], [7]]);
    scene.restart();
    scene.run_for(3 * SECOND);
    assert_eq!(read(&mut scene, 1), [7]);
}

#[test]
fn a_pause_outlasts_a_question_that_nobody_answers() {
    let mut scene = cluster(2);
    broadcast(&mut scene, 0, 1);
    scene.run_for(SECOND);
    // The child has a question open, and is stopped for longer than it remembers
    // questions; the answer is lost meanwhile.
    scene.cut(&[0], &[1]);
    broadcast(&mut scene, 1, 2);
    let before = scene.journal().len();
    while !scene.journal()[before..].contains(r#""type":"digest""#) {
        scene.run_for(Duration::from_millis(50));
    }
    scene.pause(&[1]);
    scene.run_for(12 * SECOND);
    scene.heal();
    scene.resume();
    scene.run_for(8 * SECOND);
    assert_eq!(read(&mut scene, 0), [1, 2], "{}", scene.journal());
}

/// How long a value takes from one node to these, to a tenth of a second.
fn until_at(scene: &mut Scenario, nodes: &[usize], from: usize, value: u64) -> Duration {
    let began = scene.now();
    broadcast(scene, from, value);
    while nodes.iter().any(|&node| !read(scene, node).contains(&value)) {
        scene.run_for(SECOND / 10);
        assert!(scene.now() - began < 60 * SECOND, "{value} is stuck\n{}", scene.journal());
    }
    scene.now() - began
}

#[test]
fn in_a_network_that_is_not_complete_values_are_everywhere_within_the_bound() {
    const BOUND: Duration = Duration::from_secs(4);
    let mut took = Vec::new();
    let shapes = [Links::Chain, Links::Ring, Links::Tree, Links::Grid];
    for links in shapes.into_iter().chain((0..12).map(Links::Random)) {
        for nodes in [3, 10, 25] {
            let mut scene = Simulation::new(Workload::Broadcast, node)
                .nodes(nodes)
                .latency(100)
                .links(links.clone())
                .seed(7)
                .scenario();
            for value in 0..4 {
                let from = (nodes - 1 + usize::try_from(value).unwrap() * nodes / 4) % nodes;
                took.push(until_at(&mut scene, &all(nodes), from, value));
                assert!(took.last() <= Some(&BOUND), "{links} of {nodes}: {took:?} from n{from}");
                scene.run_for(10 * SECOND);
            }
        }
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    assert!(median <= SECOND, "half of the values took {median:?} or more");
}

fn all(nodes: usize) -> Vec<usize> {
    (0..nodes).collect()
}

/// All nodes but this one.
fn others(nodes: usize, node: usize) -> Vec<usize> {
    (0..nodes).filter(|&other| other != node).collect()
}

#[test]
fn a_root_that_is_out_of_reach_at_the_start_costs_the_others_two_seconds_at_most() {
    for nodes in [3, 5, 25] {
        let mut scene = cluster(nodes);
        let rest = others(nodes, 0);
        scene.cut(&[0], &rest);
        let took = until_at(&mut scene, &rest, nodes - 1, 1);
        assert!(took <= 2 * SECOND, "{nodes} nodes: {took:?}");
        scene.heal();
        let took = until_at(&mut scene, &all(nodes), 0, 2);
        assert!(took <= 2 * SECOND, "{nodes} nodes: {took:?} when the root was back");
    }
}

#[test]
fn a_node_that_restarts_while_its_parent_is_out_of_reach_has_another_one_in_two_seconds() {
    for nodes in [3, 5, 25] {
        let mut scene = cluster(nodes);
        scene.run_for(SECOND);
        let rest = others(nodes, 0);
        scene.cut(&[0], &rest);
        scene.run_for(4 * SECOND);
        scene.kill(&[nodes - 1]);
        scene.restart();
        let took = until_at(&mut scene, &rest, nodes - 1, 1);
        assert!(took <= 2 * SECOND, "{nodes} nodes: {took:?}");
    }
}

/// A parent sends messages down to its children of the preferred tree whether it knows of
/// them or not, so that they join as soon as they hear it.
#[test]
fn a_node_that_never_reached_its_parent_joins_when_it_hears_it() {
    for alone in [SECOND / 5, SECOND, 3 * SECOND, 8 * SECOND] {
        let mut scene = cluster(2);
        scene.run_for(SECOND);
        scene.cut(&[0], &[1]);
        scene.kill(&[1]);
        scene.restart();
        scene.run_for(alone);
        scene.heal();
        let took = until_at(&mut scene, &[0, 1], 0, 1);
        assert!(took <= SECOND / 2, "after {alone:?} alone: {took:?}");
        let took = until_at(&mut scene, &[0, 1], 1, 2);
        assert!(took <= SECOND, "after {alone:?} alone: {took:?} the other way");
    }
}

#[test]
fn after_a_cut_of_any_length_both_sides_know_all_within_four_seconds() {
    for lasts in [30, 41, 52, 63] {
        let mut scene = cluster(5);
        scene.run_for(SECOND);
        scene.cut(&[0, 1], &[2, 3, 4]);
        scene.run_for(lasts * SECOND);
        scene.heal();
        let took = until_at(&mut scene, &all(5), 3, 1);
        assert!(took <= 4 * SECOND, "after {lasts} s: {took:?}");
    }
}

#[test]
fn nodes_that_never_heard_each_other_meet_though_the_one_that_both_know_is_dead() {
    for seed in 0..8 {
        let mut scene =
            Simulation::new(Workload::Broadcast, node).nodes(3).latency(10).seed(seed).scenario();
        scene.cut(&[1], &[0, 2]);
        scene.run_for(7 * SECOND);
        scene.kill(&[0]);
        scene.run_for(6 * SECOND);
        scene.heal();
        let took = until_at(&mut scene, &[1, 2], 1, 1);
        assert!(took <= 4 * SECOND, "seed {seed}: {took:?}");
    }
}
