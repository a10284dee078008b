//! What the trace of a run says, and that it agrees with what the run was.

use std::collections::BTreeMap;

use maelstrom::{Context, Empty, Node};
use serde_json::value::RawValue;
use simulator::trace::{Fate, Trace};
use simulator::{Address, Cause, Fault, Finished, Links, Simulation, Workload};

maelstrom::message_types! {
    "broadcast": struct Broadcast { message: u64 } -> Empty;
    "read": struct Read {} -> struct Messages { messages: Vec<u64> };
    "topology": struct Topology { topology: Box<RawValue> } -> Empty;
    /// Passes a value on.
    "gossip": struct Gossip { message: u64 };
}

/// Tells every value to everybody, and keeps none.
fn node() -> Node<()> {
    Node::new(|_| ())
        .handle(async |_: Context<()>, _: Topology| Ok(Empty {}))
        .handle(async |ctx: Context<()>, Broadcast { message }| {
            assert_ne!(message, 7, "seven is too much");
            ctx.peers().for_each(|peer| ctx.send(peer, &Gossip { message }));
            Ok(Empty {})
        })
        .receive(async |_: Context<()>, _: Gossip| {})
        .handle(async |_: Context<()>, _: Read| {
            tracing::info!(role = %"reader", term = 7, "asked");
            Ok(Messages { messages: Vec::new() })
        })
}

fn run(faults: &[Fault]) -> (Finished, Trace) {
    let simulation = Simulation::new(Workload::Broadcast, node).nodes(3).rate(200.0).seconds(20);
    let run = simulation.latency(30).nemesis(faults, 1.0).recorded().traced().run();
    let trace = Trace::read(run.trace.as_bytes()).unwrap();
    (run, trace)
}

/// How many messages were lost, by cause.
fn dropped(trace: &Trace) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for sent in &trace.messages {
        if let Fate::Dropped(_, cause) = sent.fate() {
            *counts.entry(cause.name()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_trace_has_every_message_that_the_journal_has() {
    let (run, trace) = run(&Fault::OF_NETWORKS_AND_NODES);
    let in_journal = |event: &str| run.journal.matches(event).count();
    assert_eq!(trace.messages.len(), in_journal(" Send "));
    let receipts: usize = trace.messages.iter().map(|sent| sent.receipts.len()).sum();
    assert_eq!(receipts, in_journal(" Recv "));
    assert!(run.trace.lines().map(str::len).sum::<usize>() > 100_000);
}

#[test]
fn what_is_lost_is_lost_while_the_fault_is_there_on_a_link_that_it_hits() {
    let (_, trace) = run(&Fault::OF_NETWORKS_AND_NODES);
    let counts = dropped(&trace);
    assert_eq!(
        counts.keys().copied().collect::<Vec<_>>(),
        ["kill", "loss", "one-way", "partition"]
    );
    for sent in &trace.messages {
        let Fate::Dropped(time, cause) = sent.fate() else { continue };
        let link = (sent.src, sent.dest);
        let is_hit = trace.faults.iter().any(|fault| {
            let hits = match (&fault.links, &fault.nodes) {
                (Some(links), _) => links.contains(&link),
                (None, Some(nodes)) => nodes.iter().any(|node| link.1 == Address::Node(*node)),
                (None, None) => true,
            };
            // A message sent to a node that is being killed is lost at that very time.
            fault.fault == cause.name() && hits && fault.covers(time)
        });
        assert!(is_hit, "{sent:?}");
    }
}

#[test]
fn what_is_late_or_doubled_says_why() {
    let (_, trace) = run(&[Fault::Duplicate, Fault::Reorder, Fault::Slow]);
    let late = |cause| {
        trace.messages.iter().filter(move |sent| {
            sent.delayed.is_some_and(|(until, by)| by == cause && until > sent.time)
        })
    };
    assert!(late(Cause::Reorder).count() > 50 && late(Cause::Slow).count() > 50);
    assert!(trace.messages.iter().filter(|sent| sent.receipts.len() == 2).count() > 50);
    assert!(dropped(&trace).is_empty());
}

#[test]
fn without_a_link_every_message_is_dropped_for_want_of_it() {
    let simulation = Simulation::new(Workload::Broadcast, node).nodes(3).rate(10.0).seconds(3);
    let run = simulation.links(Links::Chain).traced().run();
    let trace = Trace::read(run.trace.as_bytes()).unwrap();
    for sent in trace.messages.iter().filter(|sent| sent.kind() == "gossip") {
        let is_linked = sent.src == Address::Node(1) || sent.dest == Address::Node(1);
        assert_eq!(matches!(sent.fate(), Fate::Dropped(_, Cause::Links)), !is_linked, "{sent:?}");
    }
}

#[test]
fn requests_name_their_operations_and_times_are_the_historys() {
    let (run, trace) = run(&[Fault::Kill]);
    let ops: Vec<checkers::history::Op> =
        checkers::history::read(run.history.as_bytes()).unwrap().map(Result::unwrap).collect();
    let requests: Vec<_> =
        trace.messages.iter().filter_map(|sent| Some((sent.op?, sent))).collect();
    assert_eq!(requests.len(), ops.iter().filter(|op| op.is_invocation()).count());
    for (op, sent) in requests {
        let op = &ops[usize::try_from(op).unwrap()];
        assert_eq!((i64::try_from(op.time).unwrap(), &*op.f), (sent.time, &*sent.kind()));
    }
    assert!(trace.nodes.first().unwrap().time < 0, "nodes start before the test proper");
}

#[test]
fn nodes_start_are_killed_and_panic_in_it() {
    let (_, trace) = run(&[Fault::Kill, Fault::Pause]);
    let count = |event: &str| trace.nodes.iter().filter(|node| node.event == event).count();
    assert_eq!(count("start"), count("kill") + 3);
    assert!(count("pause") > 3 && count("resume") > 3 && count("ready") > 5);
    assert!(trace.logs.iter().any(|log| log.line.contains("seven is too much")));
}

#[test]
fn what_nodes_log_is_in_it_as_it_is_of_processes() {
    let (_, trace) = run(&[]);
    let told: Vec<_> = trace.logs.iter().filter(|log| log.line.contains("asked")).collect();
    assert!(told.iter().all(|log| log.line == "INFO nodes::traces: asked role=reader term=7"));
    let asked = |node| told.iter().filter(|log| log.node == node).count();
    let reads = |node| {
        let requests = trace.messages.iter().filter(|sent| sent.kind() == "read");
        requests.filter(|sent| sent.dest == Address::Node(node)).count()
    };
    assert_eq!([0, 1, 2].map(asked), [0, 1, 2].map(reads));
}

#[test]
fn a_run_that_a_node_ends_has_that_at_the_end() {
    fn wrong() -> Node<()> {
        Node::new(|_| ()).handle(async |ctx: Context<()>, _: Topology| {
            ctx.send(&"nobody".into(), &Gossip { message: 1 });
            Ok(Empty {})
        })
    }
    let run = Simulation::new(Workload::Broadcast, wrong).nodes(2).traced().run();
    let trace = Trace::read(run.trace.as_bytes()).unwrap();
    let last = trace.nodes.last().unwrap();
    assert_eq!(last.event, "exit");
    assert!(last.text.contains("there is nobody of that name"), "{}", last.text);
}
