//! Tests of nodes on agents, with NATS and etcd of this machine: `make test-cluster` builds what
//! they need. Servers, agents and nodes that die are killed here for real.

#![expect(clippy::disallowed_methods, reason = "these tests are about processes in real time")]

mod credentials;
mod gateway;
mod namespaces;
mod support;

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::Cluster;

#[test]
fn nodes_and_services_keep_their_promises_through_partitions_and_kills() {
    let cluster = Cluster::new("promises", true);
    for flags in [
        "-w broadcast --bin broadcast --nemesis partition,kill",
        "-w g-counter --bin g-counter --nemesis partition",
        "-w kafka --bin kafka-log --nemesis partition",
        "-w txn-rw-register --bin txn-kv --consistency-models read-committed --nemesis partition",
        "-w lin-kv --bin lin-kv --nemesis partition,kill",
        "-w lin-kv --bin lin_kv_proxy --nemesis partition",
    ] {
        let rest = "--node-count 3 --concurrency 2n --rate 50 --time-limit 5 --nemesis-interval 1";
        cluster.run(&format!("{flags} {rest} --seed 7")).assert_valid();
    }
}

#[test]
fn etcd_is_killed_and_started_and_has_what_it_acknowledged_and_the_report_says_so() {
    let mut cluster = Cluster::new("etcd", true);
    let flags =
        "-w lin-kv --bin lin_kv_proxy --node-count 3 --concurrency 4n --rate 100 --time-limit 8";
    let run = cluster.run_while(flags, 100, |cluster| {
        cluster.etcd.take().unwrap().kill();
        thread::sleep(Duration::from_secs(1));
        cluster.start_etcd();
    });
    run.assert_valid().says("Services were out of reach for a while").says("at agent");
}

#[test]
fn nats_is_killed_and_started_and_the_report_says_so() {
    let mut cluster = Cluster::new("nats", false);
    let flags = "-w broadcast --bin broadcast --node-count 3 --rate 50 --time-limit 10";
    let run = cluster.run_while(flags, 50, |cluster| {
        cluster.nats.take().unwrap().kill();
        thread::sleep(Duration::from_secs(1));
        cluster.start_nats();
    });
    run.assert_valid().says("Messages between machines were not carried for a while: once");
}

#[test]
fn an_agent_is_killed_and_the_others_go_on() {
    let mut cluster = Cluster::new("agent", false);
    let flags = "-w lin-kv --bin lin-kv --node-count 3 --concurrency 2n --rate 50 --time-limit 20";
    let run = cluster.run_while(flags, 50, |cluster| cluster.agents.remove(2).kill());
    let run = run.assert_valid().says("A node was gone with the machine that it ran on");
    let run = run.says("agent c");
    let reads = run.text.split(" read ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(reads.parse::<usize>().unwrap() > 150, "the others did not go on: {}", run.text);
}

#[test]
fn an_agent_that_stood_still_ends_its_own_nodes_and_leaves_the_others_what_is_in_etcd() {
    let mut cluster = Cluster::new("still", true);
    let flags =
        "-w lin-kv --bin lin_kv_proxy --node-count 3 --concurrency 2n --rate 50 --time-limit 25";
    let run = cluster.run_while(flags, 50, |cluster| {
        let agent = &cluster.agents[2];
        agent.signal(Signal::SIGSTOP);
        // Until it is given up, and its run with it.
        thread::sleep(Duration::from_secs(12));
        agent.signal(Signal::SIGCONT);
        cluster.await_log("c", "is over");
    });
    run.assert_valid().says("agent c was not heard for 10 s");
}

#[test]
fn what_cannot_be_run_is_told_in_a_sentence() {
    let mut cluster = Cluster::new("told", false);
    let run = cluster.run("-w echo --bin nobody --time-limit 1");
    assert_eq!(run.code, Some(255));
    run.says("no agent has a program nobody; they have broadcast, echo");
    let values = "--values large --seed 3";
    let run = cluster.run(&format!("-w echo --bin echo --rate 200 --time-limit 20 {values}"));
    assert_eq!(run.code, Some(255), "{}", run.text);
    run.says("too long for this NATS server, which takes at most 1048576");
    let run = cluster.run_while("-w echo --bin echo --time-limit 6", 1, |cluster| {
        let other = cluster.run("-w echo --bin echo --time-limit 1");
        assert_eq!(other.code, Some(255));
        other.says("are busy with another run");
    });
    run.assert_valid();
}
