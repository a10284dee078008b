//! Scenarios: nodes in virtual time, and what faults do to them, step by step.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maelstrom::{CallError, Context, Error, Node};
use simulator::{Effect, Links, Scenario, Simulation, Workload};

const SECOND: Duration = Duration::from_secs(1);

maelstrom::message_types! {
    /// Asks a node to tell its peers, and what it knows.
    "poke": struct Poke { tell: bool } -> #[derive(Default, PartialEq, Eq)] struct Counts {
        /// Pokes, this one included.
        pokes: u64,
        /// Gossip from peers.
        heard: u64,
        /// Seconds, by the node's own timer.
        ticks: u64,
        /// Incarnations, this one included, by a file in the node's directory.
        incarnations: u64,
    };
    "gossip": struct Gossip {};
    "unknown": struct Unknown {} -> Counts;
}

#[derive(Default)]
struct State {
    pokes: AtomicU64,
    heard: AtomicU64,
    ticks: AtomicU64,
    incarnations: u64,
}

fn count_incarnation(directory: Option<&Path>) -> u64 {
    let Some(file) = directory.map(|directory| directory.join("incarnations")) else { return 0 };
    let incarnations = std::fs::read(&file).map_or(0, |incarnations| incarnations.len()) + 1;
    std::fs::write(file, vec![b'|'; incarnations]).unwrap();
    incarnations as u64
}

fn node() -> Node<State> {
    Node::new(|setup| State {
        incarnations: count_incarnation(setup.directory()),
        ..State::default()
    })
    .handle(async |context: Context<State>, poke: Poke| {
        let State { pokes, heard, ticks, incarnations } = context.state();
        let pokes = pokes.fetch_add(1, Ordering::Relaxed) + 1;
        if poke.tell {
            context.peers().for_each(|peer| context.send(peer, &Gossip {}));
        }
        let [heard, ticks] = [heard, ticks].map(|count| count.load(Ordering::Relaxed));
        Ok::<_, Error>(Counts { pokes, heard, ticks, incarnations: *incarnations })
    })
    .receive(async |context: Context<State>, _: Gossip| {
        context.state().heard.fetch_add(1, Ordering::Relaxed);
    })
    .every(SECOND, async |context: Context<State>| {
        context.state().ticks.fetch_add(1, Ordering::Relaxed);
    })
}

