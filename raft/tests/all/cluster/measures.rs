//! What an operation costs, and how long it takes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use maelstrom::machine::Output;
use raft::{Options, Part, Reads};
use simulator::cluster::Conditions;
use simulator::{Latency, LatencyDist};

use crate::cluster::SECOND;
use crate::cluster::world::World;

/// Messages by what is in them, for each operation, and quantiles of latencies: the mix of
/// the workload `lin-kv`, so many operations a second.
#[derive(Debug)]
#[expect(dead_code, reason = "shown when it is too much")]
struct Measured {
    messages: f64,
    kinds: BTreeMap<String, f64>,
    median: Duration,
    p99: Duration,
}

fn measure(nodes: usize, latency: Duration, rate: f64, options: &Options) -> Measured {
    let latency = Latency { mean: latency, dist: LatencyDist::Constant };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut world = World::new(nodes, 1, conditions, options);
    world.cluster.run_for(5 * SECOND).unwrap();
    let (before, kinds) = (world.cluster.net_counts().all.send_count, Rc::new(RefCell::default()));
    let counted = Rc::clone(&kinds);
    world.cluster.check(move |step| {
        let mut counted: std::cell::RefMut<'_, BTreeMap<String, f64>> = counted.borrow_mut();
        for output in step.outputs {
            if let Output::Send(_, packet) = output {
                let names: Vec<&str> = packet.parts.iter().map(name).collect();
                *counted.entry(names.join("+")).or_default() += 1.0;
            }
        }
        Ok(())
    });
    world.load((20 * SECOND).min(SECOND.mul_f64(5_000.0 / rate)), rate).unwrap();
    let operations = world.operations() as f64;
    let messages = (world.cluster.net_counts().all.send_count - before) as f64 / operations;
    let mut times: Vec<Duration> = (world.cluster.asked().iter())
        .filter_map(|asked| Some(asked.reply.as_ref()?.0 - asked.at))
        .collect();
    times.sort();
    let quantile = |of: f64| times[(times.len() as f64 * of) as usize];
    let kinds = kinds.take().into_iter().map(|(name, count)| (name, count / operations));
    Measured { messages, kinds: kinds.collect(), median: quantile(0.5), p99: quantile(0.99) }
}

fn name<C>(part: &Part<C>) -> &'static str {
    match part {
        Part::Hello(_) | Part::Found(_) | Part::Begun => "founding",
        Part::RequestVote(_) | Part::Vote(..) => "vote",
        Part::Append(append) if append.entries.is_empty() => "heartbeat",
        Part::Append(_) => "append",
        Part::Appended(_) => "acknowledgement",
        Part::Chunk(_) | Part::Received(_) => "snapshot",
        Part::Propose(_) => "propose",
        Part::Read(_) => "read",
        Part::ReadAt(..) => "read-at",
        Part::Change(..) | Part::Seek | Part::LeadNow => "members",
    }
}

#[test]
fn an_operation_costs_few_messages() {
    for (nodes, messages) in [(3, 2.4), (5, 5.7), (7, 8.0)] {
        let measured = measure(nodes, SECOND / 100, 100.0, &Options::default());
        assert!(measured.messages <= messages, "{nodes} nodes: {measured:?}");
        let round_trips = if nodes == 3 { 1 } else { 2 };
        assert!(measured.median <= SECOND / 50 * round_trips, "{nodes} nodes: {measured:?}");
        // Who asks just after another waits a millisecond, and timers are no finer.
        let (latest, pace) = (SECOND / 50 * round_trips, SECOND / 1000);
        assert!(measured.p99 <= latest + pace * 2 * round_trips, "{nodes} nodes: {measured:?}");
    }
}

#[test]
fn with_a_lease_a_read_costs_no_more_than_the_way_to_the_leader() {
    let mut options = Options::default();
    options.reads = Reads::Lease;
    let measured = measure(5, SECOND / 100, 100.0, &options);
    assert!(measured.messages <= 4.6, "{measured:?}");
    assert!(measured.median <= SECOND / 45, "{measured:?}");
}

#[test]
fn under_load_operations_share_their_messages() {
    let measured = measure(3, SECOND / 1000, 20_000.0, &Options::default());
    assert!(measured.messages <= 0.35, "{measured:?}");
    assert!(measured.p99 <= SECOND / 100, "{measured:?}");
}

#[test]
fn in_rounds_an_operation_costs_less_than_half_a_message() {
    let mut options = Options::default();
    options.round = SECOND / 10;
    let measured = measure(3, SECOND / 100, 100.0, &options);
    assert!(measured.messages <= 0.45, "{measured:?}");
    assert!(measured.p99 <= SECOND / 4, "{measured:?}");
}
