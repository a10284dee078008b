//! The course of a test: initialisation, load, recovery, final operations.

use super::*;
use crate::nemesis::Fault;
use crate::settings::Workload;

#[test]
fn operations_come_at_about_the_rate_with_uniform_gaps_until_the_limit() {
    let mut settings = settings(Workload::Echo);
    settings.time_limit = Duration::from_secs(100);
    let harness = Harness::new(&settings, answers()).run().unwrap();
    let times: Vec<u64> = harness.ops(OpType::Invoke).map(|op| op.time).collect();
    assert_eq!(times[0], 0);
    assert!(*times.last().unwrap() < 100_000_000_000);
    assert!((9_800..10_200).contains(&times.len()), "{}", times.len());
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|&gap| gap < 20_000_000));
    for tenth in 0..10 {
        let within = |gap: &&u64| (tenth * 2_000_000..(tenth + 1) * 2_000_000).contains(*gap);
        let count = gaps.iter().filter(within).count();
        assert!((850..1150).contains(&count), "{count} gaps in tenth {tenth}");
    }
}

#[test]
fn threads_take_turns_and_each_talks_to_its_node() {
    let mut settings = settings(Workload::Echo);
    settings.concurrency = 6;
    let harness = Harness::new(&settings, answers()).run().unwrap();
    let processes: Vec<Process> =
        harness.ops(OpType::Invoke).map(|op| op.process).take(12).collect();
    let turns: Vec<Process> = (0..12).map(|n| Process::Client(n % 6)).collect();
    assert_eq!(processes, turns);
    // c0, c1 and c2 initialise; the processes' clients follow in order.
    for client in 3..9 {
        let dest = format!("src: Client({client}), dest: Node({})", client % 3);
        let mut sent =
            harness.traffic.iter().filter(|line| line.contains(&format!("src: Client({client})")));
        assert!(sent.all(|line| line.contains(&dest)));
    }
}

#[test]
fn the_generator_waits_while_nobody_is_free_and_does_not_catch_up() {
    let mut settings = settings(Workload::Echo);
    settings.concurrency = 1;
    let slow = script(|_, message, body| vec![later(0.5, answer(message, body))]);
    let harness = Harness::new(&settings, slow).run().unwrap();
    assert_eq!(harness.ops(OpType::Invoke).count(), 20);
    let times: Vec<f64> = harness.ops(OpType::Invoke).map(seconds).collect();
    assert!(times.windows(2).all(|pair| (0.5..0.521).contains(&(pair[1] - pair[0]))), "{times:?}");
}

#[test]
fn a_rate_of_nothing_means_no_operations_for_the_time_limit() {
    let mut settings = settings(Workload::Echo);
    settings.rate = 0.0;
    let harness = Harness::new(&settings, answers()).run().unwrap();
    assert!(harness.history.is_empty());
    assert_eq!(harness.now, Duration::from_secs(10));
}

#[test]
fn without_final_operations_a_test_ends_with_its_last_reply() {
    let harness = Harness::new(&settings(Workload::Echo), answers()).run().unwrap();
    assert!(harness.now < Duration::from_secs(10));
    assert_eq!(harness.ops(OpType::Invoke).count(), harness.ops(OpType::Ok).count());
}

#[test]
fn every_thread_reads_once_after_the_recovery() {
    let harness = Harness::new(&settings(Workload::Broadcast), answers()).run().unwrap();
    let ops: Vec<&Op> = harness.ops(OpType::Invoke).collect();
    let (main, last) = ops.split_at(ops.len() - 3);
    assert!(main.iter().all(|op| !op.is_final && seconds(op) < 10.0));
    assert!(last.iter().all(|op| op.is_final && op.f == "read" && seconds(op) >= 19.9));
    assert!(harness.ops(OpType::Ok).filter(|op| op.is_final).count() == 3);
    let mut processes: Vec<Process> = last.iter().map(|op| op.process).collect();
    processes.sort();
    assert_eq!(processes, [0, 1, 2].map(Process::Client));
}