fn cluster(nodes: usize) -> Simulation {
    Simulation::new(Workload::Echo, node).nodes(nodes).latency(100)
}

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(path.join(format!("scenario-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn poke(scene: &mut Scenario, node: usize) -> Counts {
    scene.ask(node, &Poke { tell: false }).unwrap()
}

fn tell(scene: &mut Scenario, node: usize) {
    scene.ask(node, &Poke { tell: true }).unwrap();
}

#[test]
fn a_message_takes_its_latency_and_an_answer_to_a_client_none() {
    let mut scene = cluster(2).scenario();
    let start = scene.now();
    tell(&mut scene, 0);
    assert_eq!(scene.now(), start);
    let arrived = |scene: &Scenario| {
        let mut lines = scene.journal().lines();
        lines.any(|line| line.contains("Recv") && line.contains("gossip"))
    };
    scene.run_for(Duration::from_millis(99));
    assert!(!arrived(&scene), "{}", scene.journal());
    scene.run_for(Duration::from_millis(1));
    assert!(arrived(&scene), "{}", scene.journal());
    assert_eq!(poke(&mut scene, 1).heard, 1);
    assert_eq!(scene.net_counts().servers.msg_count, 1);
}

#[test]
fn a_cut_stops_messages_both_ways_until_it_heals() {
    let mut scene = cluster(3).scenario();
    scene.cut(&[0], &[1]);
    for node in [0, 1, 2] {
        tell(&mut scene, node);
        scene.run_for(SECOND);
    }
    let heard = |scene: &mut Scenario| [0, 1, 2].map(|node| poke(scene, node).heard);
    assert_eq!(heard(&mut scene), [1, 1, 2]);
    scene.heal();
    tell(&mut scene, 0);
    scene.run_for(SECOND);
    assert_eq!(heard(&mut scene), [1, 2, 3], "what was cut off does not come later");
}

#[test]
fn a_cut_of_one_direction_leaves_the_other() {
    let mut scene = cluster(2).scenario();
    scene.inflict(Effect::OneWay(vec![[1].into(), [].into()]));
    for node in [0, 1] {
        tell(&mut scene, node);
    }
    scene.run_for(SECOND);
    assert_eq!([0, 1].map(|node| poke(&mut scene, node).heard), [0, 1]);
}

#[test]
fn a_killed_node_loses_its_memory_and_its_input_but_not_its_directory() {
    let scratch = Scratch::new("kill");
    let mut scene = cluster(2).directory(&scratch.0).scenario();
    tell(&mut scene, 0);
    tell(&mut scene, 1);
    scene.run_for(SECOND);
    assert!(poke(&mut scene, 1).heard == 1 && poke(&mut scene, 0).incarnations == 1);
    // Under way when node 1 dies, and sent while it is down.
    tell(&mut scene, 0);
    scene.kill(&[1]);
    tell(&mut scene, 0);
    scene.run_for(SECOND);
    let error = scene.ask(1, &Poke { tell: false }).unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    scene.restart();
    assert_eq!(poke(&mut scene, 1), Counts { pokes: 1, heard: 0, ticks: 0, incarnations: 2 });
    assert_eq!(poke(&mut scene, 0).incarnations, 1);
}

#[test]
fn a_paused_node_gets_everything_when_it_goes_on() {
    let mut scene = cluster(2).scenario();
    scene.pause(&[1]);
    tell(&mut scene, 0);
    scene.run_for(4 * SECOND);
    scene.resume();
    let before = scene.now();
    let counts = poke(&mut scene, 1);
    assert_eq!((scene.now(), counts.heard, counts.pokes), (before, 1, 1));
    // A timer that a process sleeps through goes off once.
    assert!(counts.ticks <= 1, "{counts:?}");
}

#[test]
fn messages_are_lost_doubled_and_late_when_asked_for() {
    let heard = |effect: Option<Effect>| {
        let mut scene = cluster(2).seed(1).scenario();
        effect.into_iter().for_each(|effect| scene.inflict(effect));
        for _ in 0..100 {
            tell(&mut scene, 0);
        }
        scene.run_for(Duration::from_millis(100));
        let in_time = poke(&mut scene, 1).heard;
        scene.run_for(5 * SECOND);
        (in_time, poke(&mut scene, 1).heard)
    };
    assert_eq!(heard(None), (100, 100));
    let (_, lossy) = heard(Some(Effect::Loss(true)));
    assert!((60..95).contains(&lossy), "{lossy} of 100 with losses");
    let (_, doubled) = heard(Some(Effect::Duplicate(true)));
    assert!((105..140).contains(&doubled), "{doubled} of 100 with duplicates");
    let (in_time, all) = heard(Some(Effect::Reorder(true)));
    assert!((60..95).contains(&in_time) && all == 100, "{in_time} in time, {all} in all");
}

#[test]
fn a_refusal_says_what_the_node_said() {
    let error = cluster(1).scenario().ask(0, &Unknown {}).unwrap_err();
    assert!(error.is_definite() && error.to_string().contains("unknown"), "{error}");
}

#[test]
#[should_panic(expected = "seed 9")]
fn a_node_that_breaks_the_protocol_ends_the_scenario_with_its_seed() {
    let panics = || Node::new(|_| -> () { panic!("no state to be had") });
    Simulation::new(Workload::Echo, panics).seed(9).scenario();
}

#[test]
#[should_panic(expected = "no way leads from n0 to n2")]
fn links_that_do_not_connect_all_nodes_are_refused() {
    let links = Links::Pairs(vec![(0, 1), (2, 3)]);
    let _ = Simulation::new(Workload::Echo, node).nodes(4).links(links).scenario();
}
