//! How many steps a second a cluster takes of counters that gossip.

use std::time::Duration;

use g_counter::Counter;
use g_counter::counter::Request;
use g_counter::injected_bugs::Bugs;
use maelstrom::machine::draw_incarnation;
use simulator::cluster::{Cluster, Conditions};
use simulator::{Latency, LatencyDist};
use tokio::time::Instant;

fn main() {
    let latency = Latency { mean: Duration::from_millis(10), dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut cluster = Cluster::new(5, 1, conditions, |members, mut rng, _| {
        Counter::new(members, draw_incarnation(&mut rng), Bugs::default())
    });
    let begun = Instant::now();
    let load = cluster.load(Duration::from_secs(5_000), 10.0, |cluster, node| {
        cluster.ask(node, Request::Add(1.into()));
    });
    load.unwrap();
    let (steps, seconds) = (cluster.steps(), begun.elapsed().as_secs_f64());
    eprintln!("g-counter, 5 nodes: {:.0} steps a second", steps as f64 / seconds);
}
