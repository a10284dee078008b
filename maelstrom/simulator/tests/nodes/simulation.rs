//! Nodes in virtual time.

use checkers::Validity;
use maelstrom::{Context, Error, Node};
use simulator::fuzz::Fuzz;
use simulator::{Program, RunError, Simulation, Workload};

fn unique_ids() -> Simulation {
    Simulation::new(Workload::UniqueIds, unique_ids::node).nodes(3).rate(100.0).seconds(10)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let run = |seed| unique_ids().latency(10).seed(seed).recorded().run();
    let (first, second, other) = (run(7), run(7), run(8));
    first.assert_valid();
    assert!(first.history.lines().count() > 1000);
    assert_eq!(first.history, second.history);
    assert_eq!(first.journal, second.journal);
    assert_ne!(first.history, other.history);
}

maelstrom::message_types! {
    /// `{"type":"generate"}` answered with what a node counted.
    "generate": struct Generate {} -> struct Generated { id: u64 };
    /// Goes round in circles.
    "ping": struct Ping {};
    "echo": struct Echo { echo: serde_json::Value } -> Echo;
}

#[test]
fn a_node_that_repeats_itself_is_found_invalid_with_its_witness() {
    let node = || {
        Node::new(|_| std::sync::atomic::AtomicU64::new(0)).handle(
            async |context: Context<std::sync::atomic::AtomicU64>, _: Generate| {
                let id = context.state().fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(Generated { id })
            },
        )
    };
    let run = Simulation::new(Workload::UniqueIds, node).nodes(3).seconds(5).run();
    run.assert_is(Validity::Invalid);
    let finding = &run.report.parts["workload"].findings[0];
    assert!(finding.text.contains('0') && finding.ops.len() >= 2, "{run}");
}

#[test]
fn a_node_that_fails_ends_the_run() {
    async fn broken(_: Context<()>, _: Generate) -> Result<Generated, Error> {
        Err(Error::abort("never"))
    }
    let run = Simulation::new(Workload::UniqueIds, || Node::new(|_| ()).handle(broken)).run();
    run.assert_is(Validity::Invalid);
    let panics = || Node::new(|_| -> () { panic!("no state to be had") });
    let run = Simulation::new(Workload::UniqueIds, panics).run();
    assert!(matches!(run.ended, Err(RunError::Node(_))), "{run}");
}

#[test]
fn nodes_that_keep_each_other_busy_within_an_instant_are_stopped() {
    let node = || {
        Node::new(|_| ())
            .receive(async |context: Context<()>, ping: Ping| {
                context.send(context.peers().next().expect("a peer"), &ping);
            })
            .on_init(async |context: Context<()>| {
                context.send(context.peers().next().expect("a peer"), &Ping {});
                Ok(())
            })
    };
    let run = Simulation::new(Workload::Echo, node).nodes(2).run();
    assert!(matches!(run.ended, Err(RunError::Livelock { .. })), "{run}");
}

#[test]
fn noise_finds_a_node_that_minds_it() {
    // Forgets what it was asked after a message of a type that it has no use for.
    let node = || {
        Node::new(|_| std::sync::atomic::AtomicBool::new(false))
            .receive(async |context: Context<std::sync::atomic::AtomicBool>, _: Ping| {
                context.state().store(true, std::sync::atomic::Ordering::Relaxed);
            })
            .handle(async |context: Context<std::sync::atomic::AtomicBool>, echo: Echo| {
                match context.state().load(std::sync::atomic::Ordering::Relaxed) {
                    true => Err(Error::crash("confused")),
                    false => Ok(echo),
                }
            })
    };
    // Nobody ever says `ping` to it: that it takes it, it says itself.
    let program = Program::new(node);
    let fuzz = Fuzz::recorded(&program, Workload::Echo, r#"{"type":"echo","echo":1}"#, 1);
    let failure = fuzz.run(&program, |round| round < 1000).unwrap_err();
    assert!(failure.problem.starts_with("a valid request was refused"), "{failure}");
    assert!(failure.noise.contains("ping"), "{failure}");
}
