//! How soon every node shows what one of them acknowledged, and how much nodes say when
//! clients ask for nothing.

use std::time::Duration;

use broadcast_experiments::{over, table};
use checkers::nearest_rank;
use maelstrom::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simulator::{Links, Scenario};

use crate::nodes::Kind;

/// The sizes of clusters that are measured.
const NODES: [usize; 3] = [2, 5, 25];
/// One way, in milliseconds.
const LATENCIES: [u64; 2] = [0, 100];
/// How many values are spread.
const VALUES: u64 = 10;
/// Between one value and the next: no multiple of anything.
const PAUSE: Duration = Duration::from_millis(1237);
/// What takes longer is taken as this.
const LONGEST: Duration = Duration::from_secs(60);
/// From the last value until nodes are taken to be idle.
const SETTLED: Duration = Duration::from_secs(20);

/// How a node is told a value, and asked for it.
#[derive(Clone, Copy)]
pub(super) struct Register {
    node: &'static str,
    write: fn(&mut Scenario, usize, u64),
    shows: fn(&mut Scenario, usize, u64) -> bool,
}

pub(super) const BROADCAST: Register = Register {
    node: "broadcast",
    write: |scene, node, value| {
        ask::<broadcast::Broadcast>(scene, node, &json!({"message": value}));
    },
    shows: |scene, node, value| {
        let read = ask::<broadcast::Read>(scene, node, &json!({}));
        read["messages"].as_array().is_some_and(|values| values.contains(&json!(value)))
    },
};

pub(super) const COUNTER: Register = Register {
    node: "g-counter",
    write: |scene, node, _| {
        ask::<g_counter::Add>(scene, node, &json!({"delta": 1}));
    },
    shows: |scene, node, value| {
        let read = ask::<g_counter::Read>(scene, node, &json!({}));
        read["value"].as_u64().is_some_and(|sum| sum > value)
    },
};

pub(super) const KAFKA_LOG: Register = Register {
    node: "kafka-log",
    write: |scene, node, value| {
        ask::<kafka_log::Send>(scene, node, &json!({"key": value.to_string(), "msg": value}));
    },
    shows: |scene, node, value| {
        let key = value.to_string();
        let polled = ask::<kafka_log::Poll>(scene, node, &json!({"offsets": {&key: 0}}));
        polled["msgs"][&key][0].is_array()
    },
};

pub(super) const TXN_KV: Register = Register {
    node: "txn-kv",
    write: |scene, node, value| {
        ask::<txn_kv::Txn>(scene, node, &json!({"txn": [["w", value, value]]}));
    },
    shows: |scene, node, value| {
        let read = ask::<txn_kv::Txn>(scene, node, &json!({"txn": [["r", value, null]]}));
        read["txn"][0][2] == json!(value)
    },
};

const REGISTERS: [Register; 4] = [BROADCAST, COUNTER, KAFKA_LOG, TXN_KV];

/// The reply to a request that is given as JSON; null if there is none.
fn ask<R>(scene: &mut Scenario, node: usize, request: &Value) -> Value
where
    R: Request + Serialize + DeserializeOwned,
    R::Reply: Serialize + DeserializeOwned,
{
    let request = serde_json::from_str::<R>(&request.to_string()).ok();
    let reply = request.and_then(|request| scene.ask(node, &request).ok());
    // By way of text: some replies contain text that is passed on as it came.
    let text = reply.and_then(|reply| serde_json::to_string(&reply).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

impl Register {
    /// A cluster of such nodes that has just started.
    pub(super) fn scene(
        &self,
        nodes: usize,
        latency: u64,
        links: Links,
    ) -> anyhow::Result<Scenario> {
        Ok(Kind::find(self.node)?
            .simulation()?
            .nodes(nodes)
            .latency(latency)
            .links(links)
            .scenario())
    }

    /// Has a node acknowledge a value.
    pub(super) fn write(&self, scene: &mut Scenario, node: usize, value: u64) {
        (self.write)(scene, node, value);
    }

    /// Whether a node shows it.
    pub(super) fn shows(&self, scene: &mut Scenario, node: usize, value: u64) -> bool {
        (self.shows)(scene, node, value)
    }

    /// How long each of many values takes from its acknowledgement to all nodes, in ms,
    /// in order.
    pub(super) fn spread(&self, scene: &mut Scenario, nodes: usize) -> Vec<u128> {
        scene.run_for(SETTLED);
        let mut took: Vec<u128> = Vec::new();
        for value in 0..VALUES {
            self.write(scene, value as usize * 7 % nodes, value);
            took.push(self.until_everywhere(scene, nodes, value).as_millis());
            scene.run_for(PAUSE);
        }
        took.sort_unstable();
        took
    }

    /// To a millisecond.
    fn until_everywhere(&self, scene: &mut Scenario, nodes: usize, value: u64) -> Duration {
        let began = scene.now();
        let mut missing: Vec<usize> = (0..nodes).collect();
        loop {
            // Whoever is asked after those that lack it would be asked in vain.
            while missing.last().is_some_and(|&node| self.shows(scene, node, value)) {
                missing.pop();
            }
            if missing.is_empty() || scene.now() - began > LONGEST {
                return scene.now() - began;
            }
            scene.run_for(Duration::from_millis(1));
        }
    }

    /// Messages a second between nodes and services, after some values.
    fn idle(&self, scene: &mut Scenario, nodes: usize) -> f64 {
        for value in 0..VALUES {
            self.write(scene, value as usize * 7 % nodes, value);
            scene.run_for(PAUSE / 10);
        }
        scene.run_for(SETTLED);
        let before = scene.net_counts().servers.send_count;
        scene.run_for(LONGEST);
        (scene.net_counts().servers.send_count - before) as f64 / LONGEST.as_secs_f64()
    }
}

/// A row for each node and latency, a column for each size of a cluster.
fn rows(
    what: &str,
    cell: impl Fn(&Register, &mut Scenario, usize) -> String + Sync,
) -> anyhow::Result<String> {
    let cases = REGISTERS.len() * LATENCIES.len() * NODES.len();
    let cells = over(0..cases as u64, |case| {
        let (row, nodes) = (case as usize / NODES.len(), NODES[case as usize % NODES.len()]);
        let register = &REGISTERS[row / LATENCIES.len()];
        let latency = LATENCIES[row % LATENCIES.len()];
        let mut scene = register.scene(nodes, latency, Links::default())?;
        Ok(cell(register, &mut scene, nodes))
    })?;
    let rows = cells.chunks(NODES.len()).enumerate().map(|(row, cells)| {
        let node = REGISTERS[row / LATENCIES.len()].node;
        let latency = LATENCIES[row % LATENCIES.len()];
        format!("{node}, {latency} ms a hop | {}", cells.join(" | "))
    });
    let sizes = NODES.map(|nodes| format!("{nodes} nodes")).join(" | ");
    Ok(table(&format!("{what} | {sizes}"), rows))
}

/// How long what is acknowledged takes until all nodes show it.
pub(super) fn visible() -> anyhow::Result<String> {
    rows("ms, median / longest", |register, scene, nodes| {
        let took = register.spread(scene, nodes);
        let [median, longest] = [0.5, 1.0].map(|at| nearest_rank(&took, at).unwrap_or_default());
        format!("{median} / {longest}")
    })
}

/// How much nodes say in a minute in which clients ask for nothing.
pub(super) fn idle() -> anyhow::Result<String> {
    rows("messages a second", |register, scene, nodes| {
        format!("{:.1}", register.idle(scene, nodes))
    })
}