#[test]
fn broadcasts_are_numbered_and_half_of_the_operations() {
    let harness = Harness::new(&settings(Workload::Broadcast), answers()).run().unwrap();
    let values: Vec<u64> = harness
        .ops(OpType::Invoke)
        .filter(|op| op.f == "broadcast")
        .map(|op| op.decode().unwrap())
        .collect();
    assert_eq!(values, (0..values.len() as u64).collect::<Vec<_>>());
    let share = values.len() as f64 / harness.ops(OpType::Invoke).count() as f64;
    assert!((0.45..0.55).contains(&share), "{share}");
}

#[test]
fn initialisation_and_topology_count_as_messages_of_clients() {
    let harness = Harness::new(&settings(Workload::Broadcast), answers()).run().unwrap();
    let ops = harness.ops(OpType::Invoke).count() as u64;
    let counts = harness.world.net_counts();
    assert_eq!(counts.clients.send_count, 2 * (ops + 3 + 3));
    assert_eq!(counts.clients.recv_count, counts.clients.send_count);
    assert_eq!(counts.all, counts.clients);
}

#[test]
fn gossip_and_services_count_as_messages_of_servers_and_have_latency() {
    let mut settings = settings(Workload::GCounter);
    settings.latency.mean = Duration::from_millis(100);
    // An add waits for a write to seq-kv; the request's id is the write's.
    let mut waiting = std::collections::BTreeMap::new();
    let script = script(move |node, message, body| match body["type"].as_str().unwrap() {
        "add" => {
            waiting.insert((node, body["msg_id"].as_u64()), message.src);
            let write = json!({"type": "write", "key": "k", "value": 1, "msg_id": body["msg_id"]});
            vec![now("seq-kv", write)]
        }
        "write_ok" => {
            let id = body["in_reply_to"].as_u64();
            let client = waiting.remove(&(node, id)).unwrap();
            vec![now(client.to_string(), json!({"type": "add_ok", "in_reply_to": id}))]
        }
        _ => vec![reply(message, body, json!({"type": "read_ok", "value": 0}))],
    });
    let harness = Harness::new(&settings, script).run().unwrap();
    let adds = harness.ops(OpType::Ok).filter(|op| op.f == "add").count() as u64;
    assert!(adds > 10);
    assert_eq!(harness.world.net_counts().servers.msg_count, 2 * adds);
    let invoked = |done: &Op| {
        harness
            .ops(OpType::Invoke)
            .filter(|op| op.process == done.process && op.index < done.index)
            .last()
    };
    for done in harness.ops(OpType::Ok).filter(|op| op.f == "add") {
        let duration = seconds(done) - seconds(invoked(done).unwrap());
        // A write and its answer; the network holds back at most as much again.
        assert!((0.199..0.401).contains(&duration), "{duration}");
    }
}

#[test]
fn partitions_start_at_once_alternate_and_end_before_the_recovery() {
    let mut settings = settings(Workload::Broadcast);
    settings.nemesis = vec![Fault::Partition.into()];
    settings.nemesis_interval = Duration::from_secs(1);
    let harness = Harness::new(&settings, answers()).run().unwrap();
    let ops: Vec<&Op> = harness.nemesis().collect();
    assert!(ops.len() > 10 && ops.len().is_multiple_of(2));
    assert!(ops.iter().all(|op| op.kind == OpType::Info));
    assert_eq!(ops[0].time, 0);
    assert!(ops[1].value.get().starts_with(r#"["isolated",{"n0":["#), "{}", ops[1].value);
    for (n, pair) in ops.chunks(2).enumerate().take(ops.len() / 2 - 1) {
        let f = if n % 2 == 0 { "start-partition" } else { "stop-partition" };
        assert_eq!((pair[0].f.as_ref(), pair[1].f.as_ref()), (f, f));
    }
    let last: Vec<&str> = ops[ops.len() - 2..].iter().map(|op| op.value.get()).collect();
    assert_eq!(last, ["null", "\"network-healed\""]);
    let first_final = harness.history.iter().find(|op| op.is_final).unwrap();
    assert!(seconds(first_final) - seconds(ops[ops.len() - 1]) >= 10.0);
    assert!(harness.world.progress(harness.now).faults.is_empty());
}
